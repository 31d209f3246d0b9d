"""A company: its people, who decides and how one gets to them, its suppliers and clients, its alliances.

The rules are written down a second time below (`expected`), as plainly as can be; random graphs of persons and
companies with random owners must agree with them.
"""

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.domain.relation_catalogue import RelationKind, built_in
from tests.factories import World, create_company, create_customer, if_match
from tests.problem import assert_problem
from tests.ties import Edge, Json, link, people, relate, tie

CATALOGUE = {kind.code: kind for kind in built_in()}
RANKS = (
    "actual_controller", "legal_representative", "decision_maker", "decision_influencer", "gatekeeper", "founder",
    "director", "executive", "supervisor", "shareholder", "employee",
)  # fmt: skip
UNIT = RANKS[:5]


async def company(client: httpx.AsyncClient, root: UUID | str, **params: Any) -> Json:
    answer = await client.get(f"/v1/customers/{root}/company", params=params)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


# --- the rules, a second time ----------------------------------------------------------------------------------------


def _ends(edge: Edge, here: UUID) -> tuple[UUID, str, str] | None:
    """The other end, what it is to this one, and in which direction."""
    kind: RelationKind = CATALOGUE[edge.kind]
    if edge.left == here:
        return edge.right, kind.code, kind.direction
    if edge.right == here:
        return edge.left, kind.inverse_code, "supplier" if kind.direction == "client" else kind.direction
    return None


def _around(edges: Sequence[Edge], here: UUID, seen: set[UUID]) -> list[tuple[UUID, str, str, Edge]]:
    found = [(edge, _ends(edge, here)) for edge in edges]
    return [(*ends, edge) for edge, ends in found if ends is not None and ends[0] in seen]


def _chain(edges: Sequence[Edge], root: UUID, seen: set[UUID], way: str, levels: int, limit: int = 50) -> Json:
    items: list[tuple[UUID, UUID, int, int, str]] = []
    met, front, omitted = {root}, [root], 0
    for level in range(1, levels + 1):
        best: dict[UUID, tuple[int, UUID, UUID, str]] = {}
        for node in front:
            for other, code, direction, edge in _around(edges, node, seen - met):
                if direction == way:
                    best[other] = max(best.get(other, (-1, edge.id, node, code)), (edge.strength, edge.id, node, code))
        order = sorted(best, key=lambda one: (-best[one][0], one))
        front = order[: limit - len(items)]
        omitted = len(order) - len(front)
        items += [(one, best[one][2], level, best[one][0], best[one][3]) for one in front]
        met |= set(front)
        if omitted or not front:
            break
    return {"items": items, "omitted": omitted}


def expected(edges: Sequence[Edge], root: UUID, seen: set[UUID], firms: set[UUID], levels: int) -> Json:
    """What `company` answers, ids and numbers only."""
    best: dict[tuple[UUID, str], tuple[int, UUID]] = {}
    ways: dict[tuple[UUID, str], str] = {}
    for other, code, direction, edge in _around(edges, root, seen):
        if direction in ("partner", "ally"):
            best[other, code] = max(best.get((other, code), (-1, edge.id)), (edge.strength, edge.id))
            ways[other, code] = direction
    groups: dict[str, list[tuple[UUID, int]]] = {}
    unit: dict[UUID, list[tuple[int, str, int]]] = {}
    allied: list[tuple[int, UUID, str]] = []
    for (other, code), (strength, _) in best.items():
        if ways[other, code] == "ally" or other in firms:
            allied.append((-strength, other, code))
            continue
        groups.setdefault(code, []).append((other, strength))
        if code in UNIT:
            unit.setdefault(other, []).append((UNIT.index(code), code, strength))
    deciding = sorted(unit, key=lambda one: (min(unit[one])[0], -max(s for _, _, s in unit[one]), one))
    return {
        "people": [
            (code, sorted(groups[code], key=lambda one: (-one[1], one[0])))
            for code in sorted(groups, key=lambda code: (RANKS.index(code) if code in RANKS else 99, code))
        ],
        "unit": [
            (one, [code for _, code, _ in sorted(unit[one])], max(s for _, _, s in unit[one]),
             _way_in(edges, one, seen - {root}))
            for one in deciding
        ],
        "suppliers": _chain(edges, root, seen, "supplier", levels),
        "clients": _chain(edges, root, seen, "client", levels),
        "alliances": [(other, code, -strength) for strength, other, code in sorted(allied)],
    }  # fmt: skip


def _way_in(edges: Sequence[Edge], target: UUID, seen: set[UUID]) -> tuple[UUID, str, str, int] | None:
    """Who knows him best: himself read from the other end."""
    found = [(edge.strength, edge.id, other, edge) for other, _, _, edge in _around(edges, target, seen)]
    if not found:
        return None
    strength, _, knower, edge = max(found, key=lambda one: one[:2])
    ends = _ends(edge, knower)
    assert ends is not None
    return knower, ends[1], ends[2], strength


def told(found: Json) -> Json:
    """An answer in the form of `expected`."""

    def chain(one: Json) -> Json:
        items = [
            (UUID(item["id"]), UUID(item["parent_id"]), item["level"], round(item["strength"] * 1000), item["type"])
            for item in one["items"]
        ]
        return {"items": items, "omitted": one["omitted"]}

    def strength(one: Json) -> int:
        found: int = round(one["strength"] * 1000)
        return found

    def way(one: Json | None) -> tuple[UUID, str, str, int] | None:
        return one and (UUID(one["customer_id"]), one["type"], one["direction"], strength(one))  # type: ignore[return-value]

    for group in found["people"]:
        assert group["total"] == len(group["items"])
    assert found["decision_unit"]["total"] == len(found["decision_unit"]["items"])
    assert found["alliances"]["total"] == len(found["alliances"]["items"])
    return {
        "people": [
            (group["type"], [(UUID(one["party"]["id"]), strength(one)) for one in group["items"]])
            for group in found["people"]
        ],
        "unit": [
            (UUID(one["party"]["id"]), one["roles"], strength(one), way(one["way_in"]))
            for one in found["decision_unit"]["items"]
        ],
        "suppliers": chain(found["suppliers"]),
        "clients": chain(found["clients"]),
        "alliances": [(UUID(one["party"]["id"]), one["type"], strength(one)) for one in found["alliances"]["items"]],
    }


def graph(chance: random.Random, persons: list[UUID], firms: list[UUID], count: int) -> list[Edge]:
    """Ties of every type that fits two parties; often several between the same two, and of the same strength."""
    both = chance.sample(persons + firms, len(persons + firms))
    pools = {"individual": persons, "organization": firms, None: both}
    codes = [*["client", "distributor"] * 12, *UNIT, *(kind.code for kind in built_in())]
    facts: set[tuple[UUID, UUID, str]] = set()
    while len(facts) < count:
        code = chance.choice(codes)
        one, other = (
            chance.choice(pools[kind][: max(2, int(len(pools[kind]) * chance.random()))])
            for kind in (CATALOGUE[code].left, CATALOGUE[code].right)
        )
        if one != other:
            edge = tie(one, other, code)
            facts.add((edge.left, edge.right, code))
    return [tie(*fact, chance.choice((0, 250, 500, 500, 837, 1000))) for fact in sorted(facts)]


@pytest.mark.parametrize("seed", range(5))
async def test_random_graph_of_two_owners_agrees_with_the_plain_rules(world: World, seed: int) -> None:
    chance = random.Random(seed)
    mine, theirs = await people(world, 18), await people(world, 12, "mate")
    own, other = await people(world, 7, party_type="organization"), await people(world, 5, "mate", "organization")
    persons, firms = mine + theirs, own + other
    chance.shuffle(persons)
    chance.shuffle(firms)
    edges = graph(chance, persons, firms, 200)
    await link(world, edges)
    met: set[str] = set()
    for root in own:
        for levels in (1, 2, 3):
            seen = set(mine + own)
            found = told(await company(world.agent, root, levels=levels))
            assert found == expected(edges, root, seen, set(firms), levels)
            found = told(await company(world.manager, root, levels=levels))
            assert found == expected(edges, root, set(persons + firms), set(firms), levels)
            met |= {name for name in ("people", "unit", "alliances") if found[name]}
            met |= {f"{name} {item[2]}" for name in ("suppliers", "clients") for item in found[name]["items"]}
    assert len(met) == 9  # people, unit, alliances; three levels either way


# --- what it says ----------------------------------------------------------------------------------------------------


async def test_lonely_company_has_nothing_but_itself(world: World) -> None:
    made = await create_company(world.agent, name="江城衡岳纺织有限公司")
    found = await company(world.agent, made["id"])
    assert found == {
        "company": {
            "id": made["id"], "name": "江城衡岳纺织有限公司", "party_type": "organization", "stage": "prospect",
            "tier": None, "gender": None, "is_shadow": False, "ownership": "mine",
        },
        "people": [], "decision_unit": {"total": 0, "items": []}, "suppliers": {"items": [], "omitted": 0},
        "clients": {"items": [], "omitted": 0}, "alliances": {"total": 0, "items": []},
    }  # fmt: skip


async def test_decision_maker_is_reached_through_the_customer_who_knows_him_best(world: World) -> None:
    firm, boss = await create_company(world.agent), await create_customer(world.agent, name="韩董", gender="male")
    friend, cousin = await create_customer(world.agent, name="李雷"), await create_customer(world.agent, name="韩梅")
    await relate(world.agent, firm, boss, "partner", type="decision_maker", role="董事长", strength=0.9)
    await relate(world.agent, firm, boss, "partner", type="legal_representative", strength=0.95)
    await relate(world.agent, friend, boss, "friend", type="schoolmate", strength=0.6)
    await relate(world.agent, cousin, boss, "relative", type="uncle_aunt", strength=0.7)
    found = await company(world.agent, firm["id"])
    (member,) = found["decision_unit"]["items"]
    assert (member["party"]["name"], member["roles"]) == ("韩董", ["legal_representative", "decision_maker"])
    assert member["strength"] == 0.95
    assert member["way_in"] == {
        "customer_id": cousin["id"], "name": "韩梅", "party_type": "individual", "direction": "relative",
        "type": "uncle_aunt", "label": {"zh": "伯父叔父舅父姑父姨父", "en": "uncle"}, "strength": 0.7,
    }  # fmt: skip
    assert [(group["type"], group["total"]) for group in found["people"]] == [
        ("legal_representative", 1), ("decision_maker", 1),
    ]  # fmt: skip
    assert found["people"][1]["items"][0]["role"] == "董事长"
    assert found["people"][1]["label"] == {"zh": "决策人", "en": "decision maker"}


async def test_nobody_who_knows_him_is_no_way_in(world: World) -> None:
    firm, boss = await create_company(world.agent), await create_customer(world.agent, name="韩董")
    theirs = await create_customer(world.mate, name="同事的客户")
    await relate(world.agent, firm, boss, "partner", type="gatekeeper")
    await relate(world.manager, theirs, boss)
    assert (await company(world.agent, firm["id"]))["decision_unit"]["items"][0]["way_in"] is None
    reached = (await company(world.manager, firm["id"]))["decision_unit"]["items"][0]["way_in"]
    assert reached["customer_id"] == theirs["id"]


async def test_shadow_contact_is_no_way_in(world: World) -> None:
    firm, boss, shadow = (*(await people(world, 1, party_type="organization")), *(await people(world, 2)))
    await world.db.execute(
        "UPDATE customers SET is_shadow = true, known_through_id = $2, keep_until = '2999-01-01' WHERE id = $1",
        shadow,
        boss,
    )
    await link(world, [tie(firm, boss, "decision_maker"), tie(boss, shadow, "friend", 900)])
    assert (await company(world.agent, firm))["decision_unit"]["items"][0]["way_in"] is None


async def test_chains_follow_levels_and_end_in_a_circle(world: World) -> None:
    chain = await people(world, 5, party_type="organization")
    await link(world, [tie(one, other, "client") for one, other in pairwise(chain)])
    await link(world, [tie(chain[-1], chain[0], "client")])
    for levels in (1, 2, 3):
        found = await company(world.agent, chain[0], levels=levels)
        assert [UUID(one["id"]) for one in found["clients"]["items"]] == chain[1 : levels + 1]
        assert [UUID(one["id"]) for one in found["suppliers"]["items"]] == chain[: -levels - 1 : -1]
        assert {one["direction"] for one in found["suppliers"]["items"]} == {"supplier"}
    assert len((await company(world.agent, chain[0]))["clients"]["items"]) == 2


async def test_full_chain_says_how_many_it_left_out(world: World) -> None:
    root, *clients = await people(world, 58, party_type="organization")
    await link(world, [tie(root, one, "client", 100 + place) for place, one in enumerate(clients)])
    found = (await company(world.agent, root, levels=3))["clients"]
    assert ([UUID(one["id"]) for one in found["items"]], found["omitted"]) == (clients[:6:-1], 7)


async def test_many_employees_are_counted_and_the_closest_shown(world: World) -> None:
    (firm,) = await people(world, 1, party_type="organization")
    staff = await people(world, 103)
    await link(world, [tie(firm, one, "employee", place) for place, one in enumerate(staff)])
    (group,) = (await company(world.agent, firm))["people"]
    assert (group["type"], group["total"], len(group["items"])) == ("employee", 103, 100)
    assert UUID(group["items"][0]["party"]["id"]) == staff[-1]


async def test_ended_ties_say_nothing(world: World) -> None:
    firm, other = await people(world, 2, party_type="organization")
    (boss,) = await people(world, 1)
    before = [tie(firm, boss, "decision_maker"), tie(firm, other, "client"), tie(firm, other, "ally")]
    await link(world, before, until="2020-01-01")
    found = await company(world.agent, firm)
    assert [found["people"], found["clients"]["items"], found["alliances"]["items"]] == [[], [], []]


async def test_auditor_reads_the_direction_of_a_delicate_tie(world: World) -> None:
    firm = await create_company(world.agent)
    lawyer, boss = await create_customer(world.agent, name="高律"), await create_customer(world.agent, name="韩董")
    await relate(world.agent, firm, lawyer, "supplier", type="lawyer", role="离婚案")
    await relate(world.agent, firm, boss, "partner", type="decision_maker")
    await relate(world.agent, lawyer, boss, "client", type="legal_client")
    whole, masked = await company(world.agent, firm["id"]), await company(world.auditor, firm["id"])
    for found, types in ((whole, ("lawyer", "legal_client")), (masked, ("supplier", "client"))):
        (supplier,), (member,) = found["suppliers"]["items"], found["decision_unit"]["items"]
        assert (supplier["type"], member["way_in"]["type"]) == types
    assert [found["suppliers"]["items"][0]["role"] for found in (whole, masked)] == ["离婚案", None]
    assert masked["suppliers"]["items"][0]["label"] == {"zh": "供应商", "en": "supplier"}


# --- the door --------------------------------------------------------------------------------------------------------


async def test_person_is_409(world: World) -> None:
    person = await create_customer(world.agent)
    answer = await world.agent.get(f"/v1/customers/{person['id']}/company")
    assert_problem(answer, 409, "customer_not_organization")


async def test_foreign_company_is_404_and_deleted_one_410(world: World, other_world: World) -> None:
    firm, person = await create_company(world.agent), await create_customer(world.agent)
    for client in (world.mate, other_world.admin):
        for one in (firm, person):  # whether it is a company is nobody else's business
            assert (await client.get(f"/v1/customers/{one['id']}/company")).status_code == 404
    await world.agent.delete(f"/v1/customers/{firm['id']}", headers=if_match(firm))
    assert (await world.agent.get(f"/v1/customers/{firm['id']}/company")).status_code == 410


@pytest.mark.parametrize("query", ["levels=0", "levels=4", "levels=x", "depth=2"])
async def test_parameter_out_of_bounds_is_422(world: World, query: str) -> None:
    (firm,) = await people(world, 1, party_type="organization")
    answer = await world.agent.get(f"/v1/customers/{firm}/company?{query}")
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [query.split("=")[0]]
