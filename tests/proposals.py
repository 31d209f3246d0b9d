"""An invented household and its proposal. `python -m tests.proposals FOLDER` draws its pages there."""

import json
import sys
from dataclasses import fields, is_dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from app import typeset
from app.domain import needs
from app.domain.proposal_page import page
from app.domain.proposal_report import (
    Affordability,
    Agent,
    Alternative,
    Assumption,
    Calculation,
    Member,
    Need,
    Organization,
    ProposalReport,
    Recommendation,
    Step,
    Suitability,
    Tolerance,
    Year,
)

WAN = 1_000_000  # fen

MEMBERS = (
    Member(key="father", name="林国栋", role="父亲", age=66, generation=-1, occupation="退休教师"),
    Member(key="mother", name="周玉兰", role="母亲", age=63, generation=-1, occupation="退休"),
    Member(
        key="lin", name="林致远", role="本人", age=36, occupation="软件工程师", yearly_income_fen=36 * WAN
    ),
    Member(key="su", name="苏婉清", role="配偶", age=34, occupation="中学教师", yearly_income_fen=14 * WAN),
    Member(key="son", name="林知夏", role="长子", age=6, generation=1, occupation="小学生"),
    Member(key="girl", name="林予安", role="次女", age=2, generation=1),
)  # fmt: skip

LIFE = needs.LifeNeedInput(
    family_expense_fen=18 * WAN,
    survivor_share=Decimal("0.70"),
    support_years=20,
    timing="begin",
    expense_growth=Decimal("0.03"),
    discount_rate=Decimal("0.045"),
    first_payment="today",
    spouse_income=needs.Stream(yearly_fen=14 * WAN, years=20, timing="end", growth=Decimal("0.03")),
    parents_support=needs.Stream(yearly_fen=2_400_000, years=20, timing="end", growth=Decimal("0.02")),
    education=tuple(needs.Lump(cost_fen=30 * WAN, in_years=years, growth=Decimal("0.04")) for years in (12, 16)),
    mortgage_fen=128 * WAN,
    final_expenses_fen=5 * WAN,
    emergency_months=6,
    liquid_assets_fen=42 * WAN,
    existing_cover_fen=50 * WAN,
)


def _life() -> tuple[Need, Calculation]:
    found = needs.life_need(LIFE)
    need = Need(
        insured="lin",
        peril="身故",
        need_fen=found.need_fen,
        existing_fen=found.existing_cover_fen,
        rank=1,
        method="遗属需要法",
        note="房贷与两个孩子的教育主要依靠其收入",
    )
    steps = tuple(
        Step(
            label=step.label["zh"],
            formula=step.formula,
            substituted=step.substituted,
            amount_fen=step.amount_fen,
            sign=step.sign,
        )
        for step in found.steps
    )
    return need, Calculation(
        insured="lin",
        peril="身故",
        method="遗属需要法",
        version=found.method_version,
        steps=steps,
        result_fen=found.need_fen,
    )


def _ill(insured: str, income: int, existing: int, rank: int, note: str) -> tuple[Need, Calculation]:
    parts = (
        ("治疗自付费用", "300,000 元", 30 * WAN),
        ("康复与护理", "100,000 元 × 3 年", 30 * WAN),
        ("收入中断补偿", f"{income * 10_000:,} 元 × 3 年", income * 3 * WAN),
    )
    total = sum(amount for _, _, amount in parts)
    steps = tuple(Step(label=label, formula=formula, amount_fen=amount) for label, formula, amount in parts)
    method = "治疗、康复与收入补偿"
    return (
        Need(
            insured=insured,
            peril="重大疾病",
            need_fen=total,
            existing_fen=existing * WAN,
            rank=rank,
            method=method,
            note=note,
        ),
        Calculation(
            insured=insured, peril="重大疾病", method=method, version="1.0.0", steps=steps, result_fen=total
        ),
    )  # fmt: skip


def _needs() -> tuple[tuple[Need, ...], tuple[Calculation, ...]]:
    life, life_steps = _life()
    his, his_steps = _ill("lin", 36, 30, 2, "仅有单位团体重疾险，离职即失效")
    hers, her_steps = _ill("su", 14, 0, 3, "目前没有重疾保障")
    plain: Any = {"existing_fen": 0}
    rest = (
        Need(insured="lin", peril="医疗", need_fen=200 * WAN, existing_fen=200 * WAN, method="高额医疗上限"),
        Need(insured="lin", peril="意外", need_fen=360 * WAN, existing_fen=100 * WAN, rank=4, method="十倍年收入"),
        hers,
        Need(insured="su", peril="医疗", need_fen=200 * WAN, rank=5, method="高额医疗上限", **plain),
        Need(insured="su", peril="意外", need_fen=100 * WAN, existing_fen=150 * WAN, method="十倍年收入"),
        Need(insured="son", peril="教育金", need_fen=3_480_000, rank=6, method="目标储蓄", **plain),
        Need(insured="son", peril="医疗", need_fen=100 * WAN, existing_fen=100 * WAN, method="高额医疗上限"),
        Need(insured="girl", peril="医疗", need_fen=100 * WAN, rank=7, method="高额医疗上限", **plain),
    )
    return (life, his, *rest), (life_steps, his_steps, her_steps)


def _years() -> tuple[Year, ...]:
    found = []
    for n in range(30):
        both = 36 * WAN * 103**n // 100**n if n < 27 else 0
        hers = 14 * WAN * 103**n // 100**n if n < 24 else 0
        pension = 9 * WAN * 102**n // 100**n if n >= 27 else 0
        school = sum(6 * WAN for first in (12, 16) if first <= n < first + 4) + (2 * WAN if n < 12 else 0)
        found.append(
            Year(
                year=2026 + n,
                income_fen=both + hers + pension,
                living_fen=18 * WAN * 103**n // 100**n,
                debt_fen=9_600_000 if n < 18 else 0,
                education_fen=school,
                premium_fen=1_160_000 if n < 20 else 0,
            )
        )
    return tuple(found)


def _cover() -> tuple[Recommendation, ...]:
    def one(insured: str, peril: str, category: str, *figures: Any) -> Recommendation:
        cover, low, high, term, reason = figures
        return Recommendation(
            insured=insured,
            peril=peril,
            categories=(category,),
            sum_insured_fen=cover * WAN,
            premium_low_fen=low * 100,
            premium_high_fen=high * 100,
            term=term,
            reason=reason,
        )

    return (
        one("lin", "身故", "定期寿险", 120, 1600, 2300, "至 60 岁", "以较低保费覆盖还贷与抚养责任最重的年份"),
        one("lin", "重大疾病", "疾病保险（重大疾病）", 80, 9800, 12600, "至 70 岁", "个人持有，离职不失效"),
        one("su", "重大疾病", "疾病保险（重大疾病）", 60, 6200, 8100, "至 70 岁", "补足治疗与三年收入"),
        one("su", "医疗", "医疗保险（费用补偿型）", 200, 380, 620, "1 年，可续保", "与社会医疗保险衔接"),
        one("lin", "意外", "意外伤害保险", 100, 260, 390, "1 年", "通勤较多"),
        one("girl", "医疗", "医疗保险（费用补偿型）", 100, 520, 860, "1 年，可续保", "幼儿住院概率较高"),
    )


def _assumptions() -> tuple[Assumption, ...]:
    rows: tuple[tuple[str, int | str, Any, Any, str], ...] = (
        ("家庭年支出", 18 * WAN, "fen", "customer", ""),
        ("遗属支出比例", "0.70", "share", "form_default", ""),
        ("支持年数", 20, "years", "customer", "至次女 22 岁"),
        ("支出增长率", "0.03", "per_year", "form_default", ""),
        ("教育费用增长率", "0.04", "per_year", "agent", "与客户商定"),
        ("折现率", "0.045", "per_year", "organization", ""),
        ("应急金", 6, "months", "form_default", ""),
        ("法定退休年龄", "63 岁（男）、58 岁（女）", "code", "public", "2025 年起渐进式延迟退休"),
    )
    return tuple(
        Assumption(label=label, value=value, unit=unit, source=source, note=note)
        for label, value, unit, source, note in rows
    )


def household() -> ProposalReport:
    """The Lin family: two incomes, a mortgage, two children, parents to support."""
    found, calculations = _needs()
    return ProposalReport(
        organization=Organization(name="晨曦保险代理有限公司", phone="400-000-0000"),
        agent=Agent(name="陈思远", licence_no="00000000000000000001", phone="138 0000 0000"),
        number="JH-2026-000128",
        customer="林致远 先生",
        prepared_on=date(2026, 11, 27),
        members=MEMBERS,
        needs=found,
        years=_years(),
        assumptions=_assumptions(),
        affordability=Affordability(
            yearly_income_fen=50 * WAN,
            rigid_expense_fen=2960 * 10_000,
            existing_premium_fen=1_160_000,
            premium_cap_fen=5 * WAN,
            load="green",
            note="现有与建议保费合计不超过年收入的 8%",
        ),
        tolerance=Tolerance(
            level=2, label="稳健型", assessed_on=date(2026, 11, 20), valid_until=date(2027, 11, 19)
        ),
        suitability=Suitability(
            verdict="suitable",
            reasons=(
                "建议的保障类别产品等级不高于 P2，未超出您 C2 的风险承受能力。",
                "建议保费与现有保费合计在年保费上限之内，且缴费期不超过预计退休年龄。",
                "未发现重复投保；苏婉清的意外保障已超过测算需求，不建议再增加。",
            ),
        ),
        recommendations=_cover(),
        alternatives=(
            Alternative(
                title="精简方案",
                description="先补足林致远的定期寿险与重疾，其余一年后复查",
                premium_low_fen=1_140_000,
                premium_high_fen=1_490_000,
                remaining_gap_fen=sum(need.gap_fen for need in found) - 200 * WAN,
            ),
            Alternative(
                title="充分方案",
                description="身故、重大疾病、医疗与意外全部补足至测算需求",
                premium_low_fen=3_072_000,
                premium_high_fen=3_820_000,
                remaining_gap_fen=3_480_000,
            ),
        ),
        calculations=calculations,
        cooling_off_days=15,
    )  # fmt: skip


MARKUP = (
    '#import "x"',
    "#panic()",
    "*粗* _斜_ $x^2$ @ref <label> `raw` \\\\ //注释 /* */ ]] ))",
    "{{page}} {} %s {0} $HOME ../../etc/passwd",
    "👨‍👩‍👧‍👦😀🀄",
    "\u202e倒过来的名字\u0000\u0007\ud800",
    "𠮷野家㛃𬱖 ABCdef\n\n= 标题\n- 项",
    "مرحبا بالعالم हिन्दी",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
)
SHAPES = ("", "Wolfeschlegelsteinhausenbergerdorff" * 8, "长" * 300, "https://example.com/" + "a" * 400)


def hostile(text: str) -> ProposalReport:
    """The household with one text wherever a text may stand."""
    filled: ProposalReport = _filled(household(), text)
    return filled


def _filled(value: Any, text: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_filled(part, text) for part in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = {}
    for field in fields(value):
        part = getattr(value, field.name)
        is_text = isinstance(part, str)
        changed[field.name] = text if is_text and field.name not in _CODES else _filled(part, text)
    for name in ("reasons", "categories", "notices"):
        if name in changed:
            changed[name] = (text,) * max(1, len(changed[name]))
    return replace(value, **changed)


_CODES = ("key", "insured", "language", "unit", "source", "load", "verdict", "sign")


def large() -> ProposalReport:
    """The household with as much of everything as may be printed."""
    small = household()
    many = tuple(replace(MEMBERS[0], key=f"m{n}", name=f"成员{n}", generation=n % 5 - 2) for n in range(30))
    steps = tuple(Step(label="长" * 60, formula="yearly_fen × " * 40, amount_fen=2**53 - 1) for _ in range(16))
    return replace(
        small,
        members=many,
        needs=tuple(replace(small.needs[0], insured=f"m{n % 30}", need_fen=2**53 - 1, rank=n + 1) for n in range(60)),
        years=tuple(replace(small.years[0], year=2026 + n) for n in range(80)),
        assumptions=small.assumptions[:1] * 100,
        recommendations=tuple(replace(small.recommendations[0], insured=f"m{n % 30}") for n in range(60)),
        alternatives=small.alternatives[:1] * 10,
        calculations=tuple(replace(small.calculations[0], insured="m0", steps=steps) for _ in range(60)),
        notices=("长" * 2_000,) * 20,
    )


def pictures(report: ProposalReport, ppi: float) -> list[bytes]:
    """Every page as a PNG, by the compiler in this process."""
    import typst

    made: Any = typst.compile(
        str(typeset.TEMPLATES / "proposal.typ"),
        root=str(typeset.TEMPLATES),
        font_paths=[typeset.font_folder()],
        ignore_system_fonts=True,
        format="png",
        ppi=ppi,
        sys_inputs={"page": json.dumps(page(report)), "font": typeset.FAMILY},
    )
    return list(made) if isinstance(made, list) else [made]


if __name__ == "__main__":
    for number, png in enumerate(pictures(household(), 84), 1):
        Path(sys.argv[1], f"proposal-{number}.png").write_bytes(png)
