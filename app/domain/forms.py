"""Form engine: published definitions (FHIR-shaped items), answer checks, defaults, enablement. Pure.

One read is permitted in this package: `published_forms` takes the definitions shipped as package data. Definition keys
the engine does not know are refused, never ignored: a rule must not wait silently for a later engine. Answers are one
flat object by link_id (plain groups only arrange the screen); a repeating group is a list of such objects. Money is
integer fen, percent integer basis points, a rate a decimal string, a date YYYY-MM-DD; null is absent.
"""

import dataclasses
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from operator import eq, ge, gt, le, lt, ne
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

MAX_ITEMS, MAX_DEPTH, MAX_ROWS, MAX_TEXT, MAX_ISSUES = 500, 8, 20, 2000, 100
MAX_INT = 2**53 - 1  # a phone's JSON numbers are exact only up to here
_LINK = re.compile(r"[a-z][a-z0-9_]{0,63}")
_RATE = re.compile(r"-?(0|[1-9][0-9]?)(\.[0-9]{1,8})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Controls but tab and line ends (PostgreSQL takes no NUL) and lone surrogates (no UTF-8 for them).
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_WIRE = {"boolean": bool, "integer": int, "money": int, "percent": int, "group": list}  # the others: str
# Widest range of each ordered type; of a text its code points, of a repeating group its rows.
_HARD: dict[str, tuple[Any, Any]] = {
    "integer": (-MAX_INT, MAX_INT),
    "money": (0, 10**13),
    "percent": (-10_000, 100_000),
    "rate": (Decimal(-1), Decimal(10)),
    "date": (date(1850, 1, 1), date(2200, 12, 31)),
    "text": (0, MAX_TEXT),
    "group": (0, MAX_ROWS),
}
_ORDERED = dict(zip(("=", "!=", ">", "<", ">=", "<="), (eq, ne, gt, lt, ge, le), strict=True))
_PUBLISH_CODES = {"missing": "key_missing", "unexpected_keyword_argument": "key_unknown", "too_long": "too_many"}
_MESSAGES = {
    "required": ("此项必填", "An answer is required."),
    "unknown_link_id": ("表单中没有此项", "The form has no such item."),
    "row_count": ("行数超出范围", "Too many or too few rows."),
    "number_not_integer": ("不接受浮点数", "Fractions are written as decimal strings, amounts as integers."),
    "wrong_type": ("答案类型不符", "The answer has the wrong type."),
    "rate_invalid": ("应为小数字符串,如 0.03", "A decimal string such as 0.03 is expected."),
    "date_invalid": ("应为有效日期 YYYY-MM-DD", "A valid date YYYY-MM-DD is expected."),
    "text_invalid": ("含有不允许的字符", "The text contains characters that are not allowed."),
    "option_unknown": ("没有这个选项", "There is no such option."),
    "out_of_range": ("超出允许范围", "Out of the allowed range."),
}
_STRICT = ConfigDict(extra="forbid", strict=True)
Words = Annotated[str, StringConstraints(pattern=r"\S", max_length=200)]
LinkId = Annotated[str, StringConstraints(pattern=rf"^{_LINK.pattern}$")]


class FormError(ValueError):
    """A definition, or answers, that cannot be used; `code` is stable, `pointer` a JSON pointer, never the value."""

    def __init__(self, code: str, pointer: str) -> None:
        super().__init__(f"{pointer}: {code}")
        self.code, self.pointer = code, pointer


@dataclass(frozen=True, slots=True, config=_STRICT)
class Label:
    """One text in both languages of the product, at most 200 code points each."""

    zh: Words
    en: Words


@dataclass(frozen=True, slots=True, config=_STRICT)
class Option:
    """One choice: a language-free code and its label."""

    code: LinkId
    label: Label


@dataclass(frozen=True, slots=True, config=_STRICT)
class Condition:
    """`question op value`. An unanswered or disabled question fails every op but `exists` with false (as in SDC)."""

    question: LinkId
    op: Literal["exists", "=", "!=", ">", "<", ">=", "<="]
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Item:
    """One question or group. min/max are inclusive, in the unit of the answer (text: code points, rows of a group)."""

    link_id: LinkId
    type: Literal["group", "boolean", "integer", "money", "percent", "rate", "date", "text", "choice"]
    label: Label
    help: Label | None = None
    required: bool = False
    repeats: bool = False
    min: Any = None
    max: Any = None
    default: Any = None
    options: Annotated[tuple[Option, ...], Field(max_length=200)] = ()
    enable_when: Annotated[tuple[Condition, ...], Field(max_length=20)] = ()
    enable_behavior: Literal["all", "any"] = "all"
    items: tuple["Item", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Draft:
    """A definition as written: what `load_definition` reads."""

    form_key: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=64)]
    version: Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){2}$")]
    title: Label
    items: Annotated[tuple[Item, ...], Field(min_length=1)]


_DRAFT = TypeAdapter(Draft)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands: its enclosing group, the repeating group whose rows answer it, and its checked bounds."""

    item: Item
    parent: str | None
    scope: str | None
    pointer: str
    bounds: tuple[Any, Any] | None


@dataclasses.dataclass(frozen=True, slots=True)
class FormDefinition:
    """A definition that passed every publish check. Per scope: `slots` in written order, `order` by dependence."""

    form_key: str
    version: str
    title: Label
    items: tuple[Item, ...]
    content_hash: str
    index: Mapping[str, Place]
    slots: Mapping[str | None, tuple[str, ...]]
    order: Mapping[str | None, tuple[str, ...]]


@dataclasses.dataclass(frozen=True, slots=True)
class AnswerIssue:
    """One thing wrong with the answers; `message` is {zh, en} and never repeats the value."""

    pointer: str
    code: str
    message: Mapping[str, str]
    severity: Literal["error", "warning"] = "error"


@dataclasses.dataclass(frozen=True, slots=True)
class EffectiveAnswers:
    """Answers as a method reads them; `defaulted` holds the pointers of values the form gave, not a person."""

    values: Mapping[str, Any]
    defaulted: frozenset[str]


def _require(fine: object, code: str, pointer: str) -> None:
    if not fine:
        raise FormError(code, pointer)


def _canonical(value: object, at: str = "", depth: int = 0) -> Any:
    _require(depth <= 4 * MAX_DEPTH, "too_deep", at)
    if isinstance(value, str):
        _require(not _FORBIDDEN.search(value), "text_invalid", at)
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        pairs = {_canonical(k, at, depth + 1): _canonical(v, f"{at}/{k}", depth + 1) for k, v in value.items()}
        _require(len(pairs) == len(value), "key_duplicate", at)
        return pairs
    if isinstance(value, list):
        return [_canonical(part, f"{at}/{n}", depth + 1) for n, part in enumerate(value)]
    _require(not isinstance(value, float), "number_not_integer", at)
    _require(value is None or (isinstance(value, int) and abs(value) <= MAX_INT), "value_not_allowed", at)
    return value


def _canonical_json(raw: Mapping[str, object]) -> bytes:
    return json.dumps(_canonical(raw), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def content_hash(raw: Mapping[str, object]) -> str:
    """`sha256:` + hex of canonical JSON: NFC strings, keys sorted by code point, no spaces, UTF-8. FormError for
    floats, integers past 2^53 - 1, control characters, keys equal after NFC, nesting past 32 levels."""
    return "sha256:" + hashlib.sha256(_canonical_json(raw)).hexdigest()


def _parsed(kind: str, value: Any) -> Any:
    """The comparable form of a wire value; ValueError where its spelling is wrong."""
    if (kind == "rate" and not _RATE.fullmatch(value)) or (kind == "date" and not _DATE.fullmatch(value)):
        raise ValueError(kind)
    return Decimal(value) if kind == "rate" else date.fromisoformat(value) if kind == "date" else value


def _problem(place: Place, value: Any) -> str | None:
    """Code of what is wrong with one answer, or None."""
    kind = place.item.type
    if isinstance(value, float):
        return "number_not_integer"
    right_type = value.__class__ is _WIRE.get(kind, str)  # exact: a bool is an int to Python, never to us
    if not right_type:
        return "wrong_type"
    if kind == "choice":
        return None if any(value == option.code for option in place.item.options) else "option_unknown"
    if kind == "text" and _FORBIDDEN.search(value):
        return "text_invalid"
    try:
        size = len(value) if kind == "text" else _parsed(kind, value)
    except ValueError:
        return f"{kind}_invalid"
    return None if place.bounds is None or place.bounds[0] <= size <= place.bounds[1] else "out_of_range"


def _bounds(item: Item, at: str) -> tuple[Any, Any] | None:
    if item.type not in _HARD:
        _require(item.min is None and item.max is None, "bounds_not_allowed", at)
        return None
    (low, high), wire = _HARD[item.type], int if item.type in ("text", "group") else _WIRE.get(item.type, str)
    _require(all(bound is None or type(bound) is wire for bound in (item.min, item.max)), "bounds_invalid", at)
    try:
        least, most = (h if b is None else _parsed(item.type, b) for b, h in ((item.min, low), (item.max, high)))
    except ValueError:
        raise FormError("bounds_invalid", at) from None
    _require(low <= least <= most <= high, "bounds_invalid", at)
    return max(least, int(item.required)) if item.type == "group" else least, most


def _places(items: tuple[Item, ...], parent: Place | None, at: str, depth: int) -> Iterator[Place]:
    _require(not items or depth <= MAX_DEPTH, "too_deep", at)
    scope = None if parent is None else parent.item.link_id if parent.item.repeats else parent.scope
    for n, item in enumerate(items):
        here, is_group = f"{at}/items/{n}", item.type == "group"
        _require(bool(item.items) == is_group, "items_missing" if is_group else "items_not_allowed", here)
        _require(bool(item.options) == (item.type == "choice"), "options_invalid", here)
        _require(len({option.code for option in item.options}) == len(item.options), "option_duplicate", here)
        # No rows within rows: a small body could then ask for millions of condition checks.
        _require(not item.repeats or (is_group and scope is None), "repeats_not_allowed", here)
        plain = (item.required, item.min, item.max) == (False, None, None)
        _require(not is_group or ((item.repeats or plain) and item.default is None), "group_rule_not_allowed", here)
        place = Place(item, parent.item.link_id if parent else None, scope, here, _bounds(item, here))
        _require(item.default is None or not _problem(place, item.default), "default_invalid", f"{here}/default")
        yield place
        yield from _places(item.items, place, here, depth + 1)


def _check_conditions(place: Place, index: Mapping[str, Place]) -> None:
    for n, condition in enumerate(place.item.enable_when):
        at, target = f"{place.pointer}/enable_when/{n}", index.get(condition.question)
        if target is None or target.item.type == "group" or target.scope not in (None, place.scope):
            raise FormError("enable_when_target", at)
        ordered = target.item.type in _HARD and target.item.type != "text"
        _require(ordered or condition.op in ("exists", "=", "!="), "enable_when_op", at)
        value, exists = condition.value, condition.op == "exists"
        _require(isinstance(value, bool) if exists else not _problem(target, value), "enable_when_value", at)


def load_definition(raw: Mapping[str, object]) -> FormDefinition:
    """Check a definition as publishing must and return it with its hash; strings come back in NFC.

    FormError: key_missing, key_unknown, key_duplicate, invalid (shape), too_many (500 items), too_deep (8), link_id_,
    options_, items_, repeats_, bounds_, default_ and enable_when_ codes. A condition looks at its own row or outside
    every row, never in a circle.
    """
    try:
        draft = _DRAFT.validate_json(_canonical_json(raw))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in first["loc"])
        raise FormError(_PUBLISH_CODES.get(first["type"], "invalid"), pointer) from None
    index, graph = dict[str, Place](), dict[str, set[str]]()
    for place in _places(draft.items, None, "", 1):
        link_id = place.item.link_id
        _require(link_id not in index, "link_id_duplicate", place.pointer)
        _require(len(index) < MAX_ITEMS, "too_many", place.pointer)
        index[link_id] = place
        graph[link_id] = {c.question for c in place.item.enable_when} | ({place.parent} if place.parent else set())
    for place in index.values():
        _check_conditions(place, index)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise FormError("enable_when_cycle", index[error.args[1][0]].pointer) from None
    scopes = {place.scope for place in index.values()}
    ordered = {scope: tuple(one for one in order if index[one].scope == scope) for scope in scopes}
    slots = {scope: tuple(one for one in index if index[one].scope == scope) for scope in scopes}
    described = (draft.form_key, draft.version, draft.title, draft.items)
    return FormDefinition(*described, content_hash(raw), index, slots, ordered)


class _Scope:
    """The answers of the whole form or of one row: what is enabled, and each enabled item's answer or default."""

    def __init__(self, form: FormDefinition, answers: Mapping[str, Any], owner: str | None, outer: "_Scope | None"):
        self.owner, self.outer, self.values = owner, outer, dict[str, Any]()
        enabled: set[str | None] = {owner}
        for place in (form.index[link_id] for link_id in form.order[owner]):
            item = place.item
            met = (self._met(form.index[c.question], c) for c in item.enable_when)
            holds = not item.enable_when or (any(met) if item.enable_behavior == "any" else all(met))
            if place.parent in enabled and holds:
                enabled.add(item.link_id)
                given = answers.get(item.link_id)
                self.values[item.link_id] = item.default if given is None else given

    def _met(self, target: Place, condition: Condition) -> bool:
        holder = self if target.scope == self.owner or self.outer is None else self.outer
        value = holder.values.get(target.item.link_id)
        if condition.op == "exists":
            return (value is not None) is condition.value
        if value is None or _problem(target, value):
            return False
        kind = target.item.type
        return bool(_ORDERED[condition.op](_parsed(kind, value), _parsed(kind, condition.value)))


class _Walk:
    def __init__(self, form: FormDefinition, answers: object, complete: bool) -> None:
        self.form, self.complete = form, complete
        self.issues: list[AnswerIssue] = []
        self.defaulted: set[str] = set()
        self.values = self._visit(answers, None, None, "/answers")

    def _note(self, pointer: str, code: str) -> None:
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(AnswerIssue(pointer, code, dict(zip(("zh", "en"), _MESSAGES[code], strict=True))))

    def _visit(self, answers: object, owner: str | None, outer: _Scope | None, at: str) -> dict[str, Any]:
        if not isinstance(answers, Mapping):
            self._note(at, "number_not_integer" if isinstance(answers, float) else "wrong_type")
            return {}
        scope, values = _Scope(self.form, answers, owner, outer), dict[str, Any]()
        slots = {one: self.form.index[one] for one in self.form.slots[owner]}
        for key in answers:
            if key not in slots or (slots[key].item.type == "group" and not slots[key].item.repeats):
                # Only a key shaped like a link_id is named: anything else may be somebody's data.
                self._note(f"{at}/{key}" if isinstance(key, str) and _LINK.fullmatch(key) else at, "unknown_link_id")
        for link_id, place in slots.items():
            item, given, here = place.item, answers.get(link_id), f"{at}/{link_id}"
            if (self.complete and link_id not in scope.values) or (item.type == "group" and not item.repeats):
                continue
            if item.type == "group":
                values[link_id] = self._rows(place, given, scope, here)
            elif given is not None:
                values[link_id] = given
                if code := _problem(place, given):
                    self._note(here, code)
            elif item.default is not None:
                values[link_id] = item.default
                self.defaulted.add(here)
            elif item.required and self.complete:
                self._note(here, "required")
        return values

    def _rows(self, place: Place, given: Any, scope: _Scope, at: str) -> list[dict[str, Any]]:
        rows = [] if given is None else given
        if not isinstance(rows, list) or place.bounds is None:
            self._note(at, "number_not_integer" if isinstance(rows, float) else "wrong_type")
            return []
        low, high = place.bounds
        if len(rows) > high or (self.complete and len(rows) < low):
            self._note(at, "row_count" if rows else "required")
        return [self._visit(row, place.item.link_id, scope, f"{at}/{n}") for n, row in enumerate(rows[:MAX_ROWS])]


def check_answers(definition: FormDefinition, answers: Mapping[str, object], *, complete: bool) -> list[AnswerIssue]:
    """What is wrong with the answers, at most 100 issues, pointers from "/answers". Never raises for client input.

    Draft: type and bounds of what is there, unknown link_ids. Complete: what is required too, and disabled items are
    ignored altogether. An answer of null counts as absent; floats are refused wherever they stand.
    """
    return _Walk(definition, answers, complete).issues


def effective_answers(definition: FormDefinition, answers: Mapping[str, object]) -> EffectiveAnswers:
    """Answers without the disabled ones and with defaults filled in, also in rows. What is required and missing stays
    missing (a draft may be previewed); FormError with the first issue's code and pointer for anything else."""
    walk = _Walk(definition, answers, complete=True)
    for issue in walk.issues:
        _require(issue.code == "required", issue.code, issue.pointer)
    return EffectiveAnswers(walk.values, frozenset(walk.defaulted))


def published_forms() -> list[dict[str, Any]]:
    """Raw definitions shipped with the package, by file name: package data, the one read permitted in the domain."""
    folder = files(__package__).joinpath("published")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".json"))
    return [json.loads(folder.joinpath(name).read_bytes()) for name in names]
