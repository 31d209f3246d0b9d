"""Printed documents: a report goes in, a PDF comes out, and other requests are served meanwhile.

Each document is set by a child of its own (`app/typeset.py`), at most `AT_ONCE` of them in a process; the next wait for
their turn, and no longer than one document may take.
"""

import asyncio
import os
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, time
from typing import Final
from weakref import WeakKeyDictionary

import orjson

from app import typeset
from app.domain.proposal_page import page
from app.domain.proposal_report import ProposalReport

AT_ONCE: Final = 2
SECONDS: Final = 20.0  # for waiting and setting; the demo household takes a third of one
_WORDS: Final = {typeset.FONT_MISSING: "font-missing", typeset.TYPST_MISSING: "typst-missing"}
# All the child is told of the environment: a service's own may hold any secret, not only ours.
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
_GATES: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class ReportFailed(Exception):
    """No document came out. `code`: font-missing, typst-missing (an operator has to install), timeout, failed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def render(report: ProposalReport, *, seconds: float = SECONDS) -> bytes:
    """The proposal as a PDF; the same report gives the same bytes.

    Args:
        seconds: how long the caller waits, for his turn too.

    Raises:
        ReportFailed: see its codes.
    """
    try:
        async with asyncio.timeout(seconds), _gate():
            return await _in_a_process(await asyncio.to_thread(_order, report, seconds))
    except TimeoutError:
        raise ReportFailed("timeout") from None


def _order(report: ProposalReport, seconds: float) -> bytes:
    """What the child is told. A large report takes 30 ms of Python: not in the loop."""
    return orjson.dumps(
        {
            "template": "proposal.typ",
            "timestamp": _midnight(report.prepared_on),
            "seconds": max(1, round(seconds)),
            "page": page(report),
        }
    )


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def _gate() -> asyncio.Semaphore:
    """One for each event loop: a semaphore belongs to the loop that first waited at it."""
    return _GATES.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


async def _in_a_process(order: bytes) -> bytes:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", typeset.__file__,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**kept, "RAYON_NUM_THREADS": "1"},  # a document is no reason to take every core
        start_new_session=True,  # Ctrl-C is for the service, which then ends its child
    )  # fmt: skip
    try:
        pdf, _ = await child.communicate(order)
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode != 0 or not pdf.startswith(b"%PDF"):
        raise ReportFailed(_WORDS.get(child.returncode or 0, "failed"))
    return pdf
