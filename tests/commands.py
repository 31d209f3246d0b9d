"""Running a command of the operator as he runs it: arguments in; exit status and lines out."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from app import cli
from app.config import Settings
from tests.apart import apart


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


Run = Callable[..., Awaitable[Said]]


def runner(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against this worker's database, in a thread because it brings its own event loop."""

    async def command(*args: str, **env: str) -> Said:
        with apart(settings) as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            capsys.readouterr()
            try:
                await asyncio.to_thread(cli.main, list(args))
                status: object = 0
            except SystemExit as end:
                status = end.code
            said = capsys.readouterr()
        return Said(int(str(status or 0)), said.out, said.err)

    return command


def fails(said: Said, *words: str) -> None:
    """One line, no traceback, and it says what is wrong."""
    assert said.status == 1
    assert said.out == ""
    assert re.fullmatch(r"renmai: [^\n]+\n", said.err), said.err
    for word in words:
        assert word in said.err
