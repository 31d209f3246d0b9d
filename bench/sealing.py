"""What the service would have sealed and indexed, for worlds that are copied in: the keys of one organisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from app import crypto
from app.crypto import BlindKeys, FieldCipher, Place
from app.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals for one organisation. The keys of its people follow from their ids: a second walk has them again."""

    org_id: UUID
    organisation: FieldCipher
    blinds: BlindKeys

    def private(self, person_id: UUID, **members: Any) -> bytes:
        """`private_enc` of a customer."""
        whole = {"phones": [], "emails": [], "addresses": [], "note": None, **members}
        cipher = FieldCipher(self.org_id, {1: _key(person_id)}, 1)
        return cipher.seal("customers", "private", person_id, orjson.dumps(whole).decode())

    def wrapped(self, person_id: UUID) -> bytes:
        """The key of a person as `person_keys` holds it."""
        return self.organisation.wrap_person_key(person_id, 1, _key(person_id))

    def phones(self, numbers: Sequence[str]) -> list[bytes]:
        """`phones_bi` of a customer."""
        return sorted(self.blinds.index("customers", "phone", number) for number in numbers)

    def id_number(self, person_id: UUID, number: str) -> Mapping[str, object]:
        """The columns of an ID number, but for its mask."""
        cipher = FieldCipher(self.org_id, {1: _key(person_id)}, 1)
        return {
            "id_type": "resident_id",
            "id_number_enc": cipher.seal("customers", "id_number", person_id, number),
            "id_number_bi": self.blinds.index("customers", "id_number", number),
            "id_number_bi_ver": 1,
        }

    def note(self, row_id: UUID, text: str | None) -> bytes | None:
        """`note_enc` of a relationship."""
        return None if text is None else self.organisation.seal("relationships", "note", row_id, text)


async def make_keys(db: asyncpg.Connection, ring: Keyring, org_id: UUID) -> Sealer:
    """Give an organisation that has none its first keys."""
    made: dict[str, bytes] = {}
    for layer in ("org", "blind"):
        made[layer] = crypto.new_key()
        version, wrapped = await ring.wrapper.wrap(Place.key(layer, org_id, 1), made[layer])
        await db.execute(
            f"INSERT INTO {layer}_keys (org_id, version, wrapped, kek_version, activated_at) "  # a constant
            "VALUES ($1, 1, $2, $3, now())",
            org_id, wrapped, version,
        )  # fmt: skip
    return Sealer(org_id, FieldCipher(org_id, {1: made["org"]}, 1), BlindKeys(org_id, {1: made["blind"]}, 1))


def _key(person_id: UUID) -> bytes:
    return blake2b(person_id.bytes, digest_size=crypto.KEY_BYTES).digest()
