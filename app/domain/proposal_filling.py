"""The printed proposal filled in: from a stored proposal and the analysis it rests on. Pure, no clock.

What is too much for the paper is left out at the end, never in the middle: the steps of the least urgent results, the
reasons that weigh least. The whole record stays where it is stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any, Final, cast

from app.domain.product_catalogue import CATEGORIES
from app.domain.proposal_facts import Analysis, age_on, members
from app.domain.proposal_flow import years
from app.domain.proposal_report import (
    LIMITS,
    MAX_FEN,
    MAX_STEPS,
    MAX_TEXT,
    Affordability,
    Agent,
    Alternative,
    Assumption,
    Calculation,
    Language,
    Member,
    Need,
    Organization,
    ProposalReport,
    Recommendation,
    Source,
    Step,
    Suitability,
    Tolerance,
    Unit,
    Verdict,
)

Both = tuple[str, str]
PERILS: Final[Mapping[str, Both]] = {
    "life": ("身故", "Death"),
    "critical_illness": ("重大疾病", "Critical illness"),
    "medical": ("医疗", "Medical"),
    "accident": ("意外", "Accident"),
    "education": ("教育金", "Education"),
    "pension": ("养老", "Pension"),
}
ROLES: Final[Mapping[str, Both]] = {"self": ("本人", "Self"), "spouse": ("配偶", "Spouse"), "child": ("子女", "Child")}
_CALLED: Final[Mapping[str, Both]] = {"self": ("本人", "You"), "spouse": ("爱人", "Your spouse")}
_CHILD: Final = ("孩子", "Child")
_PAID: Final = ("缴 {} 年", "paid for {} years")
_INSISTS: Final = ("客户知悉上述建议后仍自愿投保，并说明：", "The customer knows this advice and goes on by choice: ")
_FLOOR: Final = ("不低于零", "Not below zero")
_ROUNDING: Final = ("尾差调整", "Rounding difference")
_VERDICTS: Final[Mapping[str, Verdict]] = {"suitable": "suitable", "suitable_with_care": "caution"}
_UNITS: Final[Mapping[str, Unit]] = {
    "fen": "fen", "per_year": "per_year", "share": "share", "years": "years", "months": "months",
}  # fmt: skip
_SOURCES: Final[Mapping[str, Source]] = {
    "customer": "customer", "agent": "agent", "form_default": "form_default", "organization": "organization",
    "method_default": "method_default", "published": "public",
}  # fmt: skip


def report(
    content: Mapping[str, Any], analysis: Analysis, *, number: str, prepared_on: date, language: Language
) -> ProposalReport:
    """Everything that is printed.

    Args:
        content: of the stored proposal: recommendations, alternatives, verdict, affordability, tolerance, agent,
            organization, customer, customer_insists, statement.

    Raises:
        ProposalError: an analysis larger than a report may be.
    """
    return _Filling(content, analysis, prepared_on, 0 if language == "zh" else 1).report(number, language)


class _Filling:
    def __init__(self, content: Mapping[str, Any], analysis: Analysis, day: date, at: int) -> None:
        self.content, self.analysis, self.day, self.at = content, analysis, day, at
        self.members = members(analysis)
        ranked = sorted(analysis["results"], key=lambda one: (one["rank"] is None, one["rank"] or 0))
        self.results = ranked[: LIMITS["needs"]]

    def report(self, number: str, language: Language) -> ProposalReport:
        agent = self.content["agent"]
        return ProposalReport(
            organization=Organization(name=self.content["organization"]["name"]),
            agent=Agent(name=agent["name"], licence_no=agent["licence_no"] or ""),
            number=number,
            customer=self.content["customer"]["name"],
            prepared_on=self.day,
            language=language,
            members=tuple(map(self.member, self.members.values())),
            needs=tuple(map(self.need, self.results)),
            years=years(self.analysis, self.day),
            assumptions=tuple(map(self.assumption, self.assumed())),
            affordability=self.affordability(),
            tolerance=self.tolerance(),
            suitability=self.suitability(),
            recommendations=tuple(map(self.recommendation, self.content["recommendations"])),
            alternatives=tuple(map(self.alternative, self.content["alternatives"])),
            calculations=tuple(self.calculations()),
            notices=self.notices(),
        )

    # --- people ---

    def called(self, key: str) -> str:
        """The name, or what to call somebody without one."""
        name: str = self.members[key]["name"]
        if name:
            return name
        if key in _CALLED:
            return _CALLED[key][self.at]
        return f"{_CHILD[self.at]} {int(key.partition('.')[2] or 0) + 1}"

    def member(self, one: Mapping[str, Any]) -> Member:
        facts = (self.analysis.get("facts") or {}).get("values") or {}
        before = {"self": "", "spouse": "spouse_"}.get(one["role"])
        income = None if before is None else facts.get(f"{before}income")
        return Member(
            key=one["key"],
            name=self.called(one["key"]),
            role=ROLES[one["role"]][self.at],
            age=age_on(one["birth_date"], self.day),
            generation=1 if one["role"] == "child" else 0,
            occupation=str(facts.get(f"{before}occupation", "")) if before is not None else "",
            yearly_income_fen=income if isinstance(income, int) else None,
        )

    # --- needs ---

    def need(self, one: Mapping[str, Any]) -> Need:
        is_minor = one["method"] == "minors_limit"
        return Need(
            insured=one["insured"],
            peril=PERILS[one["peril"]][self.at],
            # A minor needs no death cover: what the law lets him have is not too much.
            need_fen=one["existing_fen"] - one["over_fen"] if is_minor else one["need_fen"],
            existing_fen=one["existing_fen"],
            rank=one["rank"],
            method=self.method(one),
        )

    def method(self, one: Mapping[str, Any]) -> str:
        title = one.get("title")
        return self.say(title) if title else str(one["method"])

    def calculations(self) -> Iterator[Calculation]:
        left = MAX_STEPS
        for one in self.results[: LIMITS["calculations"]]:
            steps = tuple(islice(self.steps(one), LIMITS["steps"]))
            if not steps or len(steps) > left:
                continue
            left -= len(steps)
            yield Calculation(
                insured=one["insured"],
                peril=PERILS[one["peril"]][self.at],
                method=self.method(one),
                version=one["method_version"],
                steps=steps,
                result_fen=one["need_fen"],
            )

    def steps(self, one: Mapping[str, Any]) -> Iterator[Step]:
        """What adds up to the need: its own steps, and the means of the family that are taken off it."""
        left = one["need_fen"]
        for step in one["steps"]:
            of, fen = step.get("of", "need"), step["amount_fen"]
            if of not in ("need", "resources") or not fen or step["key"] == "existing_cover":
                continue
            signed = fen if (step["sign"] == "add") is (of == "need") else -fen
            left -= signed
            yield Step(
                label=self.say(step["label"]),
                formula=step["formula"][:MAX_TEXT],
                substituted=step["substituted"][:MAX_TEXT],
                amount_fen=min(abs(signed), MAX_FEN),
                sign="add" if signed > 0 else "subtract",
            )
        if left:
            sign = "add" if left > 0 else "subtract"
            label = (_ROUNDING if one["need_fen"] else _FLOOR)[self.at]
            yield Step(label=label, formula="", amount_fen=min(abs(left), MAX_FEN), sign=sign)  # type: ignore[arg-type]  # one of two

    def say(self, label: Mapping[str, str]) -> str:
        return label["zh" if self.at == 0 else "en"]

    def assumed(self) -> Sequence[Mapping[str, Any]]:
        """Those that say something: an amount nobody named is 0, and stands for nothing."""
        found = [one for one in self.analysis["assumptions"] if (one["value"], one["source"]) != (0, "method_default")]
        return found[: LIMITS["assumptions"]]

    def assumption(self, one: Mapping[str, Any]) -> Assumption:
        label = one.get("label")
        return Assumption(
            label=self.say(label) if label else one["key"],
            value=one["value"],
            unit="age" if one["key"].endswith("_age") else _UNITS.get(one["unit"], "code"),
            source=_SOURCES.get(one["source"], "public"),
        )

    # --- what follows ---

    def affordability(self) -> Affordability | None:
        can = self.content["affordability"]
        if can is None or can["band"] is None:
            return None
        return Affordability(
            yearly_income_fen=can["income_fen"],
            rigid_expense_fen=can["expense_fen"],
            existing_premium_fen=can["existing_premium_fen"],
            premium_cap_fen=can["cap_fen"] or 0,
            load=can["band"],
        )

    def tolerance(self) -> Tolerance | None:
        held = self.content["tolerance"]
        if held is None:
            return None
        days = (date.fromisoformat(held["assessed_on"]), date.fromisoformat(held["valid_until"]))
        return Tolerance(level=held["level"], label="", assessed_on=days[0], valid_until=days[1])

    def suitability(self) -> Suitability:
        found = self.content["verdict"]
        reasons = tuple(map(self.reason, found["reasons"][: LIMITS["reasons"]]))
        return Suitability(verdict=_VERDICTS.get(found["code"], "unsuitable"), reasons=reasons)

    def reason(self, one: Mapping[str, Any]) -> str:
        text, source = one["zh" if self.at == 0 else "en"], one["source"]
        said = f"{text}（{source}）" if self.at == 0 else f"{text} ({source})"
        if not one["insured"]:
            return said
        head = f"{self.called(one['insured'])} · {PERILS[one['peril']][self.at]}"
        return f"{head}：{said}" if self.at == 0 else f"{head}: {said}"

    def recommendation(self, one: Mapping[str, Any]) -> Recommendation:
        category = CATEGORIES[one["category"]]
        paid = None if one["payment_years"] is None else _PAID[self.at].format(one["payment_years"])
        return Recommendation(
            insured=one["insured"],
            peril=PERILS[one["peril"]][self.at],
            categories=((category.zh, category.en)[self.at],),
            sum_insured_fen=one["sum_insured_fen"],
            premium_low_fen=one["premium_low_fen"],
            premium_high_fen=one["premium_high_fen"],
            term=" · ".join(part for part in (one["term"], paid) if part),
            reason=one["reason"] or "",
        )

    def alternative(self, one: Mapping[str, Any]) -> Alternative:
        names = ("title", "description", "premium_low_fen", "premium_high_fen", "remaining_gap_fen")
        return Alternative(**{name: one[name] for name in names})

    def notices(self) -> tuple[str, ...]:
        said = self.content["statement"] if self.content["customer_insists"] else None
        return (f"{_INSISTS[self.at]}{said}"[:MAX_TEXT],) if said else ()


def remaining_gap(analysis: Analysis, covers: Sequence[Mapping[str, Any]]) -> int:
    """What of all gaps an alternative leaves open, in fen, at most what a phone reads exactly."""
    given: dict[tuple[str, str], int] = {}
    for one in covers:
        place = (one["insured"], one["peril"])
        given[place] = given.get(place, 0) + one["sum_insured_fen"]
    left = (
        max(0, cast("int", one["gap_fen"]) - given.get((one["insured"], one["peril"]), 0))
        for one in analysis["results"]
    )
    return min(sum(left), MAX_FEN)
