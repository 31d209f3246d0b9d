"""A random organisation, written by SQL and kept in memory: who owns whom, who is what, which ties hold.

For tests that reckon an answer a second time, as plainly as can be, and compare.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from uuid_utils.compat import uuid7

from tests.factories import World
from tests.ties import Edge, link

KINDS = (
    "relative", "friend", "client", "partner", "ally", "schoolmate", "pupil", "referral_partner", "close_friend",
)  # fmt: skip
STAGES = ("contact", "contact", "prospect", "customer", "investor")
TIERS = (None, None, None, "mvc", "mgc", "lvc", "bz")


@dataclass(frozen=True)
class Party:
    """A customer or a shadow contact as stored."""

    id: UUID
    owner: UUID
    service_team: UUID | None
    party_type: str
    stage: str
    tier: str | None
    is_shadow: bool
    is_deleted: bool


@dataclass(frozen=True)
class Tie:
    """A relationship read from one of its ends: `other` is `way` of `here`."""

    id: UUID
    here: UUID
    other: UUID
    way: str
    type: str
    is_right: bool
    strength: Decimal
    warmth: Decimal


@dataclass
class Book:
    """All of it."""

    parties: dict[UUID, Party]
    ties: list[Tie] = field(default_factory=list)  # those that hold between living ends, from both ends
    asked: set[tuple[UUID, str]] = field(default_factory=set)

    def seen(self, owners: set[UUID] | None) -> set[UUID]:
        """The living parties a caller sees."""
        return {
            party.id
            for party in self.parties.values()
            if not party.is_deleted and (owners is None or owners & {party.owner, party.service_team})
        }

    def around(self, here: UUID, seen: set[UUID]) -> Iterator[Tie]:
        """The current ties of one party to those a caller sees."""
        return (one for one in self.ties if one.here == here and one.other in seen)


async def random_book(world: World, seed: int, *, size: int = 70, team: UUID | None = None) -> Book:
    """Some of everything: shadow contacts, deleted parties, ended and deleted ties, several between the same two."""
    chance = random.Random(seed)
    owners = [world.users[name] for name in ("agent", "agent", "agent", "mate", "stranger")]
    parties = []
    for _ in range(size):
        is_shadow = chance.random() < 0.25
        parties.append(
            Party(
                uuid7(),
                chance.choice(owners),
                team if not is_shadow and chance.random() < 0.2 else None,
                chance.choice(("individual", "individual", "organization")),
                "contact" if is_shadow else chance.choice(STAGES),
                None if is_shadow else chance.choice(TIERS),
                is_shadow,
                chance.random() < 0.08,
            )
        )
    await _write(world, parties)
    book = Book({party.id: party for party in parties})
    await _tie(world, book, chance)
    return book


async def _write(world: World, parties: list[Party]) -> None:
    through = next(party.id for party in parties if not party.is_shadow)
    await world.db.executemany(
        "INSERT INTO customers (org_id, id, owner_id, service_team_id, party_type, stage, tier, is_shadow, "
        "known_through_id, keep_until, deleted_at, gender, name, name_key, search_text, created_digest) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $11 THEN now() END, $12, $13, 'k', 's', '')",
        [
            (
                world.org_id, party.id, party.owner, party.service_team, party.party_type, party.stage, party.tier,
                party.is_shadow, through if party.is_shadow else None,
                date(2999, 1, 1) if party.is_shadow else None, party.is_deleted,
                "female" if party.party_type == "individual" else None, f"第{number}位",
            )
            for number, party in enumerate(sorted(parties, key=lambda party: (party.is_shadow, party.id)))
        ],
    )  # fmt: skip


async def _tie(world: World, book: Book, chance: random.Random) -> None:
    nodes, facts = list(book.parties), set()
    for _ in range(len(nodes) * 3):
        one, other = nodes[int(len(nodes) * chance.random() ** 2)], chance.choice(nodes)
        if one != other:
            facts.add((one, other, chance.choice(KINDS)))
    types = {row["code"]: row for row in await world.db.fetch(
        "SELECT code, inverse_code, direction, introduction_weight FROM relation_types WHERE org_id = $1", world.org_id
    )}  # fmt: skip
    edges: dict[tuple[UUID, UUID, str], Edge] = {}
    for one, other, kind in sorted(facts):
        is_symmetric = types[kind]["inverse_code"] == kind
        left, right = (min(one, other), max(one, other)) if is_symmetric else (one, other)
        strength = chance.choice((0, 250, 450, 500, 500, 837, 1000))
        edges[left, right, kind] = Edge(uuid7(), left, right, kind, strength)
    fates: dict[str, list[Edge]] = {"holds": [], "ended": [], "deleted": []}
    for edge in edges.values():
        fates[chance.choices(("holds", "ended", "deleted"), (80, 10, 10))[0]].append(edge)
    await link(world, fates["holds"] + fates["deleted"])
    await link(world, fates["ended"], until="2020-01-01")
    await world.db.execute(
        "UPDATE relationships SET deleted_at = now() WHERE id = ANY($1)", [edge.id for edge in fates["deleted"]]
    )
    await world.db.execute(
        "UPDATE relationships r SET is_dangling = true FROM customers c "
        "WHERE c.org_id = r.org_id AND c.id IN (r.left_id, r.right_id) AND c.deleted_at IS NOT NULL AND r.org_id = $1",
        world.org_id,
    )
    for edge in fates["holds"]:
        if not any(book.parties[end].is_deleted for end in (edge.left, edge.right)):
            kind, exact = types[edge.kind], Decimal(edge.strength) / 1000
            warmth = round(exact * kind["introduction_weight"] * Decimal("0.9"), 3)
            stored = await world.db.fetchval("SELECT warmth FROM relationships WHERE id = $1", edge.id)
            assert abs(stored - warmth) <= Decimal("0.001")  # the database rounds halves away from zero
            way = kind["direction"]
            back = "supplier" if way == "client" else way
            book.ties += [
                Tie(edge.id, edge.left, edge.right, way, kind["code"], True, exact, stored),
                Tie(edge.id, edge.right, edge.left, back, kind["inverse_code"], False, exact, stored),
            ]


async def answer_none(world: World, book: Book, chance: random.Random) -> None:
    """Every third customer was asked for some directions; some answers were taken back."""
    ways = ("relative", "friend", "client", "supplier", "partner", "ally")
    day = date(2026, 1, 1)
    rows = [
        (world.org_id, uuid7(), party.id, way, day + timedelta(days=number), party.owner, chance.random() < 0.2)
        for party in book.parties.values()
        if not party.is_shadow
        for number, way in enumerate(ways)
        if chance.random() < 0.25
    ]
    await world.db.executemany(
        "INSERT INTO coverage_answers (org_id, id, customer_id, direction, asked_on, recorded_by, deleted_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN now() END)",
        rows,
    )
    book.asked |= {(row[2], row[3]) for row in rows if not row[6]}
