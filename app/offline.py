"""Ids made by a phone: what is sent twice under one id is stored once.

A phone without a network makes the id itself and sends until it hears an answer. The same id with the same body is
answered with what is stored; with another body, or from another user, the id is taken.
"""

from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import crypto, db, keyring
from app.access import Actor
from app.errors import Conflict, Issue, Unauthenticated


def digest(actor: Actor, *sent: bytes) -> bytes:
    """A keyed digest of who sent what (where, body), kept with the row: it says nothing about the content."""
    return crypto.keyed_hash(keyring.current().digests, b"".join((actor.id.bytes, *sent)))


def id_taken() -> Conflict:
    """The id holds something else."""
    return Conflict("id_taken", issues=[Issue("invalid", pointer="/id")])


async def queue_up(session: AsyncSession, actor: Actor) -> None:
    """Let the creations of one user pass one by one until the transaction ends.

    A retry that overtakes its first attempt must wait and see it done, or it would hear that its own id is taken.
    Where all that is created stands below one customer, the lock on him does the same. The lock is one that foreign
    keys to the user do not wait for.

    Raises:
        Unauthenticated: the caller was shut out meanwhile.
    """
    statement = "SELECT true FROM users WHERE org_id = $1 AND id = $2 AND disabled_at IS NULL FOR NO KEY UPDATE"
    if not await db.raw(session).fetchval(statement, actor.org_id, actor.id):
        raise Unauthenticated  # he was shut out while this waited


async def is_sent_before(session: AsyncSession, actor: Actor, model: Any, row_id: UUID, sent: bytes) -> bool:
    """Whether the row with this id was made by the same request before.

    Args:
        model: a table class with `created_digest`.
        sent: the `digest` of the present request.

    Raises:
        Conflict: `id_taken`.
    """
    statement = select(model.created_digest).where(col(model.org_id) == actor.org_id, col(model.id) == row_id)
    stored = (await session.exec(statement)).first()
    if stored is not None and stored != sent:
        raise id_taken()
    return stored is not None
