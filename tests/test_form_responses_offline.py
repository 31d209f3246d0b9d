"""Form responses on a phone with a bad connection, who sees them, and the trail they leave."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from app.config import Settings
from app.domain import forms as rules
from tests.consents import give
from tests.factories import World, create_customer, if_match, unguarded
from tests.life_form import ANSWERS, FORM, analysis_of, complete, create_draft, places, save, url_of


@pytest.fixture
async def old_form(owner_db: asyncpg.Connection) -> AsyncIterator[str]:
    """An older version of the life-need form, which the test may withdraw."""
    await owner_db.execute(
        "INSERT INTO form_versions SELECT form_key, '0.9.0', status, content_hash || '-old', definition "
        "FROM form_versions WHERE form_key = 'needs.life' AND version = '1.0.0'"
    )
    yield "0.9.0"
    async with unguarded(owner_db, "form_versions"):
        await owner_db.execute("DELETE FROM form_versions WHERE version = '0.9.0'")


async def _withdraw(world: World, version: str) -> None:
    await world.db.execute("UPDATE form_versions SET status = 'withdrawn' WHERE version = $1", version)


# --- a phone without a network ---------------------------------------------------------------------------------


async def test_whole_visit_offline_survives_the_loss_of_every_answer(world: World) -> None:
    """Each request is sent twice, as if its first answer never arrived; the phone keeps only what it made itself."""
    customer = await create_customer(world.agent)
    await give(world.agent, customer["id"], "financial")
    form = (await world.agent.get("/v1/forms/needs.life")).json()
    kept = {"form_key": form["form_key"], "form_version": form["version"], "answers": {"support_years": 18}}
    body = {"id": str(uuid7()), "customer_id": customer["id"], **kept}
    first, again = [await world.agent.post("/v1/form-responses", json=body) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (201, 200, first.content)
    assert again.headers["location"] == first.headers["location"]
    for _ in range(2):
        saved = await save(world.agent, again.json(), ANSWERS)
        assert saved.status_code == 200
    late = await world.agent.post("/v1/form-responses", json=body)  # the draft once more, now the oldest news
    assert (late.status_code, late.content) == (200, saved.content)
    done, replayed = [await complete(world.agent, late.json(), "visit-1") for _ in range(2)]
    assert (done.status_code, replayed.content) == (201, done.content)
    # The application was killed and its key is gone: the response still leads to the result.
    assert (await complete(world.agent, late.json())).json()["code"] == "response_completed"
    response = (await world.agent.get(f"/v1/form-responses/{body['id']}")).json()
    analysis = await world.agent.get(f"/v1/needs-analyses/{response['needs_analysis_id']}")
    assert analysis.json()["form_response_id"] == response["id"] == done.json()["id"]


async def test_same_draft_in_another_order_of_members_is_the_same(world: World) -> None:
    customer = await create_customer(world.agent)
    await give(world.agent, customer["id"], "financial")
    body: dict[str, Any] = {"id": str(uuid7()), "customer_id": customer["id"], **FORM, "answers": ANSWERS}
    shuffled = {key: body[key] for key in reversed(body)}
    shuffled["answers"] = {key: ANSWERS[key] for key in reversed(ANSWERS)}
    assert (await world.agent.post("/v1/form-responses", json=body)).status_code == 201
    assert (await world.agent.post("/v1/form-responses", json=shuffled)).status_code == 200


async def test_id_that_holds_something_else_is_409(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent)
    theirs = await create_customer(world.stranger)
    draft = await create_draft(world.agent, customer["id"], id=str(uuid7()))
    body = {"id": draft["id"], "customer_id": customer["id"], **FORM}
    for client, over in (
        (world.agent, {"answers": {}}),
        (world.agent, {"customer_id": other["id"], "answers": ANSWERS}),
        (world.stranger, {"customer_id": theirs["id"], "answers": ANSWERS}),
    ):
        answer = await client.post("/v1/form-responses", json={**body, **over})
        assert (answer.status_code, answer.json()["code"]) == (409, "id_taken")
        assert places(answer) == [("/id", "invalid")]


async def test_same_id_in_two_organisations_is_two_drafts(world: World, other_world: World) -> None:
    shared = str(uuid7())
    for one in (world, other_world):
        customer = await create_customer(one.agent)
        assert (await create_draft(one.agent, customer["id"], id=shared))["id"] == shared


@pytest.mark.parametrize("customers", [1, 2])
async def test_parallel_drafts_under_one_id_are_one(world: World, customers: int) -> None:
    ids = [(await create_customer(world.agent))["id"] for _ in range(customers)]
    shared = str(uuid7())
    answers = await asyncio.gather(
        *(
            world.agent.post("/v1/form-responses", json={"id": shared, "customer_id": ids[n % customers], **FORM})
            for n in range(6)
        )
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == ([200] * 5 + [201] if customers == 1 else [200] * 2 + [201] + [409] * 3)


async def test_id_taken_between_the_look_and_the_insert_is_409(world: World) -> None:
    customer = await create_customer(world.agent)
    draft, shared = await create_draft(world.agent, customer["id"]), uuid7()
    async with world.db.transaction():
        await world.db.execute(
            "INSERT INTO form_responses (org_id, id, customer_id, form_key, form_version, content_hash, status, "
            "answers_enc, recorded_by, created_digest) SELECT org_id, $3, customer_id, form_key, form_version, "
            "content_hash, status, answers_enc, recorded_by, created_digest FROM form_responses "
            "WHERE org_id = $1 AND id = $2",
            world.org_id,
            UUID(draft["id"]),
            shared,
        )
        other = await create_customer(world.agent)
        body = {"id": str(shared), "customer_id": other["id"], **FORM}
        late = asyncio.create_task(world.agent.post("/v1/form-responses", json=body))
        while not late.done() and not await world.db.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            pass
    assert ((await late).status_code, (await late).json()["code"]) == (409, "id_taken")


async def test_withdrawn_form_takes_no_new_draft_but_lets_begun_ones_finish(world: World, old_form: str) -> None:
    customer = await create_customer(world.agent)
    await give(world.agent, customer["id"], "financial")
    sent = {"id": str(uuid7()), "customer_id": customer["id"], **FORM, "form_version": old_form}
    first = await world.agent.post("/v1/form-responses", json=sent)
    await _withdraw(world, old_form)
    assert (await world.agent.post("/v1/form-responses", json=sent)).status_code == 200  # its answer was lost
    refused = await world.agent.post("/v1/form-responses", json={**sent, "id": str(uuid7())})
    assert (refused.status_code, refused.json()["code"]) == (409, "form_withdrawn")
    saved = await save(world.agent, first.json(), ANSWERS)
    assert saved.status_code == 200
    assert (await complete(world.agent, saved.json())).status_code == 201


async def test_draft_of_an_older_version_is_never_judged_by_a_newer_one(world: World, old_form: str) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"], form_version=old_form)
    assert (draft["form_version"], draft["content_hash"].endswith("-old")) == (old_form, True)
    await complete(world.agent, draft)
    stored = (await world.agent.get(url_of(draft))).json()
    assert (stored["form_version"], stored["content_hash"]) == (old_form, draft["content_hash"])


# --- who sees what ---------------------------------------------------------------------------------------------


async def test_visibility_follows_the_customer(world: World, other_world: World) -> None:
    customer = await create_customer(world.agent)
    draft = await create_draft(world.agent, customer["id"])
    listed = f"/v1/customers/{customer['id']}/form-responses"
    for client in (world.manager, world.admin):
        assert (await client.get(url_of(draft))).json() == draft
        assert len((await client.get(listed)).json()["items"]) == 1
    done = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    await complete(world.agent, done)
    absent = await world.agent.get(f"/v1/form-responses/{uuid4()}")
    for client in (world.mate, world.stranger, other_world.agent, other_world.admin):
        told = [
            await client.get(url_of(draft)),
            await client.get(listed),
            await save(client, draft, {"mortgage": 1}),
            await complete(client, draft),
            await save(client, draft, {"mortgage": 1}, version=9),  # nor may 412 or 409 say that it exists
            await complete(client, done),
        ]
        for answer in told:
            assert answer.status_code == 404
            assert {**answer.json(), "request_id": ""} == {**absent.json(), "request_id": ""}
    assert (await world.agent.get(url_of(draft))).json() == draft


async def test_auditor_is_403_and_nobody_is_401(world: World) -> None:
    customer = await create_customer(world.agent)
    draft = await create_draft(world.agent, customer["id"])
    for client, status in ((world.auditor, 403), (world.client(), 401)):
        for answer in (
            await client.get(url_of(draft)),
            await client.get(f"/v1/customers/{customer['id']}/form-responses"),
            await client.post("/v1/form-responses", json={"customer_id": customer["id"], **FORM}),
            await save(client, draft, {"mortgage": 1}),
            await complete(client, draft),
        ):
            assert answer.status_code == status


async def test_manager_works_on_the_agents_draft_and_is_named(world: World) -> None:
    draft = await create_draft(world.manager, (await create_customer(world.agent))["id"])
    assert draft["recorded_by"] == str(world.users["manager"])
    assert (await save(world.agent, draft, {"mortgage": 1})).json()["recorded_by"] == str(world.users["manager"])


async def test_deleted_customer_is_410_until_restored(world: World) -> None:
    customer = await create_customer(world.agent)
    body = {"id": str(uuid7()), "customer_id": customer["id"], **FORM}
    draft = (await world.agent.post("/v1/form-responses", json=body)).json()
    await world.agent.delete(f"/v1/customers/{customer['id']}", headers=if_match(customer))
    for answer in (
        await world.agent.get(url_of(draft)),
        await world.agent.get(f"/v1/customers/{customer['id']}/form-responses"),
        await world.agent.post("/v1/form-responses", json=body),
        await world.agent.post("/v1/form-responses", json={**body, "id": None}),
        await save(world.agent, draft, {"mortgage": 1}),
        await complete(world.agent, draft),
    ):
        assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert (await world.stranger.get(url_of(draft))).status_code == 404
    await world.agent.post(f"/v1/customers/{customer['id']}/restore")
    assert (await world.agent.get(url_of(draft))).json() == draft


# --- trail -----------------------------------------------------------------------------------------------------


async def test_every_change_is_audited_without_values_and_fed_to_the_owner(world: World) -> None:
    customer = await create_customer(world.agent)
    draft = await create_draft(world.manager, customer["id"], answers={**ANSWERS, "mortgage": 86_420_975})
    saved = (await save(world.manager, draft, {"discount_rate": "0.0375", "timing": "end"})).json()
    analysis = await analysis_of(world.manager, await complete(world.manager, saved))
    events = await world.db.fetch(
        "SELECT action, object_type, object_id, actor_id, detail::text AS detail FROM audit_events "
        "WHERE org_id = $1 AND object_id = ANY($2) AND action !~ '[.](viewed|listed)$' ORDER BY at, id",
        world.org_id,
        [UUID(draft["id"]), UUID(analysis["id"])],
    )
    assert sorted((event["action"], str(event["object_id"])) for event in events) == [
        ("form_response.completed", draft["id"]),
        ("form_response.created", draft["id"]),
        ("form_response.updated", draft["id"]),
        ("needs_analysis.created", analysis["id"]),
    ]
    assert {event["actor_id"] for event in events} == {world.users["manager"]}
    details = " ".join(event["detail"] for event in events)
    assert '["discount_rate", "timing"]' in details
    values = ("86420975", "0.0375", 'end"', str(analysis["need_fen"]), str(analysis["gap_fen"]))
    assert not any(value in details for value in values)
    fed = await world.db.fetch(
        "SELECT scope, collection, id, removed FROM feed WHERE org_id = $1 AND collection = ANY($2)",
        world.org_id,
        ["form_responses", "needs_analyses"],
    )
    assert sorted((str(row["id"]), row["collection"], row["scope"], row["removed"]) for row in fed) == sorted(
        [
            (draft["id"], "form_responses", world.users["agent"], False),
            (analysis["id"], "needs_analyses", world.users["agent"], False),
        ]
    )


async def test_every_write_moves_the_feed_forward(world: World) -> None:
    async def place() -> tuple[int, int]:
        row = await world.db.fetchrow(
            "SELECT xid::text::bigint AS xid, seq FROM feed WHERE org_id = $1 AND collection = 'form_responses'",
            world.org_id,
        )
        return row["xid"], row["seq"]

    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    created = await place()
    saved = (await save(world.agent, draft, {"mortgage": 1})).json()
    updated = await place()
    await complete(world.agent, saved)
    assert created < updated < await place()


async def test_failed_completion_leaves_no_trace(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"], answers={})
    count = (
        "SELECT (SELECT count(*) FROM audit_events WHERE org_id = $1), "
        "(SELECT count(*) FROM idempotency_keys WHERE org_id = $1)"
    )
    before = await world.db.fetchrow(count, world.org_id)
    assert (await complete(world.agent, draft)).status_code == 422
    assert await world.db.fetchrow(count, world.org_id) == before


async def test_service_cannot_delete_responses_or_see_other_organisations(
    settings: Settings, world: World, other_world: World
) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    connection = await asyncpg.connect(settings.database_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM form_responses WHERE id = $1", UUID(draft["id"]))
        async with connection.transaction():
            await connection.execute(f"SET LOCAL app.org_id = '{other_world.org_id}'")
            assert await connection.fetchval("SELECT count(*) FROM form_responses") == 0
    finally:
        await connection.close()


async def test_published_definition_judges_the_stored_answers_of_every_draft(world: World) -> None:
    """What the API accepted as a draft is what the pure rules accept: there is no second opinion."""
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    form = rules.load_definition((await world.agent.get("/v1/forms/needs.life")).json()["definition"])
    assert rules.check_answers(form, draft["answers"], complete=True) == []
