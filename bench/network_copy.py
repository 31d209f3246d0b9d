"""Arrays as a binary COPY stream: some million rows a minute, where Python objects would take ten times as long.

A row is laid out at its greatest width together with a mask of the bytes that count; what remains of both is the
stream (PostgreSQL manual, "COPY", binary format: all numbers big-endian, each field with its length before it).
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import asyncpg
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

NEVER = np.iinfo(np.int64).min  # null, in a column of numbers
_EPOCH = date(2000, 1, 1).toordinal() - date(1970, 1, 1).toordinal()  # days
_ROWS = 50_000  # laid out at a time
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Column:
    """Payloads side by side; of each row the first `length` bytes count, -1 is null."""

    payload: Bytes
    length: npt.NDArray[np.int32]


def fixed(payload: Bytes) -> Column:
    """The same width in every row, as uuids have."""
    return Column(payload, np.full(len(payload), payload.shape[1], np.int32))


def dates(days: Ints) -> Column:
    """Days since 1970, or NEVER."""
    return _numbers(days, ">i4", -_EPOCH)


def times(milliseconds: Ints) -> Column:
    """Times with time zone from milliseconds since 1970."""
    return fixed(_raw(((milliseconds - _EPOCH * 86_400_000) * 1000).astype(">i8")))


def parts(thousandths: Ints) -> Column:
    """Numerics with three places from thousandths between 1 and 999, or NEVER.

    A numeric is a count of digits to the base of 10,000, the weight of the first, the sign, the decimals to show, the
    digits: here one digit of weight -1.
    """
    fields = np.empty((len(thousandths), 5), ">i2")
    fields[:] = (1, -1, 0, 3, 0)
    fields[:, 4] = np.where(thousandths == NEVER, 0, thousandths * 10)
    return Column(_raw(fields), np.where(thousandths == NEVER, -1, 10).astype(np.int32))


def chosen(pool: Sequence[str | bytes | None], index: Ints) -> Column:
    """For each row one text (or raw field) of a small pool; None is null."""
    fields = [text.encode() if isinstance(text, str) else text or b"" for text in pool]
    width = max(1, *(len(field) for field in fields))
    table = np.frombuffer(b"".join(field.ljust(width, b"\0") for field in fields), np.uint8).reshape(-1, width)
    lengths = np.array([-1 if text is None else len(field) for text, field in zip(pool, fields, strict=True)], np.int32)
    return Column(table[index], lengths[index])


def raw(fields: Sequence[bytes | None]) -> Column:
    """For each row its own bytes; None is null."""
    width = max(1, *(len(field or b"") for field in fields))
    table = np.frombuffer(b"".join((field or b"").ljust(width, b"\0") for field in fields), np.uint8).reshape(-1, width)
    return Column(table, np.array([-1 if field is None else len(field) for field in fields], np.int32))


def _numbers(values: Ints, kind: str, offset: int) -> Column:
    is_null = values == NEVER
    payload = _raw(np.where(is_null, 0, values + offset).astype(kind))
    return Column(payload, np.where(is_null, -1, payload.shape[1]).astype(np.int32))


def _raw(values: npt.NDArray[np.generic]) -> Bytes:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)


def _laid_out(columns: Sequence[Column]) -> bytes:
    """The rows of these columns, without the stream's head and tail."""
    count = len(columns[0].length)
    width = 2 + sum(4 + column.payload.shape[1] for column in columns)
    rows, kept = np.zeros((count, width), np.uint8), np.ones((count, width), np.bool_)
    rows[:, :2] = np.frombuffer(len(columns).to_bytes(2, "big"), np.uint8)
    at = 2
    for column in columns:
        room = column.payload.shape[1]
        rows[:, at : at + 4] = _raw(column.length.astype(">i4"))
        rows[:, at + 4 : at + 4 + room] = column.payload
        kept[:, at + 4 : at + 4 + room] = np.arange(room) < column.length[:, None]
        at += 4 + room
    return rows[kept].tobytes()


async def write(db: asyncpg.Connection, table: str, count: int, make: Mapping[str, Callable[[slice], Column]]) -> None:
    """Copy `count` rows; for each column `make` has a function from a slice of the rows to their fields."""

    async def stream() -> AsyncIterator[bytes]:
        yield _HEAD
        for begin in range(0, count, _ROWS):
            rows = slice(begin, min(begin + _ROWS, count))
            yield _laid_out([column(rows) for column in make.values()])
        yield _TAIL

    await db.copy_to_table(table, source=stream(), columns=list(make), format="binary")
