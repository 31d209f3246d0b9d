"""Values that keep the rules no JSON schema can state, made from drawn ones that keep only the schema.

Every function leaves a value alone that is right already, and is a pure function of what was drawn, so that a failing
case can be drawn again.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from app.domain import forms, identity, lunar, names

FORMS = {form.form_key: form for form in map(forms.load_definition, forms.published_forms())}
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# No family earns more; with larger amounts, or rates far apart, an analysis leaves the exact integers (a 422).
_MOST_FEN = 10**10
_RATES = (Decimal("-0.02"), Decimal("0.06"))


def _keeps(rule: Callable[[str], object], text: str) -> bool:
    try:
        rule(text)
    except (identity.IdentityError, names.InvalidName):
        return False
    return True


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(char, ord(char) % 10)) for char in text)


def name(text: str) -> str:
    """A name: what may not stand in one is left out."""
    if _keeps(names.normalise_name, text):
        return text
    return ("王" + "".join(char for char in text if _keeps(names.normalise_name, "王" + char)))[:100]


def phone(text: str) -> str:
    """A phone number that can be called."""
    return text if _keeps(identity.check_phone, text) else "138" + _digits(text)[-8:].rjust(8, "0")


def resident_id(text: str) -> str:
    """A resident ID number: its birth date exists, its check character is right."""
    if _keeps(identity.check_resident_id, text):
        return text
    digits = _digits(text)
    born_on = date(1900, 1, 1) + timedelta(days=int(digits[6:14]) % 45_000)
    body = f"{digits[:6]}{born_on:%Y%m%d}{digits[14:17]}"
    return next(body + last for last in "0123456789X" if _keeps(identity.check_resident_id, body + last))


def uscc(text: str) -> str:
    """A unified social credit code with the right check character."""
    if _keeps(identity.check_uscc, text):
        return text
    fitting = "".join(_USCC[ord(char) % len(_USCC)] for char in text)
    body = fitting[:2] + _digits(text)[2:8] + fitting[8:17]
    return next(body + last for last in _USCC if _keeps(identity.check_uscc, body + last))


def birthday(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """A birthday some real day can match."""
    parts: dict[str, Any] = {"year": None, "month": None, "day": None, "calendar": "solar", "leap_month": False}
    # 7.0 is an integer to JSON Schema, and so to the service.
    parts |= {key: int(value) if isinstance(value, float) else value for key, value in drawn.items()}
    for change in ({}, {"leap_month": False}, {"month": parts["month"] or 2}, {"day": 28}, {"year": 1988}):
        if any(parts[key] != value for key, value in change.items()):
            parts |= change
        try:
            lunar.check_partial_date(lunar.PartialDate(**parts))
        except lunar.InvalidDate:
            continue
        return {**drawn, **{key: value for key, value in parts.items() if value != drawn.get(key)}}
    raise AssertionError("28 February 1988 exists")


def past_day(text: str) -> str:
    """A day somebody can have observed something on."""
    day = date.fromisoformat(text)
    if date(1900, 1, 1) <= day <= date(2026, 1, 1):
        return text
    return (date(1990, 1, 1) + timedelta(days=day.toordinal() % 10_000)).isoformat()


def is_searchable(query: str) -> bool:
    """Whether a search has something to search for."""
    return bool(names.search_patterns(query))


def search(body: dict[str, Any]) -> dict[str, Any]:
    """A first page, of something that can be searched for: a cursor belongs to its query."""
    fit = {name: value for name, value in body.items() if name != "cursor"}
    if isinstance(fit.get("stage"), list):
        fit["stage"] = list(dict.fromkeys(fit["stage"]))
    return fit if is_searchable(str(body["q"])) else {**fit, "q": "wyq"}


def answers(form_key: str, drawn: object, *, complete: bool) -> dict[str, Any]:
    """Answers that fit the form; some of its items, or (`complete`) all that are required."""
    form = FORMS[form_key]
    chance = Random(json.dumps(drawn, sort_keys=True))
    made = _row(form, None, chance, complete)
    found = forms.check_answers(form, made, complete=complete)
    assert not found, found
    return made


def _row(form: forms.FormDefinition, owner: str | None, chance: Random, complete: bool) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for link_id in form.slots[owner]:
        item = form.index[link_id].item
        if (item.type == "group" and not item.repeats) or not (complete or chance.random() < 0.5):
            continue
        if item.type == "group":
            made[link_id] = [_row(form, link_id, chance, complete) for _ in range(chance.randint(0, 3))]
        else:
            made[link_id] = _answer(form.index[link_id], chance)
    return made


def _answer(place: forms.Place, chance: Random) -> Any:
    kind, bounds = place.item.type, place.bounds
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "choice":
        return chance.choice(place.item.options).code
    assert bounds is not None
    low, high = bounds
    if kind == "rate":
        low, high = max(low, _RATES[0]), min(high, _RATES[1])
        return str(low + (high - low) * chance.randint(0, 100) / 100)
    if kind == "date":
        return (low + timedelta(days=chance.randint(0, (high - low).days))).isoformat()
    if kind == "text":
        return "问" * max(low, min(high, 5))
    return chance.randint(low, min(high, _MOST_FEN))
