"""A small random society in the database and in plain Python, for tests that ask both the same question."""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from uuid_utils.compat import uuid7

from tests.factories import World

DELETED = datetime(2026, 11, 20, tzinfo=UTC)
OWNERS = ("agent", "agent", "agent", "mate", "stranger")
STAGES = ("contact", "prospect", "customer", "investor")
# Symmetric and not, of every direction.
TYPES = ("friend", "schoolmate", "spouse", "parent", "client", "partner", "employee", "ally", "introducer")
SIGHT = {
    "agent": {"agent"},
    "mate": {"mate"},
    "stranger": {"stranger"},
    "manager": {"agent", "mate", "manager"},
    "admin": set(OWNERS),
    "auditor": set(OWNERS),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A party of the society."""

    id: UUID
    owner: str
    stage: str
    kind: str
    is_shadow: bool
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Bond:
    """A relationship: the right one is `type` of the left one."""

    id: UUID
    left: UUID
    right: UUID
    type: str
    strength: Decimal
    warmth: Decimal
    since: date | None
    until: date | None
    is_deleted: bool

    def other(self, one: UUID) -> UUID:
        return self.right if one == self.left else self.left


@dataclass(slots=True)
class Society:
    """Who there is and who knows whom."""

    members: dict[UUID, Member] = field(default_factory=dict)
    bonds: list[Bond] = field(default_factory=list)

    def living(self) -> list[Bond]:
        """Ties between two living ends that are not deleted."""
        return [
            bond
            for bond in self.bonds
            if not bond.is_deleted and not any(self.members[end].is_deleted for end in (bond.left, bond.right))
        ]

    def current(self) -> list[Bond]:
        """… and have not ended."""
        return [bond for bond in self.living() if bond.until is None]

    def seen_by(self, name: str) -> set[UUID]:
        """The living parties a user sees."""
        return {one.id for one in self.members.values() if one.owner in SIGHT[name] and not one.is_deleted}


def draw(seed: int, *, size: int = 24, ties: int = 60) -> Society:
    """A society with hubs, several ties between the same two, ended and deleted ones, shadow contacts, companies."""
    chance, society = random.Random(seed), Society()
    for number in range(size):
        owner = chance.choice(OWNERS)
        theirs = [one for one in society.members.values() if one.owner == owner and not one.is_shadow]
        is_shadow = number > 2 and bool(theirs) and chance.random() < 0.2
        made = Member(
            uuid7(),
            owner,
            "contact" if is_shadow else chance.choice(STAGES),
            "organization" if chance.random() < 0.15 else "individual",
            is_shadow,
            chance.random() < 0.06,
        )
        society.members[made.id] = made
    ids, facts = list(society.members), set()
    for _ in range(ties):
        one, other = ids[int(size * chance.random() ** 1.7)], chance.choice(ids)
        if one == other:
            continue
        kind = chance.choice(TYPES)
        if kind in ("friend", "schoolmate", "spouse", "partner", "ally"):
            one, other = min(one, other), max(one, other)
        since = date(2020, 1, 1) + timedelta(days=chance.randrange(2000)) if chance.random() < 0.5 else None
        if (one, other, kind, since) in facts:
            continue
        facts.add((one, other, kind, since))
        strength = Decimal(chance.choice((0, 50, 250, 500, 500, 700, 837, 930, 1000))) / 1000
        warmth = (strength * Decimal(chance.choice((50, 72, 81, 90, 100))) / 100).quantize(Decimal("0.001"))
        until = (since or date(2021, 1, 1)) + timedelta(days=chance.randrange(900)) if chance.random() < 0.1 else None
        society.bonds.append(Bond(uuid7(), one, other, kind, strength, warmth, since, until, chance.random() < 0.05))
    return society


async def settle(world: World, society: Society) -> None:
    """Write the society into the world's organisation."""
    members, bonds = list(society.members.values()), society.bonds
    first = {owner: next(one.id for one in members if one.owner == owner) for owner in {one.owner for one in members}}
    await world.db.executemany(
        "INSERT INTO customers (org_id, id, owner_id, party_type, stage, name, name_key, search_text, created_digest, "
        "is_shadow, known_through_id, keep_until, deleted_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, 'k', 's', '', $7, $8, $9, $10)",
        [
            (
                world.org_id, one.id, world.users[one.owner], one.kind, one.stage, f"人{n}", one.is_shadow,
                first[one.owner] if one.is_shadow else None, date(2030, 1, 1) if one.is_shadow else None,
                DELETED if one.is_deleted else None,
            )
            for n, one in enumerate(members)
        ],
    )  # fmt: skip
    await world.db.executemany(
        "INSERT INTO relationships (org_id, id, left_id, right_id, type, direction, strength, declared_strength, "
        "warmth, since, until, deleted_at, created_digest, is_dangling) "
        "SELECT $1, $2, $3, $4, $5, t.direction, $6, $6, $7, $8, $9, $10, '', $11 FROM relation_types t "
        "WHERE t.org_id = $1 AND t.code = $5",
        [
            (
                world.org_id, bond.id, bond.left, bond.right, bond.type, bond.strength, bond.warmth, bond.since,
                bond.until, DELETED if bond.is_deleted else None,
                any(society.members[end].is_deleted for end in (bond.left, bond.right)),
            )
            for bond in bonds
        ],
    )  # fmt: skip
