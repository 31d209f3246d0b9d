"""The least somebody must say for a form to be complete, found by asking the form what it misses."""

from datetime import date
from typing import Any, Final

from app.domain import forms
from app.domain.form_types import kind_of

_TODAY: Final = forms.Context(as_of=date(2026, 11, 20), birth_date=date(1986, 5, 4), gender="female")
_SAID: Final[dict[str, Any]] = {
    "boolean": True,
    "text": "他说一切都好",
    "reference": "policy:01900000-0000-7000-8000-000000000001",
    "attachment": {"sha256": "0" * 64, "name": "合同.pdf", "media_type": "application/pdf", "size": 1},
    "id_number": "11010519491231002X",
    "phone": "13800138000",
    "address": {"province": "湖北省", "city": "武汉市", "detail": "江汉路1号"},
    "datetime": "2026-11-20T09:00:00Z",
}


def least(form: forms.FormDefinition) -> dict[str, Any]:
    """Answers that complete the form and say nothing it does not insist on."""
    answers: dict[str, Any] = {}
    for _ in range(100):
        missing = [
            (issue.code == "constraint_broken", issue.pointer.split("/")[2:])
            for issue in forms.check_answers(form, answers, complete=True, context=_TODAY)
            if issue.severity == "error"
        ]
        if not missing:
            return answers
        for is_later, (link_id, *below) in missing:  # days are what the shipped forms compare
            if below:
                answers[link_id][int(below[0])][below[1]] = said(form.index[below[1]], is_later=is_later)
            else:
                answers[link_id] = said(form.index[link_id], is_later=is_later)
    raise AssertionError(f"{form.form_key} cannot be completed")


def said(place: forms.Place, *, is_later: bool = False) -> Any:
    """Something one can answer to an item; `is_later`: a day that comes after the others."""
    kind = kind_of(place.item)
    if is_later and kind in ("date", "datetime"):
        return "2027-01-20" if kind == "date" else "2027-01-20T09:00:00Z"
    if kind in _SAID:
        return _SAID[kind]
    if kind in ("choice", "open_choice"):
        return place.item.options[0].code
    assert place.bounds is not None
    low, high = place.bounds
    if kind == "choices":
        return [option.code for option in place.item.options[: max(1, low)]]
    if kind == "group":
        return [{} for _ in range(max(1, low))]
    if kind == "date":
        return min(max(low, date(1990, 1, 1)), high).isoformat()
    if kind in ("rate", "decimal"):
        return str(max(low, 0))
    return max(low, 1)
