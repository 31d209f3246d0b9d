"""What tables and wire classes share: the base columns, the text types, the strict wire base."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema
from pydantic import Field as Bound
from pydantic_core import PydanticCustomError
from sqlalchemy import text
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from app.domain.dossier import china_date

# Text the service stores as it was sent. Control characters are refused (C0, DEL, C1; a block may have tabs and line
# feeds); NUL and lone surrogates never get here.
LINE = r"^[^\x00-\x1F\x7F-\x9F]*$"
BLOCK = r"^[^\x00-\x08\x0B-\x1F\x7F-\x9F]*$"

Line20 = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=LINE)]
Line50 = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=LINE)]
Line100 = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE)]
Line200 = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE)]
Block2000 = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=BLOCK)]
ScopeName = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z_]+:[a-z_]+$")]
Version = Annotated[int, Bound(ge=1, le=2_147_483_647, json_schema_extra={"format": "int32"})]
Number = Annotated[int, Bound(ge=-(2**53), le=2**53, json_schema_extra={"format": "int64"})]
# Results may be larger than what a person may enter: up to the last integer a phone reads exactly.
ResultFen = Annotated[int, Bound(ge=0, le=2**53 - 1, json_schema_extra={"format": "int64"})]


def _only_hyphenated(value: Any) -> Any:
    """An id is its 36 characters; pydantic alone would also take 32 digits, braces and a URN."""
    if isinstance(value, str) and len(value) != 36:
        raise PydanticCustomError("uuid_parsing", "not a UUID of 36 characters")
    return value


def _only_number(value: Any) -> Any:
    """What JSON Schema calls an integer: 7 and 7.0; pydantic alone would also take "7" and true."""
    if isinstance(value, (str, bool)):
        raise PydanticCustomError("int_type", "not a number")
    return value


def _only_word(value: Any) -> Any:
    """A flag in a query is true or false; pydantic alone would also take 1, on, y and their like."""
    if value not in ("true", "false"):
        raise PydanticCustomError("literal_error", "neither true nor false")
    return value


def _only_text(value: Any) -> Any:
    """A date is YYYY-MM-DD; pydantic alone would also take seconds since 1970 and midnights."""
    if not isinstance(value, str):
        raise PydanticCustomError("date_type", "not a date")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise PydanticCustomError("string_pattern_mismatch", "not YYYY-MM-DD")
    return value


# Years in which every offset is still a time the database and an id of version 7 can hold.
_DAY = r"(19[789][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}"
_INSTANT = rf"^{_DAY}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]{{1,6}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})$"


def _only_instant(value: Any) -> Any:
    """A moment is RFC 3339 with its offset; pydantic alone would also take seconds since 1970 and local times."""
    if isinstance(value, (int, float)):
        raise PydanticCustomError("datetime_type", "not a time")
    if isinstance(value, str) and not re.fullmatch(_INSTANT, value):
        raise PydanticCustomError("string_pattern_mismatch", "not RFC 3339")
    return value


Id = Annotated[UUID, BeforeValidator(_only_hyphenated)]
Flag = Annotated[bool, BeforeValidator(_only_word)]
# The driver writes the last day there is as infinity, and no answer could tell it any more.
CalendarDate = Annotated[date, Bound(lt=date.max), BeforeValidator(_only_text)]
Instant = Annotated[
    datetime,
    BeforeValidator(_only_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _INSTANT}),
]
WHOLE = BeforeValidator(_only_number)
"""Stands last in `Annotated[int, Bound(ge=…), WHOLE]`: bounds behind a validator get lost in the document."""
Fen = Annotated[int, Bound(ge=0, le=10**15, json_schema_extra={"format": "int64"}), WHOLE]


PageSize = Annotated[int, Bound(ge=1, le=200, json_schema_extra={"format": "int32"}), WHOLE]
Cursor = Annotated[str, StringConstraints(max_length=600, pattern=r"^[A-Za-z0-9_-]+$")]


def decimals(places: int) -> AfterValidator:
    """A fraction with so many decimals: beyond the noise of binary fractions, one more is refused, because rounding it
    would change what was sent.
    """

    def check(value: float) -> float:
        if abs(value - round(value, places)) > 1e-12:
            raise PydanticCustomError("string_pattern_mismatch", "too many decimals")
        return round(value, places)

    return AfterValidator(check)


def _each_once(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("too_long", "one stands twice")
    return values


EACH_ONCE = AfterValidator(_each_once)


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


def china_today() -> date:
    """The day it is in China, where the agents are."""
    return china_date(utc_now())


def absent(description: str | None = None) -> Any:
    """Default of a member that may be left out but never be null (null is then a 422, not a 500)."""
    return Bound(default=None, description=description)


class Wire(SQLModel):
    """A request or an answer: unknown members are refused. In bodies integers are WHOLE, ids `Id`, flags strict:
    pydantic alone would coerce silently.
    """

    model_config = ConfigDict(extra="forbid")  # type: ignore[assignment]  # SQLModel narrows the type of its config


class TenantRow(SQLModel):
    """The columns every tenant table has. `row_seq` is the database's own and not mapped.

    `version` is the ETag: `db` raises it by one on every changed row, and whoever changes a row has read it
    `FOR UPDATE`, so no update is lost.
    """

    __collection__: ClassVar[str | None] = None

    org_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now, sa_column_kwargs={"onupdate": utc_now})
    version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    deleted_at: datetime | None = None


class PageQuery(Wire):
    """What every list takes: how many, and where to go on."""

    limit: int = Bound(default=50, ge=1, le=200, json_schema_extra={"format": "int32"}, description="Rows a page")
    cursor: Cursor | None = Bound(default=None, description="`next_cursor` of the page before")
