"""Every method of needs analysis in one table, and how one is run: worksheet, totals, gap, assumptions.

`gap = max(0, need - resources)`. Only cover can be too much: `over` is what existing cover exceeds the need by, once
the family's own means are counted. `cover_ratio` is existing cover in that net need, four places, rounded down, so
that "1.0000" is never said of a gap.
"""

import decimal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from app.domain import annuities, needs_goals, needs_health, needs_life, needs_screens, social_pension
from app.domain.annuities import NeedsError
from app.domain.needs_inputs import UNITS, Inputs, Part, members
from app.domain.needs_worksheet import Figure, Finding, Label, Rounding, Step, Worksheet, text, words

Source = Literal["customer", "agent", "form_default", "method_default", "organization", "published"]
Standing = Literal["formula", "rule_of_thumb", "rule", "screen", "display"]
Compute = Callable[[Any, Worksheet], None]


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its version (of the figures it gives), its name, what it is told, what it does.

    `standing`: a formula of the profession, a rule of thumb, a rule of law, a screen, or a picture. `gives`: a need and
    a gap; resources only; or figures beside them.
    """

    code: str
    version: str
    title: Label
    standing: Standing
    inputs: type[Inputs]
    compute: Compute
    gives: Literal["need", "resources", "figures"] = "need"


def _table(*methods: Method) -> Mapping[str, Method]:
    return {method.code: method for method in methods}


_LIFE, _HEALTH, _GOALS, _SCREENS = needs_life, needs_health, needs_goals, needs_screens
_V1 = "1.0.0"
# fmt: off
METHODS: Mapping[str, Method] = _table(
    Method("human_life_value", _V1, ("人生价值法", "Human life value"), "formula",
           _LIFE.HumanLifeValue, _LIFE.human_life_value),
    Method("income_replacement", _V1, ("收入替代法", "Income replacement"), "formula",
           _LIFE.IncomeReplacement, _LIFE.income_replacement),
    Method("capital_needs", "2.0.0", ("遗属需要法", "Capital needs"), "formula",
           _LIFE.CapitalNeeds, _LIFE.capital_needs),
    Method("capital_retention", _V1, ("资本保留法", "Capital retention"), "formula",
           _LIFE.CapitalRetention, _LIFE.capital_retention),
    Method("dime", _V1, ("DIME法", "DIME"), "rule_of_thumb", _LIFE.Dime, _LIFE.dime),
    Method("debt_cover", _V1, ("债务覆盖", "Debt cover"), "formula", _LIFE.DebtCover, _LIFE.debt_cover),
    Method("critical_illness", _V1, ("重疾保障", "Critical illness"), "rule_of_thumb",
           _HEALTH.CriticalIllness, _HEALTH.critical_illness),
    Method("medical", _V1, ("医疗保障", "Medical"), "rule_of_thumb", _HEALTH.Medical, _HEALTH.medical),
    Method("accident", _V1, ("意外保障", "Accident"), "rule_of_thumb", _HEALTH.Accident, _HEALTH.accident),
    Method("education", _V1, ("子女教育金", "Education"), "formula", _GOALS.Education, _GOALS.education),
    Method("pension_gap", _V1, ("养老金缺口", "Pension gap"), "formula", _GOALS.PensionGap, _GOALS.pension_gap),
    Method("social_pension", _V1, ("社会养老金", "Social pension"), "rule",
           social_pension.SocialPension, social_pension.social_pension, gives="resources"),
    Method("statutory_retirement", _V1, ("法定退休年龄", "Statutory retirement"), "rule",
           social_pension.StatutoryRetirement, social_pension.statutory_retirement, gives="figures"),
    Method("minors_limit", _V1, ("未成年人身故保额限额", "Minors' limit"), "rule",
           _HEALTH.MinorsLimit, _HEALTH.minors_limit, gives="figures"),
    Method("ten_times", _V1, ("双十原则", "Ten times"), "screen", _SCREENS.TenTimes, _SCREENS.ten_times),
    Method("four_accounts", _V1, ("四账户", "Four accounts"), "display",
           _SCREENS.FourAccounts, _SCREENS.four_accounts, gives="figures"),
    Method("affordability", _V1, ("保费承受能力", "Affordability"), "screen",
           _SCREENS.Affordability, _SCREENS.affordability, gives="figures"),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Assumption:
    """One value the result rests on, with its unit and who set it."""

    key: str
    value: int | str
    unit: str
    source: Source

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "value": self.value, "unit": self.unit, "source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """What a method gives, in fen. The totals are None where the method states no need.

    The signed steps "of" need add up to `need_fen` exactly, those of the resources to `resources_fen`.
    """

    method: str
    method_version: str
    title: Label
    standing: Standing
    rounding: Rounding
    need_fen: int | None
    resources_fen: int | None
    existing_cover_fen: int | None
    gap_fen: int | None
    over_fen: int | None
    cover_ratio: str | None
    figures: tuple[Figure, ...]
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    given: Inputs
    sources: Mapping[str, Source]
    unnamed: Source
    assumed: tuple[tuple[str, int | str, str], ...]

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What was given, as JSON; made when it is asked for, because a slider never asks."""
        return inputs_json(self.given)

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """All that is no sum somebody named; a sum only where a default gave it."""
        listed, idle = [], self.given.idle()
        for path, member, value in self.given.leaves():
            source = self.sources.get(path, self.unnamed)
            if path in idle or member.kind == "code" or member.name == "sign":
                continue
            if member.kind != "money" or source in ("form_default", "method_default"):
                plain = text(value) if isinstance(value, Decimal) else value
                told = str(plain).lower() if isinstance(plain, bool) else plain
                listed.append(Assumption(path, told, UNITS.get(member.kind, "code"), source))
        return (*listed, *(Assumption(key, value, unit, "method_default") for key, value, unit in self.assumed))

    def to_json(self) -> dict[str, Any]:
        """Plain dict of ints, strings, None, booleans, lists and dicts: rates are decimal strings, nothing a float."""
        told: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        told |= {name: [one.to_json() for one in getattr(self, name)] for name in _LISTS}
        return told | {"title": words(self.title)}


_LISTS = ("figures", "findings", "assumptions", "steps")
_PLAIN = (
    "method", "method_version", "standing", "rounding", "need_fen", "resources_fen", "existing_cover_fen", "gap_fen",
    "over_fen", "cover_ratio", "inputs",
)  # fmt: skip


def inputs_json(node: Part) -> dict[str, Any]:
    """An input as JSON: amounts are integers, rates decimal strings, what was left open is null."""
    told: dict[str, Any] = {}
    own: Any = node.__class__
    for member in members(own):
        value = getattr(node, member.name)
        if member.kind == "parts":
            told[member.name] = [inputs_json(part) for part in value]
        else:
            told[member.name] = text(value) if isinstance(value, Decimal) else value
    return told


def _gap(need: int, resources: int, cover: int) -> tuple[int, int, str | None]:
    """The gap, the cover beyond the net need, and the part of the net need that is covered."""
    net = max(0, need - (resources - cover))
    ratio = str((Decimal(cover) / net).quantize(Decimal("1E-4"), decimal.ROUND_DOWN)) if net else None
    return max(0, net - cover), max(0, cover - net), ratio


@annuities.exact()
def calculate(
    code: str, inputs: Inputs, sources: Mapping[str, Source] | None = None, *, unnamed: Source = "agent",
    rounding: Rounding = "half_up_fen",
) -> MethodResult:  # fmt: skip
    """Run a method on its input.

    Args:
        sources: who set which value, by its dotted path.
        unnamed: who set what is not named there. The agent, because the record must not claim that the customer said
            what nobody recorded.
        rounding: of the totals, once and half-up: to the fen, or to the yuan.

    Raises:
        NeedsError: `result_out_of_range` past 2^53 - 1 fen; `choice_unknown` for a method that is none.
    """
    method = METHODS.get(code)
    if method is None or not isinstance(inputs, method.inputs):
        raise NeedsError("choice_unknown", "method")
    sheet = Worksheet(rounding=rounding)
    method.compute(inputs, sheet)
    need = resources = cover = gap = over = ratio = None
    if method.gives == "need":
        need, resources = sheet.total("need"), sheet.total("resources")
        cover = min(resources, sheet.rounded(sheet.covered, "existing_cover_fen"))
        gap, over, ratio = _gap(need, resources, cover)
    elif method.gives == "resources":
        resources = sheet.total("resources")
    return MethodResult(
        method=method.code, method_version=method.version, title=method.title, standing=method.standing,
        rounding=rounding, need_fen=need, resources_fen=resources, existing_cover_fen=cover, gap_fen=gap,
        over_fen=over, cover_ratio=ratio, figures=tuple(sheet.figures), findings=tuple(sheet.findings),
        steps=tuple(sheet.steps), given=inputs, sources=sources or {}, unnamed=unnamed, assumed=tuple(sheet.assumed),
    )  # fmt: skip
