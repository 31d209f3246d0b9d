"""What step 0016 makes of the answers, analyses, assessments and proposals of the former release."""

from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from app import keyring, migrate, reads
from app.config import Settings
from app.envelopes import merged, spliced, texts
from app.models.form_responses import FormResponse
from app.models.needs_analyses import NeedsAnalysis, NeedsAnalysisConfirmation
from app.models.proposals import Proposal
from app.models.tolerance_assessments import ToleranceAssessment
from tests.sightings import scan
from tests.test_migrate import database_at
from tests.test_migrate_analyses import cipher_of

BEFORE_THE_SEALS = "0013"
MANY = 450  # more than two batches
_ANSWERS = {"name": "金丝雀李四光", "income": 7_391_246_853_179, "rows": [{"cost": "0.10"}], "none": [], "yes": True}
_RESULTS = [{"insured": "self", "need_fen": 2**53 - 1, "steps": [{"substituted": "1 ÷ 3 × 金丝雀"}]}]
_TABLES: dict[str, Any] = {
    "form_responses": FormResponse,
    "needs_analyses": NeedsAnalysis,
    "needs_analysis_confirmations": NeedsAnalysisConfirmation,
    "tolerance_assessments": ToleranceAssessment,
    "proposals": Proposal,
}
# Every text a search of the new database must not find.
_CANARIES = (
    "金丝雀李四光",
    "7391246853179",
    "金丝雀收回的原因",
    "1 ÷ 3 × 金丝雀",
    "金丝雀柜子",
    "金丝雀建议",
    "金丝雀签名",
)


async def _insert(connection: asyncpg.Connection, table: str, **values: Any) -> UUID:
    row = {"id": uuid7(), **values}
    bound = [orjson.dumps(value).decode() if isinstance(value, (dict, list)) else value for value in row.values()]
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *bound)
    found: UUID = row["id"]
    return found


async def _world(connection: asyncpg.Connection) -> tuple[UUID, list[UUID]]:
    """An organisation with two customers, as the former release kept them."""
    org, team, user, people = uuid7(), uuid7(), uuid7(), [uuid7(), uuid7()]
    await connection.execute("INSERT INTO orgs (id, code, name) VALUES ($1, 'old', '旧机构')", org)
    await connection.execute("INSERT INTO org_settings (org_id, id) VALUES ($1, $1)", org)
    await connection.execute("INSERT INTO teams (org_id, id, name) VALUES ($1, $2, '一部')", org, team)
    person = {"org_id": org, "id": user, "username": "agent", "name": "旧人", "role": "agent", "team_id": team}
    await _insert(connection, "users", **person, password_hash="-")
    for one in people:
        await _insert(
            connection, "customers", org_id=org, id=one, owner_id=user, party_type="individual", stage="customer",
            name="旧客户", name_key="k", search_text="s", created_digest=b"",
        )  # fmt: skip
    return org, people


async def _fill(connection: asyncpg.Connection, org: UUID, person: UUID) -> None:
    """A draft, a completed and a retracted response; analyses; a confirmation; an assessment; two proposals."""
    at = await connection.fetchval("SELECT now()")
    one = {"org_id": org, "customer_id": person}
    said = {
        **one, "form_key": "needs.fact_find", "form_version": "1.0.0", "content_hash": "-", "recorded_by": uuid7(),
        "created_digest": b"", "answers": _ANSWERS, "warnings": [{"pointer": "/answers/income", "code": "high"}],
        "provenance": [{"pointer": "/a", "source": "/b", "how": "kept"}],
        "extracted": [{"link_id": "job", "target": "customer.occupation", "state": "stored", "dossier_fact_id": None}],
    }  # fmt: skip
    await _insert(connection, "form_responses", **said, status="draft")
    response = await _insert(connection, "form_responses", **said, status="completed", completed_at=at)
    taken = {"retracted_at": at, "retracted_by": uuid7(), "retraction_reason": "金丝雀收回的原因"}
    await _insert(connection, "form_responses", **said, status="entered_in_error", completed_at=at, **taken)
    found = {
        **one, "form_response_id": response, "method_code": "m", "method_version": "1", "prepared_by": uuid7(),
        "need_fen": 2**53 - 1, "existing_cover_fen": 0, "gap_fen": 7_391_246_853_179, "as_of": at.date(),
        "results": _RESULTS, "household": {"members": [{"name": "金丝雀李四光"}]}, "facts": {"income": "7391246853179"},
        "overrides": {"inflation": {"value": "0.03", "set_by": "agent"}}, "assumptions": [{"key": "inflation"}],
    }  # fmt: skip
    first = await _insert(connection, "needs_analyses", **found)
    later = {"supersedes_id": first, "life_event": "birth", "diff": {"results": _RESULTS}}
    analysis = await _insert(connection, "needs_analyses", **{**found, **later})
    word = {"kind": "signature", "reference": "金丝雀柜子", "confirmed_at": at, "recorded_by": uuid7()}
    await _insert(connection, "needs_analysis_confirmations", org_id=org, needs_analysis_id=analysis, **word)
    await _insert(
        connection, "tolerance_assessments", **one, form_response_id=response, tolerance_class="c4", level=4,
        score="73.91", answered_by="customer", recorded_by=uuid7(), assessed_at=at, assessed_on=at.date(),
        valid_until=at.date(),
    )  # fmt: skip
    paper = {
        **one, "needs_analysis_id": analysis, "number": "JH", "language": "zh", "verdict": "suitable",
        "content": {"statement": "金丝雀建议", "tolerance": None}, "prepared_by": uuid7(), "created_digest": b"",
    }  # fmt: skip
    times = [await connection.fetchval("SELECT now() + $1 * interval '1 s'", n) for n in range(3)]
    await _insert(connection, "proposals", **paper, assessed_at=times[0], recommended_at=times[1])
    signed = {"assessed_at": times[0], "recommended_at": times[1], "signed_at": times[2]}
    await _insert(connection, "proposals", **paper, **signed, signature={"signed_by": "金丝雀签名"})


async def _rows(connection: asyncpg.Connection, table: str) -> dict[str, dict[str, Any]]:
    found = await connection.fetch(f"SELECT id::text, to_jsonb(t)::text AS row FROM {table} t")
    return {row["id"]: orjson.loads(row["row"]) for row in found}


@pytest.fixture
async def release() -> Any:
    async with database_at(BEFORE_THE_SEALS) as dsn:
        yield dsn


@pytest.mark.usefixtures("api")
async def test_answers_of_the_former_release_say_the_same(release: str, settings: Settings) -> None:
    connection = await asyncpg.connect(release)
    try:
        org, people = await _world(connection)
        for person in people:
            await _fill(connection, org, person)
        before = {table: await _rows(connection, table) for table in _TABLES}
        await migrate.upgrade(release, app_role="renmai_app", keys=keyring.derive(settings))
        opened = {str(person): await cipher_of(connection, org, person) for person in people}
        for table, model in _TABLES.items():
            after = await _rows(connection, table)
            assert after.keys() == before[table].keys()
            for row in await connection.fetch(f"SELECT * FROM {table}"):
                plain, then = after[str(row["id"])], before[table][str(row["id"])]
                columns = [name.removesuffix("_enc") for name in plain if name.endswith("_enc")]
                said = merged(texts(opened[str(row["customer_id"])], model, row["id"], row, *columns))
                kept = {name: value for name, value in plain.items() if not name.endswith("_enc")}
                assert not kept.keys() & said.keys()
                if table == "needs_analysis_confirmations":
                    del kept["customer_id"]
                assert kept | said == then, table
    finally:
        await connection.close()


@pytest.mark.usefixtures("api")
async def test_what_the_former_release_answered_is_answered_now(release: str, settings: Settings) -> None:
    connection = await asyncpg.connect(release)
    try:
        org, (person, _) = await _world(connection)
        await _fill(connection, org, person)
        responses = await _rows(connection, "form_responses")
        await migrate.upgrade(release, app_role="renmai_app", keys=keyring.derive(settings))
        key = await cipher_of(connection, org, person)
        for row_id, then in responses.items():
            found = await connection.fetchrow(reads.statement("get_form_response", None), org, None, UUID(row_id))
            sealed = texts(key, FormResponse, UUID(row_id), found, "answers", "retraction")
            body = orjson.loads(spliced([found["body"], *sealed]))
            assert {name: body[name] for name in _TOLD} == {name: then[name] for name in _TOLD}
            assert found["version"] == then["version"]
    finally:
        await connection.close()


_TOLD = ("answers", "warnings", "extracted", "provenance", "retraction_reason", "status", "form_key", "recorded_by")


async def test_row_47_answers_of_the_former_release_leave_no_trace(release: str, settings: Settings) -> None:
    """Nowhere in a table, in what the planner remembers, or in the file of a table, where a dropped column stays."""
    owner = await asyncpg.connect(release)
    thief = await asyncpg.connect(release.replace("renmai_owner@", "postgres@"))
    try:
        org, people = await _world(owner)
        for person in people:
            await _fill(owner, org, person)
        same = "customer_id, form_key, form_version, content_hash, status, answers, recorded_by, created_digest"
        copies = (
            f"INSERT INTO form_responses (org_id, id, {same}) SELECT org_id, gen_random_uuid(), {same} "
            "FROM form_responses, generate_series(1, $1) WHERE status = 'draft'"
        )
        await owner.execute(copies, MANY // 2)
        await thief.execute("ANALYZE")
        assert {canary for _, canary in await scan(thief, _CANARIES)} == set(_CANARIES)
        await migrate.upgrade(release, app_role="renmai_app", keys=keyring.derive(settings))
        assert await owner.fetchval("SELECT count(*) FROM form_responses WHERE answers_enc IS NULL") == 0
        assert await owner.fetchval("SELECT count(*) FROM form_responses") > MANY
        assert await scan(thief, _CANARIES) == set()
        await thief.execute("CHECKPOINT")
        for table in _TABLES:
            file = await thief.fetchval("SELECT pg_read_binary_file(pg_relation_filepath($1::regclass))", table)
            assert file
            assert not [canary for canary in _CANARIES if canary.encode() in file], table
    finally:
        await owner.close()
        await thief.close()
