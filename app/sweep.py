"""Deleting what is past its time, in small bites, while the service runs.

    table              deleted                                            why it stays so long
    idempotency_keys   24 hours after the request                         so long a retry gets the first answer
    guess_counts       1 hour after the window                            an empty window counts for nothing
    dpop_proofs        once expired                                       a proof that has expired is refused unread
    refresh_tokens     30 days after the session ended, or after its use  longer than any session: theft is noticed
    sessions           400 days after the end                             a year of "was that you?", and a month
    invitations        90 days after it was used, withdrawn or expired    what became of them is on the list
    signing_keys       1 day after it was retired                         it verifies for twelve minutes more
    recovery_codes     90 days after the second factor was taken away     with the factor, and before it
    second_factors     90 days after it was taken away                    the question "who took it, when" comes late
    shadow_contacts    after `keep_until`: a year without being confirmed they never asked to be in anybody's book

Audit events are never touched. Of a shadow contact a nameless row is left (`shadow_contacts_erase`), and an audit event
says that it was erased. A row is deleted only when a fresh look, under its lock, finds it past its time; one that
somebody holds at this moment is left for the next sweep. Two sweeps at once share the work.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from app import idempotency
from app.services import shadow_contacts_erase

BATCH = 5_000  # rows a statement: some tens of milliseconds, so nobody waits long for a lock or for the disc
_ERASED_AT_ONCE = 500  # each has ties, and phones to tell
_SHADOWS = "shadow_contacts"
# A counter of a passed window is nothing; the hour forgives a clock that jumped.
GUESSES_KEPT = timedelta(hours=1)
# Their last second already has room for clocks that differ (`dpop`).
PROOFS_KEPT = timedelta(0)
# The longest session: whatever is older can belong to a living one no more, so no theft goes unnoticed.
REFRESH_TOKENS_KEPT = timedelta(days=30)
# Who looks back wants a whole year, and a month to think of it.
SESSIONS_KEPT = timedelta(days=400)
# A quarter: "I never got the link", "my authenticator was taken away".
INVITATIONS_KEPT = timedelta(days=90)
SECOND_FACTORS_KEPT = timedelta(days=90)
# Far beyond the last token it may have signed; a clock may be wrong by hours, not by a day.
SIGNING_KEYS_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What of a table goes. The condition stands once: what is counted is what is deleted.

    Attributes:
        past: $1 is the organisation (null where the table has none), $2 how long a row is kept.
        childless: what else must hold to delete it: a child that was held when its turn came may still be there.
    """

    table: str
    kept: timedelta
    past: str
    childless: str = ""
    is_shared: bool = False

    @property
    def counting(self) -> str:
        return "SELECT count(*) " + self.past

    @property
    def deleting(self) -> str:
        own = "" if self.is_shared else "org_id = $1 AND "
        found = "ARRAY(SELECT ctid " + self.past + self.childless + " LIMIT $3 FOR UPDATE SKIP LOCKED)"
        return "DELETE FROM " + self.table + " WHERE " + own + "ctid = ANY(" + found + ")"  # noqa: S608  constants


# In an order that foreign keys allow.
_RULES = (
    _Rule(
        "idempotency_keys",
        idempotency.KEPT,
        "FROM idempotency_keys WHERE org_id = $1 AND created_at < now() - $2::interval",
    ),
    _Rule(
        "guess_counts",
        GUESSES_KEPT,
        "FROM guess_counts WHERE $1::uuid IS NULL AND until < now() - $2::interval",
        is_shared=True,
    ),
    _Rule(
        "dpop_proofs",
        PROOFS_KEPT,
        "FROM dpop_proofs WHERE org_id = $1 AND expires_at < now() - $2::interval",
    ),
    _Rule(
        "refresh_tokens",
        REFRESH_TOKENS_KEPT,
        # A token is older than its use and than the end of its session: its age finds the few that may be due.
        "FROM refresh_tokens WHERE org_id = $1 AND created_at < now() - $2::interval "
        "AND (used_at < now() - $2::interval OR EXISTS ("
        "SELECT FROM sessions s WHERE s.org_id = $1 AND s.id = refresh_tokens.session_id "
        "AND least(s.revoked_at, s.idle_expires_at, s.absolute_expires_at) < now() - $2::interval))",
    ),
    _Rule(
        "sessions",
        SESSIONS_KEPT,
        "FROM sessions WHERE org_id = $1 "
        "AND least(revoked_at, idle_expires_at, absolute_expires_at) < now() - $2::interval",
        " AND NOT EXISTS (SELECT FROM refresh_tokens t WHERE t.org_id = $1 AND t.session_id = sessions.id)",
    ),
    _Rule(
        "invitations",
        INVITATIONS_KEPT,
        "FROM invitations WHERE org_id = $1 AND least(accepted_at, deleted_at, expires_at) < now() - $2::interval",
    ),
    _Rule(
        "signing_keys",
        SIGNING_KEYS_KEPT,
        "FROM signing_keys WHERE $1::uuid IS NULL AND retired_at < now() - $2::interval",
        is_shared=True,
    ),
    _Rule(
        "recovery_codes",
        SECOND_FACTORS_KEPT,
        "FROM recovery_codes WHERE org_id = $1 AND EXISTS ("
        "SELECT FROM second_factors f WHERE f.org_id = $1 AND f.id = recovery_codes.second_factor_id "
        "AND f.deleted_at < now() - $2::interval)",
    ),
    _Rule(
        "second_factors",
        SECOND_FACTORS_KEPT,
        "FROM second_factors WHERE org_id = $1 AND deleted_at < now() - $2::interval",
        " AND NOT EXISTS (SELECT FROM recovery_codes c WHERE c.org_id = $1 AND c.second_factor_id = second_factors.id)",
    ),
)


async def count(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows of each table are past their time. Only the owner role sees all organisations."""
    found = dict.fromkeys((rule.table for rule in _RULES), 0)
    for rule, org_id in await _places(connection):
        found[rule.table] += await connection.fetchval(rule.counting, org_id, rule.kept)
    expired = [await shadow_contacts_erase.count_expired(connection, org_id) for org_id in await _orgs(connection)]
    return {**found, _SHADOWS: sum(expired)}


async def sweep(connection: asyncpg.Connection, *, batch: int = BATCH) -> dict[str, int]:
    """Delete what is past its time, and say how many rows of each table that were. Only the owner role may.

    Every statement is a transaction of its own: an interrupted sweep has done the first part of its work.

    Args:
        connection: outside a transaction.
        batch: rows a statement.
    """
    deleted = dict.fromkeys((rule.table for rule in _RULES), 0)
    for rule, org_id in await _places(connection):
        rows = batch
        while rows >= batch:
            done: str = await connection.execute(rule.deleting, org_id, rule.kept, batch)
            rows = int(done.rsplit(" ", 1)[-1])
            deleted[rule.table] += rows
    return {**deleted, _SHADOWS: await _erase(connection, min(batch, _ERASED_AT_ONCE))}


async def _erase(connection: asyncpg.Connection, bite: int) -> int:
    """Erase the shadow contacts whose time is up, of one organisation after the other; how many that were."""
    erased = 0
    for org_id in await _orgs(connection):
        rows = bite
        while rows >= bite:
            async with connection.transaction():
                rows = await shadow_contacts_erase.erase_expired(connection, org_id, bite)
            erased += rows
    return erased


async def _places(connection: asyncpg.Connection) -> list[tuple[_Rule, UUID | None]]:
    """Every rule for every organisation, one after the other: each statement asks for the rows of one."""
    orgs = await _orgs(connection)
    return [(rule, org_id) for rule in _RULES for org_id in ([None] if rule.is_shared else orgs)]


async def _orgs(connection: asyncpg.Connection) -> list[UUID]:
    return [row["id"] for row in await connection.fetch("SELECT id FROM orgs ORDER BY id")]
