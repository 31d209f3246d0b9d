"""Form engine: the answers to a published form: what is asked, what is wrong, what is computed. Pure.

Answers are one flat object by link_id (plain groups only arrange the screen); a repeating group is a list of such
objects. Money is integer fen, percent integer basis points, a rate or decimal a decimal string, a date YYYY-MM-DD; null
is absent, and so is an empty list of choices. Conditions follow FHIR SDC: what is not asked counts as unanswered for
everything that depends on it. Calculated items are computed here, whatever the client sent for them.
"""

import dataclasses
import decimal
from collections.abc import Mapping
from typing import Any, Literal

from app.domain.expressions import CONTEXT, Context
from app.domain.form_definitions import examine, load_definition, problems, published_forms, published_maps
from app.domain.form_plans import Sheet, Step
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
from app.domain.form_types import Wrong
from app.domain.form_words import words

__all__ = [
    "MAX_ROWS",
    "AnswerIssue",
    "Condition",
    "Context",
    "EffectiveAnswers",
    "FormDefinition",
    "FormError",
    "Item",
    "Judgement",
    "Label",
    "Option",
    "Place",
    "check_answers",
    "completed_answers",
    "content_hash",
    "effective_answers",
    "examine",
    "judge",
    "load_definition",
    "problems",
    "published_forms",
    "published_maps",
]
_NO_CONTEXT = Context()
_MISSPELLED = ("number_not_integer", "wrong_type", "text_invalid")  # wrong even where the value does not count


@dataclasses.dataclass(frozen=True, slots=True)
class AnswerIssue:
    """One thing wrong with the answers; `message` is {zh, en} and never repeats the value. `key` names the constraint
    that is broken."""

    pointer: str
    code: str
    message: Mapping[str, str]
    severity: Literal["error", "warning"] = "error"
    key: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class EffectiveAnswers:
    """Answers as a method reads them; `defaulted` holds the pointers of values the form gave, not a person, and
    `calculated` those of what was computed."""

    values: Mapping[str, Any]
    defaulted: frozenset[str]
    calculated: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """Everything one look at the answers says. `record` is what a response keeps: what a person answered, and what
    was computed, without the form's defaults."""

    issues: list[AnswerIssue]
    effective: EffectiveAnswers
    record: Mapping[str, Any]


def judge(definition: FormDefinition, answers: object, *, complete: bool, context: Context = _NO_CONTEXT) -> Judgement:
    """Issues, effective answers and what to keep, in one pass. Never raises for client input.

    Draft: type and bounds of what is there, unknown link_ids; what only completion needs (constraints, the bounds of
    what is calculated) is a warning; disabled answers are kept. Complete: what is required too; disabled items are
    ignored altogether and dropped. At most 100 issues, pointers from "/answers".
    """
    with decimal.localcontext(CONTEXT):
        walk = _Walk(definition, answers, complete, context)
    effective = EffectiveAnswers(walk.values, frozenset(walk.defaulted), frozenset(walk.calculated))
    return Judgement(walk.issues, effective, walk.record)


def check_answers(
    definition: FormDefinition, answers: object, *, complete: bool, context: Context = _NO_CONTEXT
) -> list[AnswerIssue]:
    """What is wrong with the answers (`judge`): errors, and warnings such as `calculated_differs`."""
    return judge(definition, answers, complete=complete, context=context).issues


def effective_answers(
    definition: FormDefinition, answers: Mapping[str, object], context: Context = _NO_CONTEXT
) -> EffectiveAnswers:
    """Answers without the disabled ones, with defaults and calculated values filled in, also in rows. What is required
    and missing stays missing (a draft may be previewed); FormError with the first other error's code and pointer."""
    judged = judge(definition, answers, complete=True, context=context)
    for issue in judged.issues:
        require(issue.code == "required" or issue.severity == "warning", issue.code, issue.pointer)
    return judged.effective


def completed_answers(
    definition: FormDefinition, answers: Mapping[str, object], context: Context = _NO_CONTEXT
) -> Mapping[str, Any]:
    """What a completed response keeps: the answers to what was asked in the end, and the server's calculated values."""
    return judge(definition, answers, complete=True, context=context).record


class _Walk:
    """First every item is settled in the order of dependence, then everything is reported in written order."""

    def __init__(self, form: FormDefinition, answers: object, complete: bool, context: Context) -> None:
        self.form, self.complete = form, complete
        self.plan: Mapping[str, Step] = form.plan
        self.issues: list[AnswerIssue] = []
        self.defaulted, self.calculated = set[str](), set[str]()
        self.columns = dict[str, list[dict[str, Any]]]()
        self.rows = dict[str, list[Sheet]]()
        self.values, self.record = dict[str, Any](), dict[str, Any]()
        if not isinstance(answers, Mapping):
            self._note("/answers", "number_not_integer" if isinstance(answers, float) else "wrong_type")
            return
        self.root = Sheet(answers, None, self.columns, context)
        self._settle()
        self._visit(self.root, None, "/answers", self.values, self.record)

    def _note(self, pointer: str, code: str, severity: Literal["error", "warning"] = "error") -> None:
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(AnswerIssue(pointer, code, words(code), severity))

    def _later(self) -> Literal["error", "warning"]:
        """A draft may be saved with what only completion refuses."""
        return "error" if self.complete else "warning"

    def _settle(self) -> None:
        top, rows = [self.root], self.rows
        for link_id, step in self.plan.items():
            place = step.place
            if step.role == "rows":
                self._open_rows(link_id)
            for sheet in top if place.scope is None else rows[place.scope]:
                if place.parent is not None and place.parent not in sheet.enabled:
                    continue
                if step.holds is not None and not step.holds(sheet):
                    continue
                sheet.enabled.add(link_id)
                if step.role == "asked":
                    _take(link_id, step, sheet)
                elif step.role == "calculated":
                    _compute(link_id, step, sheet)
                elif step.role == "rows":
                    for row in rows[link_id]:
                        row.enabled.add(link_id)

    def _open_rows(self, link_id: str) -> None:
        given = self.root.raw.get(link_id)
        made = self.rows[link_id] = [
            Sheet(row if isinstance(row, Mapping) else {}, self.root, self.columns, self.root.context)
            for row in (given[:MAX_ROWS] if isinstance(given, list) else ())
        ]
        self.columns[link_id] = [sheet.values for sheet in made]

    def _visit(self, sheet: Sheet, owner: str | None, at: str, values: dict[str, Any], record: dict[str, Any]) -> None:
        slots = self.form.slots[owner]
        self._unknown(sheet.raw, owner, at)
        for link_id in slots:
            step = self.plan[link_id]
            enabled = link_id in sheet.enabled
            if self.complete and not enabled:
                continue
            if step.role == "rows":
                self._visit_rows(link_id, step, f"{at}/{link_id}", values, record)
            elif step.role == "calculated":
                self._visit_calculated(link_id, step, sheet, f"{at}/{link_id}", values, record)
            elif step.role == "asked":
                self._visit_asked(link_id, step, sheet, at, values, record)
            if enabled and step.constraints:
                self._constrain(step, sheet, f"{at}/{link_id}")

    def _unknown(self, raw: Mapping[str, Any], owner: str | None, at: str) -> None:
        for key in raw:
            step = self.plan.get(key) if isinstance(key, str) else None
            if step is not None and step.place.scope == owner and step.role != "none":
                continue
            code = "not_answered" if step is not None and step.place.item.type == "display" else "unknown_link_id"
            if code == "not_answered" and raw[key] is None:
                continue
            # Only a key shaped like a link_id is named: anything else may be somebody's data.
            self._note(f"{at}/{key}" if isinstance(key, str) and LINK.fullmatch(key) else at, code)

    def _visit_asked(
        self, link_id: str, step: Step, sheet: Sheet, at: str, values: dict[str, Any], record: dict[str, Any]
    ) -> None:
        given = _given(step, sheet.raw.get(link_id))
        if given is not None:
            values[link_id] = record[link_id] = given
            code = sheet.wrong.get(link_id) if link_id in sheet.enabled else _problem(step, given)
            if code is not None:
                self._note(f"{at}/{link_id}", code)
        elif step.place.item.default is not None:
            values[link_id] = step.place.item.default
            self.defaulted.add(f"{at}/{link_id}")
        elif step.place.item.required and self.complete:
            self._note(f"{at}/{link_id}", "required")

    def _visit_calculated(
        self, link_id: str, step: Step, sheet: Sheet, here: str, values: dict[str, Any], record: dict[str, Any]
    ) -> None:
        """The server's value is the answer; what the client sent is only compared with it."""
        given, computed = sheet.raw.get(link_id), sheet.held.get(link_id)
        if given is not None:
            assert step.read is not None
            sent = step.read(given)
            if sent.__class__ is Wrong and sent.code in _MISSPELLED:
                self._note(here, sent.code)
            elif link_id in sheet.enabled and sent != sheet.values.get(link_id):
                self._note(here, "calculated_differs", "warning")
        for code in sheet.told.get(link_id, ()):
            self._note(here, code, "warning")
        if link_id in sheet.wrong:
            self._note(here, sheet.wrong[link_id], self._later())
        if computed is not None:
            values[link_id] = record[link_id] = computed
            self.calculated.add(here)
        elif step.place.item.required and self.complete:
            self._note(here, "required")

    def _visit_rows(self, link_id: str, step: Step, here: str, values: dict[str, Any], record: dict[str, Any]) -> None:
        given, limits = self.root.raw.get(link_id), step.place.bounds
        rows = [] if given is None else given
        values[link_id] = list[Any]()
        if not isinstance(rows, list) or limits is None:
            self._note(here, "number_not_integer" if isinstance(rows, float) else "wrong_type")
            return
        if len(rows) > limits[1] or (self.complete and len(rows) < limits[0]):
            self._note(here, "row_count" if rows else "required")
        kept = list[Any]()
        for n, (row, sheet) in enumerate(zip(rows[:MAX_ROWS], self.rows[link_id], strict=True)):
            made, keep = dict[str, Any](), dict[str, Any]()
            if isinstance(row, Mapping):
                self._visit(sheet, link_id, f"{here}/{n}", made, keep)
            else:
                self._note(f"{here}/{n}", "number_not_integer" if isinstance(row, float) else "wrong_type")
            values[link_id].append(made)
            kept.append(keep)
        if given is not None:
            record[link_id] = kept

    def _constrain(self, step: Step, sheet: Sheet, here: str) -> None:
        for constraint, compiled in step.constraints:
            if compiled.run(sheet) is False and len(self.issues) < MAX_ISSUES:
                message = {"zh": constraint.message.zh, "en": constraint.message.en}
                severity = constraint.severity if self.complete else "warning"
                self.issues.append(AnswerIssue(here, "constraint_broken", message, severity, constraint.key))


def _given(step: Step, value: Any) -> Any:
    """What was sent; nothing chosen of several is no answer."""
    return None if value == [] and step.place.item.multiple else value


def _problem(step: Step, value: Any) -> str | None:
    assert step.read is not None
    found = step.read(value)
    return found.code if found.__class__ is Wrong else None


def _take(link_id: str, step: Step, sheet: Sheet) -> None:
    """Hold an item's answer, or its default, for what depends on it."""
    value = sheet.raw.get(link_id)
    if value is None or (value == [] and step.place.item.multiple):
        value = step.place.item.default
        if value is None:
            return
    sheet.held[link_id] = value
    assert step.read is not None
    found = step.read(value)
    if found.__class__ is Wrong:
        sheet.wrong[link_id] = found.code
    else:
        sheet.values[link_id] = found


def _compute(link_id: str, step: Step, sheet: Sheet) -> None:
    """Hold a calculated value, as written and as compared. One that is no answer of its item is none."""
    assert step.calculation is not None
    assert step.read is not None
    sheet.notes = []
    value = step.calculation.run(sheet)
    if value is not None:
        written = step.settle(value)
        found = None if written is None else step.read(written)
        if found is None or found.__class__ is Wrong:
            sheet.wrong[link_id] = "out_of_range"  # its type is right since the form was published
        else:
            sheet.held[link_id], sheet.values[link_id] = written, found
    if sheet.notes:
        sheet.told[link_id], sheet.notes = sheet.notes, []
