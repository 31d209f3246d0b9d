"""What a watcher of the database would read: the statements, never their parameters."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest


@contextmanager
def overheard(statements: set[str]) -> Iterator[None]:
    """The text of every statement that any connection of this process is given, without its parameters."""
    prepare, execute = asyncpg.Connection._get_statement, asyncpg.Connection.execute

    async def hear_prepare(self: Any, query: str, *args: Any, **named: Any) -> Any:
        statements.add(query)
        return await prepare(self, query, *args, **named)

    async def hear_execute(self: Any, query: str, *args: Any, **named: Any) -> Any:
        statements.add(query)
        return await execute(self, query, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "_get_statement", hear_prepare)
        patch.setattr(asyncpg.Connection, "execute", hear_execute)
        yield
