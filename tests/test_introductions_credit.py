"""What introductions are worth: the referral tree and the introducers, against a plain reckoning of the same rule."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from app import deps
from app.domain import introductions as rules
from app.domain.introductions import POINTS, SHARES, STEPS
from app.models.introductions import DeclineReason, IntroducerTier, IntroductionStatus, NextStatus
from tests.factories import World, create_customer, create_service_team, if_match
from tests.ties import Json, introduce, people

STATUSES = (*STEPS, "declined")
EPOCH = date(2026, 3, 1)


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


# --- the rules -------------------------------------------------------------------------------------------------


def test_rules_and_models_name_the_same_things() -> None:
    assert tuple(IntroductionStatus) == STATUSES
    assert tuple(NextStatus) == STATUSES[1:]
    assert tuple(IntroducerTier) == tuple(name for name, _ in rules.TIERS)
    assert len(DeclineReason) == 7


def test_nothing_goes_back_and_nothing_follows_the_end() -> None:
    allowed = {(one, other) for one in STATUSES for other in STATUSES if rules.may_follow(one, other)}
    forward = {(one, other) for n, one in enumerate(STEPS) for other in STEPS[n + 1 :]}
    assert allowed == forward | {(one, "declined") for one in STEPS[:-1]}


def test_thanks_are_due_at_the_last_milestone_passed() -> None:
    due = {(one, other): rules.thanks_due(one, other) for one in STEPS for other in STATUSES
           if rules.may_follow(one, other)}  # fmt: skip
    assert {key: value for key, value in due.items() if value} == {
        **{(one, other): "introduced" for one in ("asked", "agreed") for other in ("introduced", "met", "analysis")},
        **{(one, "policy"): "policy" for one in STEPS[:-1]},
    }


@pytest.mark.parametrize(
    ("credit", "tier"),
    [("0", "bronze"), ("0.999", "bronze"), ("1", "silver"), ("2.9", "silver"), ("3", "gold"), ("6", "platinum"),
     ("11.99", "platinum"), ("12", "diamond"), ("400", "diamond")],
)  # fmt: skip
def test_tier_follows_from_the_credit(credit: str, tier: str) -> None:
    assert rules.tier(Decimal(credit)) == tier


@given(st.lists(st.lists(st.sampled_from(STATUSES), max_size=5), max_size=8))
def test_credit_halves_with_every_generation(generations: list[list[str]]) -> None:
    whole = rules.credit(generations)
    assert whole == sum((rules.credit([*[[]] * n, one]) for n, one in enumerate(generations)), Decimal(0))
    assert rules.credit([[], *generations[:5]]) * 2 == rules.credit(generations[:5])
    assert rules.credit([[]] * 6 + [["policy"]]) == 0
    assert 0 <= whole <= sum(len(one) for one in generations)


# --- a world of introductions, and the same reckoned in Python ------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A row as stored."""

    id: UUID
    introducer: UUID
    target: UUID
    status: str
    reached: str
    asked_on: date
    is_deleted: bool = False
    agent: int = 0

    @property
    def points(self) -> Decimal:
        return POINTS.get(self.status, Decimal(0))


async def store(world: World, rows: list[Asked]) -> None:
    await world.db.executemany(
        "INSERT INTO introductions (org_id, id, introducer_id, target_id, agent_id, status, reached, reason, asked_on, "
        "status_on, introduced_on, deleted_at, created_digest) VALUES ($1, $2, $3, $4, $5, $6::text, $7::text, "
        "CASE WHEN $6 = 'declined' THEN 'no_need' END, $8::date, $8, "
        "CASE WHEN $7 NOT IN ('asked', 'agreed') THEN $8 END, CASE WHEN $9 THEN now() END, '')",
        [
            (world.org_id, one.id, one.introducer, one.target, list(world.users.values())[one.agent], one.status,
             one.reached, one.asked_on, one.is_deleted)
            for one in rows
        ],
    )  # fmt: skip


def draw(chance: Random, ids: list[UUID], count: int, *, is_forest: bool) -> list[Asked]:
    """Introductions between these: a forest, or a graph with circles, chains beside each other and repetitions."""
    found: dict[tuple[UUID, UUID, int, UUID | None], Asked] = {}
    for number in range(count):
        if is_forest:
            if number + 1 >= len(ids):
                break
            introducer, target = ids[chance.randrange(number + 1)], ids[number + 1]
        else:
            introducer, target = chance.sample(ids, 2)
        status = chance.choice(STATUSES + STEPS[2:])
        reached = chance.choice(STEPS[:-1]) if status == "declined" else status
        asked_on = EPOCH + timedelta(days=chance.randrange(4))  # ties in the order are wanted
        is_open = status in STEPS[:-1]
        one = Asked(uuid7(), introducer, target, status, reached, asked_on, chance.random() < 0.1, number % 6)
        # One agent has one open introduction of the same.
        found.setdefault((introducer, target, one.agent, one.id if one.is_deleted or not is_open else None), one)
    return list(found.values())


def tree_of(rows: list[Asked], root: UUID, seen: set[UUID], depth: int = 6) -> list[tuple[int, Asked]]:
    """Breadth first, one generation after the other."""
    links = [one for one in rows if not one.is_deleted and one.points and {one.introducer, one.target} <= seen]
    front, known, found = {root}, {root}, list[tuple[int, Asked]]()
    for generation in range(1, depth + 1):
        best: dict[UUID, Asked] = {}
        for one in links:
            if one.introducer in front and one.target not in known:
                other = best.get(one.target)
                if other is None or rank(one) < rank(other):
                    best[one.target] = one
        found += [(generation, one) for one in sorted(best.values(), key=rank)]
        front = set(best)
        known |= front
    return found


def rank(one: Asked) -> tuple[Decimal, date, UUID]:
    return -one.points, one.asked_on, one.id


def credit_of(found: list[tuple[int, Asked]]) -> Decimal:
    generations: dict[int, list[str]] = defaultdict(list)
    for generation, one in found:
        generations[generation].append(one.status)
    return rules.credit([generations[n] for n in range(1, 7)])


async def referrals(world: World, name: str, root: UUID, **query: Any) -> Json:
    answer = await getattr(world, name).get(f"/v1/customers/{root}/referrals", params=query)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def introducers(world: World, name: str, limit: int = 200) -> list[Json]:
    items, cursor = list[Json](), ""
    while True:
        page = (await getattr(world, name).get(f"/v1/introducers?limit={limit}{cursor}")).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


async def settle(world: World, chance: Random, count: int) -> tuple[list[UUID], dict[str, set[UUID]]]:
    """People of three agents, some deleted, some shared with the stranger; and who sees whom."""
    team = UUID(await create_service_team(world, "stranger"))
    deps.forget_actors()
    owned = {name: await people(world, count, name) for name in ("agent", "mate", "stranger")}
    every = [one for ids in owned.values() for one in ids]
    shared = {one for one in every if chance.random() < 0.15}
    gone = {one for one in every if chance.random() < 0.05}
    await world.db.execute("UPDATE customers SET service_team_id = $1 WHERE id = ANY($2)", team, list(shared))
    await world.db.execute("UPDATE customers SET deleted_at = now() WHERE id = ANY($1)", list(gone))
    alive = {name: set(ids) - gone for name, ids in owned.items()}
    seen = {"agent": alive["agent"], "stranger": alive["stranger"] | (shared - gone)}
    seen["manager"] = alive["agent"] | alive["mate"]
    seen["admin"] = set(every) - gone
    chance.shuffle(every)
    return every, seen


@pytest.mark.parametrize("seed", range(10))
async def test_tree_is_the_one_a_plain_walk_finds(world: World, seed: int) -> None:
    chance = Random(seed)
    every, seen = await settle(world, chance, 12)
    rows = draw(chance, every, (30, 60, 160)[seed % 3], is_forest=seed % 2 == 0)
    await store(world, rows)
    for name, visible in seen.items():
        roots = sorted(visible, key=lambda one: -sum(row.introducer == one for row in rows))
        for root in [*roots[:4], *chance.sample(roots, 2)]:
            depth = chance.choice((6, 6, 1, 2, 3))
            found, wanted = await referrals(world, name, root, depth=depth), tree_of(rows, root, visible, depth)
            told = [(node["depth"], UUID(node["introduction_id"])) for node in found["nodes"]]
            assert told == [(generation, one.id) for generation, one in wanted], (name, root)
            for node, (generation, one) in zip(found["nodes"], wanted, strict=True):
                assert (UUID(node["id"]), UUID(node["parent_id"])) == (one.target, one.introducer)
                assert (node["status"], node["points"]) == (one.status, float(one.points))
                assert node["credit"] == float(one.points * SHARES[generation - 1])
            assert found["credit"] == float(credit_of(wanted))
            assert not found["truncated"]


@pytest.mark.parametrize("seed", range(10, 16))
async def test_introducers_are_those_a_plain_reckoning_finds(world: World, seed: int) -> None:
    chance = Random(seed)
    every, seen = await settle(world, chance, 14)
    rows = draw(chance, every, (40, 90, 200)[seed % 3], is_forest=seed % 2 == 0)
    await store(world, rows)
    for name, visible in seen.items():
        mine = [row for row in rows if not row.is_deleted and {row.introducer, row.target} <= visible]
        wanted = {one: credit_of(tree_of(rows, one, visible)) for one in {row.introducer for row in mine}}
        found = await introducers(world, name, limit=chance.choice((1, 3, 200)))
        order = sorted(wanted, key=lambda one: (wanted[one], one), reverse=True)
        assert [UUID(item["id"]) for item in found] == order, name
        for item in found:
            check_item(item, [row for row in mine if row.introducer == UUID(item["id"])], wanted[UUID(item["id"])])


def check_item(item: Json, own: list[Asked], credit: Decimal) -> None:
    counts = Counter(row.status for row in own)
    assert item["counts"] == {status: counts[status] for status in STATUSES}
    assert (item["total"], item["credit"], item["tier"]) == (len(own), float(credit), rules.tier(credit))

    def came(step: str) -> int:
        return sum(STEPS.index(row.reached) >= STEPS.index(step) for row in own)

    rates = {
        "introduced_of_asked": (came("introduced"), len(own)),
        "met_of_introduced": (came("met"), came("introduced")),
        "analysis_of_met": (came("analysis"), came("met")),
        "policy_of_introduced": (came("policy"), came("introduced")),
        "policy_of_asked": (came("policy"), len(own)),
    }
    for name, (part, whole) in rates.items():
        assert item["rates"][name] == (None if whole == 0 else pytest.approx(part / whole, abs=5e-5)), name
    days = [row.asked_on.isoformat() for row in own if STEPS.index(row.reached) >= 2]
    assert item["last_introduced_on"] == max(days, default=None)


# --- single things ---------------------------------------------------------------------------------------------


async def chain(world: World, count: int, status: str = "policy") -> tuple[list[UUID], list[Asked]]:
    ids = await people(world, count)
    rows = [Asked(uuid7(), one, other, status, status, EPOCH) for one, other in pairwise(ids)]
    return ids, rows


async def test_tree_says_its_rule_and_ends_after_six_generations(world: World) -> None:
    ids, rows = await chain(world, 9)
    await store(world, rows)
    found = await referrals(world, "agent", ids[0])
    assert [UUID(node["id"]) for node in found["nodes"]] == ids[1:7]
    assert [node["credit"] for node in found["nodes"]] == [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]
    assert found["credit"] == 1.96875
    assert found["rule"] == {
        "points": {"introduced": 0.1, "met": 0.25, "analysis": 0.5, "policy": 1},
        "shares": [1, 0.5, 0.25, 0.125, 0.0625, 0.03125],
    }
    for depth in (0, 7):
        assert (await world.agent.get(f"/v1/customers/{ids[0]}/referrals?depth={depth}")).status_code == 422


async def test_circle_ends_where_it_began(world: World) -> None:
    ids, rows = await chain(world, 3)
    await store(world, [*rows, Asked(uuid7(), ids[2], ids[0], "policy", "policy", EPOCH)])
    for number, root in enumerate(ids):
        found = await referrals(world, "agent", root)
        assert [UUID(node["id"]) for node in found["nodes"]] == [ids[(number + n) % 3] for n in (1, 2)]
        assert found["credit"] == 1.5


async def test_branch_through_somebody_invisible_is_neither_shown_nor_counted(world: World) -> None:
    ids, rows = await chain(world, 4)
    await store(world, rows)
    await world.db.execute("UPDATE customers SET owner_id = $1 WHERE id = $2", world.users["mate"], ids[1])
    found = await referrals(world, "agent", ids[0])
    assert (found["nodes"], found["credit"]) == ([], 0)
    assert [item["id"] for item in await introducers(world, "agent")] == [str(ids[2])]
    assert (await referrals(world, "manager", ids[0]))["credit"] == 1.75
    assert (await world.agent.get(f"/v1/customers/{ids[1]}/referrals")).status_code == 404


async def test_more_than_five_hundred_are_cut_and_counted(world: World) -> None:
    (root, *ids), far = await people(world, 521), await people(world, 3)
    rows = [Asked(uuid7(), root, one, "policy" if n % 2 else "met", "policy" if n % 2 else "met", EPOCH)
            for n, one in enumerate(ids)]  # fmt: skip
    rows += [Asked(uuid7(), ids[0], one, "policy", "policy", EPOCH) for one in far]
    await store(world, rows)
    found, wanted = await referrals(world, "agent", root), tree_of(rows, root, {root, *ids, *far})
    assert (len(found["nodes"]), found["truncated"]) == (500, True)
    assert [UUID(node["introduction_id"]) for node in found["nodes"]] == [one.id for _, one in wanted[:500]]
    assert found["credit"] == float(credit_of(wanted)) == 260 + 65 + 1.5
    assert (await introducers(world, "agent"))[0]["credit"] == found["credit"]


async def test_many_chains_to_the_same_people_do_not_make_the_walk_longer(world: World) -> None:
    """Five layers of thirty, everybody introduced by everybody of the layer above: 30⁵ chains, 150 people."""
    layers = [await people(world, 30) for _ in range(5)]
    (root,) = await people(world, 1)
    rows = [Asked(uuid7(), root, one, "met", "met", EPOCH) for one in layers[0]]
    for upper, lower in pairwise(layers):
        rows += [Asked(uuid7(), one, other, "met", "met", EPOCH) for one in upper for other in lower]
    await store(world, rows)
    found = await referrals(world, "agent", root)
    assert len(found["nodes"]) == 150
    assert found["credit"] == 30 * 0.25 * 1.9375
    assert (await introducers(world, "agent"))[0]["credit"] == found["credit"]


async def test_root_is_a_living_customer_the_caller_sees(world: World) -> None:
    made = await create_customer(world.agent)
    assert (await referrals(world, "agent", made["id"]))["nodes"] == []
    await world.agent.delete(f"/v1/customers/{made['id']}", headers=if_match(made))
    assert (await world.agent.get(f"/v1/customers/{made['id']}/referrals")).status_code == 410
    for name in ("mate", "stranger"):
        assert (await getattr(world, name).get(f"/v1/customers/{made['id']}/referrals")).status_code == 404


async def test_credit_grows_with_what_becomes_of_it(world: World) -> None:
    one, other = await create_customer(world.agent), await create_customer(world.agent, name="李雷")
    third = await create_customer(world.agent, name="赵三")
    made = await introduce(world.agent, one, other, "agreed")
    assert (await introducers(world, "agent"))[0]["credit"] == 0
    for step, credit in (("introduced", 0.1), ("met", 0.25), ("analysis", 0.5), ("policy", 1)):
        url, body = f"/v1/introductions/{made['id']}/advance", {"status": step}
        made = (await world.agent.post(url, json=body, headers=if_match(made))).json()
        assert (await introducers(world, "agent"))[0]["credit"] == credit
    await introduce(world.agent, other, third, "met")
    first, second = await introducers(world, "agent")
    assert (first["credit"], first["tier"], second["credit"]) == (1.125, "silver", 0.25)
    assert await introducers(world, "stranger") == []
