"""Form engine: published definitions (FHIR-shaped items), answer checks, defaults, enablement. Pure.

One read is permitted in this package: `published_forms` takes the definitions shipped as package data. Definition keys
the engine does not know are refused, never ignored: a rule must not wait silently for a later engine. Answers are one
flat object by link_id (plain groups only arrange the screen); a repeating group is a list of such objects. Money is
integer fen, percent integer basis points, a rate a decimal string, a date YYYY-MM-DD; null is absent.
"""

import dataclasses
from collections.abc import Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Literal

from app.domain.form_definitions import load_definition, published_forms
from app.domain.form_shapes import (
    LINK,
    MAX_ISSUES,
    MAX_ROWS,
    Condition,
    FormDefinition,
    FormError,
    Item,
    Label,
    Option,
    Place,
    content_hash,
    require,
)
from app.domain.form_types import Wrong, parsed, reader
from app.domain.form_words import words

__all__ = [
    "AnswerIssue",
    "Condition",
    "EffectiveAnswers",
    "FormDefinition",
    "FormError",
    "Item",
    "Label",
    "Option",
    "Place",
    "check_answers",
    "content_hash",
    "effective_answers",
    "load_definition",
    "published_forms",
]
_ORDERED = dict(zip(("=", "!=", ">", "<", ">=", "<="), (eq, ne, gt, lt, ge, le), strict=True))


def _problem(place: Place, value: Any) -> str | None:
    found = reader(place.item, place.bounds)(value)
    return found.code if found.__class__ is Wrong else None


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
        return bool(_ORDERED[condition.op](parsed(kind, value), parsed(kind, condition.value)))


class _Walk:
    def __init__(self, form: FormDefinition, answers: object, complete: bool) -> None:
        self.form, self.complete = form, complete
        self.issues: list[AnswerIssue] = []
        self.defaulted: set[str] = set()
        self.values = self._visit(answers, None, None, "/answers")

    def _note(self, pointer: str, code: str) -> None:
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(AnswerIssue(pointer, code, words(code)))

    def _visit(self, answers: object, owner: str | None, outer: _Scope | None, at: str) -> dict[str, Any]:
        if not isinstance(answers, Mapping):
            self._note(at, "number_not_integer" if isinstance(answers, float) else "wrong_type")
            return {}
        scope, values = _Scope(self.form, answers, owner, outer), dict[str, Any]()
        slots = {one: self.form.index[one] for one in self.form.slots[owner]}
        for key in answers:
            if key not in slots or (slots[key].item.type == "group" and not slots[key].item.repeats):
                # Only a key shaped like a link_id is named: anything else may be somebody's data.
                self._note(f"{at}/{key}" if isinstance(key, str) and LINK.fullmatch(key) else at, "unknown_link_id")
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
        require(issue.code == "required", issue.code, issue.pointer)
    return EffectiveAnswers(walk.values, frozenset(walk.defaulted))
