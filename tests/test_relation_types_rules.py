"""What an administrator may not do to relation types, and what becomes of the ones he deletes."""

import pytest

from app.config import Settings
from app.services import relation_types, relationships_strengths
from tests.factories import World, create_customer, if_match
from tests.queued import carry_out, empty_queue, waiting
from tests.test_relation_types import MASTER, TEA, TYPES, add, at, change, types
from tests.ties import pair, relate, url

__all__ = ["empty_queue"]


async def test_deleted_types_take_no_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relation_types, "MAX_TYPES", len(await types(world.admin)) + 1)
    for _ in range(2):
        made = await add(world, **MASTER)
        full = await world.admin.post(TYPES, json=TEA)
        assert full.json()["code"] == "too_many_relation_types"
        assert (await world.admin.delete(at(made), headers=if_match(made))).status_code == 204


async def test_types_a_direction_stands_for_are_never_retired(world: World) -> None:
    kinds = await types(world.admin)
    one, other = await pair(world)
    for code in ("relative", "friend", "client", "partner", "ally"):
        answer = await world.admin.patch(at(kinds[code]), json={"is_active": False}, headers=if_match(kinds[code]))
        assert (answer.status_code, answer.json()["code"]) == (409, "relation_type_generic")
        kept = await change(world, kinds[code], is_active=True, default_strength=0.4)
        assert (kept["is_active"], kept["default_strength"]) == (True, 0.4)
        await relate(world.agent, one, other, code)
    await relate(world.agent, one, other, "supplier")


async def test_symmetric_type_has_one_label(world: World) -> None:
    cups = {"zh": "茶友", "en": "tea companion"}
    wrong = await world.admin.post(TYPES, json={**TEA, "inverse_label": cups})
    assert wrong.json()["errors"][0]["pointer"] == "/inverse_label"
    made = await add(world, **TEA, inverse_label=TEA["label"])
    for body in ({"inverse_label": cups}, {"label": cups, "inverse_label": TEA["label"]}):
        answer = await world.admin.patch(at(made), json=body, headers=if_match(made))
        (issue,) = answer.json()["errors"]
        assert (answer.status_code, issue["pointer"], issue["code"]) == (
            422, "/inverse_label", "relation_type_symmetric",
        )  # fmt: skip
    assert (await types(world.admin))["tea_friend"] == made
    changed = await change(world, made, label=cups)
    assert changed["inverse_label"] == changed["label"]
    same = await change(world, changed, label=TEA["label"], inverse_label=TEA["label"])
    assert same["inverse_label"] == same["label"] == made["label"]


@pytest.mark.parametrize("member", ["default_strength", "introduction_weight"])
async def test_share_with_a_fourth_decimal_is_refused_not_rounded(world: World, member: str) -> None:
    assert (await add(world, **TEA, **{member: 0.123}))[member] == 0.123
    kind = (await types(world.admin))["schoolmate"]
    for answer in (
        await world.admin.post(TYPES, json={**MASTER, member: 0.1234}),
        await world.admin.patch(at(kind), json={member: 0.1234}, headers=if_match(kind)),
    ):
        (issue,) = answer.json()["errors"]
        assert (answer.status_code, issue["pointer"], issue["code"]) == (422, f"/{member}", "pattern")
    assert (await types(world.admin))["schoolmate"] == kind


@pytest.mark.usefixtures("queue")
async def test_too_many_ties_of_a_type_are_left_to_a_job(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *others = [await create_customer(world.agent) for _ in range(3)]
    ties = [await relate(world.agent, one, other, type="schoolmate") for other in others]
    await relate(world.agent, one, others[0], type="neighbour")
    kind = (await types(world.admin))["schoolmate"]

    async def strengths() -> list[float]:
        return [(await world.agent.get(url(one, made["id"]))).json()["strength"] for made in ties]

    monkeypatch.setattr(relationships_strengths, "MAX_AT_ONCE", 1)
    await change(world, kind, default_strength=0.51)
    assert (await strengths(), len(await waiting(world.db))) == ([kind["default_strength"]] * 2, 1)
    await carry_out(settings)
    assert (await strengths(), await waiting(world.db)) == ([0.51] * 2, [])
