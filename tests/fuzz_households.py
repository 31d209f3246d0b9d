"""Where the fuzzer's operations on household analyses are aimed: most of them at a household that is there."""

from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeAlias
from uuid import uuid4

from requests import Response

from app.domain import annuities
from app.domain.household_facts import SETTINGS
from tests import fuzz_repair as repair
from tests.fact_find import FAMILY
from tests.fuzz_aims import is_stateful
from tests.fuzz_chance import Chance
from tests.fuzz_consents import consented
from tests.fuzz_world import ADMIN, AGENT, DEMO
from tests.own_forms import ANSWERS, MAP, pet, pet_two

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]

_MOST_FEN = 10**6  # eighty years of it at the highest rates are still an exact number
MOVED = "org.moved_"  # how the key of the form begins that answers are migrated in
VERBS = ("confirm", "revise", "what-if")


def new_fact_find(who: str = AGENT) -> str:
    """The id of a completed fact find of a person nobody else knows of."""
    form = {"form_key": "needs.fact_find", "form_version": "1.0.0", "answers": FAMILY}
    body = {"customer_id": consented(DEMO.new_person(), who), **form}
    made = DEMO.ask("POST", "/v1/form-responses", who, json=body).json()
    headers = {"Idempotency-Key": uuid4().hex, "If-Match": f'"{made["version"]}"'}
    done = DEMO.ask("POST", f"/v1/form-responses/{made['id']}/complete", who, headers=headers)
    assert done.status_code == 201, done.text
    return str(made["id"])


def aim_household(case: Case, chance: Chance) -> None:
    """A new analysis: it can be confirmed once, revised once. In a scenario and for one in ten the drawn one stays."""
    if is_stateful(case) or chance.errs(0.1):
        return
    is_used_up = not case.operation.path.endswith("/what-if")
    case.path_parameters["needs_analysis_id"] = DEMO.lend("household", AGENT, _new_household, is_used_up=is_used_up)


def _new_household(who: str) -> str:
    def send(response: str) -> Response:
        return DEMO.ask("POST", "/v1/needs-analyses", who, json={"form_response_id": response})

    return DEMO.made_of("fact_find", who, _lent_fact_find, send)


def _lent_fact_find(who: str) -> str:
    return DEMO.lend_whole("fact_find", who, new_fact_find, "/v1/form-responses")


def _fact_find(case: Case) -> str:
    return new_fact_find() if is_stateful(case) else _lent_fact_find(AGENT)


# One below the other is refused.
_BANDS = ("premium_green_share", "premium_amber_share")
_FREE = [name for name in SETTINGS if name not in _BANDS]


def _fitting(name: str, value: Any) -> Any:
    """The value inside the bounds of its assumption, and no amount that would lead past an exact number."""
    kind = SETTINGS[name].kind
    if kind == "money":
        return min(int(value), _MOST_FEN)
    if kind in annuities.COUNTS:
        return value
    low, high = (Decimal(0), Decimal("0.05")) if kind == "rate" else annuities.RATES[kind]
    try:
        return str(min(max(Decimal(value), low), high))
    except InvalidOperation:
        return str(low)


def _overrides(drawn: Body) -> Body:
    return {name: {**one, "value": _fitting(name, one["value"])} for name, one in drawn.items() if name in _FREE}


def new_analysis(case: Case, body: Body, _chance: Chance) -> Body:
    """From a completed fact find."""
    body["form_response_id"] = _fact_find(case)
    return body | ({"overrides": _overrides(body["overrides"])} if "overrides" in body else {})


def revision(_case: Case, body: Body, _chance: Chance) -> Body:
    """By assumptions: a response would have to be the same customer's."""
    body.pop("form_response_id", None)
    told = _overrides(body.get("overrides", {}))
    return body | {"overrides": told or {"support_years": {"value": 10, "set_by": "agent"}}}


def confirmation(_case: Case, body: Body, _chance: Chance) -> Body:
    """Of a day that has been."""
    if not isinstance(body.get("confirmed_at"), str):
        return body
    day = repair.past_day(body["confirmed_at"][:10])
    return body | {"confirmed_at": f"{min(day, '2026-01-05')}T08:00:00Z"}


def what_if(_case: Case, body: Body, _chance: Chance) -> Body:
    """Within the bounds of each assumption."""
    tried = body.get("assumptions", {})
    fitting = {name: _fitting(name, value) for name, value in tried.items() if name in _FREE}
    return body | ({"assumptions": fitting} if "assumptions" in body else {})


@cache
def _moved_form() -> str:
    """The key of an own form whose second version says how answers to the first are carried over."""
    key = new_form(ADMIN, MOVED)
    _publish(ADMIN, {"definition": {**pet_two(), "form_key": key}, "migrations": [MAP]})
    return key


def new_form(who: str, named: str = "org.own_") -> str:
    """The key of an own form nobody has filled in."""
    key = f"{named}{uuid4().hex[:8]}"
    _publish(who, {"definition": {**pet(), "form_key": key}, "migrations": []})
    return key


def _publish(who: str, body: Body) -> None:
    made = DEMO.ask("POST", "/v1/forms", who, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 201, made.text


def migration(case: Case, body: Body, _chance: Chance) -> Body:
    """Of a new draft, to the version there is a map to."""
    if not isinstance(body.get("to_version"), str):
        return body
    draft = {"customer_id": DEMO.new_person(), "form_key": _moved_form(), "form_version": "1.0.0", "answers": ANSWERS}
    case.path_parameters["form_response_id"] = DEMO.ask("POST", "/v1/form-responses", json=draft).json()["id"]
    return {**body, "to_version": "2.0.0"}


def extraction(case: Case, body: Body, _chance: Chance) -> Body:
    """What a completed fact find says of the profile."""
    if not isinstance(body.get("link_ids"), list):
        return body
    case.path_parameters["form_response_id"] = _fact_find(case)
    return {**body, "link_ids": ["birth_date"]}


BODIES = {
    "POST /v1/form-responses/{form_response_id}/migrate": migration,
    "POST /v1/form-responses/{form_response_id}/apply-extraction": extraction,
    "POST /v1/needs-analyses": new_analysis,
    "POST /v1/needs-analyses/{needs_analysis_id}/confirm": confirmation,
    "POST /v1/needs-analyses/{needs_analysis_id}/revise": revision,
    "POST /v1/needs-analyses/{needs_analysis_id}/what-if": what_if,
}
