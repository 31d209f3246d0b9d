"""What an agent knows of a customer beyond his name is sealed under the customer's key, notes on two of them under the
organisation's; phones and ID numbers are found by blind indexes.

The clear columns are dropped and the tables written anew: of a dropped or former value nothing is left in their files.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson
from alembic import op

from app import crypto
from app.crypto import FieldCipher
from migrations.steps import organisation_cipher, person_cipher, protect, sql

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
UPDATE customers SET private_enc = $3, id_number_enc = $4, id_number_bi = $5, id_number_bi_version = $6,
       masked = $7::text::jsonb, search_text = $8
WHERE org_id = $1 AND id = $2
"""
_NOTES = "SELECT id, note FROM {} WHERE org_id = $1 AND id > $2 AND note IS NOT NULL ORDER BY id LIMIT $3"


def upgrade() -> None:
    sql(
        "ALTER TABLE customers ADD COLUMN private_enc bytea, ADD COLUMN id_number_bi_version integer",
        "ALTER TABLE relationships ADD COLUMN note_enc bytea",
        "ALTER TABLE introductions ADD COLUMN note_enc bytea",
        # One row for each phone of a customer, found by who knows the whole number.
        """CREATE TABLE customer_phones (
            org_id uuid NOT NULL REFERENCES orgs (id),
            customer_id uuid NOT NULL,
            phone_bi bytea NOT NULL,
            phone_bi_version integer NOT NULL,
            PRIMARY KEY (org_id, phone_bi, customer_id),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id))""",
        "CREATE INDEX customer_phones_of ON customer_phones (org_id, customer_id)",
    )
    protect("customer_phones", "SELECT, INSERT, DELETE")
    for (org_id,) in _rows("SELECT id FROM orgs ORDER BY id"):
        _seal(org_id)
    _drop()


def _seal(org_id: UUID) -> None:
    """Everything of one organisation that has been in clear."""
    cipher: FieldCipher | None = None
    for batch in _batches(_CUSTOMERS, org_id):
        cipher = cipher or organisation_cipher(org_id)
        made = [_customer(cipher, org_id, row) for row in batch]
        _many(_SEALED, [values for values, _ in made])
        _many(
            "INSERT INTO customer_phones VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            [phone for _, phones in made for phone in phones],
        )
    for table in ("relationships", "introductions"):
        for batch in _batches(_NOTES.format(table), org_id):
            cipher = cipher or organisation_cipher(org_id)
            _many(
                f"UPDATE {table} SET note_enc = $3 WHERE org_id = $1 AND id = $2",
                [(org_id, row_id, cipher.seal(table, "note", row_id, note)) for row_id, note in batch],
            )


def _customer(
    organisation: FieldCipher, org_id: UUID, row: Sequence[Any]
) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    """The new values of a customer, and his phones for the blind index."""
    row_id, phones, emails, addresses, note, number_enc, masked, words = row
    private = {"phones": orjson.loads(phones), "emails": orjson.loads(emails), "addresses": orjson.loads(addresses)}
    private_enc, number_bi, version = None, None, None
    has_private = note is not None or any(private.values())
    if has_private or number_enc is not None:
        person = person_cipher(organisation, org_id, row_id)
        if has_private:
            text = orjson.dumps({**private, "note": note}).decode()
            private_enc = person.seal("customers", "private", row_id, text)
        if number_enc is not None:
            number = organisation.open("customers", "id_number", row_id, number_enc)
            number_enc = person.seal("customers", "id_number", row_id, number)
            number_bi, version = _blind(org_id, "customers", "id_number", number)
    shown = orjson.loads(masked)
    for phone in shown.get("phones", ()):
        phone["label"] = None  # what an agent wrote of the phone is not masked by masking the number
    values = (
        org_id, row_id, private_enc, number_enc, number_bi, version, orjson.dumps(shown).decode(), _words(words, shown),
    )  # fmt: skip
    numbers = {phone["number"] for phone in private["phones"]}
    return values, [(org_id, row_id, *_blind(org_id, "customer_phones", "phone", number)) for number in sorted(numbers)]


def _words(text: str, shown: dict[str, Any]) -> str:
    """The search words, of each phone only what its mask shows."""
    tails = ("#" + phone["number"].rpartition("*")[2][::-1] for phone in shown.get("phones", ()))
    kept = [word for word in text.split(" ") if word and not word.startswith("#")]
    return " " + "".join(f"{word} " for word in dict.fromkeys([*kept, *(tail for tail in tails if tail != "#")]))


def _blind(org_id: UUID, table: str, column: str, value: str) -> tuple[bytes, int]:
    keys = op.get_context().config.attributes["keys"]  # type: ignore[union-attr]  # always set by app/migrate.py
    return crypto.blind_index(keys.blind, org_id, table, column, value), 1


def _drop() -> None:
    sql(
        "ALTER TABLE customers DROP CONSTRAINT customers_shadow",
        # Setting the type writes the whole table anew, and leaves dropped values and former versions of rows behind.
        """ALTER TABLE customers
           DROP COLUMN phones, DROP COLUMN emails, DROP COLUMN addresses, DROP COLUMN note,
           ALTER COLUMN search_text TYPE text USING search_text || '',
           ADD CHECK ((id_number_bi IS NULL) = (id_number_bi_version IS NULL)),
           ADD CONSTRAINT customers_shadow CHECK (
               CASE WHEN is_shadow THEN
                   stage = 'contact' AND known_through_id IS NOT NULL AND keep_until IS NOT NULL
                   AND birthday IS NULL AND occupation IS NULL AND tier IS NULL AND private_enc IS NULL
                   AND id_type IS NULL AND id_number_enc IS NULL AND id_number_masked IS NULL
                   AND NOT jsonb_path_exists(masked, '$.*[*]') AND tags = '{}' AND service_team_id IS NULL
               ELSE keep_until IS NULL END)""",
        "ALTER TABLE relationships DROP COLUMN note, ALTER COLUMN note_enc TYPE bytea USING note_enc || ''::bytea",
        "ALTER TABLE introductions DROP COLUMN note, ALTER COLUMN note_enc TYPE bytea USING note_enc || ''::bytea",
        "CREATE INDEX relationships_author ON relationships (org_id, author_id) WHERE note_enc IS NOT NULL",
    )


def _batches(statement: str, org_id: UUID) -> Iterator[list[tuple[Any, ...]]]:
    last = UUID(int=0)
    while batch := _rows(statement, org_id, last, _BATCH):
        yield batch
        last = batch[-1][0]


def _rows(statement: str, *args: object) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in op.get_bind().exec_driver_sql(statement, args)]


def _many(statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        op.get_bind().exec_driver_sql(statement, rows)
