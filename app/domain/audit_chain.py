"""The chain over audit events: what is hashed and signed, byte for byte.

Every event of an organisation has a position. `h` of a position is SHA-256 over the `h` before it, the position and all
columns of the event, each with its length in front, so that nothing can move from one column to the next. An anchor is
a signed statement that the chain had this `h` at this position. Whoever holds an anchor can tell any later change,
insertion, deletion, new order and truncation of what came before.
"""

import hashlib
from collections.abc import Iterable, Sequence
from uuid import UUID

GENESIS = bytes(32)  # the `h` before the first event
_LINK, _ANCHOR = b"audit/v1", b"audit-anchor/v1"
_NULL = b"\xff\xff\xff\xff"  # no length: a null is not an empty text
# Columns in the order in which they are hashed, each as PostgreSQL's binary form of it (`*send`).
COLUMNS = (
    ("org_id", "uuid_send"),
    ("id", "uuid_send"),
    ("xid", "xid8send"),
    ("at", "timestamptz_send"),
    ("actor_id", "uuid_send"),
    ("actor_kind", "textsend"),
    ("session_id", "uuid_send"),
    ("device_id", "textsend"),
    ("device_kind", "textsend"),
    ("action", "textsend"),
    ("object_type", "textsend"),
    ("object_id", "uuid_send"),
    ("person_id", "uuid_send"),
    ("other_person_id", "uuid_send"),
    ("detail::text", "textsend"),  # jsonb writes its members in one order and one spelling
    ("request_id", "textsend"),
)


def joined(parts: Iterable[bytes | None]) -> bytes:
    """All parts, each with its length in four bytes in front."""
    return b"".join(_NULL if part is None else len(part).to_bytes(4, "big") + part for part in parts)


def link(before: bytes, pos: int, event: Sequence[bytes | None]) -> bytes:
    """The `h` of a position.

    Args:
        before: the `h` of the position before; GENESIS for the first.
        pos: from 1.
        event: the columns, as COLUMNS.
    """
    return hashlib.sha256(joined((_LINK, before, pos.to_bytes(8, "big"))) + joined(event)).digest()


def statement(org_id: UUID, number: int, pos: int, h: bytes, made_at: int, kid: str) -> bytes:
    """What an anchor signs.

    Args:
        number: of the anchors of the organisation, from 1 without a gap.
        made_at: microseconds since 1970.
    """
    numbers = (number.to_bytes(8, "big"), pos.to_bytes(8, "big"), made_at.to_bytes(8, "big", signed=True))
    return joined((_ANCHOR, org_id.bytes, *numbers, h, kid.encode()))
