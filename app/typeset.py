"""Setting one document, in a process of its own: `python -I app/typeset.py`.

Why a process: Typst gives the interpreter's lock back, so a thread would not hold up the service; but a thread cannot
be ended when it takes too long, its memory (80 MB for a common document, 215 for the largest) would stay with the
service, and a fault inside the compiler would take the service along. The child starts in a tenth of a second, and ends
with its document.

It is told what to set by one JSON text on its standard input (`template`, `timestamp`, `seconds`, `page`), and answers
with the PDF on its standard output. What it cannot do it says in one word on its standard error: a compiler's own
message would quote what somebody's file holds. It imports nothing of the service.
"""

import json
import os
import resource
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"
FONT_PACKAGE = "manimgx_fonts_cjk"  # Noto Sans CJK, unmodified, under the SIL Open Font License 1.1
FAMILY = "Noto Sans CJK SC"
MEMORY = 2 * 1024**3  # bytes of address space
FONT_MISSING, TYPST_MISSING, REFUSED = 3, 4, 5


class Failed(Exception):
    """It cannot be set; `status` is what the process ends with."""

    def __init__(self, status: int, word: str) -> None:
        super().__init__(word)
        self.status = status


def font_folder(package: str = FONT_PACKAGE) -> str:
    """Where the font lies.

    Raises:
        Failed: the package is not installed.
    """
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise Failed(FONT_MISSING, "font-missing")
    return str(next(iter(found.submodule_search_locations)))


def typeset(order: dict[str, Any]) -> bytes:
    """The PDF. The same order gives the same bytes: no clock, no font of the machine, no package from elsewhere.

    Raises:
        Failed: the font or Typst is missing, or Typst refused.
    """
    folder = font_folder(order.get("font_package", FONT_PACKAGE))
    try:
        import typst
    except ImportError:
        raise Failed(TYPST_MISSING, "typst-missing") from None
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])
    if FAMILY not in fonts.families():
        raise Failed(FONT_MISSING, "font-missing")
    compiler = typst.Compiler(
        input=str(TEMPLATES / order["template"]),
        root=str(TEMPLATES),
        font_paths=fonts,
        ignore_system_fonts=True,
        sys_inputs={"page": json.dumps(order["page"]), "font": FAMILY},
    )
    try:
        pdf = compiler.compile(format="pdf", timestamp=int(order["timestamp"]))
    except typst.TypstError:
        if os.environ.get("TYPESET_DEBUG"):  # at a developer's table; the service never sets it
            raise
        raise Failed(REFUSED, "refused") from None
    assert isinstance(pdf, bytes)
    return pdf


def _bound(seconds: int) -> None:
    # The last: a core would hold a customer's file.
    for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # this machine has a lower one, or knows none
            resource.setrlimit(kind, (most, most))


def main() -> int:
    order = json.loads(sys.stdin.buffer.read())
    _bound(int(order["seconds"]))
    try:
        pdf = typeset(order)
    except Failed as failed:
        sys.stderr.write(str(failed))
        return failed.status
    sys.stdout.buffer.write(pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
