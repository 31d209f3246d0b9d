"""`python -m bench.lost_phone`: how long after its session was ended is a phone still answered, on any worker?

Starts a demo service with several workers on the loopback address, ends a hundred sessions one after the other, and
asks on fresh connections (the kernel deals them out to the workers) until nobody answers any more. Prints the
distribution in milliseconds; the promise is one second. Nothing stays behind.
"""

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

_ROOT = Path(__file__).resolve().parents[1]
_PASSWORD = "renmai-demo-2026"
_PROMISE = 1.0
_QUIET = 0.25  # seconds without an answer, past the promise's time, after which nothing more is expected


def main() -> None:
    """Measure and print; exit status 1 when one phone was answered for longer than a second."""
    parser = argparse.ArgumentParser(prog="python -m bench.lost_phone", description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="renmai-bench-") as name:
        home = Path(name)
        home.chmod(0o755)  # as root the database runs under another account, which must get in
        with _serving(home, options.workers) as url:
            found = asyncio.run(_measure(url, options.times))
    times = sorted(round(1000 * seconds) for seconds in found)
    print(
        f"{len(times)} sessions ended, {options.workers} workers: last answer after "
        f"median {statistics.median(times):.0f} ms, max {times[-1]} ms"
    )
    sys.exit(times[-1] > 1000 * _PROMISE)


@contextmanager
def _serving(home: Path, workers: int) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RENMAI_")} | {
        "RENMAI_VAR_DIR": str(home),
        "RENMAI_PORT": str(port),
        "RENMAI_WORKERS": str(workers),
        "RENMAI_RATE_LIMIT": "0",
        "RENMAI_LOG_LEVEL": "ERROR",
        "PYTHONPATH": str(_ROOT),
    }
    command = [sys.executable, "-m", "app.cli", "serve", "--demo"]
    service = subprocess.Popen(command, cwd=home, env=environment, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                if httpx.get(f"{url}/health/ready", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        else:
            raise SystemExit("the service did not become ready")
        yield url
    finally:
        service.terminate()
        service.wait(30)


async def _measure(url: str, times: int) -> list[float]:
    device = {"id": "bench", "name": "bench", "platform": "cli"}
    body: dict[str, Any] = {"org": "wuhan", "username": "agent1", "password": _PASSWORD, "device": device}
    async with httpx.AsyncClient(base_url=url) as client:
        keeper = (await client.post("/v1/auth/login", json=body)).raise_for_status().json()
        found = []
        for _ in range(times):
            phone = (await client.post("/v1/auth/login", json=body)).raise_for_status().json()
            # Every worker shall remember the phone when its session is ended.
            await asyncio.gather(*(_ask(url, phone["access_token"]) for _ in range(12)))
            ended = await client.delete(
                f"/v1/auth/sessions/{phone['session_id']}",
                headers={"Authorization": f"Bearer {keeper['access_token']}"},
            )
            if ended.status_code == 401:  # its ten minutes are over
                keeper = (await client.post("/v1/auth/login", json=body)).raise_for_status().json()
                continue
            found.append(await _last_answer(url, phone["access_token"], time.perf_counter()))
        return found


async def _last_answer(url: str, token: str, started: float) -> float:
    last = 0.0
    while (now := time.perf_counter() - started) < _PROMISE or now - last < _QUIET:
        answers = await asyncio.gather(*(_ask(url, token) for _ in range(4)))
        if 200 in answers:
            last = time.perf_counter() - started
    return last


async def _ask(url: str, token: str) -> int:
    async with httpx.AsyncClient(base_url=url) as fresh:
        return (await fresh.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code


if __name__ == "__main__":
    main()
