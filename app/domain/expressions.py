"""Form expressions: a closed tree of JSON, checked once, compiled to closures, evaluated exactly. Pure.

Grammar (x, a, b are expressions; the same for people in openapi/FORM-EXPRESSIONS.md):

    literal    true | false | null | integer (up to ±(2^53 - 1)) | ["dec", "0.7"] | "text or option code"
               | ["date", "2026-01-31"]
    reference  ["answer", link_id]          the answer in the own row or outside every row; null if there is none
               ["rows", link_id]            the answers in all rows of its group, missing ones left out
               ["weight", link_id]          the weight of the chosen option, of several their sum
               ["sum_weights", group]       the weights of all choices answered in a group
               ["context", "as_of" | "birth_date" | "gender"]
               ["lookup", "table@version", x]
    numbers    ["add" | "mul", a, b, …] ["sub" | "div", a, b] ["neg", x] ["round", x, "fen" | "integer" | "2" | "4"]
    lists      ["min" | "max" | "sum" | "count" | "avg", list] or the same with scalars: [op, a, b, …]
    truth      ["=" | "!=" | ">" | ">=" | "<" | "<=", a, b] ["and" | "or", a, b, …] ["not", x] ["exists", x]
               ["in", x, list] ["in", x, a, b, …] ["if", condition, a, b]
    dates      ["age_years", birth, as_of] ["years_between" | "months_between", a, b]
    texts      ["text_len", x]              code points

Types: money + money = money, money x number = money, money / money = number; money x money, number / money and money
with a plain number in a sum or comparison are refused. An integer written into the expression may stand for an amount
in fen. Null: a missing answer is null; arithmetic, comparison and functions of null are null; `and` and `or` are
three-valued; lists and the five list operations leave missing members out; `if` takes a null condition for false.

Numbers are decimals of 34 significant digits, half-even (IEEE 754 decimal128); `round` is half-up, ties away from
zero. A division by zero, a table without the key, an age before birth and a number of 10^24 or more are null and leave
a note. Limits: depth 20, 200 nodes, and a cost (nodes, with a list counted at its longest) of 2,000.
"""

import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from app.domain import expression_logic as logic
from app.domain import expression_numbers as numbers
from app.domain.expression_tables import tables
from app.domain.expression_types import NUMBERS, TEXTS, Context, Env, Known, Names, Run, Typed, refuse
from app.domain.form_shapes import MAX_CHOICES, MAX_INT, MAX_ROWS, FormError
from app.domain.form_types import DECIMAL, FreeText, parsed

__all__ = ["CONTEXT", "Compiled", "Context", "Env", "FormError", "Known", "Names", "compile_expression", "evaluate"]
MAX_DEPTH, MAX_NODES, MAX_COST = 20, 200, 2000
_TRAPS = [decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation]
CONTEXT = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=_TRAPS)
_CONTEXT_KINDS = {"as_of": "date", "birth_date": "date", "gender": "choice"}
_MANY = 200
# Operation → fewest and most arguments, and what checks and compiles them.
_OPS = (
    dict.fromkeys(("add",), (2, _MANY, numbers.add))
    | dict.fromkeys(("mul",), (2, _MANY, numbers.mul))
    | dict.fromkeys(("sub",), (2, 2, numbers.add))
    | dict.fromkeys(("div",), (2, 2, numbers.div))
    | dict.fromkeys(("neg",), (1, 1, numbers.neg))
    | dict.fromkeys(("min", "max", "sum", "avg"), (1, _MANY, numbers.aggregate))
    | dict.fromkeys(("count",), (1, _MANY, numbers.count))
    | dict.fromkeys(("age_years", "years_between", "months_between"), (2, 2, numbers.dates))
    | dict.fromkeys(("text_len",), (1, 1, numbers.text_len))
    | dict.fromkeys(logic.COMPARISONS, (2, 2, logic.compare))
    | dict.fromkeys(("and", "or"), (1, _MANY, logic.junction))
    | dict.fromkeys(("not",), (1, 1, logic.negate))
    | dict.fromkeys(("exists",), (1, 1, logic.exists))
    | dict.fromkeys(("in",), (2, _MANY, logic.contains))
    | dict.fromkeys(("if",), (3, 3, logic.choose))
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A checked expression. `kind` is its type, `codes` the texts it can be where known, `depends` the link_ids it
    reads, `cost` what evaluating it takes at most (nodes)."""

    kind: str
    codes: frozenset[str] | None
    run: Run
    depends: frozenset[str]
    nodes: int
    cost: int


def compile_expression(raw: object, names: Names, at: str = "") -> Compiled:
    """Check and compile an expression.

    FormError, its pointer beginning with `at`: expr_shape, expr_literal, expr_op, expr_arity, expr_link, expr_scope,
    expr_context, expr_table, expr_option, expr_type, expr_order, expr_round, expr_money_number, expr_money_product,
    expr_money_divisor, expr_depth, expr_nodes, expr_budget, number_not_integer.
    """
    builder = _Builder(names)
    made = builder.build(raw, at, 1)
    if builder.cost > MAX_COST:
        raise FormError("expr_budget", at)
    return Compiled(made.kind, made.codes, made.run, frozenset(builder.depends), builder.nodes, builder.cost)


def evaluate(compiled: Compiled, env: Env) -> tuple[Any, tuple[str, ...]]:
    """The value and the notes of one evaluation. Values: None, bool, int, Decimal, date, datetime, str, tuple."""
    env.notes = []
    with decimal.localcontext(CONTEXT):
        value = compiled.run(env)
    return value, tuple(env.notes)


def wire(value: Any) -> Any:
    """A value as JSON: numbers and amounts as plain decimal strings without trailing zeros, dates as text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        text = f"{value:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if isinstance(value, FreeText):
        return {"text": value.text}
    if isinstance(value, date | datetime):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else [wire(part) for part in value]


def operations() -> frozenset[str]:
    """Every word that may stand first in an expression."""
    return frozenset({*_OPS, *_LEAVES, "round", "lookup"})


class _Builder:
    """Compiles one expression; counts what it costs and notes what it reads."""

    def __init__(self, names: Names) -> None:
        self.names, self.nodes, self.cost = names, 0, 0
        self.depends = set[str]()

    def build(self, raw: object, at: str, depth: int) -> Typed:
        self.nodes += 1
        self.cost += 1
        if depth > MAX_DEPTH:
            raise FormError("expr_depth", at)
        if self.nodes > MAX_NODES:
            raise FormError("expr_nodes", at)
        if not isinstance(raw, list):
            return _literal(raw, at)
        if not raw or not isinstance(raw[0], str):
            raise FormError("expr_shape", at)
        op, args = raw[0], raw[1:]
        if op in _LEAVES:
            if len(args) != 1 or not isinstance(args[0], str):
                raise FormError("expr_arity" if len(args) != 1 else "expr_shape", at, op)
            return _LEAVES[op](self, args[0], at)
        if op in ("round", "lookup"):
            return self._named(op, args, at, depth)
        if op not in _OPS:
            raise FormError("expr_op", at, op[:20])
        least, most, compile_op = _OPS[op]
        if not least <= len(args) <= most:
            raise FormError("expr_arity", at, op)
        return compile_op(op, [self.build(arg, f"{at}/{n}", depth + 1) for n, arg in enumerate(args, 1)], at)

    def _named(self, op: str, args: list[Any], at: str, depth: int) -> Typed:
        """round and lookup: one argument is a word, the other an expression."""
        if len(args) != 2:
            raise FormError("expr_arity", at, op)
        word, where = (args[1], 1) if op == "round" else (args[0], 2)
        if not isinstance(word, str):
            raise FormError("expr_shape", at, op)
        if op == "round" and word not in numbers.PLACES:
            raise FormError("expr_round", at, word[:20])
        if op == "lookup" and word not in tables():
            raise FormError("expr_table", at, word[:40])
        inner = self.build(args[where - 1], f"{at}/{where}", depth + 1)
        return numbers.round_to(word, inner, at) if op == "round" else _lookup(word, inner, at)

    def known(self, link_id: str, at: str, *, group: bool = False) -> Known:
        found = self.names.items.get(link_id)
        if found is None or (found.kind == "group") is not group:
            raise FormError("expr_link", at, link_id[:64])
        return found

    def answer(self, link_id: str, at: str) -> Typed:
        found = self.known(link_id, at)
        if found.group not in (None, self.names.scope):
            raise FormError("expr_scope", at, link_id)
        self.depends.add(link_id)
        return Typed(found.kind, self._reader(link_id, found), _codes(found))

    def rows(self, link_id: str, at: str) -> Typed:
        found = self.known(link_id, at)
        if found.group is None:
            raise FormError("expr_scope", at, link_id)
        if found.kind.startswith("list:"):
            raise FormError("expr_type", at, f"rows({found.kind})")
        self.depends.add(link_id)
        self.cost += MAX_ROWS
        return Typed(f"list:{found.kind}", _column(link_id, found.group), _codes(found))

    def weight(self, link_id: str, at: str) -> Typed:
        found = self.known(link_id, at)
        if found.group not in (None, self.names.scope):
            raise FormError("expr_scope", at, link_id)
        if found.weights is None:
            raise FormError("expr_type", at, f"weight({found.kind})")
        self.depends.add(link_id)
        self.cost += _most_chosen(found) - 1
        return Typed("number", _weight(self._reader(link_id, found), found))

    def sum_weights(self, link_id: str, at: str) -> Typed:
        found = self.known(link_id, at, group=True)
        if found.group not in (None, self.names.scope):
            raise FormError("expr_scope", at, link_id)
        runs = list[Run]()
        for one in found.members:
            part = self.names.items[one]
            self.depends.add(one)
            many = part.group is not None and part.group != self.names.scope
            self.cost += _most_chosen(part) * (MAX_ROWS if many else 1)
            column = _column(one, part.group) if many and part.group else _single(self._reader(one, part))
            runs.append(partial(_weights, column, part.weights or {}))

        def run(env: Env) -> Any:
            return numbers.bounded(sum(weight for one in runs for weight in one(env)), env)

        return Typed("number", run)

    def context(self, name: str, at: str) -> Typed:
        if name not in _CONTEXT_KINDS:
            raise FormError("expr_context", at, name[:20])
        return Typed(_CONTEXT_KINDS[name], lambda env: getattr(env.context, name))

    def decimal(self, text: str, at: str) -> Typed:
        if not DECIMAL.fullmatch(text):
            raise FormError("expr_literal", at)
        value = Decimal(text)
        return Typed("number", lambda env: value)

    def date(self, text: str, at: str) -> Typed:
        try:
            value = parsed("date", text)
        except ValueError:
            raise FormError("expr_literal", at) from None
        return Typed("date", lambda env: value)

    def _reader(self, link_id: str, found: Known) -> Run:
        if found.group == self.names.scope:
            return lambda env: env.values.get(link_id)
        return lambda env: env.root.get(link_id)


_LEAVES = {
    "answer": _Builder.answer,
    "rows": _Builder.rows,
    "weight": _Builder.weight,
    "sum_weights": _Builder.sum_weights,
    "context": _Builder.context,
    "dec": _Builder.decimal,
    "date": _Builder.date,
}


def _literal(raw: object, at: str) -> Typed:
    if isinstance(raw, float):
        raise FormError("number_not_integer", at)
    kinds = {type(None): "null", bool: "boolean", int: "whole", str: "string"}
    if type(raw) not in kinds or (type(raw) is int and abs(raw) > MAX_INT):
        raise FormError("expr_literal" if type(raw) in kinds else "expr_shape", at)
    return Typed(kinds[type(raw)], lambda env: raw, frozenset({raw}) if isinstance(raw, str) else None)


def _codes(known: Known) -> frozenset[str] | None:
    return None if known.weights is None else frozenset(known.weights)


def _most_chosen(known: Known) -> int:
    """How many codes its answer can have."""
    return min(len(known.weights or ()), MAX_CHOICES) if known.kind.startswith("list:") else 1


def _column(link_id: str, group: str) -> Run:
    return lambda env: [value for row in env.rows.get(group, ()) if (value := row.get(link_id)) is not None]


def _single(run: Run) -> Run:
    return lambda env: () if (value := run(env)) is None else (value,)


def _weights(column: Run, weights: Mapping[str, Decimal | None], env: Env) -> list[Decimal]:
    """The weights of all codes chosen; somebody's own words, and options without one, weigh nothing."""
    chosen = [code for value in column(env) for code in (value if isinstance(value, tuple) else (value,))]
    return [weight for code in chosen if isinstance(code, str) and (weight := weights.get(code)) is not None]


def _weight(read: Run, known: Known) -> Run:
    column, weights = _single(read), known.weights or {}

    def run(env: Env) -> Any:
        found = _weights(column, weights, env)
        return sum(found) if found else None

    return run


def _lookup(name: str, key: Typed, at: str) -> Typed:
    table = tables()[name]
    allowed = NUMBERS if table.key == "number" else TEXTS | {"choice"}
    refuse(f"lookup {name}", [key], allowed, at)
    inner = key.run

    def run(env: Env) -> Any:
        value = inner(env)
        if value is None:
            return None
        found = table.rows.get(value)
        return env.note("lookup_missing") if found is None else found

    return Typed(table.value, run)
