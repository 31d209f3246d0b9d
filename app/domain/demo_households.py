"""Two households of the demo world whose needs were asked in full (form `needs.fact_find`), with what they hold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from app.domain.demo_families import Household, Party
from app.domain.demo_source import AS_OF, Source

FORM: Final = ("needs.fact_find", "1.0.0")
COUNT: Final = 2
_WAN: Final = 1_000_000  # 万元 in fen


@dataclass(frozen=True, slots=True)
class FactFind:
    """The completed fact find of one head of a household."""

    id: UUID
    customer: Party
    answers: dict[str, Any]


def fact_finds(source: Source, households: Sequence[Household], asked: Collection[UUID]) -> tuple[FactFind, ...]:
    """Of families with two parents and minor children, of agent1, none of whom was interviewed otherwise (`asked`)."""
    found = [
        home
        for home in households
        if home.husband is not None and home.wife is not None and home.husband.owner == "agent1"
        if any(child.age < 16 for child in home.children) and all(child.age >= 2 for child in home.children)
        if all(28 <= head.age <= 52 and head.id not in asked for head in home.heads)
    ]
    chosen = source.random.sample(found, COUNT)
    return tuple(FactFind(source.uid(), home.heads[0], _answers(source, home)) for home in chosen)


def _answers(source: Source, home: Household) -> dict[str, Any]:
    draw, (head, other) = source.random.randint, home.heads
    return {
        "full_name": head.name,
        "gender": head.gender,
        "birth_date": head.born.isoformat(),
        "marital": "married",
        "income": draw(18, 40) * _WAN,
        "social_medical": "employee",
        "social_pension": "employee",
        "pension_paid_years": draw(8, 15),
        "pension_base_monthly": draw(60, 120) * 10_000,
        "spouse_name": other.name,
        "spouse_birth_date": other.born.isoformat(),
        "spouse_has_income": True,
        "spouse_income": draw(8, 20) * _WAN,
        "spouse_social_medical": "employee",
        "children": [_child(source, child) for child in home.children if child.age < 18],
        "supports_parents": True,
        "parents_support": draw(1, 3) * _WAN,
        "parents_support_years": draw(10, 20),
        "living_monthly": draw(60, 120) * 10_000,
        "schooling_yearly": draw(2, 5) * _WAN,
        "support_years": draw(15, 22),
        "final_expenses": draw(3, 6) * _WAN,
        "debts": [_mortgage(draw(60, 160) * _WAN)],
        "cash": draw(3, 10) * _WAN,
        "deposits": draw(5, 25) * _WAN,
        "pension_savings": draw(2, 12) * _WAN,
        "policies": _policies(source),
        "hospital_choice": "public",
        "premium_budget": draw(2, 4) * _WAN,
    }


def _mortgage(balance: int) -> dict[str, Any]:
    return {"debt_kind": "mortgage", "debt_owner": "joint", "debt_balance": balance, "debt_monthly": 550_000}


def _child(source: Source, child: Party) -> dict[str, Any]:
    return {
        "child_name": child.name,
        "child_birth_date": child.born.isoformat(),
        "child_social_medical": "resident",
        "education_goal": "bachelor",
        "education_cost_yearly": source.random.randint(3, 6) * _WAN,
    }


def _policies(source: Source) -> list[dict[str, Any]]:
    """A term life policy that ends too early, illness cover for both, and what the employer gives."""
    draw = source.random.randint
    ends = AS_OF.replace(year=AS_OF.year + draw(8, 12)).isoformat()
    rows = (
        ("self", "life", draw(3, 8) * 10 * _WAN, 150_000, ends, False),
        ("self", "critical_illness", draw(2, 4) * 10 * _WAN, 800_000, None, False),
        ("spouse", "critical_illness", draw(1, 3) * 10 * _WAN, 500_000, None, False),
        ("self", "accident", 50 * _WAN, 0, AS_OF.replace(year=AS_OF.year + 2).isoformat(), True),
    )
    return [_policy(*row) for row in rows]


def _policy(insured: str, peril: str, total: int, premium: int, until: str | None, is_group: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"policy_insured": insured, "policy_peril": peril, "policy_sum": total}
    told |= {"policy_premium": premium, "policy_lifelong": until is None, "policy_group": is_group}
    return told if until is None else told | {"policy_until": until}
