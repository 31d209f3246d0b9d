"""What a valid request to the operations of the network must mean, besides having the right shape."""

from typing import Any, TypeAlias
from uuid import uuid4

from tests import fuzz_repair as repair
from tests.fuzz_aims import is_drawn, is_stateful
from tests.fuzz_chance import Chance
from tests.fuzz_world import DEMO

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]

_TARGETS = ("to", "at_company", "to_tag", "to_tier")
_CONTACTS = "/v1/shadow-contacts"
PATHS = "/v1/network/paths"  # which asks for one of several members, so that none may be enough for the schema


# --- paths and queries ---------------------------------------------------------------------------------------------


def aim_contact(case: Case, chance: Chance, who: str) -> None:
    """A shadow contact that is there; of the unknown ones, one in ten stays."""
    given = case.path_parameters
    status = DEMO.ask("GET", f"{_CONTACTS}/{given['shadow_contact_id']}", who).status_code
    is_kept = status != 404 or (not is_stateful(case) and not is_drawn(case, "shadow_contact_id") and chance.errs(0.1))
    if not is_kept:
        given["shadow_contact_id"] = _new_contact(who)


def _new_contact(who: str) -> str:
    body = {"name": "陈建国", "party_type": "individual", "known_through_id": DEMO.new_person()}
    answer = DEMO.ask("POST", _CONTACTS, who, json={**body, "relation": {"direction": "friend"}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def aim_interaction(case: Case, chance: Chance, who: str) -> None:
    """A recorded contact of the relationship the path names; the relationship is aimed already."""
    given = case.path_parameters
    above = f"/v1/customers/{given['customer_id']}/relationships/{given['relationship_id']}/interactions"
    if DEMO.ask("GET", f"{above}/{given['interaction_id']}", who).status_code != 200 and not chance.errs(0.1):
        answer = DEMO.ask("POST", above, who, json={"kind": "meal", "occurred_on": "2026-01-05"})
        if answer.status_code == 201:
            given["interaction_id"] = answer.json()["id"]


def fit_paths(query: Body, chance: Chance) -> None:
    """Exactly one target, and somebody else at the beginning."""
    given = [name for name in _TARGETS if name in query] or ["to"]
    kept = chance.choice(given)
    for name in given:
        query.pop(name, None) if name != kept else None
    if kept == "to":
        query["to"] = chance.choice(DEMO.people)
    elif kept == "at_company":
        query["at_company"] = chance.choice(DEMO.companies)
    elif kept == "to_tag":
        query["to_tag"] = "重点企业"
    if query.get("from", "me") != "me":
        query["from"] = chance.choice([one for one in DEMO.people if one != query.get("to")])


# --- bodies --------------------------------------------------------------------------------------------------------


def fit_tie(body: Body) -> None:
    """A direction that goes with the type, and days that have been."""
    if body.get("direction") is not None or body.get("type") is None:
        body.setdefault("direction", "friend")
        body.pop("type", None)
    else:
        body["type"] = "schoolmate"
    if body.get("since") is not None:
        body["since"] = repair.past_day(body["since"])
    if body.get("since") is not None and body.get("until") is not None and body["until"] < body["since"]:
        body["until"] = body["since"]


def _new_kind(case: Case, body: Body, chance: Chance) -> Body:
    """A symmetric one of a code nobody has: one label, the same kind of party at both ends."""
    if chance.is_sure or is_stateful(case) or not DEMO.is_first(body["code"]):
        body["code"] = f"own_{uuid4().hex[:12]}"
    for member in ("inverse_code", "inverse_label"):
        body.pop(member, None)
    if body["direction"] in ("client", "supplier"):
        body["direction"] = "friend"
    body["other_kind"] = body.get("customer_kind")
    return body


def _changed_kind(case: Case, body: Body, chance: Chance) -> Body:
    body.pop("inverse_label", None)  # those it is aimed at are symmetric
    return body


def _contact(case: Case, body: Body, chance: Chance) -> Body:
    body["known_through_id"] = DEMO.new_person() if is_stateful(case) else chance.choice(DEMO.people)
    body["relation"] = {**body["relation"], "id": None}
    fit_tie(body["relation"])
    if body["party_type"] == "organization":
        body.pop("gender", None)
    return body


def _changed_contact(case: Case, body: Body, chance: Chance) -> Body:
    body.pop("keep_until", None)  # within a year of the day on which it is sent
    stored = DEMO.read(f"{_CONTACTS}/{case.path_parameters['shadow_contact_id']}")
    if stored is not None and stored["party_type"] == "organization":
        body.pop("gender", None)
    return body


def _interaction(case: Case, body: Body, chance: Chance) -> Body:
    return {**body, "occurred_on": repair.past_day(body["occurred_on"])}


def _bulk(case: Case, body: Body, chance: Chance) -> Body:
    person = {"name": "陈建国", "party_type": "individual"}
    item = {"customer_id": chance.choice(DEMO.people), "new_contact": person, "direction": "friend"}
    return {**body, "items": [item for _ in body["items"][:3]]}


def _asked_colleague(case: Case, body: Body, chance: Chance) -> Body:
    return {**body, "request_token": DEMO.request_token}


def _asked_none(case: Case, body: Body, chance: Chance) -> Body:
    return {**body, "asked_on": repair.past_day(body["asked_on"])} if "asked_on" in body else body


_RELATIONSHIP = "/v1/customers/{customer_id}/relationships/{relationship_id}"
BODIES = {
    "POST /v1/relation-types": _new_kind,
    "PATCH /v1/relation-types/{relation_type_id}": _changed_kind,
    f"POST {_CONTACTS}": _contact,
    f"PATCH {_CONTACTS}/{{shadow_contact_id}}": _changed_contact,
    f"POST {_RELATIONSHIP}/interactions": _interaction,
    "POST /v1/relationships/bulk": _bulk,
    "POST /v1/network/path-requests": _asked_colleague,
    "PUT /v1/customers/{customer_id}/coverage-answers/{direction}": _asked_none,
}
