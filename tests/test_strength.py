"""The strength of relationships, reckoned in the database, against the formula in Python and what must hold of it."""

import math
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from app.models.organizations import WEIGHTS
from app.models.relationship_interactions import InteractionKind
from app.services import shadow_contacts_clock
from tests.factories import World
from tests.ties import link, pair, people, relate, tie, url

History = list[tuple[str, int]]  # kind, days ago


# --- the formula ---------------------------------------------------------------------------------------------------


def computed(history: History, *, half_life: int = 180, weights: dict[str, float] = WEIGHTS) -> float | None:
    if not history:
        return None
    return 1 - math.exp(-sum(weights[kind] * 0.5 ** (days / half_life) for kind, days in history))


def strength(declared: float | None, default: float, found: float | None, rule: str = "max") -> float:
    said = default if declared is None else declared
    if found is None:
        return said
    return {"max": max(said, found), "computed": found, "declared": found if declared is None else said}[rule]


def warmth(strong: float, weight: float, history: History) -> float:
    recency = 0.8 + 0.2 * 0.5 ** (min(days for _, days in history) / 180) if history else 0.9
    return strong * weight * recency


class Book:
    """Ties in the database with any history, and what is reckoned from it."""

    def __init__(self, world: World, today: date) -> None:
        self.world, self.today = world, today

    async def ties(self, count: int, kind: str = "friend") -> list[UUID]:
        ids = await people(self.world, count + 1)
        edges = [tie(ids[0], other, kind) for other in ids[1:]]
        await link(self.world, edges)
        return [edge.id for edge in edges]

    async def record(self, tie_id: UUID, history: History) -> None:
        await self.world.db.executemany(
            "INSERT INTO relationship_interactions (org_id, id, relationship_id, kind, occurred_on, recorded_by, "
            "created_digest) VALUES ($1, $2, $3, $4, $5, $6, '')",
            [
                (self.world.org_id, uuid7(), tie_id, kind, self.today - timedelta(days=days), self.world.users["agent"])
                for kind, days in history
            ],
        )

    async def declare(self, tie_id: UUID, value: float | None) -> None:
        given_text = None if value is None else f"{value:.3f}"
        await self.world.db.execute(
            "UPDATE relationships SET declared_strength = $2::text::numeric WHERE id = $1", tie_id, given_text
        )

    async def set(self, rule: str, half_life: int) -> None:
        await self.world.db.execute(
            "UPDATE org_settings SET strength_rule = $2, strength_half_life_days = $3 WHERE org_id = $1",
            self.world.org_id,
            rule,
            half_life,
        )

    async def reckoned(self, ids: list[UUID]) -> list[dict[str, Any]]:
        await self.world.db.fetch(
            "SELECT * FROM refresh_relationships($1, $2, $3, 0, 0)", self.world.org_id, ids, self.today
        )
        rows = await self.world.db.fetch(
            "SELECT r.id, r.computed_strength, r.strength, r.warmth, r.last_interaction_on, t.default_strength, "
            "t.introduction_weight FROM relationships r JOIN relation_types t ON t.org_id = r.org_id AND "
            "t.code = r.type WHERE r.id = ANY($1)",
            ids,
        )
        found = {
            row["id"]: {k: float(v) if k not in ("id", "last_interaction_on") and v is not None else v
                        for k, v in row.items()}
            for row in rows
        }  # fmt: skip
        return [found[one] for one in ids]


KINDS = st.sampled_from([kind.value for kind in InteractionKind])
HISTORY = st.lists(st.tuples(KINDS, st.integers(0, 4000)), max_size=12)
THOUSANDTH = st.integers(0, 1000).map(lambda n: n / 1000)
EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
ROUNDED = 0.0005 + 1e-9


@EXAMPLES
@given(
    histories=st.lists(st.tuples(HISTORY, st.none() | THOUSANDTH), min_size=1, max_size=6),
    rule=st.sampled_from(["max", "declared", "computed"]),
    half_life=st.integers(7, 3650),
)
async def test_strength_and_warmth_follow_the_formula(
    world: World, histories: list[tuple[History, float | None]], rule: str, half_life: int
) -> None:
    book = Book(world, shadow_contacts_clock.today())
    await book.set(rule, half_life)
    ids = await book.ties(len(histories), "client")
    for tie_id, (history, declared) in zip(ids, histories, strict=True):
        await book.record(tie_id, history)
        await book.declare(tie_id, declared)
    for row, (history, declared) in zip(await book.reckoned(ids), histories, strict=True):
        expected = computed(history, half_life=half_life)
        assert (row["computed_strength"] is None) == (expected is None)
        if expected is not None:
            assert abs(row["computed_strength"] - expected) <= ROUNDED
        strong = strength(declared, row["default_strength"], row["computed_strength"], rule)
        assert abs(row["strength"] - strong) < 1e-9
        assert abs(row["warmth"] - warmth(strong, row["introduction_weight"], history)) <= ROUNDED
        assert 0 <= row["warmth"] <= row["strength"] <= 1
        last = min((days for _, days in history), default=None)
        assert row["last_interaction_on"] == (None if last is None else book.today - timedelta(days=last))


@EXAMPLES
@given(history=HISTORY, more=st.tuples(KINDS, st.integers(0, 4000)), declared=st.none() | THOUSANDTH)
async def test_one_more_contact_never_weakens(
    world: World, history: History, more: tuple[str, int], declared: float | None
) -> None:
    book = Book(world, shadow_contacts_clock.today())
    ids = await book.ties(2)
    for tie_id, contacts in zip(ids, (history, [*history, more]), strict=True):
        await book.record(tie_id, contacts)
        await book.declare(tie_id, declared)
    before, after = await book.reckoned(ids)
    assert after["strength"] >= before["strength"]
    assert (after["computed_strength"] or 0) >= (before["computed_strength"] or 0)
    if history:  # the first contact tells how long ago it was, where nothing was known before
        assert after["warmth"] >= before["warmth"]


@EXAMPLES
@given(one=HISTORY, other=HISTORY, seed=st.integers(0, 2**32))
async def test_contacts_compose_and_their_order_says_nothing(
    world: World, one: History, other: History, seed: int
) -> None:
    """What two histories make together is what each of them leaves of the distance, multiplied."""
    book = Book(world, shadow_contacts_clock.today())
    ids = await book.ties(4)
    mixed = Random(seed).sample([*one, *other], len(one) + len(other))
    for tie_id, contacts in zip(ids, (one, other, [*one, *other], mixed), strict=True):
        await book.record(tie_id, contacts)
    first, second, both, shuffled = [row["computed_strength"] or 0 for row in await book.reckoned(ids)]
    assert abs(both - (1 - (1 - first) * (1 - second))) <= 3 * ROUNDED
    assert abs(both - shuffled) <= 0.001


@EXAMPLES
@given(history=HISTORY.filter(bool), later=st.integers(1, 2000))
async def test_time_only_takes(world: World, history: History, later: int) -> None:
    book = Book(world, shadow_contacts_clock.today())
    ids = await book.ties(1)
    await book.record(ids[0], history)
    (now,) = await book.reckoned(ids)
    book.today += timedelta(days=later)
    (then,) = await book.reckoned(ids)
    for member in ("computed_strength", "strength", "warmth"):
        assert then[member] <= now[member], member


# --- what settings and days allow ------------------------------------------------------------------------------


@pytest.mark.parametrize("half_life", [7, 3650])
@pytest.mark.parametrize("weight", [0, 0.01, 3])
async def test_corners_of_what_is_allowed_follow_the_formula(world: World, half_life: int, weight: float) -> None:
    """What is too small for a number of the database is nothing: the oldest contact, and hundreds of today."""
    book = Book(world, shadow_contacts_clock.today())
    weights = dict.fromkeys(WEIGHTS, weight)
    body = {"strength_half_life_days": half_life, "interaction_weights": weights, "strength_rule": "computed"}
    url = f"/v1/organizations/{world.org_id}"
    settings_row = await world.admin.get(url)
    answer = await world.admin.patch(url, json=body, headers={"If-Match": settings_row.headers["ETag"]})
    assert answer.status_code == 200, answer.text
    oldest = (book.today - date(1900, 1, 1)).days
    histories: list[History] = [
        [("meeting", oldest)],
        [("meeting", (book.today - date(1995, 1, 1)).days)],
        [("meeting", 0)] * 249,
        [("meeting", 0)] * 1000 + [("call", oldest)] * 3,
        [("call", 1074 * 7), ("call", 1075 * 7), ("call", 1080 * 7)],
    ]
    ids = await book.ties(len(histories))
    for tie_id, history in zip(ids, histories, strict=True):
        await book.record(tie_id, history)
    for row, history in zip(await book.reckoned(ids), histories, strict=True):
        expected = computed(history, half_life=half_life, weights=weights)
        assert expected is not None
        assert abs(row["computed_strength"] - expected) <= ROUNDED
        assert row["strength"] == row["computed_strength"]
        assert abs(row["warmth"] - warmth(row["strength"], row["introduction_weight"], history)) <= ROUNDED


async def test_contact_of_long_ago_is_recorded_with_the_shortest_half_life(world: World) -> None:
    book = Book(world, shadow_contacts_clock.today())
    await book.set("computed", 7)
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    where = f"{url(one)}/{made['id']}/interactions"
    for day in ("1995-01-01", "1900-01-01"):
        answer = await world.agent.post(where, json={"kind": "meeting", "occurred_on": day})
        assert answer.status_code == 201, answer.text
    found = (await world.agent.get(f"{url(one)}/{made['id']}")).json()
    assert (found["computed_strength"], found["last_interaction_on"]) == (0, "1995-01-01")
