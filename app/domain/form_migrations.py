"""Carrying answers from one version of a form to another by a written map. Pure.

A map names what moves, what is converted and what is dropped; an item of the same name and type is kept without being
named. The result is a new draft with the origin of every answer, and a list of what found no place: a response is never
rewritten, and nothing is lost silently.

    {"from": "1.2.0", "to": "2.0.0", "moves": [{"from": "a", "to": "b"}], "drops": ["c"],
     "converters": [{"from": "d", "to": "e", "kind": "choice_codes", "codes": {"yes": "often"}}]}
"""

import decimal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from app.domain import form_types, forms
from app.domain.expressions import CONTEXT, wire
from app.domain.form_plans import Step
from app.domain.form_shapes import (
    MAX_ITEMS,
    FormDefinition,
    Item,
    LinkId,
    VersionNumber,
    read_shape,
    require,
)

_STRICT = ConfigDict(extra="forbid", strict=True)
Kind = Literal[
    "integer_to_money", "decimal_to_money", "money_yearly_to_monthly", "money_monthly_to_yearly", "integer_to_decimal",
    "percent_to_rate", "rate_to_percent", "choice_codes", "choice_to_list", "text_to_choice", "text_to_open_choice",
    "boolean_to_choice", "choice_to_boolean",
]  # fmt: skip
# Converter → types it takes and gives; "choices" is a multiple choice.
_TYPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "integer_to_money": (("integer",), ("money",)),
    "decimal_to_money": (("decimal",), ("money",)),
    "money_yearly_to_monthly": (("money", "amount"), ("money",)),
    "money_monthly_to_yearly": (("money", "amount"), ("money",)),
    "integer_to_decimal": (("integer",), ("decimal",)),
    "percent_to_rate": (("percent",), ("rate",)),
    "rate_to_percent": (("rate",), ("percent",)),
    "choice_codes": (("choice", "open_choice", "choices"), ("choice", "open_choice", "choices")),
    "choice_to_list": (("choice",), ("choices",)),
    "text_to_choice": (("text",), ("choice",)),
    "text_to_open_choice": (("text",), ("open_choice",)),
    "boolean_to_choice": (("boolean",), ("choice",)),
    "choice_to_boolean": (("choice",), ("boolean",)),
}
_WITH_CODES = ("choice_codes", "text_to_choice", "boolean_to_choice", "choice_to_boolean")
_TRUTHS = {"true": True, "false": False}
Codes = Mapping[str, str]


@checked(frozen=True, slots=True, config=_STRICT)
class Move:
    """An answer under another name."""

    source: Annotated[LinkId, Field(alias="from")]
    target: Annotated[LinkId, Field(alias="to")]


@checked(frozen=True, slots=True, config=_STRICT)
class Converter:
    """An answer under another name (or the same) in another form. `codes`: old code or text → new code."""

    source: Annotated[LinkId, Field(alias="from")]
    target: Annotated[LinkId, Field(alias="to")]
    kind: Kind
    codes: Annotated[dict[str, str], Field(max_length=200)] | None = None


@checked(frozen=True, slots=True, config=_STRICT)
class Map:
    """A map as written."""

    source: Annotated[VersionNumber, Field(alias="from")]
    target: Annotated[VersionNumber, Field(alias="to")]
    moves: Annotated[tuple[Move, ...], Field(max_length=MAX_ITEMS)] = ()
    converters: Annotated[tuple[Converter, ...], Field(max_length=MAX_ITEMS)] = ()
    drops: Annotated[tuple[LinkId, ...], Field(max_length=MAX_ITEMS)] = ()


_MAP = TypeAdapter(Map)


@dataclass(frozen=True, slots=True)
class Way:
    """Where one answer goes. `how`: kept, moved, or the converter's kind."""

    target: str
    how: str
    convert: Callable[[Any], Any]
    at: str = ""


@dataclass(frozen=True, slots=True)
class Migration:
    """A checked map between two versions."""

    old: FormDefinition
    new: FormDefinition
    ways: Mapping[str, Way]
    drops: frozenset[str]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer of the new draft comes from; JSON pointers."""

    pointer: str
    source: str
    how: str


@dataclass(slots=True)
class Migrated:
    """A new draft and its report. Pointers are those of the old answers; `refused` says why (pointer, code);
    `open_issues` is what completing the draft would still want."""

    answers: dict[str, Any] = field(default_factory=dict)
    provenance: list[Origin] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    open_issues: list[forms.AnswerIssue] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """The dry run's report: everything but the answers themselves."""
        return {
            "kept": sum(origin.how == "kept" for origin in self.provenance),
            "provenance": [{"pointer": o.pointer, "from": o.source, "how": o.how} for o in self.provenance],
            "unmapped": self.unmapped,
            "dropped": self.dropped,
            "refused": [{"pointer": pointer, "code": code} for pointer, code in self.refused],
            "open": [{"pointer": issue.pointer, "code": issue.code} for issue in self.open_issues],
        }


def load_migration(raw: object, old: FormDefinition, new: FormDefinition) -> Migration:
    """Check a map against both versions.

    FormError: form_key_differs, map_version, map_source, map_target (missing, calculated, or in other rows), map_twice,
    map_type, map_codes, and the shape's codes as for a definition.
    """
    written: Map = read_shape(_MAP, raw)
    require(old.form_key == new.form_key, "form_key_differs", "")
    require((written.source, written.target) == (old.version, new.version), "map_version", "/from")
    ways, targets = dict[str, Way](), set[str]()
    named: tuple[tuple[str, tuple[Move | Converter, ...]], ...] = (
        ("moves", written.moves),
        ("converters", written.converters),
    )
    for name, several in named:
        for n, one in enumerate(several):
            at = f"/{name}/{n}"
            require(one.source in old.index, "map_source", f"{at}/from", one.source)
            require(one.target in new.index, "map_target", f"{at}/to", one.target)
            require(one.source not in ways, "map_twice", f"{at}/from", one.source)
            require(one.target not in targets, "map_twice", f"{at}/to", one.target)
            targets.add(one.target)
            ways[one.source] = _way(old.index[one.source].item, new.index[one.target].item, one, at)
    for n, link_id in enumerate(written.drops):
        require(link_id in old.index, "map_source", f"/drops/{n}", link_id)
        require(link_id not in ways, "map_twice", f"/drops/{n}", link_id)
    drops = frozenset(written.drops)
    for link_id, place in old.index.items():  # what keeps its name and its type
        other = new.index.get(link_id)
        if other is None or link_id in drops or link_id in ways or link_id in targets:
            continue
        if _is_answered(place.item) and _is_answered(other.item) and _kinds(place.item) == _kinds(other.item):
            ways[link_id] = Way(link_id, "kept", _as_it_is)
    _check_rows(old, new, ways)
    return Migration(old, new, ways, drops)


def migrate(migration: Migration, answers: Mapping[str, Any]) -> Migrated:
    """The new draft's answers and the report; storing nothing, it is its own dry run.

    Never raises for answers. What is no valid answer, before or after, is left out and listed: the draft can be saved.
    """
    made = Migrated()
    if isinstance(answers, Mapping):
        with decimal.localcontext(CONTEXT):
            made.answers = _carry(migration, answers, None, ("/answers", "/answers"), made)
    else:
        made.refused.append(("/answers", "wrong_type"))
    made.open_issues = forms.check_answers(migration.new, made.answers, complete=True)
    return made


def _carry(
    migration: Migration, answers: Mapping[str, Any], scope: str | None, at: tuple[str, str], made: Migrated
) -> dict[str, Any]:
    carried = dict[str, Any]()
    for link_id, value in answers.items():
        step: Step | None = migration.old.plan.get(link_id) if isinstance(link_id, str) else None
        if value is None:
            continue
        if step is None or step.place.scope != scope or step.role == "none":
            made.unmapped.append(at[0] if step is None else f"{at[0]}/{link_id}")
            continue
        source, way = f"{at[0]}/{link_id}", migration.ways.get(link_id)
        if link_id in migration.drops:
            made.dropped.append(source)
        elif way is None:
            if step.role != "calculated":  # nobody's answer: the new version computes its own
                made.unmapped.append(source)
        elif step.role == "rows":
            carried[way.target] = _carry_rows(migration, value, way, (source, f"{at[1]}/{way.target}"), made)
        else:
            result, code = _converted(step, migration.new.plan[way.target], way, value)
            if code is None:
                carried[way.target] = result
                made.provenance.append(Origin(f"{at[1]}/{way.target}", source, way.how))
            else:
                made.refused.append((source, code))
    return carried


def _carry_rows(migration: Migration, rows: Any, way: Way, at: tuple[str, str], made: Migrated) -> list[dict[str, Any]]:
    limits, carried = migration.new.index[way.target].bounds, list[dict[str, Any]]()
    if not isinstance(rows, list) or limits is None:
        made.refused.append((at[0], "wrong_type"))
        return []
    group = at[0].rpartition("/")[2]
    for n, row in enumerate(rows[: forms.MAX_ROWS]):
        here = f"{at[0]}/{n}"
        if n >= limits[1]:
            made.refused.append((here, "row_count"))
            continue
        if not isinstance(row, Mapping):
            made.refused.append((here, "wrong_type"))
            row = {}
        carried.append(_carry(migration, row, group, (here, f"{at[1]}/{n}"), made))
    if len(rows) > forms.MAX_ROWS:
        made.refused.append((at[0], "row_count"))
    return carried


def _converted(old: Step, new: Step, way: Way, value: Any) -> tuple[Any, str | None]:
    """The new answer, or the code of what is wrong with it."""
    assert old.read is not None
    assert new.read is not None
    held = old.read(value)
    if isinstance(held, form_types.Wrong):
        return None, held.code
    result = value if way.convert is _as_it_is else way.convert(held)
    if result is None:
        return None, "not_convertible"
    read = new.read(result)
    return result, read.code if isinstance(read, form_types.Wrong) else None


def _kinds(item: Item) -> str:
    return "money" if form_types.kind_of(item) == "amount" else form_types.kind_of(item)


def _is_answered(item: Item) -> bool:
    return item.calculated is None and item.type != "display" and (item.type != "group" or item.repeats)


def _way(old: Item, new: Item, one: Move | Converter, at: str) -> Way:
    sides = f"{form_types.kind_of(old)} → {form_types.kind_of(new)}"
    require(_is_answered(old) or old.calculated is not None, "map_source", f"{at}/from", old.link_id)
    require(_is_answered(new), "map_target", f"{at}/to", new.link_id)
    if isinstance(one, Move):
        require(_kinds(old) == _kinds(new), "map_type", at, sides)
        return Way(new.link_id, "moved", _as_it_is, at)
    takes, gives = _TYPES[one.kind]
    require(form_types.kind_of(old) in takes and form_types.kind_of(new) in gives, "map_type", at, sides)
    if one.kind == "choice_codes":
        require(old.multiple == new.multiple, "map_type", at, sides)
    _check_codes(old, new, one, at)
    return Way(new.link_id, one.kind, _converter(one), at)


def _check_codes(old: Item, new: Item, one: Converter, at: str) -> None:
    require((one.codes is not None) == (one.kind in _WITH_CODES), "map_codes", at, one.kind)
    before = {option.code for option in old.options} if old.options else _TRUTHS.keys()
    after = {option.code for option in new.options} if new.options else _TRUTHS.keys()
    for source, target in (one.codes or {}).items():
        require(one.kind == "text_to_choice" or source in before, "map_codes", f"{at}/codes", source[:64])
        require(target in after, "map_codes", f"{at}/codes", target[:64])


def _check_rows(old: FormDefinition, new: FormDefinition, ways: dict[str, Way]) -> None:
    """An answer in a row goes to the rows its group goes to, and no other answer goes there."""
    for link_id, way in list(ways.items()):
        scope, target = old.index[link_id].scope, new.index[way.target].scope
        carrying = ways.get(scope) if scope is not None else None
        if (None if carrying is None else carrying.target) == target and (scope is None or carrying is not None):
            continue
        require(way.how == "kept", "map_target", f"{way.at}/to", way.target)
        del ways[link_id]


def _as_it_is(value: Any) -> Any:
    return value


def _converter(one: Converter) -> Callable[[Any], Any]:
    """What makes the new wire value of the old comparable one; None where it has none."""
    codes = one.codes or {}

    def recode(value: Any) -> Any:
        if isinstance(value, tuple):
            made = [codes.get(code) for code in value]
            return None if None in made else list(dict.fromkeys(made))
        return {"text": value.text} if isinstance(value, form_types.FreeText) else codes.get(value)

    simple: dict[str, Callable[[Any], Any]] = {
        "integer_to_money": lambda value: value * 100,
        "decimal_to_money": lambda value: _whole(value * 100),
        "money_yearly_to_monthly": lambda value: _whole(Decimal(value) / 12),
        "money_monthly_to_yearly": lambda value: value * 12,
        "integer_to_decimal": str,
        "percent_to_rate": lambda value: wire(Decimal(value).scaleb(-4)),
        "rate_to_percent": lambda value: _whole(value * 10_000),
        "choice_codes": recode,
        "choice_to_list": lambda value: [value],
        "text_to_choice": lambda value: codes.get(value.strip()),
        "text_to_open_choice": lambda value: {"text": value},
        "boolean_to_choice": lambda value: codes.get("true" if value else "false"),
        "choice_to_boolean": lambda value: _TRUTHS.get(codes.get(value, "")),
    }
    return simple[one.kind]


def _whole(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))
