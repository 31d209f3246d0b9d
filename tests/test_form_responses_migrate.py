"""Answers carried over to another version of a form: into a new draft, every answer with its origin."""

from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from app import migrate
from app.domain import forms as rules
from app.domain.form_migrations import load_migration
from tests.factories import World, create_customer, unguarded
from tests.life_form import complete, exact, places, url_of
from tests.own_forms import ANSWERS, KEY, MAP, completed, pet, pet_two, publish, start


async def _migrate(client: httpx.AsyncClient, response: dict[str, Any], **over: Any) -> httpx.Response:
    return await client.post(f"{url_of(response)}/migrate", json={"to_version": "2.0.0", **over})


async def _two(world: World, *maps: dict[str, Any]) -> None:
    await publish(world.admin, pet())
    await publish(world.admin, pet_two(), *(maps or (MAP,)))


async def test_migration_makes_a_new_draft_and_says_where_every_answer_came_from(world: World) -> None:
    await _two(world)
    old = await completed(world.agent, (await create_customer(world.agent))["id"])
    answer = await _migrate(world.agent, old)
    report = exact(answer)
    assert answer.status_code == 201
    assert (report["map_name"], report["from_version"], report["to_version"]) == (MAP["name"], "1.0.0", "2.0.0")
    assert report["answers"] == {"pet_name": "旺财", "monthly": 50_000, "outings": 2}
    assert sorted(report["provenance"], key=lambda one: str(one["source"])) == [
        {"pointer": "/answers/monthly", "source": "/answers/monthly", "how": "kept"},
        {"pointer": "/answers/pet_name", "source": "/answers/pet_name", "how": "kept"},
        {"pointer": "/answers/outings", "source": "/answers/walks", "how": "moved"},
    ]
    assert (report["unmapped"], report["dropped"], report["refused"]) == (["/answers/kind"], [], [])
    draft = exact(await world.agent.get(answer.headers["location"]))
    assert (draft["id"], draft["status"], draft["form_version"]) == (report["form_response_id"], "draft", "2.0.0")
    assert (draft["answers"], draft["provenance"]) == (report["answers"], report["provenance"])
    assert draft["migrated_from_id"] == old["id"]
    assert (await world.agent.get(url_of(old))).json() == old
    done = exact(await complete(world.agent, draft))
    assert (done["status"], done["provenance"]) == ("completed", report["provenance"])


async def test_dry_run_tells_the_same_and_stores_nothing(world: World) -> None:
    await _two(world, {**MAP, "drops": ["kind"]})
    customer = await create_customer(world.agent)
    old = (await start(world.agent, customer["id"])).json()
    dry = await _migrate(world.agent, old, is_dry_run=True)
    assert (dry.status_code, dry.json()["form_response_id"]) == (200, None)
    assert (dry.json()["dropped"], dry.json()["unmapped"]) == (["/answers/kind"], [])
    assert len((await world.agent.get(f"/v1/customers/{customer['id']}/form-responses")).json()["items"]) == 1
    made = (await _migrate(world.agent, old)).json()
    assert {**made, "form_response_id": None} == dry.json()


async def test_migration_is_repeated_safely_under_one_id(world: World) -> None:
    await _two(world)
    old = await completed(world.agent, (await create_customer(world.agent))["id"])
    shared = str(uuid7())
    first, again = [await _migrate(world.agent, old, id=shared) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    other = await completed(world.agent, (await create_customer(world.agent))["id"])
    assert (await _migrate(world.agent, other, id=shared)).json()["code"] == "id_taken"


async def test_retry_of_a_migration_is_answered_although_the_former_response_was_retracted_since(world: World) -> None:
    await _two(world)
    old = await completed(world.agent, (await create_customer(world.agent))["id"])
    shared = str(uuid7())
    first = await _migrate(world.agent, old, id=shared)
    assert (await world.agent.post(f"{url_of(old)}/retract", json={"reason": "录错了人"})).status_code == 200
    again = await _migrate(world.agent, old, id=shared)
    assert (again.status_code, again.json()) == (201, first.json())
    assert (await _migrate(world.agent, old)).json()["code"] == "response_retracted"


async def test_without_a_published_map_there_is_no_way(world: World) -> None:
    await publish(world.admin, pet())
    await publish(world.admin, pet_two())
    old = await completed(world.agent, (await create_customer(world.agent))["id"])
    refused = await _migrate(world.agent, old)
    assert (refused.status_code, refused.json()["code"]) == (409, "migration_missing")
    unknown = await _migrate(world.agent, old, to_version="9.0.0")
    assert (unknown.status_code, places(unknown)) == (422, [("/to_version", "not_found")])


async def test_withdrawn_version_and_retracted_response_take_no_part(world: World) -> None:
    await _two(world)
    old = await completed(world.agent, (await create_customer(world.agent))["id"])
    await world.admin.post(f"/v1/forms/{KEY}/versions/2.0.0/withdraw", json={"reason": "有误"})
    assert (await _migrate(world.agent, old)).json()["code"] == "form_withdrawn"
    await world.agent.post(f"{url_of(old)}/retract", json={"reason": "录错了人"})
    assert (await _migrate(world.agent, old)).json()["code"] == "response_retracted"


async def test_what_cannot_be_carried_is_refused_by_place_and_not_shown(world: World) -> None:
    two = pet_two()
    two["items"][0]["max"] = 2
    await publish(world.admin, pet())
    await publish(world.admin, two, MAP)
    old = await start(
        world.agent, (await create_customer(world.agent))["id"], answers={**ANSWERS, "pet_name": "小旺财"}
    )
    report = (await _migrate(world.agent, old.json())).json()
    assert report["refused"] == [{"pointer": "/answers/pet_name", "code": "out_of_range"}]
    assert report["open"] == [{"pointer": "/answers/pet_name", "code": "required"}]


async def test_others_migrate_nothing(world: World, other_world: World) -> None:
    await _two(world)
    old = await completed(world.agent, (await create_customer(world.agent))["id"])
    for client, status in ((world.mate, 404), (other_world.agent, 404), (world.auditor, 403)):
        assert (await _migrate(client, old)).status_code == status


async def test_maps_shipped_with_a_version_work_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = [{**definition, "form_key": "test.pets"} for definition in (pet(), pet_two())]
    monkeypatch.setattr(rules, "published_forms", lambda: shipped)
    monkeypatch.setattr(rules, "published_maps", lambda: [{**MAP, "form_key": "test.pets"}])
    await migrate._publish_forms(world.db)
    try:
        customer = await create_customer(world.agent)
        body = {"customer_id": customer["id"], "form_key": "test.pets", "form_version": "1.0.0", "answers": ANSWERS}
        old = (await world.agent.post("/v1/form-responses", json=body)).json()
        assert (await _migrate(world.agent, old)).json()["answers"]["outings"] == 2
        read = (await world.agent.get("/v1/forms/test.pets")).json()
        assert read["migrations"] == [{"name": MAP["name"], "from_version": "1.0.0"}]
    finally:
        async with unguarded(world.db, "form_versions"):
            await world.db.execute("DELETE FROM form_versions WHERE form_key = 'test.pets'")


def test_no_map_is_shipped_that_does_not_lead_from_one_shipped_form_to_another() -> None:
    forms = {(raw["form_key"], raw["version"]): rules.load_definition(raw) for raw in rules.published_forms()}
    for one in rules.published_maps():
        ends = [forms[one["form_key"], one[end]] for end in ("from", "to")]
        load_migration({key: value for key, value in one.items() if key not in ("form_key", "name")}, *ends)
