"""Is this cover right for this customer? The match opinion 匹配意见, with every reason it rests on. Pure, no clock.

Rules: 金融机构产品适当性管理办法 (令2025年第7号, articles 12, 13, 14, 19, 29) and 保险销售行为管理办法 (令2023年第2号,
articles 16, 21, 22, 28). What no rule read so far confirms is a threshold (`Thresholds`): off by default, and one that
is switched on asks for care, it never refuses. Money is integer fen, a year where nothing else is said.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from app.domain.suitability_words import REASONS

Code = Literal["suitable", "suitable_with_care", "advise_stop", "not_suitable", "incomplete"]
Severity = Literal["refuse", "stop", "missing", "care"]
Band = Literal["green", "amber", "red"]
Capacity = Literal["full", "limited", "none"]

ELDERLY_AGE: Final = 65  # 65 周岁以上 includes the birthday itself (民法典 1259)
ADULT_AGE: Final = 18
TOLERANCE_FROM_LEVEL: Final = 4  # P4 and P5 want a tolerance assessment, and so do linked products of any level
MINOR_DEATH_LIMITS: Final = ((10, 20_000_000), (ADULT_AGE, 50_000_000))  # 保监发〔2015〕90号: below this age, fen
ROUND_UP_FEN: Final = 1_000_000  # a sum insured may be rounded up to the next 10,000 yuan

_WORST: Final[tuple[tuple[Severity, Code], ...]] = (
    ("refuse", "not_suitable"),
    ("stop", "advise_stop"),
    ("missing", "incomplete"),
    ("care", "suitable_with_care"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that speaks against, or asks for care. `source` is the rule and its article."""

    code: str
    severity: Severity
    zh: str
    en: str
    source: str
    insured: str = ""
    peril: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The match opinion. `code` follows from the worst reason: refuse, stop, missing, care, or none at all."""

    code: Code
    reasons: tuple[Reason, ...]

    def reasons_of(self, *severities: Severity) -> tuple[Reason, ...]:
        """The reasons of these severities."""
        return tuple(reason for reason in self.reasons if reason.severity in severities)

    @property
    def may_insist(self) -> bool:
        """Whether the customer may go on at his own will (令2023-2, 28): advice may be declined, a refusal may not."""
        return bool(self.reasons_of("stop")) and not self.reasons_of("refuse", "missing")

    def to_json(self) -> dict[str, Any]:
        """As it is stored with an analysis or a proposal."""
        return {"code": self.code, "reasons": [asdict(reason) for reason in self.reasons]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Affordability:
    """财务支付水平 of the policyholder's household. `band` judges what is paid already, with what is proposed if the
    caller has put it in; `room_fen`: what may be added within the cap."""

    band: Band | None
    income_fen: int
    expense_fen: int
    existing_premium_fen: int
    cap_fen: int | None = None
    room_fen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Risk tolerance C1..C5 of the customer. `valid_until`: the moment from which it holds no longer."""

    level: int
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What one peril asks for one insured, and what is there. `is_repeated`: indemnity held more than once."""

    insured: str
    peril: str
    need_fen: int
    existing_fen: int
    is_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """Cover that is proposed.

    Attributes:
        level: of the product or its category, 1 (P1) to 5 (P5).
        is_indemnity: pays what was spent, and not twice.
        holds_same_kind: what the insured has of this kind is enough, or it is proposed twice. `is_beside`: he has some
            of this kind, and it is not enough.
        fits_peril: whether the category answers this peril at all.
        need_fen, existing_fen: None where the analysis says nothing about this insured and peril.
        death_fen: what it pays at death; death_held_fen: what all other policies pay then.
        premium_fen: the higher end of the band, a year; the whole of it where `is_single`. None: open.
        agent_level: the highest product level the agent may sell in this category; None: not graded.
    """

    insured: str
    peril: str
    level: int
    insured_age: int | None = None
    is_linked: bool = False
    is_uncertain: bool = False
    is_indemnity: bool = False
    holds_same_kind: bool = False
    is_beside: bool = False
    fits_peril: bool = True
    need_fen: int | None = None
    existing_fen: int | None = None
    sum_insured_fen: int | None = None
    death_fen: int = 0
    death_held_fen: int = 0
    premium_fen: int | None = None
    payment_years: int | None = None
    is_single: bool = False
    agent_level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Warnings of an organisation; None is off. The usual values (4, 0.20, 60, 1.5, 65, 60) come from rules that were
    not read in their present wording, so that nobody is warned by them unless he wants to be."""

    single_premium_incomes: Decimal | None = None
    yearly_premium_share: Decimal | None = None
    payment_end_age: int | None = None
    budget_share: Decimal | None = None
    age_over: int | None = None
    regular_pay_age_over: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitabilityFacts:
    """Everything the opinion is formed from.

    Attributes:
        at: the moment it is formed for; a tolerance assessment has to hold then.
        policyholder_age: full years; None: not known.
        capacity: of the policyholder, when it is not what his age says (16 and living on his own work; ward).
        affordability, covers: None or empty where nothing was learned.
        are_policies_known: the customer was asked what he holds already.
        tolerance: the last assessment, expired or not; None: never assessed.
        is_answered_by_customer: nobody answered for him or prompted.
        assessed_at, recommended_at, signed_at: they have to follow each other. `assessment_valid_until`: the moment
            from which needs and ability to pay have to be looked at again; None: open.
        is_opinion_told: whether the customer was shown this opinion before he signed; None: nothing is signed.
    """

    at: datetime
    policyholder_age: int | None
    capacity: Capacity | None = None
    has_representative_consent: bool = False
    affordability: Affordability | None = None
    budget_fen: int | None = None
    covers: tuple[Cover, ...] = ()
    are_policies_known: bool = True
    proposed: tuple[Proposed, ...] = ()
    tolerance: Tolerance | None = None
    is_answered_by_customer: bool = True
    assessed_at: datetime | None = None
    assessment_valid_until: datetime | None = None
    recommended_at: datetime | None = None
    signed_at: datetime | None = None
    is_online: bool = False
    is_opinion_told: bool | None = None


def capacity_of(age: int) -> Capacity:
    """民法典 17-20: below 8 none, below 18 limited, else full."""
    return "none" if age < 8 else "limited" if age < ADULT_AGE else "full"


def verdict(facts: SuitabilityFacts, thresholds: Thresholds | None = None) -> Verdict:
    """The match opinion on what is proposed; without a proposal, on the household as it stands.

    Args:
        thresholds: warnings the organisation has switched on; None: none.
    """
    found = [
        *_person(facts),
        *_order(facts),
        *_payment(facts),
        *_held(facts),
        *(reason for proposed in facts.proposed for reason in _cover(facts, proposed)),
        *(_warnings(facts, thresholds) if thresholds is not None else ()),
    ]
    reasons = tuple(sorted(dict.fromkeys(found), key=_gravity))
    return Verdict(code=next((code for at, code in _WORST if reasons and reasons[0].severity == at), "suitable"),
                   reasons=reasons)  # fmt: skip


def sequence(facts: SuitabilityFacts) -> tuple[Reason, ...]:
    """What is wrong with the order of assessing, recommending and signing, and nothing else."""
    return tuple(_order(facts))


def _gravity(reason: Reason) -> int:
    return next(index for index, (severity, _) in enumerate(_WORST) if severity == reason.severity)


def _reason(code: str, severity: Severity, of: Proposed | Cover | None = None) -> Reason:
    zh, en, source = REASONS[code]
    insured, peril = (of.insured, of.peril) if of is not None else ("", "")
    return Reason(code=code, severity=severity, zh=zh, en=en, source=source, insured=insured, peril=peril)


def _person(facts: SuitabilityFacts) -> Iterator[Reason]:
    """令2025-7, 19: capacity; the care that older customers are owed; 13: nobody answers for him."""
    if not facts.is_answered_by_customer:
        yield _reason("answered_for_customer", "refuse")
    if facts.policyholder_age is None:
        yield _reason("policyholder_age_missing", "missing")
        return
    capacity = facts.capacity or capacity_of(facts.policyholder_age)
    if capacity == "none":
        yield _reason("no_capacity", "refuse")
    elif capacity == "limited":
        for proposed in facts.proposed:
            if proposed.level > 1:  # "low risk" is no level in the rule: the strictest reading until it is
                yield _reason("limited_capacity", "refuse", proposed)
        if facts.proposed and not facts.has_representative_consent:
            yield _reason("representative_consent_missing", "missing")
    if facts.policyholder_age >= ELDERLY_AGE:
        yield _reason("elderly_care", "care")


def _order(facts: SuitabilityFacts) -> Iterator[Reason]:
    """令2025-7, 13: never sell first and assess afterwards; 12 and 14: the opinion is told before the signature."""
    if facts.recommended_at is not None:
        if facts.assessed_at is None:
            yield _reason("assessment_missing", "missing")
        elif facts.assessed_at >= facts.recommended_at:
            yield _reason("assessed_too_late", "refuse")
        if facts.assessment_valid_until is not None and facts.at >= facts.assessment_valid_until:
            yield _reason("assessment_expired", "missing")
    if facts.signed_at is None:
        return
    if facts.recommended_at is None or facts.recommended_at >= facts.signed_at:
        yield _reason("signed_too_early", "refuse")
    if not facts.is_opinion_told:
        yield _reason("opinion_not_told_online" if facts.is_online else "opinion_not_told", "refuse")


def _payment(facts: SuitabilityFacts) -> Iterator[Reason]:
    """令2025-7, 12, and 令2023-2, 21 and 28: whether the household can go on paying."""
    can = facts.affordability
    if can is None:
        yield _reason("affordability_missing", "missing")
        return
    if can.band is None:
        yield _reason("affordability_missing", "missing")
    elif can.band == "red":
        yield _reason("premium_unaffordable", "stop")
    elif can.band == "amber":
        yield _reason("premium_high", "care")
    if not facts.proposed:
        return
    if any(proposed.premium_fen is None for proposed in facts.proposed):
        yield _reason("premium_open", "care")
    added = sum(proposed.premium_fen or 0 for proposed in facts.proposed)
    if added and can.existing_premium_fen + added > can.income_fen - can.expense_fen:
        yield _reason("surplus_exceeded", "stop")
    elif can.room_fen is not None and added > can.room_fen:
        yield _reason("room_exceeded", "care")


def _held(facts: SuitabilityFacts) -> Iterator[Reason]:
    """令2023-2, 21 and 28: what is held already, whatever is proposed."""
    if not facts.are_policies_known:
        yield _reason("policies_unknown", "missing")
    for cover in facts.covers:
        if cover.is_repeated:
            yield _reason("repeat_held", "care", cover)
        if cover.existing_fen > cover.need_fen:
            yield _reason("over_held", "care", cover)


def _cover(facts: SuitabilityFacts, proposed: Proposed) -> Iterator[Reason]:
    """One proposed cover: does it meet a need, is it too much, may this customer have it and this agent sell it."""
    yield from _need(proposed)
    yield from _risk(facts, proposed)
    if proposed.agent_level is None:
        yield _reason("agent_not_graded", "missing", proposed)
    elif proposed.level > proposed.agent_level:
        yield _reason("agent_not_authorised", "refuse", proposed)
    if proposed.insured_age is None:
        yield _reason("insured_age_missing", "missing", proposed)
    else:
        limit = next((fen for below, fen in MINOR_DEATH_LIMITS if proposed.insured_age < below), None)
        if limit is not None and proposed.death_fen and proposed.death_held_fen + proposed.death_fen > limit:
            yield _reason("minor_death_limit", "refuse", proposed)


def _need(proposed: Proposed) -> Iterator[Reason]:
    """令2023-2, 28: mismatch with the need, repeated and excessive cover."""
    if not proposed.fits_peril:
        yield _reason("category_mismatched", "stop", proposed)
    if proposed.is_indemnity and proposed.holds_same_kind:
        yield _reason("repeat_cover", "stop", proposed)
    elif proposed.is_indemnity and proposed.is_beside:
        yield _reason("indemnity_beside", "care", proposed)
    if proposed.need_fen is None or proposed.existing_fen is None:
        yield _reason("need_unknown", "missing", proposed)
    elif proposed.need_fen == 0:
        yield _reason("no_need", "stop", proposed)
    elif proposed.existing_fen >= proposed.need_fen:
        yield _reason("covered_already", "stop", proposed)
    elif proposed.is_indemnity:
        return  # a cap above the need is never paid out: indemnity is too much only by being there twice
    elif (proposed.sum_insured_fen or 0) > -(
        -(proposed.need_fen - proposed.existing_fen) // ROUND_UP_FEN
    ) * ROUND_UP_FEN:
        yield _reason("over_cover", "stop", proposed)


def _risk(facts: SuitabilityFacts, proposed: Proposed) -> Iterator[Reason]:
    """令2025-7, 12, 13 and 29, 令2023-2, 22: the level of the product against the class of the customer."""
    tolerance = facts.tolerance
    holds = tolerance is not None and facts.at < tolerance.valid_until
    if proposed.is_linked or proposed.level >= TOLERANCE_FROM_LEVEL:
        if tolerance is None:
            yield _reason("tolerance_missing", "missing", proposed)
        elif not holds:
            yield _reason("tolerance_expired", "missing", proposed)
        elif proposed.level > tolerance.level:
            yield _reason("tolerance_exceeded", "refuse", proposed)
    elif proposed.is_uncertain and tolerance is not None and holds and proposed.level > tolerance.level:
        yield _reason("benefits_uncertain", "care", proposed)


def _warnings(facts: SuitabilityFacts, limits: Thresholds) -> Iterator[Reason]:
    """What an organisation wants confirmed; off unless it says so."""
    age, can = facts.policyholder_age, facts.affordability
    single = sum(one.premium_fen or 0 for one in facts.proposed if one.is_single)
    yearly = sum(one.premium_fen or 0 for one in facts.proposed if not one.is_single)
    if can is not None:
        most = limits.single_premium_incomes
        if most is not None and single > most * can.income_fen:
            yield _reason("single_premium_high", "care")
        most = limits.yearly_premium_share
        if most is not None and can.existing_premium_fen + yearly > most * can.income_fen:
            yield _reason("yearly_premium_high", "care")
    most = limits.budget_share
    is_budgeted = facts.budget_fen is not None and most is not None and facts.proposed
    if is_budgeted and single + yearly >= (most or 0) * (facts.budget_fen or 0):
        yield _reason("budget_exceeded", "care")
    if age is None or not facts.proposed:
        return
    if limits.payment_end_age is not None:
        for proposed in facts.proposed:
            if age + (proposed.payment_years or 0) >= limits.payment_end_age:
                yield _reason("paid_late", "care", proposed)
    if limits.age_over is not None and age > limits.age_over:
        yield _reason("age_high", "care")
    is_regular = any(not proposed.is_single for proposed in facts.proposed)
    if limits.regular_pay_age_over is not None and is_regular and age > limits.regular_pay_age_over:
        yield _reason("regular_pay_age_high", "care")
