"""Who is in the household an analysis is about: members with stable keys, and a hash of all that was known. Pure."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from app.domain.household_facts import Facts
from app.domain.needs_worksheet import Label

Role = Literal["self", "spouse", "child"]


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the household. `key`: self, spouse, child.0 … in the order of the form's rows."""

    key: str
    name: str
    birth_date: date
    age: int
    role: Role

    def to_json(self) -> dict[str, Any]:
        told = {"key": self.key, "name": self.name, "age": self.age, "role": self.role}
        return told | {"birth_date": self.birth_date.isoformat()}

    def called(self) -> Label:
        """What to call the member where there is no name."""
        row = self.key.partition(".")[2]
        number = int(row) + 1 if row else 0
        kin = {"self": ("本人", "You"), "spouse": ("爱人", "Your spouse")}
        return kin.get(self.role, (f"第 {number} 个孩子", f"Child {number}"))


@dataclass(frozen=True, slots=True)
class Household:
    """The members on one day."""

    members: tuple[Member, ...]
    as_of: date
    content_hash: str

    def to_json(self) -> dict[str, Any]:
        return {"members": [member.to_json() for member in self.members], "hash": self.content_hash}

    def find(self, key: str) -> Member | None:
        """The member with a key."""
        return next((member for member in self.members if member.key == key), None)

    @property
    def children(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.role == "child")


def age_on(born: date, day: date) -> int:
    """Completed years, 0 before birth; who was born on the 29th of February has his birthday on the 1st of March."""
    return max(0, day.year - born.year - ((day.month, day.day) < (born.month, born.day)))


def canonical(value: Any) -> str:
    """JSON in one way only: keys in order, no spaces, characters as they are."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def snapshot(facts: Facts, as_of: date) -> Household:
    """The household on a day. A spouse counts while the customer is married.

    The hash is SHA-256 of the canonical JSON of the day, the members and every fact.
    """
    told = facts.values
    members = [_member("self", told.get("full_name"), told["birth_date"], as_of, "self")]
    if told.get("marital") == "married" and told.get("spouse_birth_date") is not None:
        members.append(_member("spouse", told.get("spouse_name"), told["spouse_birth_date"], as_of, "spouse"))
    for n, row in enumerate(facts.rows("children")):
        members.append(_member(f"child.{n}", row.get("child_name"), row["child_birth_date"], as_of, "child"))
    whole = {"as_of": as_of.isoformat(), "members": [one.to_json() for one in members], "facts": facts.to_json()}
    digest = hashlib.sha256(canonical(whole).encode()).hexdigest()
    return Household(tuple(members), as_of, f"sha256:{digest}")


def _member(key: str, name: Any, born: str, as_of: date, role: Role) -> Member:
    day = date.fromisoformat(born)
    return Member(key, name or "", day, min(120, age_on(day, as_of)), role)
