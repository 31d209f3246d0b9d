"""A second evaluator of form expressions, written from openapi/FORM-EXPRESSIONS.md alone: fractions, no Decimal.

It shares no code with `app.domain`, so that the page, its cases and the service can be held against each other.
"""

from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any

_LIMIT = 10**24
_PLACES = {"fen": 0, "integer": 0, "2": 2, "4": 4}
_AGGREGATES = ("min", "max", "sum", "count", "avg")


class OwnWords(str):
    """Somebody's own words for an open choice: equal to no code."""

    __slots__ = ()


def digits34(value: Fraction) -> Fraction:
    """Rounded to 34 significant digits, half-even."""
    size, exponent = abs(value), 0
    if not size:
        return Fraction(0)
    exponent = len(str(size.numerator)) - len(str(size.denominator)) - 34
    while size >= Fraction(10) ** (exponent + 34):
        exponent += 1
    while size < Fraction(10) ** (exponent + 33):
        exponent -= 1
    unit = Fraction(10) ** exponent
    made = round(size / unit) * unit  # round() of a fraction is half-even
    return made if value > 0 else -made


def half_up(value: Fraction, places: int) -> Fraction:
    """Rounded to so many places, ties away from zero."""
    made = Fraction(int(abs(value) * 10**places + Fraction(1, 2)), 10**places)
    return made if value >= 0 else -made


def plain(value: Fraction) -> str:
    """A plain decimal string without trailing zeros; the fraction must have an end."""
    places = 0
    while 10**places % value.denominator:
        places += 1
    text = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    whole, part = text[: len(text) - places], text[len(text) - places :]
    return ("-" if value < 0 else "") + whole + (f".{part}" if part else "")


def written(value: Any) -> Any:
    """A value as the cases write it."""
    if isinstance(value, Fraction):
        return plain(value)
    return value.isoformat() if isinstance(value, date) else value


def months(one: date, other: date) -> int:
    """Complete months, negative when counted backwards."""
    if other < one:
        return -months(other, one)
    return 12 * (other.year - one.year) + other.month - one.month - (other.day < one.day)


class Twin:
    """One evaluation in the context of a case."""

    def __init__(self, context: dict[str, Any], tables: dict[str, Any]) -> None:
        self.context, self.tables, self.issues = context, tables, list[str]()
        types = context.get("types", {})
        self.types = {key: about if isinstance(about, dict) else {"type": about} for key, about in types.items()}

    def issue(self, code: str) -> None:
        if code not in self.issues:
            self.issues.append(code)

    def checked(self, value: Any) -> Any:
        return self.issue("number_too_large") if isinstance(value, Fraction) and abs(value) >= _LIMIT else value

    def run(self, tree: Any) -> Any:
        if not isinstance(tree, list):
            return Fraction(tree) if type(tree) is int else tree
        op, args = tree[0], tree[1:]
        leaf = getattr(self, f"_{op}", None) if op in _LEAVES or op in ("and", "or", "if", "lookup", "round") else None
        if leaf is not None:
            return leaf(*args)
        values = [self.run(one) for one in args]
        if op == "exists":
            return values[0] not in (None, [])
        if op == "in" or op in _AGGREGATES:
            return self._listed(op, values)
        if op in ("add", "mul"):
            made, *rest = values
            for part in rest:
                made = None if made is None or part is None else self.checked(self._pair(op, made, part))
            return made
        return None if None in values else self.checked(self._pair(op, *values))

    def _pair(self, op: str, a: Any, b: Any = None) -> Any:
        if op in ("add", "sub", "mul"):
            return digits34({"add": a + b, "sub": a - b}[op] if op != "mul" else a * b)
        if op == "div":
            return digits34(a / b) if b else self.issue("division_by_zero")
        if op in ("=", "!="):
            return (a == b and isinstance(a, OwnWords) == isinstance(b, OwnWords)) is (op == "=")
        if op in ("<", "<=", ">", ">="):
            return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]
        if op in ("neg", "not", "text_len"):
            return Fraction(len(a)) if op == "text_len" else -a if op == "neg" else not a
        if op == "age_years" and b < a:
            return self.issue("dates_reversed")
        lived = months(a, b)
        return Fraction(lived if op == "months_between" else abs(lived) // 12 * (1 if lived > 0 else -1))

    def _listed(self, op: str, values: list[Any]) -> Any:
        sought, rest = (values[0], values[1:]) if op == "in" else (None, values)
        many = rest[0] if len(rest) == 1 and isinstance(rest[0], list) else rest
        many = [one for one in many if one is not None]
        if op == "in":
            return None if sought is None else any(self._pair("=", sought, one) for one in many)
        if op == "count" or (op != "sum" and not many):
            return Fraction(len(many)) if op == "count" else None
        total = Fraction(0)
        if op in ("min", "max"):
            return min(many) if op == "min" else max(many)
        for one in many:
            total = digits34(total + one)
        return self.checked(total if op == "sum" else digits34(total / len(many)))

    def _and(self, *args: Any, decisive: bool = False) -> Any:
        made: bool | None = not decisive
        for one in args:
            value = self.run(one)
            if value is decisive:
                return decisive
            made = None if value is None else made
        return made

    def _or(self, *args: Any) -> Any:
        return self._and(*args, decisive=True)

    def _if(self, condition: Any, then: Any, otherwise: Any) -> Any:
        return self.run(then if self.run(condition) is True else otherwise)

    def _round(self, tree: Any, how: str) -> Any:
        value = self.run(tree)
        return None if value is None else self.checked(half_up(value, _PLACES[how]))

    def _lookup(self, table: str, tree: Any) -> Any:
        key = self.run(tree)
        if key is None:
            return None
        ended = not isinstance(key, Fraction) or key.denominator == 1
        found = self.tables[table]["rows"].get(str(key)) if ended else None
        return self.issue("lookup_missing") if found is None else Fraction(found)

    def _dec(self, text: str) -> Fraction:
        return Fraction(text)

    def _date(self, text: str) -> date:
        return date.fromisoformat(text)

    def _context(self, name: str) -> Any:
        value = self.context.get(name)
        return value if value is None or name == "gender" else date.fromisoformat(value)

    def _answer(self, link_id: str, row: int | None = None) -> Any:
        about, given = self.types[link_id], self.context.get("answers", {})
        if "group" in about:
            row = self.context["at"] if row is None else row
            given = self.context["rows"][about["group"]][row]
        return _read(about, given.get(link_id))

    def _every(self, link_id: str) -> list[Any]:
        group = self.types[link_id]["group"]
        found = [self._answer(link_id, n) for n in range(len(self.context.get("rows", {}).get(group, ())))]
        return [one for one in found if one is not None]

    def _rows(self, link_id: str) -> list[Any]:
        return self._every(link_id)

    def _weighed(self, link_id: str, answers: Sequence[Any]) -> list[Fraction]:
        options = self.types[link_id]["options"]
        codes = [code for one in answers for code in (one if isinstance(one, list) else [one])]
        return [Fraction(options[one]) for one in codes if not isinstance(one, OwnWords) and options.get(one)]

    def _weight(self, link_id: str) -> Any:
        found = self._weighed(link_id, [self._answer(link_id)]) if self._answer(link_id) is not None else []
        return self._listed("sum", list(found)) if found else None

    def _sum_weights(self, group: str) -> Any:
        found = list[Fraction]()
        for one in self.types[group]["members"]:
            many = self.types[one].get("group") not in (None, self.context.get("row"))
            answers = self._every(one) if many else [self._answer(one)]
            found += self._weighed(one, [answer for answer in answers if answer is not None])
        return self._listed("sum", [found])


_LEAVES = ("dec", "date", "context", "answer", "rows", "weight", "sum_weights")


def _read(about: dict[str, Any], value: Any) -> Any:
    """A value on the wire as the evaluator sees it."""
    kind = about["type"]
    if value is None or (about.get("multiple") and not isinstance(value, list)):
        return None
    if kind in ("integer", "money", "percent", "decimal", "rate"):
        return Fraction(value)
    if kind == "datetime":
        return datetime.fromisoformat(value)
    if kind == "open_choice" and isinstance(value, dict):
        return OwnWords(value["text"])
    return date.fromisoformat(value) if kind == "date" else value
