"""A service of its own: `renmai serve` in a process, over a private PostgreSQL, for tests that look at the whole."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from app.embedded import EmbeddedPostgres

REPO = Path(__file__).parents[1]
PASSWORD = "kranich-ueber-dem-jangtse-7"


class Service:
    """`renmai serve` over a private PostgreSQL of its own, as `make run` starts it, without the demo world."""

    def __init__(self, home: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RENMAI_")}
        ours = {"VAR_DIR": str(home / "var"), "PORT": "0", "RATE_LIMIT": "0", "LOG_LEVEL": "WARNING"} | settings
        self.env = kept | {f"RENMAI_{name}": value for name, value in ours.items()} | {"PYTHONPATH": str(REPO)}
        self._home = home
        self._child: subprocess.Popen[str] | None = None
        self.log = home / "service.log"
        self.database = EmbeddedPostgres(home / "var")
        self.url = ""

    def command(self, *words: str, **env: str) -> None:
        """Run another `renmai` command beside the service."""
        args = [sys.executable, "-m", "app.cli", *words]
        subprocess.run(args, cwd=self._home, env=self.env | env, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def start(self) -> None:
        """Return when it listens; it says so itself, and where."""
        with self.log.open("a") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "serve"],
                cwd=self._home,  # away from any .env
                env=self.env,
                stdout=log,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert self._child.stderr is not None
        said = []
        for line in self._child.stderr:
            said.append(line)
            if found := re.search(r"listens on (http://\S+)", line):
                self.url = found[1]
                return
        raise AssertionError("the service did not start: " + "".join(said))

    def postmaster(self) -> int:
        return int((self.database.data_dir / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        assert self._child is not None
        self._child.kill()

    def end(self) -> None:
        """After a kill, or politely."""
        if self._child is not None:
            self._child.terminate()
            self._child.communicate(timeout=30)
            self._child = None


@asynccontextmanager
async def signed_in(service: Service, org: str, username: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the token of a fresh login."""
    device = {"id": "served", "name": "测试手机", "platform": "android"}
    body = {"org": org, "username": username, "password": PASSWORD, "device": device}
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        answer = await client.post("/v1/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client
