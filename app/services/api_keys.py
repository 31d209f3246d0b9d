"""Keys of partner banks: made and revoked by the operator, read by their holder."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import apikeys, audit, keyring, reads
from app.access import PARTNER_SCOPES, Actor
from app.errors import NotFound
from app.models.api_keys import ApiKey
from app.models.base import utc_now

MAX_DAYS = 365


async def me(actor: Actor) -> bytes:
    """What the caller's key is and may do, as JSON."""
    found = await reads.row(actor.org_id, None, "get_partner_me", actor.id)
    if found is None:
        raise NotFound
    body: str = found["body"]
    return body.encode()


async def create(
    session: AsyncSession, org_id: UUID, *, partner_name: str, environment: apikeys.Environment, days: int = MAX_DAYS
) -> tuple[ApiKey, str]:
    """A new key; its text is returned here and never again.

    Args:
        days: life of the key, 1 to 365.
    """
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"a key lives 1 to {MAX_DAYS} days")
    new = apikeys.generate(environment, keyring.current().api_keys)
    row = ApiKey(
        org_id=org_id,
        key_id=new.key_id,
        partner_name=partner_name,
        key_hash=new.secret_hash,
        scopes=sorted(scope.value for scope in PARTNER_SCOPES),
        expires_at=utc_now() + timedelta(days=days),
    )
    session.add(row)
    await session.flush()
    _note(session, "api_key.created", row)
    return row, new.text


async def revoke(session: AsyncSession, org_id: UUID, key_id: str) -> ApiKey:
    """End a key: the next request that shows it is refused.

    Raises:
        NotFound: no such key. One that is revoked already stays as it is.
    """
    statement = select(ApiKey).where(col(ApiKey.org_id) == org_id, col(ApiKey.key_id) == key_id)
    row = (await session.exec(statement.with_for_update())).first()
    if row is None:
        raise NotFound
    if row.revoked_at is None:
        row.revoked_at = row.updated_at = utc_now()
        _note(session, "api_key.revoked", row)
    return row


async def org_of(key_id: str) -> UUID | None:
    """The organisation of a key, before anybody is bound to it."""
    found: UUID | None = await reads.with_connection(lambda c: c.fetchval("SELECT org_by_key($1)", key_id))
    return None if found is None else UUID(str(found))


def _note(session: AsyncSession, action: str, row: ApiKey) -> None:
    audit.record(session, action, "api_key", row.id)
