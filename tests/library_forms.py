"""The shipped forms as tests read them."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from app.domain import forms
from app.domain.expressions import Context

RAW: Final = {raw["form_key"]: raw for raw in forms.published_forms()}
FORMS: Final = {key: forms.load_definition(raw) for key, raw in RAW.items()}
TODAY: Final = Context(as_of=date(2026, 11, 20))


def items(key: str) -> Mapping[str, forms.Item]:
    """Every item of a form by link_id."""
    return {link_id: place.item for link_id, place in FORMS[key].index.items()}


def results(key: str, answers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answers with everything the form calculates, on the 20th of November 2026."""
    return forms.effective_answers(FORMS[key], answers, TODAY).values


def found(key: str, answers: Mapping[str, Any], context: Context = TODAY) -> set[tuple[str, str, str]]:
    """(severity, code, where) of all that is wrong with a completed form."""
    issues = forms.check_answers(FORMS[key], answers, complete=True, context=context)
    return {(issue.severity, issue.code, issue.pointer.removeprefix("/answers/")) for issue in issues}
