"""Warm introductions: exact against an enumeration of all paths, and nobody behind the wall."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.factories import World, create_company, create_customer
from tests.problem import assert_problem
from tests.social import SIGHT, Bond, Society, draw, settle
from tests.ties import Json, relate

FAMILIAR = {"prospect": Decimal("0.6"), "customer": Decimal("0.9"), "investor": Decimal(1)}
LEAST = Decimal("0.001")


async def paths(world: World, name: str = "agent", **query: Any) -> list[Json]:
    answer = await getattr(world, name).get("/v1/network/paths", params=query)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["items"]
    return found


# --- exact -----------------------------------------------------------------------------------------------------------


def walks(
    around: dict[UUID, list[Bond]], here: UUID, targets: set[UUID], closed: set[UUID], hops: int, worth: Decimal
) -> Iterator[tuple[Decimal, int]]:
    """The worth and length of every path from here to a target, over so many ties, past nobody in `closed`."""
    for bond in around.get(here, []):
        there = bond.other(here)
        if there in closed:
            continue
        if there in targets:
            yield worth * bond.warmth, 1
        elif hops > 1:
            for value, length in walks(around, there, targets, closed | {there}, hops - 1, worth * bond.warmth):
                yield value, length + 1


def best_of_all(
    society: Society, name: str, *, targets: set[UUID], start: UUID | None, hops: int, is_open: bool
) -> list[Decimal]:
    """What the best path of each beginning is worth, the best first, by trying all."""
    living = {one.id for one in society.members.values() if not one.is_deleted}
    may = living if is_open else society.seen_by(name)
    around: dict[UUID, list[Bond]] = {}
    for bond in society.current():
        if bond.left in may and bond.right in may:
            around.setdefault(bond.left, []).append(bond)
            around.setdefault(bond.right, []).append(bond)
    best: dict[UUID, Decimal] = {}
    if start is None:
        known = {
            one.id
            for one in society.members.values()
            if one.owner == name and one.stage in FAMILIAR and not one.is_deleted and one.id not in targets
        }
        for one in known:
            worth = FAMILIAR[society.members[one].stage]
            found = [value for value, _ in walks(around, one, targets, known, hops, worth)]
            best[one] = max(found, default=Decimal(0))
    else:
        for bond in around.get(start, []):
            first = bond.other(start)
            if first in targets:
                found = [bond.warmth]
            else:
                closed = {start, first}
                found = [v for v, _ in walks(around, first, targets, closed, hops - 1, bond.warmth)] if hops > 1 else []
            best[first] = max([best.get(first, Decimal(0)), *found])
    return sorted((value for value in best.values() if value >= LEAST), reverse=True)


def shown(worths: list[Decimal]) -> list[Decimal]:
    """As the answer rounds them."""
    return [value.quantize(Decimal("0.000001"), ROUND_HALF_UP) for value in worths]


def check_path(society: Society, path: Json, seen: set[UUID]) -> Decimal:
    """That the path exists, tie by tie, as far as it is told; what its ties are worth."""
    ids = [None if party["id"] is None else UUID(party["id"]) for party in path["parties"]]
    assert len(path["hops"]) == len(ids) - 1
    assert len({one for one in ids if one}) == len([one for one in ids if one])
    bonds, worth = {bond.id: bond for bond in society.current()}, Decimal(1)
    for one, other, hop in zip(ids, ids[1:], path["hops"], strict=False):
        worth *= Decimal(str(hop["warmth"]))
        if one is None or other is None:
            assert (hop["relationship_id"], hop["type"], hop["label"], hop["strength"]) == (None, None, None, None)
            continue
        bond = bonds[UUID(hop["relationship_id"])]
        assert {one, other} == {bond.left, bond.right}
        assert one in seen
        assert other in seen
        assert (bond.strength, bond.warmth) == (Decimal(str(hop["strength"])), Decimal(str(hop["warmth"])))
        if bond.type == "parent":
            assert hop["type"] == ("parent" if one == bond.left else "child")
    return worth


@pytest.mark.parametrize("seed", range(12))
async def test_paths_are_those_of_an_enumeration(world: World, seed: int) -> None:
    """12 societies × 6 targets × 4 callers × 2 beginnings: more than 400 pairs, exactly."""
    society = draw(seed, size=20 + seed, ties=45 + 4 * seed)
    await settle(world, society)
    is_open = seed % 2 == 1
    await world.db.execute("UPDATE org_settings SET are_cross_agent_paths_allowed = $2 WHERE org_id = $1",
                           world.org_id, is_open)  # fmt: skip
    compared = 0
    for name in ("agent", "mate", "manager", "admin"):
        seen = society.seen_by(name)
        there = sorted(seen)[:7]
        for target in there[:6]:
            for start in (None, there[6] if len(there) > 6 else None):
                hops, k = 1 + compared % 4, 1 + compared % 5
                query = {"to": str(target), "from": "me" if start is None else str(start), "k": k, "max_hops": hops}
                found = await paths(world, name, **query)
                wanted = best_of_all(
                    society, name, targets={target}, start=start, hops=hops, is_open=is_open or name == "admin"
                )
                worths = [check_path(society, path, seen) for path in found]
                scores = [Decimal(str(path["score"])) for path in found]
                if start is not None:
                    assert worths == wanted[:k]
                assert scores == shown(wanted[:k])
                assert all(UUID(path["parties"][-1]["id"]) == target for path in found)
                compared += 1
    assert compared >= 36


@pytest.mark.parametrize("seed", [100, 101, 102, 103])
async def test_segment_and_company_are_any_of_many(world: World, seed: int) -> None:
    society = draw(seed, size=26, ties=80)
    await settle(world, society)
    for name in ("agent", "manager", "admin"):
        seen = society.seen_by(name)
        chosen = [one for one in sorted(seen) if not society.members[one].is_shadow][1::3]
        await world.db.execute("UPDATE customers SET tags = '{}' WHERE org_id = $1 AND NOT is_shadow", world.org_id)
        await world.db.execute("UPDATE customers SET tags = '{高端}' WHERE org_id = $1 AND id = ANY($2)",
                               world.org_id, chosen)  # fmt: skip
        found = await paths(world, name, to_tag="高端", k=5)
        wanted = best_of_all(society, name, targets=set(chosen), start=None, hops=4, is_open=name == "admin")
        assert [Decimal(str(path["score"])) for path in found] == shown(wanted[:5])
        for firm in [one for one in seen if society.members[one].kind == "organization"][:2]:
            staff = {
                bond.other(firm)
                for bond in society.current()
                if firm in (bond.left, bond.right) and bond.type in ("partner", "employee")
            }
            staff = {one for one in staff & seen if society.members[one].kind == "individual"}
            found = await paths(world, name, at_company=str(firm), k=5)
            wanted = best_of_all(society, name, targets=staff, start=None, hops=4, is_open=name == "admin")
            assert [Decimal(str(path["score"])) for path in found] == shown(wanted[:5])


# --- walls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(200, 206))
async def test_nobody_behind_the_wall_is_named(world: World, seed: int) -> None:
    society = draw(seed, size=30, ties=110)
    await settle(world, society)
    names = {one: f"人{n}" for n, one in enumerate(society.members)}
    for is_open in (False, True):
        await world.db.execute("UPDATE org_settings SET are_cross_agent_paths_allowed = $2 WHERE org_id = $1",
                               world.org_id, is_open)  # fmt: skip
        for name in ("agent", "mate", "stranger", "manager"):
            seen = society.seen_by(name)
            for target in sorted(seen)[:4]:
                text = (await getattr(world, name).get(
                    "/v1/network/paths", params={"to": str(target), "k": 5})).text  # fmt: skip
                hidden = [one for one in society.members if one not in seen]
                assert not [one for one in hidden if str(one) in text or f'"{names[one]}"' in text]
                if not is_open:
                    owners = {str(world.users[owner]) for owner in ("agent", "mate", "stranger")}
                    assert not [one for one in owners - {str(world.users[o]) for o in SIGHT[name]} if one in text]


async def test_way_through_a_colleague_is_there_only_where_the_organisation_allows_it(world: World) -> None:
    mine = await create_customer(world.agent, name="王永庆", stage="customer")
    bridge = await create_customer(world.mate, name="周桥", stage="customer")
    goal = await create_customer(world.agent, name="李雷", stage="contact")
    body = {"other_id": bridge["id"], "type": "schoolmate", "strength": 1}
    for one in (mine, goal):
        made = await world.manager.post(
            f"/v1/customers/{one['id']}/relationships",
            json=body,
        )
        assert made.status_code == 201
    assert await paths(world, to=goal["id"]) == []
    organization = (await world.admin.get(f"/v1/organizations/{world.org_id}")).json()
    changed = await world.admin.patch(
        f"/v1/organizations/{world.org_id}",
        json={"are_cross_agent_paths_allowed": True},
        headers={"If-Match": f'"{organization["version"]}"'},
    )
    assert changed.status_code == 200
    (path,) = await paths(world, to=goal["id"])
    assert [party["name"] for party in path["parties"]] == ["王永庆", None, "李雷"]
    assert path["parties"][1]["colleague"] == {"id": str(world.users["mate"]), "name": "mate"}
    assert path["explanation"]["zh"] == "王永庆 → 同事mate的客户 → 李雷"
    assert path["score"] == 0.657923  # 0.9 × 0.855 × 0.855: schoolmates never met
    assert [hop["label"] for hop in path["hops"]] == [None, None]
    assert (await world.agent.get("/v1/network/paths", params={"to": bridge["id"]})).status_code == 404


# --- what it says ----------------------------------------------------------------------------------------------------


async def test_hop_says_what_the_next_one_is_and_how_strong(world: World) -> None:
    son = await create_customer(world.agent, name="王小明", stage="customer", gender="male")
    mother = await create_customer(world.agent, name="陈秀英", gender="female", stage="contact")
    goal = await create_customer(world.agent, name="李雷", stage="contact")
    await relate(world.agent, son, mother, "relative", type="parent", strength=0.9)
    await relate(world.agent, mother, goal, "friend", type="schoolmate", strength=0.5)
    (path,) = await paths(world, to=goal["id"])
    assert [party["name"] for party in path["parties"]] == ["王小明", "陈秀英", "李雷"]
    assert [hop["type"] for hop in path["hops"]] == ["parent", "schoolmate"]
    assert path["hops"][0]["label"] == {"zh": "母亲", "en": "mother"}
    assert path["hops"][0]["explanation"] == {
        "zh": "母亲,强度0.9,暂无联系记录",
        "en": "mother, strength 0.9, no contact recorded",
    }
    back = await paths(world, **{"to": son["id"], "from": goal["id"]})
    assert [party["name"] for party in back[0]["parties"]] == ["李雷", "陈秀英", "王小明"]
    assert back[0]["hops"][1]["label"] == {"zh": "儿子", "en": "son"}


async def test_write_is_seen_by_the_next_read(world: World) -> None:
    mine = await create_customer(world.agent, name="王永庆", stage="customer")
    goal = await create_company(world.agent, stage="contact")
    assert await paths(world, to=goal["id"]) == []
    tie = await relate(world.agent, goal, mine, "partner", type="legal_representative", strength=1)
    (path,) = await paths(world, to=goal["id"])
    assert path["hops"][0]["type"] == "represented_company"
    await world.agent.patch(
        f"/v1/customers/{goal['id']}/relationships/{tie['id']}",
        json={"until": "2026-01-05"},
        headers={"If-Match": '"1"'},
    )
    assert await paths(world, to=goal["id"]) == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({}, "to"),
        ({"to_tag": "高端", "to_tier": "mvc"}, "to_tier"),
        ({"to_tag": "高端", "k": 6}, "k"),
        ({"to_tag": "高端", "max_hops": 5}, "max_hops"),
        ({"to_tag": "高端", "from": "you"}, "from"),
        ({"to": "x"}, "to"),
        ({"to_tag": "高端", "via": "x"}, "via"),
    ],
)
async def test_question_that_is_none_is_422(world: World, query: dict[str, Any], parameter: str) -> None:
    answer = await world.agent.get("/v1/network/paths", params=query)
    assert answer.status_code == 422
    assert {error["parameter"] for error in answer.json()["errors"]} == {parameter}


async def test_party_that_is_not_there_is_404(world: World, other_world: World) -> None:
    mine, theirs = await create_customer(world.agent), await create_customer(world.mate)
    foreign = await create_customer(other_world.agent)
    for one in (theirs, foreign):
        for query in ({"to": one["id"]}, {"at_company": one["id"]}, {"to": mine["id"], "from": one["id"]}):
            assert (await world.agent.get("/v1/network/paths", params=query)).status_code == 404
    same = await world.agent.get("/v1/network/paths", params={"to": mine["id"], "from": mine["id"]})
    assert same.status_code == 422


async def test_person_is_no_company(world: World) -> None:
    mine, theirs = await create_customer(world.agent), await create_customer(world.mate)
    for start in ({}, {"from": (await create_customer(world.agent))["id"]}):
        answer = await world.agent.get("/v1/network/paths", params={"at_company": mine["id"], **start})
        assert_problem(answer, 409, "customer_not_organization")
    unseen = await world.agent.get("/v1/network/paths", params={"at_company": theirs["id"]})
    assert_problem(unseen, 404, "not_found")
    company = await create_company(world.agent)
    assert await paths(world, at_company=company["id"]) == []


async def test_auditor_reads_the_direction_of_a_delicate_tie(world: World) -> None:
    mine = await create_customer(world.agent, name="王永庆", stage="customer")
    doctor = await create_customer(world.agent, name="李医生", stage="contact")
    await relate(world.agent, mine, doctor, "supplier", type="doctor", strength=1)
    query = {"to": doctor["id"], "from": mine["id"]}
    (path,) = await paths(world, "auditor", **query)
    assert (path["hops"][0]["type"], path["hops"][0]["label"]["zh"]) == ("supplier", "供应商")
    assert "医生" not in path["hops"][0]["explanation"]["zh"]
    (path,) = await paths(world, **query)
    assert (path["hops"][0]["type"], path["hops"][0]["label"]["zh"]) == ("doctor", "医生")
