"""The service itself: health, metrics, published keys, the pages behind problem types."""

import html
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Path, Request, Response
from pydantic import Field as Bound

from app import db, deps, keyring, logs
from app.error_words import TITLES
from app.errors import NotFound, Unavailable
from app.models.base import Wire
from app.openapi import IF_NONE_MATCH

router = APIRouter(tags=["service"])


class Health(Wire):
    """The state of this process."""

    status: Literal["ok"]


class Jwk(Wire):
    """A public key (RFC 7517)."""

    kty: str = Bound(max_length=10)
    crv: str = Bound(max_length=20)
    x: str = Bound(max_length=100)
    y: str = Bound(max_length=100)
    kid: str = Bound(max_length=64)
    use: str = Bound(max_length=10)
    alg: str = Bound(max_length=20)


class Jwks(Wire):
    """The keys that verify our access tokens."""

    keys: list[Jwk] = Bound(max_length=20)


@router.get("/health/live", response_model=Health, summary="Is the process alive")
async def get_liveness(request: Request) -> Health:
    """Answers without asking the database."""
    deps.refuse_unknown_query(request)
    return Health(status="ok")


@router.get("/health/ready", response_model=Health, summary="Can it serve")
async def get_readiness(request: Request) -> Health:
    """503 while the database cannot be reached."""
    deps.refuse_unknown_query(request)
    if not await db.is_reachable():
        raise Unavailable(retry_after=2)
    return Health(status="ok")


@router.get("/metrics", response_class=Response, summary="Prometheus metrics", include_in_schema=False)
async def get_metrics(request: Request) -> Response:
    """Counters with bounded labels; no person, no id."""
    deps.refuse_unknown_query(request)
    return Response(logs.metrics_text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/.well-known/jwks.json", response_model=Jwks, summary="Public signing keys", openapi_extra=IF_NONE_MATCH)
async def get_jwks(request: Request) -> Response:
    """The JWK set of the access tokens; cacheable."""
    deps.refuse_unknown_query(request)
    table = keyring.current().table
    if table is None:
        raise Unavailable
    body = orjson.dumps(table.jwks())
    return deps.answer_cacheable(request, body, deps.content_tag(body))


@router.get("/problems/{code}", response_class=Response, summary="What an error means", include_in_schema=False)
async def get_problem(request: Request, code: Annotated[str, Path(max_length=60, pattern=r"^[a-z0-9-]+$")]) -> Response:
    """The page behind the `type` of a problem, in both languages."""
    deps.refuse_unknown_query(request)
    titles = TITLES.get(code.replace("-", "_"))
    if titles is None:
        raise NotFound
    zh, en = (html.escape(title) for title in titles)
    page = f"<!doctype html><meta charset=utf-8><title>{code}</title><h1>{code}</h1><p lang=zh>{zh}<p lang=en>{en}"
    return Response(page, media_type="text/html; charset=utf-8", headers={"Cache-Control": "public, max-age=3600"})
