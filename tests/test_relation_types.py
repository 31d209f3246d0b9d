"""Relation types: what ties can be, as data: the catalogue, types of one's own, and what becomes of ties they have."""

import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from app import migrate
from app.domain import relation_catalogue
from tests.factories import World, create_company, create_customer, if_match
from tests.ties import Json, network, pair, relate, url

TYPES = "/v1/relation-types"
TEA = {"code": "tea_friend", "direction": "friend", "label": {"zh": "茶友", "en": "tea friend"}}
MASTER = {
    "code": "tea_master", "inverse_code": "tea_pupil", "direction": "friend",
    "label": {"zh": "茶师", "en": "tea master"}, "inverse_label": {"zh": "茶徒", "en": "tea pupil"},
}  # fmt: skip


def at(kind: Json) -> str:
    return f"{TYPES}/{kind['id']}"


async def add(world: World, **body: Any) -> Json:
    answer = await world.admin.post(TYPES, json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    assert answer.headers["location"] == at(made)
    return made


async def change(world: World, kind: Json, **body: Any) -> Json:
    answer = await world.admin.patch(at(kind), json=body, headers=if_match(kind))
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


async def types(client: httpx.AsyncClient) -> dict[str, Json]:
    return {item["code"]: item for item in (await client.get(TYPES)).json()["items"]}


# --- the catalogue -------------------------------------------------------------------------------------------------


def test_codes_of_the_catalogue_are_unique_across_both_ends() -> None:
    kinds = relation_catalogue.built_in()
    codes = [kind.code for kind in kinds] + [kind.inverse_code for kind in kinds if kind.inverse_code != kind.code]
    assert len(set(codes)) == len(codes)
    assert len(kinds) >= 60
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{1,39}", code) for code in codes)


def test_catalogue_is_in_both_languages_and_in_bounds() -> None:
    for kind in relation_catalogue.built_in():
        for label in (kind.label, kind.inverse_label):
            assert {"zh", "en"} <= set(label) <= {"zh", "en", "zh_male", "zh_female", "en_male", "en_female"}, kind.code
            assert re.search(r"[\u4e00-\u9fff]", label["zh"]), kind.code
            assert not re.search(r"[\u4e00-\u9fff]", label["en"]), kind.code
            assert all(1 <= len(text) <= 50 for text in label.values()), kind.code
            assert ("zh_male" in label) == ("zh_female" in label), kind.code
        assert 0 <= kind.strength <= 1, kind.code
        assert 0 <= kind.weight <= 1, kind.code
        if kind.code == kind.inverse_code:
            assert (kind.label, kind.left) == (kind.inverse_label, kind.right), kind.code
        if kind.degree is not None:
            assert kind.direction == "relative", kind.code


def test_every_direction_has_its_generic_type_and_others() -> None:
    kinds = relation_catalogue.built_in()
    directions = {"relative", "friend", "client", "partner", "ally"}
    assert {kind.direction for kind in kinds} == directions
    for direction in directions:
        assert sum(kind.direction == direction for kind in kinds) >= 5, direction
        generic = next(kind for kind in kinds if kind.code == direction)
        assert generic.direction == direction
        assert (generic.left, generic.right, generic.is_sensitive) == (None, None, False), direction
    assert next(kind for kind in kinds if kind.code == "client").inverse_code == "supplier"


def test_catalogue_knows_what_is_delicate() -> None:
    delicate = {kind.code for kind in relation_catalogue.built_in() if kind.is_sensitive}
    assert {"patient", "legal_client", "former_spouse"} <= delicate


async def test_organisation_begins_with_the_whole_catalogue(world: World) -> None:
    found = await types(world.agent)
    assert set(found) == {kind.code for kind in relation_catalogue.built_in()}
    for kind in relation_catalogue.built_in():
        row = found[kind.code]
        assert row["is_builtin"]
        assert row["is_active"]
        assert (row["inverse_code"], row["direction"]) == (kind.inverse_code, kind.direction)
        assert (row["default_strength"], row["introduction_weight"]) == (kind.strength, kind.weight)
        assert (row["customer_kind"], row["other_kind"]) == (kind.left, kind.right)
        assert row["is_symmetric"] == (kind.code == kind.inverse_code)
        assert row["inverse_direction"] == ("supplier" if kind.direction == "client" else kind.direction)


async def test_seeding_again_changes_nothing_and_keeps_what_the_organisation_changed(world: World) -> None:
    before = await types(world.admin)
    changed = await change(world, before["schoolmate"], default_strength=0.99, is_active=False)
    own = await add(world, **TEA)
    await migrate.seed_relation_types(world.db, world.org_id)
    after = await types(world.admin)
    assert after == {**before, "schoolmate": changed, "tea_friend": own}


async def test_seeding_leaves_a_code_alone_the_organisation_uses_itself(world: World) -> None:
    """As if `schoolmate` came with a release after the organisation had made one of its own, by another's name."""
    await world.db.execute("DELETE FROM relation_types WHERE org_id = $1 AND code = 'superior'", world.org_id)
    own = await add(
        world, code="boss", inverse_code="subordinate", direction="partner", label={"zh": "老板", "en": "boss"},
        inverse_label={"zh": "手下", "en": "staff"},
    )  # fmt: skip
    await migrate.seed_relation_types(world.db, world.org_id)
    found = await types(world.admin)
    assert found["boss"] == own
    assert "superior" not in found


# --- one's own -----------------------------------------------------------------------------------------------------


async def test_symmetric_type_reads_the_same_from_both_ends(world: World) -> None:
    made = await add(world, **TEA)
    assert (made["code"], made["inverse_code"], made["is_symmetric"]) == ("tea_friend", "tea_friend", True)
    assert (made["label"], made["inverse_label"]) == (made["label"], made["label"])
    assert (made["direction"], made["inverse_direction"], made["is_builtin"]) == ("friend", "friend", False)
    assert (await world.agent.get(at(made))).json() == made
    one, other = await pair(world)
    tie = await relate(world.agent, one, other, type="tea_friend")
    mirrored = (await world.agent.get(url(other, tie["id"]))).json()
    for seen in (tie, mirrored):
        assert (seen["type"], seen["direction"], seen["label"]) == (
            "tea_friend",
            "friend",
            {"zh": "茶友", "en": "tea friend"},
        )
    again = await world.agent.post(url(other), json={"other_id": one["id"], "type": "tea_friend"})
    assert again.json()["code"] == "relationship_exists"


@pytest.mark.parametrize("told", ["code", "inverse_code"])
async def test_asymmetric_type_is_told_by_either_name_and_turns_round(world: World, told: str) -> None:
    made = await add(world, **MASTER)
    assert not made["is_symmetric"]
    one, other = await pair(world)
    tie = await relate(world.agent, one, other, type=made[told])
    mirrored = (await world.agent.get(url(other, tie["id"]))).json()
    back = {"tea_master": "tea_pupil", "tea_pupil": "tea_master"}
    words = {"tea_master": "茶师", "tea_pupil": "茶徒"}
    assert (tie["type"], mirrored["type"]) == (made[told], back[made[told]])
    assert (tie["label"]["zh"], mirrored["label"]["zh"]) == (words[tie["type"]], words[mirrored["type"]])
    # One fact: told from the other end by its other name it is there already; turned round it is another one.
    again = await world.agent.post(url(other), json={"other_id": one["id"], "type": mirrored["type"]})
    assert again.json()["code"] == "relationship_exists"
    await relate(world.agent, one, other, type=mirrored["type"])


async def test_type_of_a_supplier_is_turned_to_the_client(world: World) -> None:
    made = await add(
        world, code="caterer", inverse_code="catered", direction="supplier", label={"zh": "承办酒席", "en": "caterer"},
        inverse_label={"zh": "办席的客户", "en": "catered client"}, customer_kind="organization",
        other_kind="individual",
    )  # fmt: skip
    assert (made["code"], made["inverse_code"]) == ("catered", "caterer")
    assert (made["direction"], made["inverse_direction"]) == ("client", "supplier")
    assert (made["label"]["zh"], made["inverse_label"]["zh"]) == ("办席的客户", "承办酒席")
    assert (made["customer_kind"], made["other_kind"]) == ("individual", "organization")
    firm, cook = await create_company(world.agent), await create_customer(world.agent)
    tie = await relate(world.agent, firm, cook, "supplier", type="caterer")
    assert (tie["direction"], tie["label"]["zh"]) == ("supplier", "承办酒席")
    mirrored = (await world.agent.get(url(cook, tie["id"]))).json()
    assert (mirrored["direction"], mirrored["type"]) == ("client", "catered")


@pytest.mark.parametrize("code", ["tea_master", "tea_pupil"])
@pytest.mark.parametrize("end", ["code", "inverse_code"])
async def test_codes_are_in_use_by_either_name(world: World, code: str, end: str) -> None:
    await add(world, **MASTER)
    body = {**MASTER, "code": "another", "inverse_code": "one_more", end: code}
    answer = await world.admin.post(TYPES, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "relation_type_exists")


@pytest.mark.parametrize("code", ["friend", "supplier", "schoolmate", "child"])
async def test_code_of_a_built_in_type_is_in_use(world: World, code: str) -> None:
    answer = await world.admin.post(TYPES, json={**TEA, "code": code})
    assert (answer.status_code, answer.json()["code"]) == (409, "relation_type_exists")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({**TEA, "direction": "client"}, "/inverse_code", "missing"),
        ({**TEA, "direction": "supplier"}, "/inverse_code", "missing"),
        ({**TEA, "inverse_code": "tea_guest"}, "/inverse_label", "missing"),
        ({**TEA, "customer_kind": "individual"}, "/other_kind", "party_kind_mismatch"),
        ({**TEA, "code": "Tea"}, "/code", "pattern"),
        ({**TEA, "code": "t"}, "/code", "too_short"),
        ({**TEA, "code": "t" * 41}, "/code", "too_long"),
        ({**TEA, "label": {"zh": "茶友"}}, "/label/en", "missing"),
        ({**TEA, "direction": "enemy"}, "/direction", "choice"),
        ({**TEA, "default_strength": 1.001}, "/default_strength", "out_of_range"),
        ({**TEA, "is_builtin": True}, "/is_builtin", "unknown"),
    ],
)
async def test_create_refuses(world: World, body: Json, pointer: str, code: str) -> None:
    answer = await world.admin.post(TYPES, json=body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


async def test_same_code_and_id_in_two_organisations_are_two_types(world: World, other_world: World) -> None:
    taken = str(uuid7())
    assert (await add(world, **TEA, id=taken))["id"] == taken
    assert (await add(other_world, **TEA, id=taken))["id"] == taken
    again = await world.admin.post(TYPES, json={**TEA, "code": "wine_friend", "id": taken})
    assert (again.status_code, again.json()["code"]) == (409, "id_taken")
    assert (await other_world.admin.patch(at({"id": taken}), json={}, headers={"If-Match": '"1"'})).status_code == 200
    assert (await world.agent.get(at({"id": taken}))).json()["version"] == 1


async def test_only_the_administrator_changes_types(world: World) -> None:
    made = await add(world, **TEA)
    for client in (world.agent, world.manager, world.auditor):
        assert (await client.get(at(made))).status_code == 200
        assert (await client.post(TYPES, json={**TEA, "code": "x_y"})).status_code == 403
        assert (await client.patch(at(made), json={}, headers=if_match(made))).status_code == 403
        assert (await client.delete(at(made), headers=if_match(made))).status_code == 403
    assert (await world.client(world.partner_key).get(TYPES)).status_code == 403


async def test_list_is_cached_by_its_tag_until_something_changes(world: World) -> None:
    first = await world.agent.get(TYPES)
    held = {"If-None-Match": first.headers["etag"]}
    assert (await world.agent.get(TYPES, headers=held)).status_code == 304
    await add(world, **TEA)
    assert (await world.agent.get(TYPES, headers=held)).status_code == 200


async def test_changes_are_audited(world: World) -> None:
    made = await add(world, **TEA)
    made = await change(world, made, introduction_weight=0.5)
    await world.admin.delete(at(made), headers=if_match(made))
    events = await world.db.fetch("SELECT action FROM audit_events WHERE object_id = $1 ORDER BY at", UUID(made["id"]))
    assert [row["action"] for row in events] == [
        "relation_type.created", "relation_type.updated", "relation_type.deleted",
    ]  # fmt: skip


# --- ties and their types ------------------------------------------------------------------------------------------


async def test_retired_type_stays_readable_and_takes_no_new_ties(world: World) -> None:
    made = await add(world, **TEA)
    one, other = await pair(world)
    tie = await relate(world.agent, one, other, type="tea_friend")
    retired = await change(world, made, is_active=False)
    assert (await world.agent.get(url(one, tie["id"]))).json() == tie
    changed = await world.agent.patch(url(one, tie["id"]), json={"strength": 0.9}, headers=if_match(tie))
    assert (changed.status_code, changed.json()["type"]) == (200, "tea_friend")
    third = await create_customer(world.agent)
    refused = await world.agent.post(url(one), json={"other_id": third["id"], "type": "tea_friend"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "relation_type_unknown")
    assert (await types(world.agent))["tea_friend"]["is_active"] is False
    await change(world, retired, is_active=True)
    await relate(world.agent, one, third, type="tea_friend")


async def test_delete_takes_own_types_nobody_uses(world: World) -> None:
    made, used = await add(world, **TEA), await add(world, **MASTER)
    one, other = await pair(world)
    tie = await relate(world.agent, one, other, type="tea_pupil")
    await world.agent.delete(url(one, tie["id"]), headers=if_match(tie))  # it can be restored
    builtin = (await types(world.admin))["godparent"]
    for kind, code in ((used, "relation_type_in_use"), (builtin, "relation_type_built_in")):
        answer = await world.admin.delete(at(kind), headers=if_match(kind))
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert (await world.admin.delete(at(made), headers=if_match(made))).status_code == 204
    assert (await world.admin.get(at(made))).status_code == 404
    for gone in (
        await world.admin.patch(at(made), json={}, headers=if_match(made)),
        await world.admin.delete(at(made), headers=if_match(made)),
    ):
        assert gone.status_code == 404
    assert "tea_friend" not in await types(world.admin)
    refused = await world.agent.post(url(one), json={"other_id": other["id"], "type": "tea_friend"})
    assert refused.json()["errors"][0]["code"] == "relation_type_unknown"
    again = await add(world, **TEA)
    assert again["id"] != made["id"]
    assert (await relate(world.agent, one, other, type="tea_friend"))["type"] == "tea_friend"
    assert (await world.admin.delete(at(again), headers=if_match(again))).json()["code"] == "relation_type_in_use"


@pytest.mark.parametrize(
    ("one", "other", "kind", "status"),
    [
        ("person", "person", "parent", 201), ("person", "company", "parent", 422), ("company", "person", "parent", 422),
        ("company", "person", "employee", 201), ("person", "company", "employee", 422),
        ("person", "company", "employer", 201), ("company", "company", "subsidiary", 201),
        ("person", "company", "subsidiary", 422), ("company", "company", "client", 201),
        ("company", "person", "patient", 201), ("person", "company", "patient", 422),
    ],
)  # fmt: skip
async def test_kinds_of_both_ends_are_checked(world: World, one: str, other: str, kind: str, status: int) -> None:
    make = {"person": create_customer, "company": create_company}
    here, there = await make[one](world.agent), await make[other](world.agent)
    answer = await world.agent.post(url(here), json={"other_id": there["id"], "type": kind})
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["errors"][0]["code"] == "party_kind_mismatch"


@pytest.mark.parametrize(
    ("gender", "zh", "en"),
    [
        ("male", "父亲", "father"),
        ("female", "母亲", "mother"),
        ("unstated", "父母", "parent"),
        (None, "父母", "parent"),
    ],
)
async def test_label_follows_the_gender_of_the_other_one(world: World, gender: str | None, zh: str, en: str) -> None:
    child, parent = await create_customer(world.agent), await create_customer(world.agent, gender=gender)
    tie = await relate(world.agent, child, parent, "relative", type="parent")
    assert tie["label"] == {"zh": zh, "en": en}
    listed = (await world.agent.get(url(child))).json()["items"][0]
    assert listed["label"] == tie["label"]


async def test_delicate_type_is_veiled_for_auditors_everywhere(world: World) -> None:
    doctor, patient = await create_customer(world.agent), await create_customer(world.agent)
    tie = await relate(world.agent, doctor, patient, "client", type="patient", role="肿瘤科", note="三期")
    for path in (url(doctor, tie["id"]), url(doctor), url(patient), f"/v1/customers/{doctor['id']}/network"):
        text = (await world.auditor.get(path)).text
        assert not any(word in text for word in ("patient", "doctor", "病人", "医生", "肿瘤科", "三期")), path
        assert tie["id"] in text
    seen = (await world.auditor.get(url(doctor, tie["id"]))).json()
    assert (seen["type"], seen["direction"], seen["label"]["zh"], seen["role"]) == ("client", "client", "客户", None)
    assert (await world.auditor.get(url(doctor), params={"type": "patient"})).json()["items"] == []
    assert len((await world.auditor.get(url(doctor), params={"type": "client"})).json()["items"]) == 1
    for kind, count in (("patient", 1), ("client", 2), ("doctor", 1), ("supplier", 1)):
        assert len((await network(world.auditor, UUID(doctor["id"]), type=kind))["nodes"]) == count, kind
    assert len((await network(world.auditor, UUID(patient["id"]), type="supplier"))["nodes"]) == 2
    (edge,) = (await network(world.manager, UUID(doctor["id"]), type="patient"))["edges"]
    assert (edge["type"], edge["role"]) == ("patient", "肿瘤科")
    assert (await world.manager.get(url(doctor, tie["id"]))).json()["type"] == "patient"


async def test_changed_weight_and_default_are_reckoned_at_once(world: World) -> None:
    one, other = await pair(world)
    third = await create_customer(world.agent)
    kind = (await types(world.admin))["schoolmate"]
    plain = await relate(world.agent, one, other, type="schoolmate")
    said = await relate(world.agent, one, third, type="schoolmate", strength=0.8)
    assert (plain["strength"], plain["declared_strength"]) == (kind["default_strength"], None)

    async def warmth() -> list[float]:
        row = "SELECT warmth FROM relationships WHERE id = ANY($1) ORDER BY declared_strength NULLS FIRST"
        found = await world.db.fetch(row, [UUID(plain["id"]), UUID(said["id"])])
        return [float(one["warmth"]) for one in found]

    kind = await change(world, kind, introduction_weight=0.5)
    assert await warmth() == [round(0.5 * 0.5 * 0.9, 3), round(0.8 * 0.5 * 0.9, 3)]
    await change(world, kind, default_strength=0.3)
    assert (await world.agent.get(url(one, plain["id"]))).json()["strength"] == 0.3
    assert (await world.agent.get(url(one, said["id"]))).json()["strength"] == 0.8
    assert await warmth() == [round(0.3 * 0.5 * 0.9, 3), round(0.8 * 0.5 * 0.9, 3)]
    # What a phone is about to change is not stale for it.
    assert (await world.agent.get(url(one, plain["id"]))).json()["version"] == 1
    assert len((await network(world.agent, UUID(one["id"]), type="schoolmate"))["nodes"]) == 3
