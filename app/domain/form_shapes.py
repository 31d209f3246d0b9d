"""What a form definition is made of, its limits, and the hash that names its content. Pure.

Definition keys the engine does not know are refused, never ignored: a rule must not wait silently for a later engine.
The checks that need more than one item are in `form_definitions`.
"""

import dataclasses
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from app.domain.form_words import words

MAX_ITEMS, MAX_DEPTH, MAX_ROWS, MAX_CHOICES, MAX_TEXT, MAX_ISSUES = 500, 8, 20, 50, 2000, 100
MAX_INT = 2**53 - 1  # a phone's JSON numbers are exact only up to here
_MAX_NESTING = 2 * MAX_DEPTH + 32  # of JSON: items within items, then an expression within a constraint
LINK = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Controls but tab and line ends (PostgreSQL takes no NUL) and lone surrogates (no UTF-8 for them).
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

ItemType = Literal[
    "group", "display", "boolean", "integer", "decimal", "money", "percent", "rate", "date", "datetime", "text",
    "choice", "open_choice", "reference", "attachment", "id_number", "phone", "address",
]  # fmt: skip
_STRICT = ConfigDict(extra="forbid", strict=True)
Words = Annotated[str, StringConstraints(pattern=r"\S", max_length=200)]
LinkId = Annotated[str, StringConstraints(pattern=rf"^{LINK.pattern}$")]
VersionNumber = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){2}$")]
FormKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=64)]


class FormError(ValueError):
    """A definition, or answers, that cannot be used; `code` is stable, `pointer` a JSON pointer, never the value.

    `detail` names what of the definition is meant (the link_ids of a cycle, an operator); `message` says it in
    Chinese and English.
    """

    def __init__(self, code: str, pointer: str, detail: str = "") -> None:
        super().__init__(f"{pointer}: {code}" + (f" ({detail})" if detail else ""))
        self.code, self.pointer, self.detail = code, pointer, detail

    @property
    def message(self) -> dict[str, str]:
        """{zh, en}; one sentence."""
        return words(self.code, self.detail)


@dataclass(frozen=True, slots=True, config=_STRICT)
class Label:
    """One text in both languages of the product, at most 200 code points each."""

    zh: Words
    en: Words


@dataclass(frozen=True, slots=True, config=_STRICT)
class Option:
    """One choice: a language-free code, its label, and what it counts in a score (a decimal string)."""

    code: LinkId
    label: Label
    weight: str | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class Condition:
    """`question op value`. An unanswered or disabled question fails every op but `exists` with false (as in SDC)."""

    question: LinkId
    op: Literal["exists", "=", "!=", ">", "<", ">=", "<="]
    value: Any


@dataclass(frozen=True, slots=True, config=_STRICT)
class Calculation:
    """What the server computes for a read-only item. Without `round`: to the fen for money, whole for an integer."""

    expr: Any
    round: Literal["fen", "integer", "2", "4", "none"] | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class Constraint:
    """An expression that must be true; null is not broken. An error stops completion, a warning is told."""

    key: LinkId
    severity: Literal["error", "warning"]
    expr: Any
    message: Label


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Item:
    """One question, group or display text. min/max are inclusive, in the unit of the answer (text: code points,
    rows of a group, number of codes of a multiple choice)."""

    link_id: LinkId
    type: ItemType
    label: Label
    help: Label | None = None
    required: bool = False
    repeats: bool = False
    min: Any = None
    max: Any = None
    default: Any = None
    options: Annotated[tuple[Option, ...], Field(max_length=200)] = ()
    multiple: bool = False
    enable_when: Annotated[tuple[Condition, ...], Field(max_length=20)] = ()
    enable_behavior: Literal["all", "any"] = "all"
    calculated: Calculation | None = None
    constraints: Annotated[tuple[Constraint, ...], Field(max_length=20)] = ()
    sensitivity: Literal["none", "personal", "sensitive"] = "none"
    retention: Literal["none", "visit+1y", "policy+10y", "relation+10y", "consent"] = "relation+10y"
    prefill: str | None = None
    extract: str | None = None
    items: tuple["Item", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Draft:
    """A definition as written: what `load_definition` reads."""

    form_key: FormKey
    version: VersionNumber
    title: Label
    subject: Literal["individual", "company", "any"] = "any"
    derived_from: VersionNumber | None = None
    semantic_change: bool = False
    items: Annotated[tuple[Item, ...], Field(min_length=1)]


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
    """A definition that passed every publish check. Per scope: `slots` in written order, `order` by dependence.

    `plan` is the whole form compiled (`form_plans.Step`): one entry an item, every item after what it depends on.
    """

    form_key: str
    version: str
    title: Label
    items: tuple[Item, ...]
    content_hash: str
    index: Mapping[str, Place]
    slots: Mapping[str | None, tuple[str, ...]]
    order: Mapping[str | None, tuple[str, ...]]
    subject: str = "any"
    derived_from: str | None = None
    semantic_change: bool = False
    plan: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)


def require(fine: object, code: str, pointer: str, detail: str = "") -> None:
    """FormError unless the condition holds."""
    if not fine:
        raise FormError(code, pointer, detail)


def version_key(version: str) -> tuple[int, ...]:
    """The three numbers of a version, to compare by."""
    return tuple(int(part) for part in version.split("."))


def _canonical(value: object, at: str = "", depth: int = 0) -> Any:
    require(depth <= _MAX_NESTING, "too_deep", at)
    if isinstance(value, str):
        require(not FORBIDDEN.search(value), "text_invalid", at)
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        pairs = {_canonical(k, at, depth + 1): _canonical(v, f"{at}/{k}", depth + 1) for k, v in value.items()}
        require(len(pairs) == len(value), "key_duplicate", at)
        return pairs
    if isinstance(value, list):
        return [_canonical(part, f"{at}/{n}", depth + 1) for n, part in enumerate(value)]
    require(not isinstance(value, float), "number_not_integer", at)
    require(value is None or (isinstance(value, int) and abs(value) <= MAX_INT), "value_not_allowed", at)
    return value


def canonical_json(raw: object) -> bytes:
    """Canonical JSON: NFC strings, keys sorted by code point, no spaces, UTF-8. FormError as in `content_hash`."""
    return json.dumps(_canonical(raw), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def content_hash(raw: Mapping[str, object]) -> str:
    """`sha256:` + hex of canonical JSON: NFC strings, keys sorted by code point, no spaces, UTF-8. FormError for
    floats, integers past 2^53 - 1, control characters, keys equal after NFC, nesting past 48 levels."""
    return "sha256:" + hashlib.sha256(canonical_json(raw)).hexdigest()


_PUBLISH_CODES = {"missing": "key_missing", "unexpected_keyword_argument": "key_unknown", "too_long": "too_many"}


def read_shape(adapter: TypeAdapter[Any], raw: object) -> Any:
    """The raw JSON as the adapter's class, strings in NFC. FormError: key_missing, key_unknown, too_many, invalid."""
    text = canonical_json(raw)
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise _shape_errors(error)[0] from None


def shape_problems(adapter: TypeAdapter[Any], raw: object) -> list[FormError]:
    """Everything `read_shape` would refuse, one after the other."""
    try:
        adapter.validate_json(canonical_json(raw))
    except ValidationError as error:
        return _shape_errors(error)
    except FormError as error:
        return [error]
    return []


def _shape_errors(error: ValidationError) -> list[FormError]:
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ISSUES]
    pointers = ("".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in one["loc"]) for one in found)
    return [
        FormError(_PUBLISH_CODES.get(one["type"], "invalid"), pointer)
        for one, pointer in zip(found, pointers, strict=True)
    ]


@contextmanager
def noting(found: list[FormError] | None) -> Iterator[None]:
    """Collect what is wrong instead of stopping there; without a list it stops."""
    try:
        yield
    except FormError as error:
        if found is None:
            raise
        found.append(error)
