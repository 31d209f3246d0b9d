"""The cover a household has already: which policy counts for whom, against what, and with how much. Pure.

A cover that ends before the need counts only for its years: sum × months left / months of the need, rounded down.
Yearly covers against accidents and medical bills are renewed, so they count whole while they are in force. Group cover
counts too, and is marked: it ends with the job.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from app.domain.household_facts import Facts
from app.domain.household_snapshot import Household
from app.domain.needs_worksheet import text

JUDGED = ("life", "critical_illness", "medical", "accident", "pension", "education")


@dataclass(frozen=True, slots=True)
class Cover:
    """One row of the policies. `insured` is a member's key, None where no member is meant; `until` None: for life.

    `reason`: why it counts for nothing (`ended`, `insured_not_judged`, `peril_not_judged`), else None.
    """

    row: int
    insured: str | None
    peril: str
    sum_fen: int
    until: date | None
    premium_fen: int
    is_group: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Counted:
    """A cover as one result counts it."""

    cover: Cover
    counted_fen: int
    weight: Decimal

    def to_json(self) -> dict[str, Any]:
        cover = self.cover
        return {
            "row": cover.row,
            "sum_fen": cover.sum_fen,
            "counted_fen": self.counted_fen,
            "weight": text(self.weight),
            "until": None if cover.until is None else cover.until.isoformat(),
            "is_portable": not cover.is_group,
        }


def months_between(first: date, last: date) -> int:
    """Completed months from one day to a later one; 0 where it is not later."""
    whole = (last.year - first.year) * 12 + last.month - first.month - (last.day < first.day)
    return max(0, whole)


def covers(facts: Facts, household: Household) -> tuple[Cover, ...]:
    """Every policy that was named, in the order of the rows."""
    return tuple(_cover(facts, household, n) for n in range(len(facts.rows("policies"))))


def _cover(facts: Facts, household: Household, n: int) -> Cover:
    row = facts.rows("policies")[n]
    insured, peril = row["policy_insured"], row["policy_peril"]
    key = f"child.{row['policy_child'] - 1}" if insured == "child" else insured
    until = None if row["policy_lifelong"] else date.fromisoformat(row["policy_until"])
    member = household.find(key)
    reason = None
    if until is not None and until < household.as_of:
        reason = "ended"
    elif member is None or (peril == "education" and member.role != "child"):
        reason = "insured_not_judged"
    elif peril not in JUDGED or (peril == "pension" and member.role == "child"):
        reason = "peril_not_judged"
    is_due = reason != "ended" and row.get("policy_premium_years") != 0
    premium = row.get("policy_premium", 0) if is_due else 0
    key_of = None if member is None else key
    return Cover(n, key_of, peril, row["policy_sum"], until, premium, bool(row["policy_group"]), reason)


def held(found: tuple[Cover, ...], insured: str, *perils: str) -> list[Cover]:
    """The covers that count for somebody against some perils."""
    return [one for one in found if one.reason is None and one.insured == insured and one.peril in perils]


def whole(cover: Cover) -> Counted:
    """A cover that counts with all of its sum."""
    return Counted(cover, cover.sum_fen, Decimal(1))


def weighted(cover: Cover, as_of: date, years: int) -> Counted:
    """A cover against a need of so many years."""
    months = 12 * years
    left = months if cover.until is None else months_between(as_of, cover.until)
    if left >= months:
        return whole(cover)
    weight = (Decimal(left) / months).quantize(Decimal("1E-10"))
    return Counted(cover, cover.sum_fen * left // months, weight)


def total(counted: list[Counted]) -> int:
    """What they count for together, in fen."""
    return sum(one.counted_fen for one in counted)
