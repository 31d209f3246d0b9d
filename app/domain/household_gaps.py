"""What follows from the gaps of a household: order, affordable premium, advice, what is open. Pure.

The order: peril weight × gap / household income, the largest first; the weights are assumptions (`weight_life`, …).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from app.domain import suitability
from app.domain.annuities import round_fen
from app.domain.household_case import Case
from app.domain.household_facts import PERILS
from app.domain.household_health import social_medical
from app.domain.needs_methods import calculate
from app.domain.needs_screens import Affordability
from app.domain.needs_worksheet import Label, text, words

_PLACES = Decimal("0.0001")
SALES, SUITABLE = "保险销售行为管理办法(令2023年第2号)", "金融机构产品适当性管理办法(令2025年第7号)"
MINORS = "保监发〔2015〕90号"


def household_income(case: Case) -> int:
    """Everything the household earns a year, in fen."""
    return sum(map(case.income, case.household.members)) + int(case.book.value("rental_yearly_fen"))


def rank(case: Case, results: list[dict[str, Any]]) -> None:
    """Write rank and priority into the results; without a gap there is no rank. Without income a year's living stands
    for it."""
    living = 12 * case.book.value("living_monthly_fen")
    income = household_income(case) or living or 1
    exact: dict[int, Decimal] = {}
    for n, one in enumerate(results):
        if one["gap_fen"]:
            exact[n] = case.book.value(f"weight_{one['peril']}") * one["gap_fen"] / income
            shown = exact[n].quantize(_PLACES)
            one["priority"] = text(shown)
    order = sorted(exact, key=lambda n: (-exact[n], PERILS.index(results[n]["peril"]), n))
    for place, n in enumerate(order, start=1):
        results[n]["rank"] = place


# --- affordability ---------------------------------------------------------------------------------------------

_REASONS: dict[str, Label] = {
    "band_green": ("现有保费占家庭收入的比例适中。", "The premiums you pay are a moderate part of the family income."),
    "band_amber": ("现有保费占家庭收入的比例偏高。", "The premiums you pay are a high part of the family income."),
    "band_red": ("现有保费占家庭收入的比例过高。", "The premiums you pay are too high a part of the family income."),
    "surplus_exceeded": (
        "保费超过扣除必要开支后的结余。",
        "Premiums are more than what is left after necessary spending.",
    ),
    "emergency_thin": (
        "随时能用的钱不够三个月的基本开支,应先留足应急金。",
        "Money at hand is less than three months of basic spending; provide for emergencies first.",
    ),
    "repayments_high": (
        "一年还款超过家庭收入的一半,长期缴费要谨慎。",
        "Repayments are more than half of the family income; be careful with long-term premiums.",
    ),
    "budget_is_limit": ("新增保费以您说的预算为限。", "New premiums are limited to the budget you named."),
    "no_room": ("目前没有增加保费的余地。", "There is no room for more premiums at present."),
}


def _reason(code: str) -> dict[str, Any]:
    return {"code": code, "words": words(_REASONS[code])}


def affordability(case: Case) -> dict[str, Any]:
    """The band of what is paid, and the premium that can be added: within the green share of the income, within what is
    left after necessary spending, within the budget the customer named."""
    book, rows = case.book, case.book.facts.rows
    income = household_income(case)
    living = 12 * (book.value("living_monthly_fen") + book.value("rent_monthly_fen"))
    regular = sum(book.value(f"{name}_fen") for name in ("schooling_yearly", "medical_yearly", "parents_support"))
    repaid = 12 * sum(row.get("debt_monthly", 0) for row in rows("debts"))
    rigid, existing = living + regular + repaid, sum(cover.premium_fen for cover in case.covers)
    green = book.value("premium_green_share")
    told = Affordability(
        disposable_income_fen=income,
        existing_premium_fen=existing,
        green_share=green,
        amber_share=book.value("premium_amber_share"),
        rigid_expense_fen=rigid,
    )
    found = calculate("affordability", told)
    figures = {figure.key: figure.value for figure in found.figures}
    cap = min(round_fen(income * green), max(0, income - rigid))
    room, budget = int(figures["affordable_premium_fen"]), book.find("premium_budget_fen")
    reasons = [_reason(finding.code) for finding in found.findings if finding.code in _REASONS]
    if budget is not None and budget.value < room:
        room = budget.value
        reasons.append(_reason("budget_is_limit"))
    reasons += map(_reason, _warnings(case, income, repaid))
    if not room:
        reasons.append(_reason("no_room"))
    return {
        "band": figures["band"], "income_fen": income, "expense_fen": rigid, "existing_premium_fen": existing,
        "cap_fen": cap, "room_fen": room, "reasons": reasons, "method": found.method,
        "method_version": found.method_version, "steps": [step.to_json() for step in found.steps],
    }  # fmt: skip


def _warnings(case: Case, income: int, repaid: int) -> Iterator[str]:
    assets = case.book.find("liquid_assets_fen")
    is_known = assets is not None and assets.source != "method_default"
    if assets is not None and is_known and assets.value < 3 * case.book.value("living_monthly_fen"):
        yield "emergency_thin"
    if 2 * repaid > income:
        yield "repayments_high"


# --- advice ----------------------------------------------------------------------------------------------------

_ADVICE: dict[str, tuple[str, str, Label]] = {
    "repeat_cover": (
        "stop",
        f"{SALES} 第28条",
        (
            "已有的医疗保障已经够用,再买一份同样的也不会重复赔,建议不要再买。",
            "The medical cover that is there is enough. A second one of its kind would not pay twice: do not buy it.",
        ),
    ),
    "over_insurance": (
        "stop",
        f"{SALES} 第28条",
        (
            "已有的这类保障超过了算出来的需要,建议不要再加。",
            "The cover of this kind is more than what is needed: do not add to it.",
        ),
    ),
    "minor_limit": (
        "stop",
        MINORS,
        (
            "未成年人的身故保额合计超过了规定的上限,请先核对各家公司的保单。",
            "The death cover of a minor is above the legal limit over all insurers: check the policies first.",
        ),
    ),
    "not_portable": (
        "note",
        f"{SALES} 第21条",
        (
            "其中一部分是单位的团体保险,离职后通常就没有了。",
            "Part of this is group cover of the employer, which usually ends with the job.",
        ),
    ),
    "premium_too_high": (
        "stop",
        f"{SUITABLE} 第12条;{SALES} 第28条",
        (
            "现有保费对家庭收入来说已经过高,建议先不要增加保费。",
            "Present premiums are too high for the family income: do not add any for now.",
        ),
    ),
    "premium_high": (
        "caution",
        f"{SUITABLE} 第12条",
        (
            "现有保费占收入的比例偏高,新增保费要量力而行。",
            "Present premiums are a high part of the income: be careful with more.",
        ),
    ),
    "cannot_keep_paying": (
        "stop",
        f"{SALES} 第28条",
        (
            "扣除必要开支后的结余不够交现有保费,建议先不要增加保费。",
            "What is left after necessary spending does not pay the present premiums: do not add any for now.",
        ),
    ),
}


def _advise(code: str, one: dict[str, Any] | None = None) -> dict[str, Any]:
    severity, source, label = _ADVICE[code]
    place = (None, None) if one is None else (one["insured"], one["peril"])
    told = {"code": code, "insured": place[0], "peril": place[1], "severity": severity, "legal_source": source}
    return told | {"words": words(label)}


def advice(results: Iterable[dict[str, Any]], afford: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the adviser has to say, each with the rule it comes from: stop, caution, or a note."""
    for one in results:
        if any(finding["code"] == "repeat_cover" for finding in one["findings"]):
            yield _advise("repeat_cover", one)
        if one["over_fen"]:
            yield _advise("minor_limit" if one["method"] == "minors_limit" else "over_insurance", one)
        if any(not cover["is_portable"] and cover["counted_fen"] for cover in one["covers"]):
            yield _advise("not_portable", one)
    bands = {"red": "premium_too_high", "amber": "premium_high"}
    if afford["band"] in bands:
        yield _advise(bands[afford["band"]])
    if any(reason["code"] == "surplus_exceeded" for reason in afford["reasons"]) and afford["existing_premium_fen"]:
        yield _advise("cannot_keep_paying")


def opinion(case: Case, results: Iterable[dict[str, Any]], afford: dict[str, Any]) -> dict[str, Any]:
    """The match opinion on the household as it stands, without any product (`suitability.verdict`)."""
    covers = tuple(
        suitability.Cover(
            insured=one["insured"],
            peril=one["peril"],
            need_fen=one["need_fen"],
            existing_fen=one["existing_fen"],
            is_repeated=any(finding["code"] == "repeat_cover" for finding in one["findings"]),
        )
        for one in results
        if one["method"] != "minors_limit" or one["over_fen"]
    )
    names = ("income_fen", "expense_fen", "existing_premium_fen", "cap_fen", "room_fen")
    budget = case.book.find("premium_budget_fen")
    told = suitability.SuitabilityFacts(
        at=datetime.combine(case.as_of, time(), UTC),
        policyholder_age=case.household.members[0].age,
        affordability=suitability.Affordability(band=afford["band"], **{name: afford[name] for name in names}),
        budget_fen=None if budget is None else budget.value,
        covers=covers,
    )
    return suitability.verdict(told).to_json()


# --- what is open ----------------------------------------------------------------------------------------------


def _open(code: str, insured: str | None = None, peril: str | None = None, row: int | None = None) -> dict[str, Any]:
    return {"code": code, "insured": insured, "peril": peril, "row": row}


def missing(case: Case, results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What nobody said, with the result it touches, and policies that do not count."""
    judged = {(one["insured"], one["peril"]) for one in results}
    used = case.book.used
    for (insured, peril), name, code in (
        (("self", "life"), "liquid_assets_fen", "liquid_assets_unknown"),
        (("self", "life"), "final_expenses_fen", "final_expenses_unknown"),
        (("self", "critical_illness"), "treatment_fen", "treatment_unknown"),
        (("self", "pension"), "pension_monthly_fen", "pension_wish_unknown"),
        (("self", "pension"), "retirement_age", "retirement_age_unknown"),
    ):
        held = used.get(name)
        is_past = name == "retirement_age" and held is not None and held.value <= case.household.members[0].age
        if (insured, peril) in judged and held is not None and held.source == "method_default" and not is_past:
            yield _open(code, insured, peril)
    if ("self", "pension") in judged:
        pension = used.get("social_pension_monthly_fen")
        if pension is None:
            yield _open("social_pension_unknown", "self", "pension")
        elif pension.source == "method_default":
            yield _open("social_pension_estimated", "self", "pension")
    else:
        yield _open("pension_time_past", "self")
    for member in case.household.members:
        if social_medical(case, member) in (None, "unsure"):
            yield _open("social_medical_unknown", member.key, "medical")
        if member.role != "child" and not case.income(member):
            yield _open("life_not_judged", member.key)
    for cover in case.covers:
        if cover.reason is not None:
            yield _open(f"policy_{cover.reason}", cover.insured, None, cover.row)
