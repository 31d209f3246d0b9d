"""What no operation declares is refused and never ignored: here, a body where the operation has none."""

from fastapi import Request

from app.errors import Malformed

_EMPTY = (b"", b"{}")
"""Some HTTP libraries cannot POST without a body; an empty object says nothing, so nothing is ignored."""


async def refuse_body(request: Request) -> None:
    """A dependency of every route. GET and its like never have a body by now: see `guard`.

    Raises:
        Malformed: the body says something, and the operation takes none.
    """
    if request.method in ("POST", "PUT", "PATCH") and request.scope["route"].body_field is None:
        body = await request.body()
        if body.strip() not in _EMPTY:
            raise Malformed
