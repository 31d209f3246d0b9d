"""Looking for a person in a database as a thief would: every column of every table, in every spelling."""

import base64
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

import asyncpg

from app.config import Settings

# Tables of everybody, and what the planner remembers of their values.
_COLUMNS = """
SELECT c.oid::regclass::text AS name, array_agg(
    CASE a.atttypid WHEN 'bytea'::regtype THEN quote_ident(a.attname)
                    ELSE format('convert_to(%I::text, ''UTF8'')', a.attname) END ORDER BY a.attnum) AS columns
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND (n.nspname NOT IN ('pg_catalog', 'information_schema') OR c.relname = 'pg_statistic')
GROUP BY c.oid
"""


def spellings(canary: str) -> set[bytes]:
    """A text as bytes: UTF-8, UTF-16, base64 at every offset, hex, as a URL and as JSON escape it."""
    found = {canary.encode("unicode_escape"), quote(canary).encode()}
    for raw in (canary.encode(), canary.encode("utf-16-le"), canary.encode("utf-16-be")):
        found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
        for offset, begins in enumerate((0, 2, 3)):
            whole = (offset + len(raw)) * 8 // 6  # the character after these depends on what follows, too
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                found.add(encode(b"\0" * offset + raw)[begins:whole])
    return found


async def scan(connection: asyncpg.Connection, canaries: Iterable[str]) -> set[tuple[str, str]]:
    """Table and canary, wherever one is found by this superuser."""
    told = {spelling: canary for canary in canaries for spelling in spellings(canary)}
    assert min(map(len, told)) >= 6, "shorter ones are found everywhere"
    wanted = re.compile(b"|".join(re.escape(one) for one in sorted(told)))
    found = set()
    async with connection.transaction():
        for table in await connection.fetch(_COLUMNS):
            # Names come from the catalogue.
            statement = f"SELECT {', '.join(table['columns'])} FROM {table['name']}"
            async for row in connection.cursor(statement, prefetch=500):
                for cell in row:
                    found |= {(table["name"], told[one]) for one in wanted.findall(cell or b"")}
    return found


@asynccontextmanager
async def stolen(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """The database of the tests in the hands of a superuser; the planner has just looked at it."""
    url = urlsplit(settings.database_url or "")
    connection = await asyncpg.connect(url._replace(netloc="postgres@").geturl())
    try:
        await connection.execute("ANALYZE")
        yield connection
    finally:
        await connection.close()
