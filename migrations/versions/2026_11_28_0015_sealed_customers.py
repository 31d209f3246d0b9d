"""What an agent knows of a customer beyond his name is sealed under the customer's key, notes on two of them under the
organisation's; phones and ID numbers are found by blind indexes.

The clear columns are dropped and the tables written anew: of a dropped or former value nothing is left in their files.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from alembic import op

from app.crypto import FieldCipher
from migrations.steps import fetch, organisation_blind, organisation_cipher, person_cipher, sql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_BATCH = 500
_CUSTOMERS = """
SELECT id, phones::text, emails::text, addresses::text, note, id_number_enc, masked::text, search_text FROM customers
WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
_SEALED = """
UPDATE customers SET private_enc = $3, id_number_enc = $4, phones_bi = $5, phones_bi_ver = $6,
       masked = $7::text::jsonb, search_text = $8
WHERE org_id = $1 AND id = $2
"""
_NOTES = "SELECT id, note FROM {} WHERE org_id = $1 AND id > $2 AND note IS NOT NULL ORDER BY id LIMIT $3"


@dataclass(frozen=True, slots=True)
class _Keys:
    """What the rows of an organisation are sealed and indexed under."""

    org_id: UUID
    organisation: FieldCipher
    blind: Callable[[str, str, str], tuple[bytes, int]]


def upgrade() -> None:
    sql(
        """ALTER TABLE customers ADD COLUMN private_enc bytea, ADD COLUMN phones_bi bytea[],
           ADD COLUMN phones_bi_ver integer""",
        "ALTER TABLE relationships ADD COLUMN note_enc bytea",
        "ALTER TABLE introductions ADD COLUMN note_enc bytea",
    )
    for (org_id,) in fetch("SELECT id FROM orgs ORDER BY id"):
        _seal(org_id)
    _drop()


def _seal(org_id: UUID) -> None:
    """Everything of one organisation that has been in clear."""
    keys: _Keys | None = None
    for batch in _batches(_CUSTOMERS, org_id):
        keys = keys or _Keys(org_id, organisation_cipher(org_id), organisation_blind(org_id))
        _many(_SEALED, [_customer(keys, row) for row in batch])
    for table in ("relationships", "introductions"):
        for batch in _batches(_NOTES.format(table), org_id):
            keys = keys or _Keys(org_id, organisation_cipher(org_id), organisation_blind(org_id))
            _many(
                f"UPDATE {table} SET note_enc = $3 WHERE org_id = $1 AND id = $2",
                [(org_id, row_id, keys.organisation.seal(table, "note", row_id, note)) for row_id, note in batch],
            )


def _customer(keys: _Keys, row: Sequence[Any]) -> tuple[Any, ...]:
    """The new values of a customer."""
    row_id, phones, emails, addresses, note, number_enc, masked, words = row
    private = {"phones": orjson.loads(phones), "emails": orjson.loads(emails), "addresses": orjson.loads(addresses)}
    private_enc = None
    has_private = note is not None or any(private.values())
    if has_private or number_enc is not None:
        person = person_cipher(keys.organisation, keys.org_id, row_id)
        if has_private:
            text = orjson.dumps({**private, "note": note}).decode()
            private_enc = person.seal("customers", "private", row_id, text)
        if number_enc is not None:
            number = keys.organisation.open("customers", "id_number", row_id, number_enc)
            number_enc = person.seal("customers", "id_number", row_id, number)
    shown = orjson.loads(masked)
    for phone in shown.get("phones", ()):
        phone["label"] = None  # what an agent wrote of the phone is not masked by masking the number
    found = [keys.blind("customers", "phone", number) for number in {phone["number"] for phone in private["phones"]}]
    return (
        keys.org_id, row_id, private_enc, number_enc, sorted(blind for blind, _ in found) or None,
        found[0][1] if found else None, orjson.dumps(shown).decode(), _words(words, shown),
    )  # fmt: skip


def _words(text: str, shown: dict[str, Any]) -> str:
    """The search words, of each phone only what its mask shows."""
    tails = ("#" + phone["number"].rpartition("*")[2][::-1] for phone in shown.get("phones", ()))
    kept = [word for word in text.split(" ") if word and not word.startswith("#")]
    return " " + "".join(f"{word} " for word in dict.fromkeys([*kept, *(tail for tail in tails if tail != "#")]))


def _drop() -> None:
    sql(
        "ALTER TABLE customers DROP CONSTRAINT customers_shadow",
        # Setting the type writes the whole table anew, and leaves dropped values and former versions of rows behind.
        """ALTER TABLE customers
           DROP COLUMN phones, DROP COLUMN emails, DROP COLUMN addresses, DROP COLUMN note,
           ALTER COLUMN search_text TYPE text USING search_text || '',
           ADD CHECK ((id_number_bi IS NULL) = (id_number_bi_ver IS NULL)),
           ADD CHECK ((phones_bi IS NULL) = (phones_bi_ver IS NULL)),
           ADD CONSTRAINT customers_shadow CHECK (
               CASE WHEN is_shadow THEN
                   stage = 'contact' AND known_through_id IS NOT NULL AND keep_until IS NOT NULL
                   AND birthday IS NULL AND occupation IS NULL AND tier IS NULL AND private_enc IS NULL
                   AND id_type IS NULL AND id_number_enc IS NULL AND id_number_masked IS NULL
                   AND NOT jsonb_path_exists(masked, '$.*[*]') AND tags = '{}' AND service_team_id IS NULL
               ELSE keep_until IS NULL END)""",
        "ALTER TABLE relationships DROP COLUMN note, ALTER COLUMN note_enc TYPE bytea USING note_enc || ''::bytea",
        "ALTER TABLE introductions DROP COLUMN note, ALTER COLUMN note_enc TYPE bytea USING note_enc || ''::bytea",
        # Found at once: nobody waits for a list of what is still to be indexed.
        """CREATE INDEX customers_phones ON customers USING gin (org_id, phones_bi) WITH (fastupdate = off)
           WHERE deleted_at IS NULL AND phones_bi IS NOT NULL""",
        "CREATE INDEX relationships_author ON relationships (org_id, author_id) WHERE note_enc IS NOT NULL",
    )


def _batches(statement: str, org_id: UUID) -> Iterator[list[tuple[Any, ...]]]:
    last = UUID(int=0)
    while batch := fetch(statement, org_id, last, _BATCH):
        yield batch
        last = batch[-1][0]


def _many(statement: str, rows: list[tuple[Any, ...]]) -> None:
    op.get_bind().exec_driver_sql(statement, rows)
