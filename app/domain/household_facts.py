"""What a household analysis is told: the answers of form `needs.fact_find`, and every assumption by its name. Pure.

An assumption has one name, one kind (its bounds are those of `annuities`) and one source at a time: who overrode it,
else the customer who answered, else the form's default, else the default of the method.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, Protocol, cast, get_args

from app.domain import annuities
from app.domain.annuities import NeedsError
from app.domain.needs_inputs import UNITS
from app.domain.needs_methods import Source
from app.domain.needs_worksheet import Label, text

SetBy = Literal["customer", "agent", "organization"]
PERILS = ("medical", "critical_illness", "life", "accident", "education", "pension")
YUAN = 100
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,12})?")


@dataclass(frozen=True, slots=True)
class Setting:
    """One assumption: its kind, the answer it is read from, and its value where nobody says anything."""

    name: str
    kind: str
    label: Label
    link_id: str | None = None
    default: int | Decimal | None = None


def _table(*rows: Setting) -> Mapping[str, Setting]:
    return {row.name: row for row in rows}


_D = Decimal
# fmt: off
SETTINGS: Mapping[str, Setting] = _table(
    Setting("income_fen", "money", ("本人年收入", "Your income a year"), "income", 0),
    Setting("spouse_income_fen", "money", ("配偶年收入", "Spouse's income a year"), "spouse_income", 0),
    Setting("rental_yearly_fen", "money", ("房租利息等收入", "Rents, interest and the like"), "rental_yearly", 0),
    Setting("living_monthly_fen", "money", ("每月基本生活开支", "Basic living a month"), "living_monthly", 0),
    Setting("rent_monthly_fen", "money", ("每月房租", "Rent a month"), "rent_monthly", 0),
    Setting("schooling_yearly_fen", "money", ("每年上学托育", "School and child care a year"), "schooling_yearly", 0),
    Setting("leisure_yearly_fen", "money", ("每年旅游人情", "Travel and gifts a year"), "leisure_yearly", 0),
    Setting("medical_yearly_fen", "money", ("每年自付看病", "Own medical costs a year"), "medical_yearly", 0),
    Setting("liquid_assets_fen", "money", ("随时能用的钱", "Money at hand")),
    Setting("pension_savings_fen", "money", ("养老专款", "Set aside for old age"), "pension_savings", 0),
    Setting("support_years", "years", ("家人需要照顾的年数", "Years the family must be looked after"),
            "support_years", 0),
    Setting("survivor_share", "share", ("少一个人后开支的比例", "Part of spending that remains"),
            "survivor_share", _D("0.7")),
    Setting("emergency_months", "months", ("应急金月数", "Months of the emergency fund"), "emergency_months", 6),
    Setting("final_expenses_fen", "money", ("身后费用", "Final expenses"), "final_expenses"),
    Setting("parents_support_fen", "money", ("每年给父母", "Given to the parents a year"), "parents_support", 0),
    Setting("parents_support_years", "years", ("给父母的年数", "Years of giving to the parents"),
            "parents_support_years", 0),
    Setting("parents_support_share", "share", ("本人承担的比例", "Part borne by you"),
            "parents_support_share", _D("0.5")),
    Setting("own_share", "share", ("本人花销占收入", "Own use in your income"), "own_upkeep_share", _D("0.3")),
    Setting("spouse_own_share", "share", ("配偶花销占收入", "Own use in the spouse's income"),
            "spouse_upkeep_share", _D("0.3")),
    Setting("retirement_age", "age", ("本人工作到", "You work until"), "retirement_age"),
    Setting("spouse_retirement_age", "age", ("配偶工作到", "The spouse works until"), "spouse_retirement_age"),
    Setting("pension_start_age", "age", ("退休生活从", "Retirement begins at"), "pension_start_age"),
    Setting("pension_until_age", "age", ("养老钱用到", "Old-age money lasts until"), "pension_until_age", 88),
    Setting("pension_monthly_fen", "money", ("退休后每月花销", "Spending a month in retirement"),
            "pension_wish_monthly"),
    Setting("replacement_share", "share", ("退休后开支比例", "Part of spending in retirement"), None, _D("0.7")),
    Setting("social_pension_monthly_fen", "money", ("每月社会养老金", "Social pension a month"),
            "social_pension_monthly"),
    Setting("other_pension_monthly_fen", "money", ("每月其他养老金", "Other pensions a month"),
            "other_pension_monthly", 0),
    Setting("spouse_pension_monthly_fen", "money", ("配偶每月养老金", "Spouse's pension a month"),
            "spouse_pension_monthly", 0),
    Setting("wage_base_fen", "money", ("当地计发基数", "Local wage base of pensions")),
    Setting("treatment_fen", "money", ("大病自付治疗费", "Own cost of a serious illness"), "illness_treatment_cost",
            300_000 * YUAN),
    Setting("recovery_years", "years", ("休养年数", "Years of recovery"), "illness_recovery_years", 3),
    Setting("rehabilitation_share", "share", ("康复费占治疗费", "Recovery costs in those of treatment"), None,
            _D("0.3")),
    Setting("medical_bill_fen", "money", ("严重一年的医疗费", "Bill of a severe year")),
    Setting("social_reimbursement", "share", ("医保报销比例", "Part social insurance pays")),
    Setting("deductible_fen", "money", ("自己承担的部分", "Part one carries oneself"), None, 10_000 * YUAN),
    Setting("accident_multiple", "multiple", ("意外保障收入倍数", "Incomes of accident cover"), None, _D(10)),
    Setting("accident_base_fen", "money", ("无收入者意外保障", "Accident cover without income"), None, 500_000 * YUAN),
    Setting("discount_rate", "rate", ("投资收益率", "Yearly return"), "discount_rate", _D("0.03")),
    Setting("inflation", "rate", ("物价涨幅", "Inflation"), "inflation", _D("0.02")),
    Setting("income_growth", "rate", ("收入涨幅", "Growth of income"), "income_growth", _D("0.02")),
    Setting("education_growth", "rate", ("教育费用涨幅", "Growth of education costs"), "education_growth",
            _D("0.04")),
    Setting("premium_green_share", "share", ("保费占收入(适中)", "Premium in income, moderate"), None, _D("0.10")),
    Setting("premium_amber_share", "share", ("保费占收入(上限)", "Premium in income, at most"), None, _D("0.20")),
    Setting("premium_budget_fen", "money", ("每年保费预算", "Premium budget a year"), "premium_budget"),
    Setting("weight_medical", "multiple", ("排序权重:医疗", "Weight: medical"), None, _D("1.5")),
    Setting("weight_critical_illness", "multiple", ("排序权重:重疾", "Weight: critical illness"), None, _D("1.2")),
    Setting("weight_life", "multiple", ("排序权重:身故", "Weight: life"), None, _D("1.0")),
    Setting("weight_accident", "multiple", ("排序权重:意外", "Weight: accident"), None, _D("0.5")),
    Setting("weight_education", "multiple", ("排序权重:教育", "Weight: education"), None, _D("0.5")),
    Setting("weight_pension", "multiple", ("排序权重:养老", "Weight: pension"), None, _D("0.4")),
)
# fmt: on


class EffectiveLike(Protocol):
    """What a form's effective answers must offer; no import, domain modules stay apart."""

    @property
    def values(self) -> Mapping[str, Any]: ...
    @property
    def defaulted(self) -> Collection[str]: ...
    @property
    def calculated(self) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """The answers an analysis rests on, as it keeps them: without what was only computed from them."""

    values: Mapping[str, Any]
    defaulted: frozenset[str]

    def to_json(self) -> dict[str, Any]:
        return {"values": self.values, "defaulted": sorted(self.defaulted)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Facts":
        return cls(raw["values"], frozenset(raw["defaulted"]))

    def rows(self, link_id: str) -> list[Mapping[str, Any]]:
        """The rows of a repeating group."""
        return list(self.values.get(link_id) or ())

    def is_default(self, link_id: str, group: str | None = None, row: int = 0) -> bool:
        """Whether the form answered, and nobody else."""
        return f"/answers/{link_id if group is None else f'{group}/{row}/{link_id}'}" in self.defaulted

    def source(self, link_id: str, group: str | None = None, row: int = 0) -> Source:
        """Who gave an answer."""
        return "form_default" if self.is_default(link_id, group, row) else "customer"

    def day(self, link_id: str) -> date | None:
        """A date that was answered."""
        value = self.values.get(link_id)
        return None if value is None else date.fromisoformat(value)


def facts_of(effective: EffectiveLike) -> Facts:
    """The facts in the effective answers of `needs.fact_find` 1.x."""
    computed = set(effective.calculated)

    def kept(values: Mapping[str, Any], at: str) -> dict[str, Any]:
        return {
            key: [kept(row, f"{at}/{key}/{n}") if isinstance(row, Mapping) else row for n, row in enumerate(value)]
            if isinstance(value, list)
            else value
            for key, value in values.items()
            if f"{at}/{key}" not in computed
        }

    return Facts(kept(effective.values, "/answers"), frozenset(effective.defaulted))


@dataclass(frozen=True, slots=True)
class Override:
    """An assumption somebody set instead of what was answered."""

    value: int | str
    set_by: SetBy

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "set_by": self.set_by}


def overrides_of(raw: Mapping[str, Any]) -> dict[str, Override]:
    """Overrides from JSON; their values are checked where they are used (`Book`).

    Raises:
        NeedsError: `assumption_unknown` without a field, because the name may be anybody's data; `type` or
            `choice_unknown` with the name of the assumption.
    """
    found = dict[str, Override]()
    for name, one in raw.items():
        if name not in SETTINGS:
            raise NeedsError("assumption_unknown", "")
        if not isinstance(one, Mapping) or one.keys() != {"value", "set_by"}:
            raise NeedsError("type", name)
        if one["set_by"] not in get_args(SetBy):
            raise NeedsError("choice_unknown", name)
        found[name] = Override(plain(one["value"]), one["set_by"])
    return found


@dataclass(frozen=True, slots=True)
class Held:
    """A value and who set it."""

    value: Any
    source: Source


class Book:
    """Every assumption of one analysis, as it is asked for; `used` is what the analysis rests on.

    Raises:
        NeedsError: a value outside the bounds of its kind, with the assumption's name.
    """

    def __init__(self, facts: Facts, overrides: Mapping[str, Override]) -> None:
        self.facts = facts
        self.used = dict[str, Held]()
        self._set = {name: _checked(name, one) for name, one in overrides.items()}

    def find(self, name: str) -> Held | None:
        """The assumption, or None where nobody said anything and the method has no default."""
        if name in self.used:
            return self.used[name]
        found = self._set.get(name) or self._answered(SETTINGS[name])
        default = SETTINGS[name].default
        if found is None and default is not None:
            found = Held(default, "method_default")
        if found is not None:
            self.used[name] = found
        return found

    def settle(self, name: str, otherwise: Any, source: Source = "method_default") -> Held:
        """The assumption, or this value where nobody said anything."""
        found = self.find(name)
        if found is None:
            found = self.used[name] = Held(otherwise, source)
        return found

    def value(self, name: str) -> Any:
        """The value of an assumption that always has one."""
        return cast("Held", self.find(name)).value

    def source(self, name: str) -> Source:
        """Who set an assumption that always has a value."""
        return cast("Held", self.find(name)).source

    def to_json(self) -> list[dict[str, Any]]:
        """All that was used, in the order of the table."""
        return [
            {
                "key": name,
                "label": {"zh": setting.label[0], "en": setting.label[1]},
                "value": text(held.value) if isinstance(held.value, Decimal) else held.value,
                "unit": UNITS[setting.kind],
                "source": held.source,
            }
            for name, setting in SETTINGS.items()
            if (held := self.used.get(name)) is not None
        ]

    def _answered(self, setting: Setting) -> Held | None:
        value = None if setting.link_id is None else self.facts.values.get(setting.link_id)
        if value is None or setting.link_id is None:
            return None
        if setting.kind == "share":
            value = Decimal(value).scaleb(-4)  # basis points of 1
        elif setting.kind == "rate":
            value = Decimal(value)
        annuities.check(setting.name, setting.kind, value)
        return Held(value, self.facts.source(setting.link_id))


def _checked(name: str, override: Override) -> Held:
    setting, value = SETTINGS[name], override.value
    read: Any = value
    if setting.kind in annuities.RATES and isinstance(value, str):
        read = Decimal(value) if DECIMAL.fullmatch(value) else value
    annuities.check(name, setting.kind, read)
    return Held(read, override.set_by)


def plain(value: Any) -> Any:
    """A number as JSON means it: 7.0 is the integer 7. Everything else is left to be refused."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if is_whole else value
