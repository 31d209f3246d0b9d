"""The match opinion: every rule at its boundary."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain import suitability
from app.domain.suitability import Affordability, Cover, Proposed, SuitabilityFacts, Thresholds, Tolerance, verdict
from app.domain.suitability_words import REASONS

WAN = 1_000_000  # fen
NOON = datetime(2026, 11, 27, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)

COVER = Proposed(
    insured="self",
    peril="life",
    level=2,
    insured_age=36,
    need_fen=300 * WAN,
    existing_fen=50 * WAN,
    sum_insured_fen=250 * WAN,
    premium_fen=480_000,
    payment_years=20,
    agent_level=2,
)
FACTS = SuitabilityFacts(
    at=NOON,
    policyholder_age=36,
    affordability=Affordability(
        band="green",
        income_fen=50 * WAN,
        expense_fen=30 * WAN,
        existing_premium_fen=1 * WAN,
        cap_fen=5 * WAN,
        room_fen=4 * WAN,
    ),
    proposed=(COVER,),
    assessed_at=NOON - SECOND,
    recommended_at=NOON,
)
CAN = FACTS.affordability
assert CAN is not None
C3 = Tolerance(level=3, valid_until=NOON + SECOND)


def _codes(facts: SuitabilityFacts, thresholds: Thresholds | None = None) -> list[str]:
    return [reason.code for reason in verdict(facts, thresholds).reasons]


def _with(**over: Any) -> SuitabilityFacts:
    """The facts with a changed cover."""
    return replace(FACTS, proposed=(replace(COVER, **over),))


def _paying(**over: Any) -> SuitabilityFacts:
    assert CAN is not None
    return replace(FACTS, affordability=replace(CAN, **over))


def test_cover_that_fits_is_suitable_without_a_reason() -> None:
    found = verdict(FACTS)
    assert (found.code, found.reasons, found.may_insist) == ("suitable", (), False)


def test_household_without_a_proposal_is_judged_too() -> None:
    held = Cover(insured="self", peril="life", need_fen=9, existing_fen=10)
    found = verdict(replace(FACTS, proposed=(), recommended_at=None, covers=(held,)))
    assert [(reason.code, reason.insured, reason.peril) for reason in found.reasons] == [("over_held", "self", "life")]
    assert found.code == "suitable_with_care"


RULES: list[tuple[SuitabilityFacts, str, list[str]]] = [
    # 令2025-7, 19, and the care for older customers
    (replace(FACTS, policyholder_age=None), "incomplete", ["policyholder_age_missing"]),
    (replace(FACTS, policyholder_age=7), "not_suitable", ["no_capacity"]),
    (replace(FACTS, policyholder_age=8), "not_suitable", ["limited_capacity", "representative_consent_missing"]),
    (replace(FACTS, policyholder_age=17, has_representative_consent=True), "not_suitable", ["limited_capacity"]),
    (replace(_with(level=1), policyholder_age=17), "incomplete", ["representative_consent_missing"]),
    (replace(_with(level=1), policyholder_age=17, has_representative_consent=True), "suitable", []),
    (replace(FACTS, policyholder_age=17, capacity="full"), "suitable", []),
    (replace(FACTS, policyholder_age=18), "suitable", []),
    (replace(FACTS, capacity="none"), "not_suitable", ["no_capacity"]),
    (replace(FACTS, policyholder_age=64), "suitable", []),
    (replace(FACTS, policyholder_age=65), "suitable_with_care", ["elderly_care"]),
    # 13: assessed < recommended < signed, by himself
    (replace(FACTS, is_answered_by_customer=False), "not_suitable", ["answered_for_customer"]),
    (replace(FACTS, assessed_at=None), "incomplete", ["assessment_missing"]),
    (replace(FACTS, assessment_valid_until=NOON), "incomplete", ["assessment_expired"]),
    (replace(FACTS, assessment_valid_until=NOON + SECOND), "suitable", []),
    (replace(FACTS, assessed_at=NOON), "not_suitable", ["assessed_too_late"]),
    (replace(FACTS, signed_at=NOON, is_opinion_told=True), "not_suitable", ["signed_too_early"]),
    (replace(FACTS, signed_at=NOON + SECOND, is_opinion_told=True), "suitable", []),
    (replace(FACTS, recommended_at=None, signed_at=NOON, is_opinion_told=True), "not_suitable", ["signed_too_early"]),
    # 12 and 14: told before the signature
    (replace(FACTS, signed_at=NOON + SECOND), "not_suitable", ["opinion_not_told"]),
    (replace(FACTS, signed_at=NOON + SECOND, is_online=True), "not_suitable", ["opinion_not_told_online"]),
    # 12, and 令2023-2, 21 and 28: ability to pay
    (replace(FACTS, affordability=None), "incomplete", ["affordability_missing"]),
    (_paying(band=None), "incomplete", ["affordability_missing"]),
    (_paying(band="amber"), "suitable_with_care", ["premium_high"]),
    (_paying(band="red"), "advise_stop", ["premium_unaffordable"]),
    (_paying(income_fen=30 * WAN + 1 * WAN + 480_000), "suitable", []),
    (_paying(income_fen=30 * WAN + 1 * WAN + 480_000 - 1), "advise_stop", ["surplus_exceeded"]),
    (_paying(room_fen=480_000), "suitable", []),
    (_paying(room_fen=479_999), "suitable_with_care", ["room_exceeded"]),
    (_paying(room_fen=None), "suitable", []),
    (_with(premium_fen=None), "suitable_with_care", ["premium_open"]),
    # 21: what is held already
    (replace(FACTS, are_policies_known=False), "incomplete", ["policies_unknown"]),
    (replace(FACTS, covers=(Cover(insured="self", peril="life", need_fen=1, existing_fen=1),)), "suitable", []),
    (
        replace(FACTS, covers=(Cover(insured="self", peril="medical", need_fen=2, existing_fen=1, is_repeated=True),)),
        "suitable_with_care",
        ["repeat_held"],
    ),
    # 28: mismatch, repeated and excessive cover
    (_with(fits_peril=False), "advise_stop", ["category_mismatched"]),
    (_with(is_indemnity=True), "suitable", []),
    (_with(holds_same_kind=True), "suitable", []),
    (_with(is_indemnity=True, holds_same_kind=True), "advise_stop", ["repeat_cover"]),
    (_with(is_indemnity=True, is_beside=True), "suitable_with_care", ["indemnity_beside"]),
    (_with(is_beside=True), "suitable", []),
    (_with(is_indemnity=True, sum_insured_fen=900 * WAN), "suitable", []),  # never pays more than was spent
    (_with(need_fen=None), "incomplete", ["need_unknown"]),
    (_with(need_fen=0, existing_fen=0), "advise_stop", ["no_need"]),
    (_with(existing_fen=300 * WAN), "advise_stop", ["covered_already"]),
    (_with(existing_fen=300 * WAN - 1, sum_insured_fen=1 * WAN), "suitable", []),
    (_with(existing_fen=300 * WAN - 1, sum_insured_fen=1 * WAN + 1), "advise_stop", ["over_cover"]),
    (_with(sum_insured_fen=250 * WAN + 1), "advise_stop", ["over_cover"]),
    (_with(sum_insured_fen=None), "suitable", []),
    # 16 and 21: who may sell it
    (_with(agent_level=None), "incomplete", ["agent_not_graded"]),
    (_with(agent_level=1), "not_suitable", ["agent_not_authorised"]),
    # 保监发〔2015〕90号
    (_with(insured_age=None), "incomplete", ["insured_age_missing"]),
    (_with(insured_age=9, death_fen=20 * WAN), "suitable", []),
    (_with(insured_age=9, death_fen=20 * WAN, death_held_fen=1), "not_suitable", ["minor_death_limit"]),
    (_with(insured_age=10, death_fen=20 * WAN, death_held_fen=30 * WAN), "suitable", []),
    (_with(insured_age=17, death_fen=20 * WAN, death_held_fen=30 * WAN + 1), "not_suitable", ["minor_death_limit"]),
    (_with(insured_age=17, death_fen=0, death_held_fen=90 * WAN), "suitable", []),
    (_with(insured_age=18, death_fen=90 * WAN), "suitable", []),
    # 12, 13, 29, and 令2023-2, 22: level against class
    (_with(level=4, agent_level=5), "incomplete", ["tolerance_missing"]),
    (_with(level=3, agent_level=5), "suitable", []),
    (_with(level=3, agent_level=5, is_linked=True), "incomplete", ["tolerance_missing"]),
    (replace(_with(level=4, agent_level=5), tolerance=C3), "not_suitable", ["tolerance_exceeded"]),
    (replace(_with(level=4, agent_level=5), tolerance=replace(C3, level=4)), "suitable", []),
    (replace(_with(level=3, agent_level=5, is_linked=True), tolerance=C3), "suitable", []),
    (
        replace(_with(level=4, agent_level=5), tolerance=Tolerance(level=5, valid_until=NOON)),
        "incomplete",
        ["tolerance_expired"],
    ),
    (
        replace(_with(level=3, agent_level=5, is_uncertain=True), tolerance=replace(C3, level=2)),
        "suitable_with_care",
        ["benefits_uncertain"],
    ),
    (replace(_with(level=3, agent_level=5, is_uncertain=True), tolerance=C3), "suitable", []),
    (replace(_with(level=2), tolerance=replace(C3, level=1)), "suitable", []),
]


@pytest.mark.parametrize(("facts", "code", "reasons"), RULES)
def test_each_rule_at_its_boundary(facts: SuitabilityFacts, code: str, reasons: list[str]) -> None:
    found = verdict(facts)
    assert (found.code, [reason.code for reason in found.reasons]) == (code, reasons)


ALL = Thresholds(
    single_premium_incomes=Decimal(4),
    yearly_premium_share=Decimal("0.20"),
    payment_end_age=60,
    budget_share=Decimal("1.5"),
    age_over=65,
    regular_pay_age_over=60,
)
SINGLE = replace(
    _paying(income_fen=500 * WAN, room_fen=None), proposed=(replace(COVER, is_single=True, payment_years=1),)
)
WARNINGS: list[tuple[SuitabilityFacts, Thresholds, list[str]]] = [
    (SINGLE, Thresholds(single_premium_incomes=Decimal("0.00096")), []),
    (SINGLE, Thresholds(single_premium_incomes=Decimal("0.000959")), ["single_premium_high"]),
    (FACTS, Thresholds(yearly_premium_share=Decimal("0.0296")), []),
    (FACTS, Thresholds(yearly_premium_share=Decimal("0.0295")), ["yearly_premium_high"]),
    (replace(FACTS, policyholder_age=39), ALL, []),
    (replace(FACTS, policyholder_age=40), ALL, ["paid_late"]),
    (replace(FACTS, budget_fen=320_001), ALL, []),
    (replace(FACTS, budget_fen=320_000), ALL, ["budget_exceeded"]),
    (replace(FACTS, policyholder_age=60), Thresholds(regular_pay_age_over=60), []),
    (replace(FACTS, policyholder_age=61), Thresholds(regular_pay_age_over=60), ["regular_pay_age_high"]),
    (replace(SINGLE, policyholder_age=61), Thresholds(regular_pay_age_over=60), []),
    (replace(FACTS, policyholder_age=65), Thresholds(age_over=65), ["elderly_care"]),
    (replace(FACTS, policyholder_age=66), Thresholds(age_over=65), ["elderly_care", "age_high"]),
]


@pytest.mark.parametrize(("facts", "thresholds", "reasons"), WARNINGS)
def test_each_threshold_warns_when_it_is_on(
    facts: SuitabilityFacts, thresholds: Thresholds, reasons: list[str]
) -> None:
    assert _codes(facts, thresholds) == reasons
    assert _codes(facts) == [code for code in reasons if code == "elderly_care"]  # and is off unless it is set


def test_every_threshold_is_off_by_default() -> None:
    worst = replace(FACTS, policyholder_age=90, budget_fen=1)
    assert _codes(worst, Thresholds()) == _codes(worst) == ["elderly_care"]


def test_worst_reason_decides_and_comes_first() -> None:
    worst = replace(_with(agent_level=1, existing_fen=300 * WAN, insured_age=None), policyholder_age=65)
    found = verdict(worst)
    assert [reason.severity for reason in found.reasons] == ["refuse", "stop", "missing", "care"]
    assert found.code == "not_suitable"
    assert verdict(replace(worst, proposed=(replace(worst.proposed[0], agent_level=2),))).code == "advise_stop"


def test_customer_may_insist_on_what_is_advised_against_and_on_nothing_else() -> None:
    assert verdict(_paying(band="red")).may_insist
    assert not verdict(replace(_paying(band="red"), policyholder_age=None)).may_insist
    assert not verdict(replace(_paying(band="red"), assessed_at=NOON)).may_insist


def test_every_reason_has_words_and_a_source_and_every_word_is_used() -> None:
    said = {code for _, _, codes in RULES for code in codes} | {code for _, _, codes in WARNINGS for code in codes}
    assert said | {"over_held"} == set(REASONS)
    for zh, en, source in REASONS.values():
        assert zh.endswith("。")
        assert en.endswith(".")
        assert source


def test_verdict_is_stored_as_it_is() -> None:
    stored = verdict(_with(agent_level=1)).to_json()
    assert stored["code"] == "not_suitable"
    assert stored["reasons"][0].keys() == {"code", "severity", "zh", "en", "source", "insured", "peril"}
    assert suitability.capacity_of(16) == "limited"
