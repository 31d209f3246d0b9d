"""A table of notes under the keys of persons, guarded as signed papers are: no row of it may change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from app import db, vault
from app.sealed import SealedColumn
from tests.factories import World

NOTES = SealedColumn("sealed_notes", "note_enc", "person", "person_id", ("notes", "note"))


@asynccontextmanager
async def table_of_notes(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """For the time of one test."""
    await owner.execute(
        "CREATE TABLE sealed_notes (org_id uuid NOT NULL, id uuid NOT NULL, person_id uuid NOT NULL, "
        "note_enc bytea, PRIMARY KEY (org_id, id));"
        "CREATE TRIGGER sealed_notes_kept BEFORE UPDATE ON sealed_notes FOR EACH ROW "
        "EXECUTE FUNCTION keep_sealed('note_enc'); GRANT SELECT, INSERT ON sealed_notes TO renmai_app"
    )
    try:
        yield
    finally:
        await owner.execute("DROP TABLE sealed_notes")


async def note(world: World, person: UUID, text: str) -> UUID:
    """A note about a person, written as a request would."""
    row, org = uuid7(), world.org_id
    async with db.transaction(org) as session:
        sealed = (await vault.of_person(session, org, person)).seal("notes", "note", row, text)
        await db.raw(session).execute("INSERT INTO sealed_notes VALUES ($1, $2, $3, $4)", org, row, person, sealed)
    return row


async def said(world: World, row: UUID) -> str:
    """What a note says, read as a request would: the keys come beside the row."""
    async with db.transaction(world.org_id) as session:
        found = await db.raw(session).fetchrow(
            "SELECT n.*, ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = n.person_id) "
            "AS keys FROM sealed_notes n WHERE n.org_id = $1 AND n.id = $2",
            world.org_id,
            row,
        )
    cipher = await vault.opener(world.org_id, found["person_id"], found["keys"])
    return cipher.open("notes", "note", row, found["note_enc"])
