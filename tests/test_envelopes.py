"""Sealed columns with several members: what may be read, what may be changed, and by whom."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app import db, envelopes
from app.config import Settings
from app.crypto import CryptoError
from app.models.form_responses import FormResponse
from app.models.needs_analyses import NeedsAnalysis, NeedsAnalysisConfirmation
from app.models.proposals import Proposal
from tests import household_form as family
from tests import sealed
from tests.factories import World, create_customer
from tests.life_form import create_analysis, create_draft
from tests.test_database import as_app


def _response(org_id: UUID, customer_id: UUID) -> FormResponse:
    return FormResponse(
        org_id=org_id, customer_id=customer_id, form_key="", form_version="", content_hash="", recorded_by=uuid4(),
        created_digest=b"",
    )  # fmt: skip


def test_objects_are_put_together_without_being_read() -> None:
    assert envelopes.spliced(['{"a": 1}', "{}", '{"b":{"c":[2,{}]}}']) == '{"a": 1,"b":{"c":[2,{}]}}'
    assert envelopes.spliced(["{}", "{}"]) == "{}"
    assert envelopes.merged(['{"a": 1}', "{}", '{"b":2.50}']) == {"a": 1, "b": 2.5}


def test_sealed_members_are_no_columns_and_cannot_be_read_or_assigned_by_accident() -> None:
    row = _response(uuid4(), uuid4())
    with pytest.raises(LookupError, match=r"FormResponse\.answers is sealed"):
        assert row.answers
    with pytest.raises(AttributeError):
        row.answers = {}  # type: ignore[misc]  # that is the point
    assert FormResponse.answers.column == "answers"
    assert not {"answers", "warnings"} & set(FormResponse.__table__.columns.keys())  # type: ignore[attr-defined]


async def test_members_that_are_not_put_stay(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    row = await sealed.opened(world, FormResponse, draft["id"])
    before = row.answers_enc
    async with db.transaction(world.org_id) as session:
        await envelopes.put(session, row, warnings=[{"code": "x"}])
        assert (row.answers, row.warnings, row.extracted) == (draft["answers"], [{"code": "x"}], [])
        await envelopes.opened(session, [row])
        assert (row.answers, row.warnings) == (draft["answers"], [{"code": "x"}])
        assert before != row.answers_enc
        await envelopes.put(session, row, retraction_reason="错")
        assert row.retraction_enc is not None
        await envelopes.put(session, row, retraction_reason=None)
        assert row.retraction_enc is None
        with pytest.raises(KeyError):  # of a new row all members of a column are said
            await envelopes.put(session, _response(world.org_id, row.customer_id), answers={})


async def test_answers_may_be_longer_than_any_one_request(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    long = {str(n): "字" * 2000 for n in range(500)}
    await sealed.put(world, FormResponse, draft["id"], "answers", answers=long)
    assert (await sealed.opened(world, FormResponse, draft["id"])).answers == long


async def test_envelope_of_another_row_or_column_does_not_open(world: World) -> None:
    customer = await create_customer(world.agent)
    first, second = [await create_draft(world.agent, customer["id"]) for _ in range(2)]
    statement = "UPDATE form_responses SET answers_enc = o.answers_enc FROM form_responses o WHERE o.id = $2 AND {}"
    await world.db.execute(statement.format("form_responses.id = $1"), UUID(first["id"]), UUID(second["id"]))
    with pytest.raises(CryptoError):
        await sealed.opened(world, FormResponse, first["id"])
    assert (await world.agent.get(f"/v1/form-responses/{first['id']}")).status_code == 500
    other = await create_analysis(world.agent, customer["id"])
    async with db.transaction(world.org_id) as session:
        row = await session.get(NeedsAnalysis, (world.org_id, UUID(other["id"])))
        assert row is not None
        row.facts_enc = row.summary_enc
        with pytest.raises(CryptoError):
            await envelopes.opened(session, [row])
        session.expunge(row)


async def _kept(world: World) -> list[tuple[Any, str]]:
    """One row of everything that never changes, with a sealed column."""
    proposal = await family.proposed(world)
    assert (await family.sign(world.agent, proposal)).status_code == 200
    analysis = (await world.agent.get(f"/v1/needs-analyses/{proposal['needs_analysis_id']}")).json()
    word = {"kind": "recording", "reference": "录音", "confirmed_at": analysis["created_at"]}
    assert (await world.agent.post(f"/v1/needs-analyses/{analysis['id']}/confirm", json=word)).status_code == 201
    return [
        (FormResponse, "answers"),
        (NeedsAnalysis, "analysis"),
        (NeedsAnalysisConfirmation, "reference"),
        (Proposal, "content"),
    ]


async def _sealing(connection: asyncpg.Connection, statement: str, org_id: UUID) -> str:
    """What the statement did, by somebody who says that he seals."""
    async with connection.transaction():
        await connection.execute("SET LOCAL app.sealing = 'on'")
        done: str = await connection.execute(statement, org_id)
        return done


async def test_only_the_owner_seals_anew_what_is_kept_and_changes_nothing_else(
    world: World, settings: Settings
) -> None:
    for model, column in await _kept(world):
        table = model.__tablename__
        seal = f"UPDATE {table} SET {column}_enc = {column}_enc || '' WHERE org_id = $1"
        change = f"UPDATE {table} SET created_at = created_at + interval '1 s', {column}_enc = NULL WHERE org_id = $1"
        again = f"UPDATE {table} SET {column}_enc = '\\x01' WHERE org_id = $1"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.db.execute(again, world.org_id)  # without saying so
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _sealing(world.db, change, world.org_id)
        async with as_app(settings, world.org_id) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await _sealing(connection, again, world.org_id)
        erase = f"UPDATE {table} SET {column}_enc = NULL, deleted_at = now() WHERE org_id = $1"
        for statement in (seal, erase):
            assert await _sealing(world.db, statement, world.org_id) != "UPDATE 0"
