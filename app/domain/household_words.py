"""A needs analysis in plain words, zh and en: what was assumed, what follows, what is missing. Pure.

Written for somebody who has never bought insurance: no name of a method, no formula, no abbreviation. Every result is
told; who wants the calculation finds it in the steps.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from app.domain.household_phrases import (
    ASSUMED,
    FOLLOWS,
    FOLLOWS_ENOUGH,
    MISSING,
    NO_COVER,
    PERIL,
    RELEVANT,
    SOURCE,
    STILL,
    SUMMARY,
    THERE,
    UNITS,
    Both,
)

Language = Literal["zh", "en"]
Section = dict[str, Any]


def explain(analysis: Mapping[str, Any], language: Language) -> list[Section]:
    """Sections to be read one after the other: the household, then every result, the most urgent first.

    Args:
        analysis: as it is stored and answered.

    Returns:
        Sections of `insured`, `peril` (both null in the first), `title`, and three lists of sentences.
    """
    speak = _Speaker(analysis, language)
    order = sorted(analysis["results"], key=lambda one: (one["rank"] is None, one["rank"] or 0))
    return [speak.whole(), *(speak.result(one) for one in order)]


class _Speaker:
    def __init__(self, analysis: Mapping[str, Any], language: Language) -> None:
        self.analysis, self.zh = analysis, language == "zh"
        household = analysis["household"] or {"members": []}
        self.members = {member["key"]: member for member in household["members"]}
        self.known = {one["key"]: one for one in analysis["assumptions"]}

    def say(self, both: Both, **values: str) -> str:
        return both[0 if self.zh else 1].format(**values)

    def who(self, key: str) -> str:
        """What to call somebody: you, a name, or the place in the family."""
        if key == "self":
            return "您" if self.zh else "you"
        name: str = self.members.get(key, {}).get("name") or ""
        if name:
            return name
        if key == "spouse":
            return "您爱人" if self.zh else "your spouse"
        number = int(key.partition(".")[2] or 0) + 1
        return f"第 {number} 个孩子" if self.zh else f"child {number}"

    def money(self, fen: int) -> str:
        """Yuan as one says it: 12.5 万元, CNY 125,000."""
        yuan = int((Decimal(fen) / 100).quantize(Decimal(1), ROUND_HALF_UP))
        if not self.zh:
            return f"CNY {yuan:,}"
        if yuan < 10_000:
            return f"{yuan:,} 元"
        wan = (Decimal(yuan) / 10_000).quantize(Decimal("0.01"), ROUND_HALF_UP)
        return f"{format(wan, ',f').rstrip('0').rstrip('.')} 万元"

    def value(self, value: int | str, unit: str) -> str:
        if unit == "fen":
            return self.money(int(value))
        if unit in ("share", "per_year"):
            percent = format(Decimal(value) * 100, "f")
            return f"{percent.rstrip('0').rstrip('.') if '.' in percent else percent}%"
        return self.say(UNITS[unit], n=str(value)) if unit in UNITS else str(value)

    # --- the whole ---------------------------------------------------------------------------------------------

    def whole(self) -> Section:
        results: Sequence[Mapping[str, Any]] = self.analysis["results"]
        open_gaps = [one for one in results if one["gap_fen"]]
        first = min(open_gaps, key=lambda one: one["rank"], default=None)
        follows = [self.say(SUMMARY["count"], all=str(len(results)), gaps=str(len(open_gaps)))]
        if first is not None:
            place = {"who": self.who(first["insured"]), "peril": self.say(PERIL[first["peril"]])}
            follows.append(self.say(SUMMARY["first"], **place, gap=self.money(first["gap_fen"])))
        afford = self.analysis["affordability"]
        if afford is not None:
            paid = self.money(afford["existing_premium_fen"])
            follows.append(self.say(SUMMARY["premium"], paid=paid, room=self.money(afford["room_fen"])))
            follows += [self._both(reason["words"]) for reason in afford["reasons"]]
        follows += [self._both(one["words"]) for one in self.analysis["advice"] if one["insured"] is None]
        return {
            "insured": None,
            "peril": None,
            "title": self.say(SUMMARY["title"]),
            "assumed": [self.say(SUMMARY["day"], day=self.analysis["as_of"])],
            "follows": follows,
            "missing": list(self._missing(None, None)),
        }

    # --- one result --------------------------------------------------------------------------------------------

    def result(self, one: Mapping[str, Any]) -> Section:
        insured, peril = one["insured"], one["peril"]
        who, name = self.who(insured), self.say(PERIL[peril])
        return {
            "insured": insured,
            "peril": peril,
            "title": f"{who}:{name}" if self.zh else f"{who[:1].upper()}{who[1:]}: {name}",
            "assumed": list(self._assumed(one)),
            "follows": list(self._follows(one, who)),
            "missing": list(self._missing(insured, peril)),
        }

    def _assumed(self, one: Mapping[str, Any]) -> Iterator[str]:
        own = {item["key"]: item for item in one["assumptions"]}
        for name in RELEVANT["minor" if one["method"] == "minors_limit" else one["peril"]]:
            item = own.get(name) or self.known.get(name)
            if item is None or self._is_idle(name, one):
                continue
            if name == "recovery_years" and one["inputs"]["years_out"] < item["value"]:
                name, item = "working_years", {**own["years_out"], "unit": "years"}
            told = self.say(ASSUMED[name], v=self.value(item["value"], item["unit"]))
            yield told + self.say(SOURCE[item["source"]])

    @staticmethod
    def _is_idle(name: str, one: Mapping[str, Any]) -> bool:
        """Of the two ways to find accident cover only one was gone; years out of work cost only who earns."""
        if name == "recovery_years":
            return not _loses_income(one)
        told = one["inputs"].get("life_need_fen") is None
        return name in ("accident_multiple", "accident_base_fen") and told is (name == "accident_base_fen")

    def _told(self, kind: str, one: Mapping[str, Any]) -> str:
        """Which sentence is true of this household: nobody is told of children or an income that are not there."""
        if kind == "life" and self.members and all(one["role"] != "child" for one in self.members.values()):
            return "life_no_child"
        return "illness_only" if kind == "critical_illness" and not _loses_income(one) else kind

    def _follows(self, one: Mapping[str, Any], who: str) -> Iterator[str]:
        money = {name: self.money(one[f"{name}_fen"]) for name in ("need", "existing", "gap", "over")}
        kind = "minor" if one["method"] == "minors_limit" else one["peril"]
        if kind == "minor":
            figures = {figure["key"]: figure["value"] for figure in one["figures"]}
            money["need"] = self.money(figures.get("limit_fen", 0))
        is_enough = kind != "minor" and not one["need_fen"]
        yield self.say(FOLLOWS_ENOUGH[kind] if is_enough else FOLLOWS[self._told(kind, one)], who=who, **money)
        yield self.say(THERE if one["existing_fen"] else NO_COVER, **money)
        if kind == "minor":
            yield self.say(STILL["minor_over" if one["over_fen"] else "minor_fine"], **money)
        elif one["gap_fen"]:
            yield self.say(STILL["gap"], **money)
        else:
            yield self.say(STILL["over" if one["over_fen"] else "enough"], **money)
        figures = {figure["key"]: figure["value"] for figure in one["figures"]}
        saving = figures.get("monthly_saving_fen")
        if saving:
            yield self.say(STILL["saving"], saving=self.money(saving))
        for advice in self.analysis["advice"]:
            if (advice["insured"], advice["peril"]) == (one["insured"], one["peril"]):
                yield self._both(advice["words"])

    def _missing(self, insured: str | None, peril: str | None) -> Iterator[str]:
        """What is open about one result; about none in particular where `peril` is None."""
        for one in self.analysis["missing"]:
            if one["peril"] == peril and (peril is None or one["insured"] == insured):
                who = self.who(one["insured"] or "self")
                row = str((one["row"] or 0) + 1)
                yield self.say(MISSING[one["code"]], who=who, row=row)

    def _both(self, both: Mapping[str, str]) -> str:
        return both["zh" if self.zh else "en"]


def _loses_income(ill: Mapping[str, Any]) -> bool:
    return bool(ill["inputs"]["income_fen"] and ill["inputs"]["years_out"])
