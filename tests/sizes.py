"""How much the long tests try: in every run a part, and all that a promise names with `RENMAI_FULL=1`."""

import os

IS_FULL = os.environ.get("RENMAI_FULL") == "1"


def much(full: int, usual: int) -> int:
    """The whole number, or the usual one."""
    return full if IS_FULL else usual
