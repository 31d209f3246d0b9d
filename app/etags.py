"""Strong ETags from row versions, and the conditions clients state with them (RFC 9110 8.8.3, 13.1)."""

import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

from app.errors import Issue, Malformed, PreconditionFailed, PreconditionRequired

# Proxies turn "7" into W/"7": the weak mark is dropped.
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')
_TAGS = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")
MAX_ONE, MAX_LIST = 80, 2000  # characters of a header with one tag, with a list of them


@dataclass(frozen=True, slots=True)
class Document:
    """One resource as it goes over the wire: finished JSON, its version, its id."""

    body: bytes
    version: int
    id: UUID


def tag(version: int | str) -> str:
    """The ETag of a version: `"7"`."""
    return f'"{version}"'


def tag_with(version: int, body: bytes) -> str:
    """The ETag of a body that also tells of other rows than the one with the version: `"7.1a2b3c4d"`.

    What it tells may change under the same version; a change of the row (If-Match) asks for the version only.
    """
    return tag(f"{version}.{hashlib.sha256(body).hexdigest()[:8]}")


def _tags(header: str, name: str, longest: int) -> list[str]:
    if len(header) > longest or not _TAGS.fullmatch(header):
        raise Malformed(issues=[Issue("pattern", header=name)])
    return _TAG.findall(header)


def wanted_version(if_match: str | None) -> int:
    """The version an If-Match header names; 0 when the tag is not one of ours (it will match nothing).

    Raises:
        PreconditionRequired: the header is missing. `*` counts as missing: it would allow lost updates.
        Malformed: it is no entity tag.
    """
    if if_match is None or if_match.strip() == "*":
        raise PreconditionRequired
    tags = _tags(if_match, "If-Match", MAX_ONE)
    if len(tags) != 1:
        raise Malformed(issues=[Issue("repeated", header="If-Match")])
    found = re.fullmatch(r"([1-9][0-9]{0,9})(\.[0-9a-f]{8})?", tags[0])
    return int(found[1]) if found else 0


def check(current: int, wanted: int) -> None:
    """Refuse a change based on another version than the stored one."""
    if current != wanted:
        raise PreconditionFailed(current)


def is_unchanged(if_none_match: str | None, current: str) -> bool:
    """True when the client already holds this version (`304`).

    Raises:
        Malformed: the header is neither `*` nor a list of entity tags. A client whose tags we cannot read would
            otherwise load everything anew each time, and nobody would notice.
    """
    if if_none_match is None:
        return False
    if if_none_match == "*":
        return True
    return current in _tags(if_none_match, "If-None-Match", MAX_LIST)
