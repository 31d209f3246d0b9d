"""An organisation's own forms: checked, published for good, withdrawn with a grace, and never another's."""

import copy
import threading
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.domain import forms as rules
from tests.factories import World, create_company, create_customer
from tests.life_form import complete, exact, places, url_of
from tests.own_forms import ANSWERS, KEY, MAP, completed, pet, pet_two, publish, start
from tests.test_database import as_app

# --- checking --------------------------------------------------------------------------------------------------


async def _check(world: World, definition: dict[str, Any], *migrations: dict[str, Any]) -> dict[str, Any]:
    answer = await world.agent.post("/v1/forms/check", json={"definition": definition, "migrations": list(migrations)})
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = exact(answer)
    return report


async def test_check_tells_the_hash_of_a_good_form_and_stores_nothing(world: World) -> None:
    report = await _check(world, pet())
    assert report == {
        "is_publishable": True,
        "content_hash": rules.content_hash(pet()),
        "problems": [],
        "change": None,
    }
    assert (await world.agent.get(f"/v1/forms/{KEY}")).status_code == 404


async def test_check_tells_all_problems_each_with_its_place_and_both_languages(world: World) -> None:
    broken = pet()
    broken["items"][0]["options"] = [{"code": "a", "label": {"zh": "甲", "en": "A"}}]
    broken["items"][2]["min"] = "nothing"
    broken["items"].append(copy.deepcopy(broken["items"][1]))
    report = await _check(world, broken)
    told = [(one["pointer"], one["code"]) for one in report["problems"]]
    assert told == [
        ("/definition/items/0", "options_invalid"),
        ("/definition/items/2", "bounds_invalid"),
        ("/definition/items/5", "link_id_duplicate"),
    ]
    assert all(one["message"]["zh"] and one["message"]["en"] for one in report["problems"])
    assert (report["is_publishable"], report["change"]) == (False, None)


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"version": "1.0"}, "/definition/version", "invalid"),
        ({"title": {"zh": "宠物"}}, "/definition/title/en", "key_missing"),
        ({"colour": "red"}, "/definition/colour", "key_unknown"),
        ({"form_key": "pets.cover"}, "/definition/form_key", "form_key_not_own"),
        ({"derived_from": "2.0.0"}, "/definition/derived_from", "derived_from_not_lower"),
        ({"items": [{**pet()["items"][0], "min": 1.5}]}, "/definition/items/0/min", "number_not_integer"),
    ],
)
async def test_broken_form_is_checked_and_refused_with_the_same_words(
    world: World, change: dict[str, Any], pointer: str, code: str
) -> None:
    report = await _check(world, pet(**change))
    assert [(one["pointer"], one["code"]) for one in report["problems"]] == [(pointer, code)]
    refused = await world.admin.post("/v1/forms", json={"definition": pet(**change)})
    assert (refused.status_code, places(refused)) == (422, [(pointer, code)])


def _expression(definition: dict[str, Any], expr: Any) -> dict[str, Any]:
    definition["items"][3]["calculated"]["expr"] = expr
    return definition


@pytest.mark.parametrize(
    ("definition", "pointer", "code"),
    [
        (_expression(pet(), ["mul", ["answer", "monthly"], ["answer", "monthly"]]), "/items/3/calculated/expr",
         "expr_money_product"),
        (_expression(pet(), ["answer", "yearly"]), "/items/3/calculated/expr", "calculated_self"),
        (_expression(pet(), ["answer", "nothing"]), "/items/3/calculated/expr/1", "expr_link"),
    ],
)  # fmt: skip
async def test_expressions_are_checked_too(world: World, definition: dict[str, Any], pointer: str, code: str) -> None:
    report = await _check(world, definition)
    assert [one["code"] for one in report["problems"]] == [code]
    assert report["problems"][0]["pointer"].startswith("/definition/items/3/calculated")


async def test_check_says_how_much_changed_and_that_the_number_must_say_so(world: World) -> None:
    await publish(world.admin, pet())
    report = await _check(world, {**pet_two(), "version": "1.1.0"})
    assert report["change"]["predecessor"] == "1.0.0"
    assert report["change"]["level"] == "major"
    assert {"level": "major", "code": "item_removed", "link_id": "kind", "detail": ""} in report["change"]["changes"]
    assert [(one["pointer"], one["code"], one["detail"]) for one in report["problems"]] == [
        ("/definition/version", "version_too_low", "major")
    ]
    again = await _check(world, pet())
    assert [one["code"] for one in again["problems"]] == ["version_not_higher"]


# --- publishing ------------------------------------------------------------------------------------------------


async def test_published_form_is_read_listed_and_answered(world: World) -> None:
    answer = await world.admin.post("/v1/forms", json={"definition": pet()})
    body = exact(answer)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/forms/{KEY}/versions/1.0.0"
    assert answer.headers["etag"] == f'"{body["content_hash"]}"'
    assert (body["origin"], body["status"], body["definition"]) == ("organization", "published", pet())
    read = await world.agent.get(answer.headers["location"])
    assert (read.content, read.headers["etag"]) == (answer.content, answer.headers["etag"])
    assert read.headers["cache-control"] == "private, max-age=300"
    listed = (await world.auditor.get("/v1/forms")).json()["items"]
    assert {"needs.life": "shipped", KEY: "organization"}.items() <= {
        one["form_key"]: one["origin"] for one in listed
    }.items()
    done = await completed(world.agent, (await create_customer(world.agent))["id"])
    assert (done["status"], done["content_hash"]) == ("completed", body["content_hash"])
    assert done["answers"] == {**ANSWERS, "yearly": 600_000}
    refused = await start(world.agent, (await create_company(world.agent))["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "customer_not_individual")


async def test_same_text_again_is_200_and_another_is_409(world: World) -> None:
    first = await publish(world.admin, pet())
    again = await world.admin.post("/v1/forms", json={"definition": pet()})
    assert (again.status_code, again.json()) == (200, first)
    other = await world.admin.post("/v1/forms", json={"definition": pet(title={"zh": "猫", "en": "Cat"})})
    assert (other.status_code, other.json()["code"]) == (409, "form_version_taken")


async def test_versions_rise_by_what_they_change(world: World) -> None:
    await publish(world.admin, pet())
    for definition, code in (
        (pet("0.9.0"), "version_not_higher"),
        ({**pet_two(), "version": "1.0.1"}, "version_too_low"),
        (pet("1.0.1", derived_from="0.9.0"), "derived_from_differs"),
    ):
        refused = await world.admin.post("/v1/forms", json={"definition": definition})
        assert (refused.status_code, [issue["code"] for issue in refused.json()["errors"]]) == (422, [code])
    await publish(world.admin, pet("1.0.1", title={"zh": "宠物保障问卷", "en": "Pet cover"}))
    await publish(world.admin, {**pet_two(), "derived_from": "1.0.1"})
    assert (await world.agent.get(f"/v1/forms/{KEY}")).json()["version"] == "2.0.0"
    levels = await world.db.fetch(
        "SELECT form_version, change_level FROM org_form_versions WHERE org_id = $1 ORDER BY 1", world.org_id
    )
    assert [tuple(row) for row in levels] == [("1.0.0", "first"), ("1.0.1", "patch"), ("2.0.0", "major")]


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"name": ""}, "/migrations/0/name", "map_name"),
        ({"from": "0.1.0"}, "/migrations/0/from", "map_version"),
        ({"moves": [{"from": "walks", "to": "breed"}]}, "/migrations/0/moves/0", "map_type"),
        ({"drops": ["nothing"]}, "/migrations/0/drops/0", "map_source"),
        ({"colour": "red"}, "/migrations/0/colour", "key_unknown"),
    ],
)
async def test_broken_map_is_refused(world: World, over: dict[str, Any], pointer: str, code: str) -> None:
    await publish(world.admin, pet())
    body = {"definition": pet_two(), "migrations": [{**MAP, **over}]}
    refused = await world.admin.post("/v1/forms", json=body)
    assert (refused.status_code, places(refused)) == (422, [(pointer, code)])


async def test_map_is_published_with_its_version(world: World) -> None:
    await publish(world.admin, pet())
    body = await publish(world.admin, pet_two(), MAP)
    assert body["migrations"] == [{"name": MAP["name"], "from_version": "1.0.0"}]


async def test_only_admins_publish_and_withdraw(world: World) -> None:
    for client in (world.agent, world.manager, world.auditor):
        refused = await client.post("/v1/forms", json={"definition": pet()})
        assert (refused.status_code, refused.json()["required_scope"]) == (403, "forms:publish")
    await publish(world.admin, pet())
    refused = await world.manager.post(f"/v1/forms/{KEY}/versions/1.0.0/withdraw", json={"reason": "有误"})
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "forms:publish")


async def test_another_organisation_never_sees_it(world: World, other_world: World) -> None:
    await publish(world.admin, pet())
    for client in (other_world.agent, other_world.admin):
        for url in (f"/v1/forms/{KEY}", f"/v1/forms/{KEY}/versions/1.0.0"):
            assert (await client.get(url)).status_code == 404
        assert KEY not in [one["form_key"] for one in (await client.get("/v1/forms")).json()["items"]]
    customer = await create_customer(other_world.agent)
    refused = await start(other_world.agent, customer["id"])
    assert (refused.status_code, places(refused)) == (422, [("/form_key", "not_found")])
    foreign = await other_world.admin.post(f"/v1/forms/{KEY}/versions/1.0.0/withdraw", json={"reason": "有误"})
    assert foreign.status_code == 404
    theirs = await publish(other_world.admin, pet(title={"zh": "另一家", "en": "Another"}))
    assert theirs["title"]["en"] == "Another"
    assert (await world.agent.get(f"/v1/forms/{KEY}")).json()["title"]["en"] == "Pet cover"


async def test_publishing_is_audited_without_the_text(world: World) -> None:
    await publish(world.admin, pet())
    await world.admin.post(f"/v1/forms/{KEY}/versions/1.0.0/withdraw", json={"reason": "措辞有误", "grace_days": 3})
    events = await world.db.fetch(
        "SELECT action, detail::text AS detail FROM audit_events "
        "WHERE org_id = $1 AND object_type = 'form' ORDER BY at",
        world.org_id,
    )
    assert [event["action"] for event in events] == ["form.published", "form.withdrawn"]
    assert "措辞" not in events[1]["detail"]
    assert "宠物" not in events[0]["detail"]


# --- withdrawing -----------------------------------------------------------------------------------------------


async def _withdraw(world: World, grace_days: int = 0) -> dict[str, Any]:
    body = {"reason": "措辞有误", "grace_days": grace_days}
    answer = await world.admin.post(f"/v1/forms/{KEY}/versions/1.0.0/withdraw", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"].endswith('.off"')
    made: dict[str, Any] = exact(answer)
    return made


async def test_withdrawn_version_takes_no_new_response_and_says_why(world: World) -> None:
    held = (await publish(world.admin, pet()))["content_hash"]
    body = await _withdraw(world, 30)
    assert (body["status"], body["withdrawal_reason"]) == ("withdrawn", "措辞有误")
    assert body["grace_until"] > body["withdrawn_at"]
    url = f"/v1/forms/{KEY}/versions/1.0.0"
    assert (await world.agent.get(url, headers={"If-None-Match": f'"{held}"'})).json() == body
    assert (await world.agent.get(f"/v1/forms/{KEY}")).status_code == 404
    refused = await start(world.agent, (await create_customer(world.agent))["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "form_withdrawn")
    assert await _withdraw(world, 30) == body
    other = await world.admin.post(f"{url}/withdraw", json={"reason": "措辞有误", "grace_days": 31})
    assert (other.status_code, other.json()["code"]) == (409, "form_withdrawn")


@pytest.mark.parametrize(("days", "status"), [(1, 201), (0, 409)])
async def test_draft_begun_before_is_completed_within_the_grace_only(world: World, days: int, status: int) -> None:
    await publish(world.admin, pet())
    draft = (await start(world.agent, (await create_customer(world.agent))["id"])).json()
    await _withdraw(world, days)
    answer = await complete(world.agent, draft)
    assert answer.status_code == status
    if status == 409:
        assert answer.json()["code"] == "form_withdrawn"
        assert (await world.agent.get(url_of(draft))).json() == draft


async def test_what_a_phone_began_before_the_withdrawal_still_arrives_within_the_grace(world: World) -> None:
    await publish(world.admin, pet())
    customer = await create_customer(world.agent)
    begun = (await _withdraw(world, 7))["withdrawn_at"]
    for client_at, status in (("2026-01-01T08:00:00+08:00", 201), (begun, 409), (None, 409)):
        sent: dict[str, Any] = {} if client_at is None else {"client_at": client_at, "client_counter": 7}
        assert (await start(world.agent, customer["id"], **sent)).status_code == status


async def test_shipped_form_is_not_the_organisations_to_withdraw(world: World) -> None:
    answer = await world.admin.post("/v1/forms/needs.life/versions/1.0.0/withdraw", json={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "form_shipped")
    unknown = await world.admin.post("/v1/forms/needs.life/versions/7.0.0/withdraw", json={"reason": "x"})
    assert unknown.status_code == 404
    for field, value in (("reason", ""), ("grace_days", 366), ("grace_days", -1)):
        body = {"reason": "x", field: value}
        assert (await world.admin.post(f"/v1/forms/{KEY}/versions/1.0.0/withdraw", json=body)).status_code == 422


# --- the database refuses by itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("statement", [
    "UPDATE org_form_versions SET definition = '{}'", "UPDATE org_form_versions SET content_hash = 'x'",
    "UPDATE org_form_versions SET migrations = '[1]'", "UPDATE org_form_versions SET form_version = '9.9.9'",
    "DELETE FROM org_form_versions", "TRUNCATE org_form_versions",
])  # fmt: skip
async def test_published_text_changes_neither_by_grant_nor_by_trigger(
    world: World, settings: Any, statement: str
) -> None:
    await publish(world.admin, pet())
    async with as_app(settings, world.org_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await connection.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"append only|does not change"):
        await world.db.execute(statement)


@pytest.mark.parametrize("statement", [
    "UPDATE form_versions SET definition = '{}'", "UPDATE form_versions SET content_hash = 'x'",
    "DELETE FROM form_versions", "TRUNCATE form_versions",
])  # fmt: skip
async def test_shipped_text_does_not_change_either(world: World, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"append only|does not change"):
        await world.db.execute(statement)


async def test_keys_of_shipped_and_own_forms_cannot_meet(world: World) -> None:
    await publish(world.admin, pet())
    for table, key in (("form_versions", KEY), ("org_form_versions", "needs.life")):
        values = "$1, '7.0.0', 'published', 'x', '{}'"
        statement = f"INSERT INTO form_versions (form_key, version, status, content_hash, definition) VALUES ({values})"
        if table == "org_form_versions":
            statement = (
                "INSERT INTO org_form_versions (org_id, id, form_key, form_version, content_hash, definition, "
                "change_level, published_by) SELECT org_id, gen_random_uuid(), $1, '7.0.0', 'x', '{}', 'first', "
                "published_by FROM org_form_versions LIMIT 1"
            )
        with pytest.raises(asyncpg.CheckViolationError):
            await world.db.execute(statement, key)


async def test_rows_of_another_organisation_are_behind_the_wall(
    world: World, other_world: World, settings: Any
) -> None:
    await publish(world.admin, pet())
    async with as_app(settings, other_world.org_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM org_form_versions") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(
                "INSERT INTO org_form_versions (org_id, id, form_key, form_version, content_hash, definition, "
                "change_level, published_by) VALUES ($1, $1, 'org.x', '1.0.0', 'x', '{}', 'first', $2)",
                world.org_id,
                UUID(str(world.users["admin"])),
            )


async def test_a_form_is_parsed_beside_the_event_loop_and_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish(world.admin, pet(title={"zh": "解析一次", "en": "Parsed once"}))
    load, places = rules.load_definition, list[str]()

    def noted(raw: Mapping[str, object]) -> rules.FormDefinition:
        places.append(threading.current_thread().name)
        return load(raw)

    monkeypatch.setattr(rules, "load_definition", noted)
    customer = await create_customer(world.agent)
    for _ in range(2):
        assert (await start(world.agent, customer["id"])).status_code == 201
    assert len(places) == 1
    assert places[0] != threading.main_thread().name
