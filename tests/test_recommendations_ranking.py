"""The ranking of recommendations, reckoned a second time over random organisations, part by part."""

import math
import random
from collections import defaultdict
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import pytest

from app import deps
from app.domain import recommendations as rules
from tests.factories import World, create_service_team
from tests.random_books import Book, Tie, random_book
from tests.ties import Json, recommended


def rounded(value: float) -> Decimal:
    """As the database makes three decimals of a double: through its first fifteen digits, halves away from zero."""
    return Decimal(f"{value:.15g}").quantize(Decimal("0.001"), ROUND_HALF_UP)


class Expected:
    """What one caller has to be recommended, from the rules alone."""

    def __init__(self, book: Book, owners: set[UUID] | None, me: UUID, dismissed: set[UUID]) -> None:
        self.book, self.seen, self.me = book, book.seen(owners), me
        self.own = [one for one in book.parties.values() if one.owner == me and one.id in self.seen]
        self.known = {one.id: one for one in self.own if not one.is_shadow and one.stage != "contact"}
        self.candidates = {one.id for one in self.own if one.is_shadow or one.stage == "contact"} - dismissed
        self.around = {one: list(book.around(one, self.seen)) for one in self.known}

    def rarity(self, way: str) -> float:
        having = sum(any(one.way == way for one in ties) for ties in self.around.values())
        return 1 - having / len(self.known)

    def pull(self, one: Tie) -> float:
        degree = min(len(self.around[one.here]), 1000)
        return float(one.warmth) * rules.FAMILIARITY[self.known[one.here].stage] / math.log(2 + degree)

    def valuable_ties(self, person: UUID) -> int:
        return sum(
            1
            for one in self.own
            if not one.is_shadow
            and (one.stage == "investor" or one.tier in ("mvc", "mgc"))
            and any(tied.other == person for tied in self.book.around(one.id, self.seen))
        )

    def links(self, through: UUID | None) -> dict[UUID, list[Tie]]:
        """By candidate, one tie to each introducer, the best way first."""
        found: dict[UUID, dict[UUID, Tie]] = defaultdict(dict)
        for introducer, ties in self.around.items():
            for one in ties:
                if one.other in self.candidates and through in (None, introducer):
                    best = found[one.other].get(introducer, one)
                    found[one.other][introducer] = max(
                        best, one, key=lambda tied: (tied.warmth, tied.strength, tied.id)
                    )
        return {
            person: sorted(ways.values(), key=lambda one: (-self.pull(one), one.here)) for person, ways in found.items()
        }

    def item(self, person: UUID, ways: list[Tie]) -> tuple[Any, ...]:
        party, count = self.book.parties[person], len(ways)
        strength = float(max(one.strength for one in ways))
        own = rules.PARTY_VALUE[party.party_type] if party.tier is None else rules.TIER_VALUE[party.tier]
        parts = {
            "closeness": rounded(1 - math.exp(-2.5 * sum(self.pull(one) for one in ways))),
            "value": rounded(
                0.5 * own + 0.3 * (1 - 0.5 ** self.valuable_ties(person)) + 0.2 * (1 - 0.5 ** (count - 1))
            ),
            "coverage": rounded(max(self.rarity(one.way) for one in ways)),
            "novelty": rounded((0.5 * (1 - ((strength - 0.45) / 0.55) ** 2) + 0.3 / count) / 0.8),
        }
        weights = {"closeness": "0.40", "value": "0.25", "coverage": "0.15", "novelty": "0.20"}
        score = sum((Decimal(weights[part]) * value for part, value in parts.items()), Decimal(0))
        best = [(str(one.here), one.way, one.type, float(one.strength)) for one in ways[:3]]
        return (-score, str(person), {part: float(value) for part, value in parts.items()}, best, count)

    def ranking(self, through: UUID | None = None) -> list[tuple[Any, ...]]:
        return sorted((self.item(*one) for one in self.links(through).items()), key=lambda row: row[:2])


def shown(items: list[Json]) -> list[tuple[Any, ...]]:
    return [
        (
            -Decimal(str(item["score"])),
            item["person"]["id"],
            item["parts"],
            [(one["id"], one["direction"], one["type"], one["strength"]) for one in item["introducers"]],
            item["introducer_count"],
        )
        for item in items
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_random_book_agrees_with_the_plain_rules(world: World, seed: int) -> None:
    chance, users = random.Random(seed), world.users
    team = UUID(await create_service_team(world, "mate", "stranger"))
    deps.forget_actors()
    book = await random_book(world, seed, size=90, team=team)
    dismissed = set(chance.sample(sorted(book.parties), 12))
    await world.db.executemany(
        "INSERT INTO recommendation_dismissals (org_id, user_id, customer_id, reason, dismissed_until) "
        "VALUES ($1, $2, $3, 'not_now', $4)",
        [(world.org_id, users["agent"], one, chance.choice((None, date(2999, 1, 1)))) for one in dismissed],
    )
    sees: dict[str, set[UUID] | None] = {
        "agent": {users["agent"]}, "mate": {users["mate"], team}, "stranger": {users["stranger"], team},
        "manager": {users["manager"], users["agent"], users["mate"]}, "admin": None, "auditor": None,
    }  # fmt: skip
    total = 0
    for caller, owners in sees.items():
        wanted = Expected(book, owners, users[caller], dismissed if caller == "agent" else set())
        items = await recommended(getattr(world, caller), limit=50)
        assert shown(items) == wanted.ranking()[:50], caller
        assert shown(await recommended(getattr(world, caller), limit=3)) == wanted.ranking()[:3]
        for through in list(wanted.known)[:4]:
            found = await recommended(getattr(world, caller), customer_id=str(through), limit=50)
            assert shown(found) == wanted.ranking(through)[:50], caller
        total += len(items)
    assert total > 10
