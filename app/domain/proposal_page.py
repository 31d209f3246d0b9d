"""What a proposal prints, word for word: the model turned into texts and the few numbers its drawings need. Pure.

The template only lays out what it finds here; it neither adds nor rounds. In a Chinese report large amounts are in 万元
with two decimals and premiums in 元; in an English one both are whole yuan. Rounding is half-up, once, for display.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from app.domain.formula_words import legible
from app.domain.proposal_report import Assumption, Need, ProposalReport, Step
from app.domain.proposal_words import COOLING_OFF, COOLING_OFF_KNOWN, COOLING_OFF_OPEN, MINORS, NOTICES, WORDS

TOP_PRIORITIES: Final = 5
FLOW_ROWS: Final = 6
ADULT: Final = 18
MINUS: Final = "−"  # as wide as a digit
_WAN: Final = 1_000_000  # fen
# What is no text: control signs, half surrogates, and the marks that turn the direction of what follows, with which a
# name could rearrange the words around it. Breaks of a line become spaces.
_GAP: Final = re.compile("[\t-\r\x85\u2028\u2029]")
_HALF: Final = re.compile("[\ud800-\udfff]")
_BARRED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# A run without any place to break it would leave its column: it may break after every twelfth sign.
_RUN: Final = re.compile(r"[^\s\u1100-\u11ff\u2e80-\uffef]{25,}")
_PIECE: Final = re.compile(r"(.{12})(?=.)")
_BREAK: Final = "\u200b"


def clean(text: str) -> str:
    """The text as it may be set: no control signs, no half surrogates, nothing that turns the reading direction."""
    kept = _BARRED.sub("", _HALF.sub("\ufffd", _GAP.sub(" ", text)))
    return _RUN.sub(lambda run: _PIECE.sub(rf"\1{_BREAK}", run[0]), kept).strip()


def short(text: str, most: int) -> str:
    """The text where there is room for so many signs only; it stands in full elsewhere."""
    kept = clean(text)
    return kept if len(kept) <= most else kept[: most - 1].rstrip() + "…"


def whole_yuan(fen: int) -> str:
    """ "12,345": yuan, half-up."""
    return _grouped(Decimal(fen).scaleb(-2), 0)


def exact_yuan(fen: int) -> str:
    """ "12,345.67"."""
    return _grouped(Decimal(fen).scaleb(-2), 2)


def _grouped(amount: Decimal, places: int) -> str:
    return f"{amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,}".replace("-", MINUS)


def axis(most: int) -> list[int]:
    """Two to six round marks from 0 to the first at or above `most` (0 counts as 1)."""
    most = max(1, most)
    size = 10 ** max(0, len(str(most)) - 2)
    step = next(size * part for part in (1, 2, 5, 10, 20, 50) if most <= 5 * size * part)
    return list(range(0, -(-most // step) * step + 1, step))


class _Page:
    def __init__(self, report: ProposalReport) -> None:
        self.report = report
        self.at = 0 if report.language == "zh" else 1
        self.words = {key: pair[self.at] for key, pair in WORDS.items()}
        self.names = {member.key: clean(member.name) for member in report.members}

    # --- amounts ---

    def big(self, fen: int) -> str:
        """A large amount without its unit, which the column names."""
        return _grouped(Decimal(fen) / _WAN, 2) if self.at == 0 else whole_yuan(fen)

    def big_money(self, fen: int) -> str:
        return f"{self.big(fen)} 万元" if self.at == 0 else f"CNY {self.big(fen)}"

    def money(self, fen: int) -> str:
        return f"{whole_yuan(fen)} 元" if self.at == 0 else f"CNY {whole_yuan(fen)}"

    def band(self, low: int, high: int) -> str:
        if low == high:
            return self.money(low)
        both = f"{whole_yuan(low)}–{whole_yuan(high)}"
        return f"{both} 元" if self.at == 0 else f"CNY {both}"

    def ticks(self, most: int) -> dict[str, Any]:
        marks = axis(most)
        labels = [_plain(Decimal(mark) / _WAN) if self.at == 0 else whole_yuan(mark) for mark in marks]
        return {
            "max": marks[-1],
            "marks": [{"at": mark, "label": label} for mark, label in zip(marks, labels, strict=True)],
        }

    # --- parts ---

    def page(self) -> dict[str, Any]:
        report = self.report
        return {
            "language": report.language,
            "words": self.words,
            "unit": "万元" if self.at == 0 else "CNY",
            "customer": clean(report.customer),
            "organization": clean(report.organization.name),
            "footer": self.footer(),
            "date": {
                "year": report.prepared_on.year,
                "month": report.prepared_on.month,
                "day": report.prepared_on.day,
            },
            "meta": list(self.meta()),
            "tiles": self.tiles(),
            "priorities": list(self.priorities()),
            "members": list(self.members()),
            "needs": list(self.needs()),
            "generations": list(self.generations()),
            "needs_max": max((max(need.need_fen, need.existing_fen) for need in report.needs), default=0),
            "flow": self.flow(),
            "afford": self.afford(),
            "load": report.affordability.load if report.affordability else None,
            "verdict": self.verdict(),
            "recommendations": list(self.recommendations()),
            "recommended_total": self.recommended_total(),
            "alternatives": list(self.alternatives()),
            "assumptions": list(self.assumptions()),
            "notices": list(self.notices()),
            "calculations": list(self.calculations()),
        }

    def footer(self) -> str:
        parts = (short(self.report.organization.name, 30), short(self.report.number, 30), self.words["footer"])
        return "　".join(part for part in parts if part)

    def meta(self) -> Iterator[list[str]]:
        report = self.report
        yield [self.words["prepared_for"], clean(report.customer)]
        yield [self.words["prepared_on"], self.day(report.prepared_on)]
        yield [self.words["agent"], clean(report.agent.name)]
        yield [self.words["licence_no"], clean(report.agent.licence_no)]
        phones = [clean(phone) for phone in (report.agent.phone, report.organization.phone)]
        if any(phones):
            yield [self.words["phone"], " / ".join(filter(None, phones))]
        yield [self.words["number"], clean(report.number)]

    def day(self, on: Any) -> str:
        return f"{on.year} 年 {on.month} 月 {on.day} 日" if self.at == 0 else str(on.isoformat())

    def tiles(self) -> list[dict[str, str]]:
        report, words = self.report, self.words
        gaps = sum(need.gap_fen > 0 for need in report.needs)
        cap = report.affordability
        return [
            {
                "label": words["open_gaps"],
                "value": words["open_gaps_value"].format(gaps, len(report.needs)) if report.needs else "–",
            },
            {
                "label": words["proposed_premium"],
                "value": self.recommended_total() if report.recommendations else "–",
            },
            {"label": words["premium_cap"], "value": "–" if cap is None else self.money(cap.premium_cap_fen)},
        ]

    def priorities(self) -> Iterator[dict[str, Any]]:
        """The gaps by rank, those without one last; the largest first where ranks do not tell."""
        gaps = [need for need in self.report.needs if need.gap_fen]
        ordered = sorted(gaps, key=lambda need: (need.rank is None, need.rank or 0, -need.gap_fen))
        for need in ordered[:TOP_PRIORITIES]:
            yield {
                "rank": "–" if need.rank is None else str(need.rank),
                "who": self.names[need.insured],
                "peril": clean(need.peril),
                "gap": self.big_money(need.gap_fen),
                "note": clean(need.note),
            }

    def members(self) -> Iterator[dict[str, Any]]:
        for member in self.report.members:
            income = member.yearly_income_fen
            yield {
                "name": clean(member.name),
                "role": clean(member.role),
                "age": "–" if member.age is None else self.words["age_value"].format(member.age),
                "occupation": clean(member.occupation) or "–",
                "income": "–" if income is None else self.money(income),
            }

    def generations(self) -> Iterator[dict[str, Any]]:
        """Who belongs side by side. The model knows no descent, so none is drawn."""
        for key, levels in (("elders", (-2, -1)), ("couple", (0,)), ("children", (1, 2))):
            found = [member for member in self.report.members if member.generation in levels]
            if found:
                yield {
                    "label": self.words[key],
                    "members": [
                        {
                            "name": short(member.name, 8),
                            "role": short(member.role, 8),
                            "age": "" if member.age is None else self.words["age_value"].format(member.age),
                        }
                        for member in sorted(found, key=lambda member: member.generation)
                    ],
                }

    def needs(self) -> Iterator[dict[str, Any]]:
        for need in self.report.needs:
            yield {
                "who": self.names[need.insured],
                "peril": clean(need.peril),
                "need": self.big(need.need_fen),
                "existing": self.big(need.existing_fen),
                "gap": self.big(need.gap_fen) if need.gap_fen else "–",
                "over": self.big(need.over_fen) if need.over_fen else "–",
                "ratio": _ratio(need),
                "rank": "–" if need.rank is None else str(need.rank),
                "method": clean(need.method),
                "bar": [short(self.names[need.insured], 10), short(need.peril, 12)],
                "need_fen": need.need_fen,
                "existing_fen": need.existing_fen,
            }

    def flow(self) -> dict[str, Any]:
        years = self.report.years
        out = [year.living_fen + year.debt_fen + year.education_fen + year.premium_fen for year in years]
        rows = [
            {
                "year": str(year.year),
                "income_fen": year.income_fen,
                "out_fen": [year.living_fen, year.debt_fen, year.education_fen, year.premium_fen],
            }
            for year in years
        ]
        chosen = _spread(len(years), FLOW_ROWS)
        table = [
            [str(year.year), self.big(year.income_fen)]
            + [self.big(fen) for fen in (year.living_fen, year.debt_fen, year.education_fen, year.premium_fen)]
            + [self.big(year.income_fen - out[index])]
            for index, year in enumerate(years)
            if index in chosen
        ]
        most = max((*out, *(year.income_fen for year in years)), default=0)
        return {"years": rows, "axis": self.ticks(most), "table": table}

    def afford(self) -> list[list[str]]:
        found, words, rows = self.report.affordability, self.words, list[list[str]]()
        if found is not None:
            rows = [
                [words["yearly_income"], self.money(found.yearly_income_fen)],
                [words["rigid_expense"], self.money(found.rigid_expense_fen)],
                [words["existing_premium"], self.money(found.existing_premium_fen)],
                [words["premium_cap"], self.money(found.premium_cap_fen)],
                [words["load"], _joined(words[f"load_{found.load}"], found.note, self.at)],
            ]
        if self.report.tolerance is not None:
            held = self.report.tolerance
            text = words["tolerance_value"].format(
                level=f"C{held.level}",
                label=clean(held.label),
                assessed=self.day(held.assessed_on),
                until=self.day(held.valid_until),
            )
            rows.append([words["tolerance"], text])
        return rows

    def verdict(self) -> dict[str, Any] | None:
        found = self.report.suitability
        if found is None:
            return None
        return {
            "code": found.verdict,
            "title": self.words[f"verdict_{found.verdict}"],
            "reasons": [clean(reason) for reason in found.reasons],
        }

    def recommendations(self) -> Iterator[dict[str, str]]:
        for one in self.report.recommendations:
            yield {
                "who": self.names[one.insured],
                "peril": clean(one.peril),
                "category": self.words["separator"].join(clean(category) for category in one.categories),
                "sum": "–" if one.sum_insured_fen is None else self.big(one.sum_insured_fen),
                "term": clean(one.term) or "–",
                "premium": "–"
                if one.premium_low_fen is None or one.premium_high_fen is None
                else self.band(one.premium_low_fen, one.premium_high_fen),
                "reason": clean(one.reason),
            }

    def recommended_total(self) -> str:
        chosen = self.report.recommendations
        if chosen and all(one.premium_high_fen is None for one in chosen):
            return "–"
        return self.band(
            sum(one.premium_low_fen or 0 for one in chosen), sum(one.premium_high_fen or 0 for one in chosen)
        )

    def alternatives(self) -> Iterator[dict[str, str]]:
        for one in self.report.alternatives:
            yield {
                "title": clean(one.title),
                "description": clean(one.description),
                "premium": self.band(one.premium_low_fen, one.premium_high_fen),
                "remaining": self.big_money(one.remaining_gap_fen),
            }

    def assumptions(self) -> Iterator[list[str]]:
        for one in self.report.assumptions:
            source = _joined(self.words[f"source_{one.source}"], one.note, self.at)
            yield [clean(one.label), self.value(one), source]

    def value(self, one: Assumption) -> str:
        if one.unit == "fen" and isinstance(one.value, int):
            return self.money(one.value)
        if one.unit in ("per_year", "share"):
            text = _percent(str(one.value))
            return self.words["per_year_value"].format(text) if one.unit == "per_year" else text
        if one.unit in ("years", "months", "age"):
            return self.words[f"{one.unit}_value"].format(clean(str(one.value)))
        return clean(str(one.value))

    def notices(self) -> Iterator[str]:
        report, at = self.report, self.at
        yield from (pair[at] for pair in NOTICES)
        known = report.cooling_off_days
        clock = COOLING_OFF_OPEN[at] if known is None else COOLING_OFF_KNOWN[at].format(known)
        yield COOLING_OFF[at].format(clock)
        insured = {need.insured for need in report.needs} | {one.insured for one in report.recommendations}
        minors = {member.key for member in report.members if member.age is not None and member.age < ADULT}
        if minors & insured:
            yield MINORS[at]
        yield from (clean(notice) for notice in report.notices)

    def calculations(self) -> Iterator[dict[str, Any]]:
        for one in self.report.calculations:
            yield {
                "title": f"{self.names[one.insured]} · {clean(one.peril)}",
                "method": f"{clean(one.method)} · {self.words['version']} {clean(one.version)}",
                "steps": [self.step(step) for step in one.steps],
                "result": exact_yuan(one.result_fen),
            }

    def step(self, step: Step) -> list[str]:
        """Label, formula, numbers, amount. What is only named, and not reckoned, needs no formula."""
        is_reckoned = not re.fullmatch(r"\w*", step.formula)
        told = legible(step.formula, step.substituted, self.at) if is_reckoned else ("", "")
        lines = [clean(line) for line in told]
        return [clean(step.label), *lines, (MINUS if step.sign == "subtract" else "") + exact_yuan(step.amount_fen)]


def _joined(head: str, note: str, at: int) -> str:
    tail = clean(note)
    if not tail:
        return head
    return f"{head}：{tail}" if at == 0 else f"{head}: {tail}"


def _ratio(need: Need) -> str:
    """How much of the need is there, rounded down: "100%" is never said of a family with a gap."""
    return f"{need.existing_fen * 100 // need.need_fen}%" if need.need_fen else "–"


def _percent(text: str) -> str:
    """ "0.035" as "3.5%"; what is no number stays as it is."""
    if not re.fullmatch(r"-?\d{1,12}(\.\d{1,30})?", text):
        return clean(text)
    return f"{_plain(Decimal(text) * 100)}%"


def _plain(number: Decimal) -> str:
    """Without trailing zeros, grouped."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _spread(count: int, most: int) -> Sequence[int]:
    """At most so many places, evenly, with the first and the last."""
    if count <= most:
        return range(count)
    return sorted({index * (count - 1) // (most - 1) for index in range(most)})


def page(report: ProposalReport) -> dict[str, Any]:
    """Everything the template reads: texts, lists, whole numbers, None. No float, nothing that is markup."""
    return _Page(report).page()
