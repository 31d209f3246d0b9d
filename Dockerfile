# Stage 1: the locked packages in a virtual environment. python-jose comes without ecdsa and rsa (DECISIONS.md).
FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.lock /tmp/requirements.lock
RUN /opt/venv/bin/pip install --no-deps --require-hashes -r /tmp/requirements.lock

# Stage 2: the service, as an account that owns nothing.
FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 renmai && useradd --uid 10001 --gid renmai --no-create-home --shell /usr/sbin/nologin renmai
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/renmai
COPY app app
COPY migrations migrations
COPY openapi/openapi.json openapi/openapi.json
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    RENMAI_ENVIRONMENT=production RENMAI_HOST=0.0.0.0 RENMAI_PORT=8000
USER renmai
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=2); c.request('GET', '/health/ready', headers={'Host': __import__('os').environ['RENMAI_ALLOWED_HOSTS'].split(',')[0]}); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]
