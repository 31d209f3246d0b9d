"""Sealed columns: the key of a person, and blind indexes for what must still be found.

Every person and company has a key of his own, wrapped under the key of the organisation; what an agent knows of him and
is no name is sealed under it. Destroying the key is what erasing means. A statement that answers sealed columns returns
the wrapped keys beside them (`KEYS`), so that no read needs a second round trip, and nothing of a person is kept in
memory: an erased one is unreadable at once.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import crypto, db, keyring
from app.crypto import FieldCipher

# What a statement selects beside the sealed columns of customer `c`: all wrapped keys of the person.
KEYS = "ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id)"


async def of_person(session: AsyncSession, org_id: UUID, person_id: UUID) -> FieldCipher:
    """The cipher of a customer inside a transaction; his first key is made when it is first needed.

    Raises:
        CryptoError: a stored key does not open.
    """
    wrapped = await _wrapped(session, org_id, person_id)
    organisation = await keyring.field_cipher(session, org_id, *map(crypto.organisation_part, wrapped))
    if not wrapped:
        await db.raw(session).execute(
            "INSERT INTO person_keys (org_id, person_id, version, wrapped) VALUES ($1, $2, 1, $3) "
            "ON CONFLICT DO NOTHING",
            org_id,
            person_id,
            organisation.wrap_person_key(person_id, 1, crypto.new_key()),
        )
        wrapped = await _wrapped(session, org_id, person_id)  # a parallel request may have been first
        organisation = await keyring.field_cipher(session, org_id, *map(crypto.organisation_part, wrapped))
    return organisation.person(person_id, wrapped)


async def opener(org_id: UUID, person_id: UUID, wrapped: Sequence[bytes]) -> FieldCipher:
    """The cipher of a customer on the read road, from the wrapped keys that came with the row.

    Raises:
        CryptoError: no key (nothing can have been sealed), or one that does not open.
    """
    organisation = await keyring.read_cipher(org_id, *map(crypto.organisation_part, wrapped))
    return organisation.person(person_id, wrapped)


def seal_json(cipher: FieldCipher, table: str, column: str, row_id: UUID, value: Any) -> bytes:
    """A value of JSON, sealed for exactly this place."""
    return cipher.seal(table, column, row_id, orjson.dumps(value).decode())


def open_json(cipher: FieldCipher, table: str, column: str, row_id: UUID, blob: bytes) -> Any:
    """The inverse of `seal_json`."""
    return orjson.loads(cipher.open(table, column, row_id, blob))


async def blind(session: AsyncSession, org_id: UUID, table: str, column: str, value: str) -> tuple[bytes, int]:
    """The blind index of a normalised value under the current key, and the version of that key."""
    keys = await keyring.blind_keys(session, org_id)
    return keys.index(table, column, value), keys.current


async def blinds(org_id: UUID, table: str, column: str, value: str) -> list[bytes]:
    """The blind indexes a search looks for: one for every version of the key rows may still be indexed under.

    None at all while the organisation has indexed nothing.
    """
    keys = await keyring.read_blind_keys(org_id)
    return [] if keys is None else keys.indexes(table, column, value)


async def _wrapped(session: AsyncSession, org_id: UUID, person_id: UUID) -> list[bytes]:
    rows = await db.raw(session).fetch(
        "SELECT wrapped FROM person_keys WHERE org_id = $1 AND person_id = $2", org_id, person_id
    )
    return [row["wrapped"] for row in rows]
