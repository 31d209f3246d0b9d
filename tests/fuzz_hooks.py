"""Hooks of `make fuzz`: what a valid request must mean besides having the right shape.

Only what Schemathesis means as valid is changed, each place (path, query, header, body) for itself; a case that is
meant to be refused is sent as it was drawn.
"""

import json
import os
from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st
from schemathesis.core import NOT_SET
from schemathesis.core.parameters import ParameterLocation as Place
from schemathesis.generation.meta import CoverageScenario

from app.domain import identity
from tests import fuzz_consents, fuzz_households, fuzz_rights
from tests import fuzz_network as network
from tests import fuzz_proposals as proposals
from tests import fuzz_repair as repair
from tests.fuzz_aims import AIMS, BODIES, aim_read, is_to_replace
from tests.fuzz_aims import is_stateful as _is_stateful
from tests.fuzz_chance import Chance
from tests.fuzz_forms import aim_form, aim_response
from tests.fuzz_introductions import aim_introduction, aim_task, new_introduction, next_step
from tests.fuzz_needs import fit_calculation
from tests.fuzz_turns import FACTOR, PASSWORD, SELF, asker
from tests.fuzz_world import AGENT, DEMO
from tests.own_forms import pet

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]

_REACHED = os.environ.get("RENMAI_FUZZ_REACHED")
_CUSTOMER, _RESTORE = "/v1/customers/{customer_id}", "/v1/customers/{customer_id}/restore"


# --- formats of ours -----------------------------------------------------------------------------------------------

_TAG = r'(W/)?"[!#-~]{0,20}"'
_FORMATS = {
    "entity-tag": st.from_regex(rf"\A{_TAG}\Z"),
    "entity-tags": st.from_regex(rf"\A(\*|{_TAG}(, ?{_TAG}){{0,3}})\Z"),
    "name": st.text(min_size=1, max_size=100).map(repair.name),
    "phone": st.from_regex(r"\A[+＋(（]?[0-9０-９][0-9０-９ ()（）－-]{4,28}\Z").map(repair.phone),
    "resident-id": st.from_regex(r"\A[0-9]{17}[0-9Xx]\Z").map(repair.resident_id),
    "uscc": st.from_regex(r"\A[0-9A-HJ-NPQRTUWXY]{18}\Z").map(repair.uscc),
    "id-number": st.from_regex(r"\A[0-9A-Za-z]{18}\Z").map(repair.resident_id),
}
for name, strategy in _FORMATS.items():
    schemathesis.openapi.format(name, strategy)


# --- what is meant -----------------------------------------------------------------------------------------------


@schemathesis.hook
def before_call(context: Any, case: Case, kwargs: dict[str, Any]) -> None:
    """Give a valid request a meaning: things that exist, versions that are current, values that keep all rules."""
    meta = case.meta
    if meta is None:
        return
    if getattr(meta.phase.data, "scenario", None) == CoverageScenario.UNSPECIFIED_HTTP_METHOD:
        if case.method not in ("POST", "PUT", "PATCH"):
            # A body no method of ours takes is refused before routing (400): see `guard`. Here we ask for the 405.
            case.body, case.media_type = NOT_SET, None
        return
    _fit_caller(case)
    drawn = [case.path_parameters, case.query, case.body if isinstance(case.body, dict) else None]
    chance = Chance(json.dumps(drawn, sort_keys=True, default=str))
    chance.is_sure = case.operation.label not in _reached and not _is_stateful(case)
    if case.path_parameters and not meta.is_negative_at(Place.PATH):
        (AIMS | fuzz_consents.AIMS | fuzz_rights.AIMS).get(case.operation.label, _aim)(case, chance)
    if case.path == network.PATHS and case.query is None:
        case.query = {}
    if (case.query or case.path == network.PATHS) and not meta.is_negative_at(Place.QUERY):
        _fit_query(case, chance)
    if isinstance(case.body, dict) and not meta.is_negative_at(Place.BODY):
        fit = _BODIES.get(case.operation.label)
        if fit is not None:
            case.body = fit(case, dict(case.body), chance)
            if case.body.get("id") is not None and (_is_stateful(case) or not DEMO.is_first(case.body["id"])):
                case.body["id"] = str(uuid4())  # boundary cases all share one id: the second would be a conflict
    if not meta.is_negative_at(Place.HEADER):
        _fit_headers(case, chance)


@schemathesis.hook
def after_call(context: Any, case: Case, response: Any) -> None:
    """Keep account of what came and went."""
    label, status = f"{case.method} {case.operation.path}", response.status_code
    DEMO.returned(status)
    if 200 <= status < 300:
        _note_reached(label)
    if label in SELF or label.startswith("DELETE /v1/users/{user_id}/second-factor"):
        _spend(case, label, status)
    elif (label, status) == (f"DELETE {_CUSTOMER}", 204):
        DEMO.lost(case.path_parameters["customer_id"])
    elif (label, status) in (("POST /v1/customers", 201), (f"POST {_RESTORE}", 200)) and asker(case) == AGENT:
        DEMO.gained(response.json())
    elif (label, status) == ("POST /v1/users/{user_id}/departure", 201):
        DEMO.crew.left(case.path_parameters["user_id"])


_reached: set[str] = set()


def _note_reached(label: str) -> None:
    """`make fuzz` wants every operation to succeed; it reads the file, a line for each success, at the end."""
    _reached.add(label)
    if _REACHED:
        with open(_REACHED, "a", encoding="utf-8") as file:
            file.write(label + "\n")


def _spend(case: Case, label: str, status: int) -> None:
    """What a caller did to himself: a session ended, a password changed, guesses used up."""
    if (label, status) == ("POST /v1/auth/logout", 204):
        DEMO.spend_spares()
    elif (label, status) == ("POST /v1/auth/password", 204):
        DEMO.crew.own(PASSWORD).password = case.body["new_password"]
    elif status == 429:
        DEMO.crew.spend_own(PASSWORD)
    elif label.startswith("DELETE /v1/users/") and status == 204:
        DEMO.crew.spend_own(FACTOR)


def _fit_caller(case: Case) -> None:
    """The user of the fuzzer's own may be another one since the case was drawn; his second factor is as it must be."""
    label = case.operation.label
    kind = SELF.get(label)
    if kind not in (PASSWORD, FACTOR) or case.auth_identity != kind:
        return
    account = DEMO.crew.own(kind)
    case.headers["Authorization"] = f"Bearer {account.token()}"
    if label == "POST /v1/auth/second-factor":
        account.set_second_factor("none")
    elif label == "DELETE /v1/auth/second-factor":
        account.set_second_factor("open")


def _path(case: Case) -> str:
    return str(case.operation.path).format(**case.path_parameters)


def _aim(case: Case, chance: Chance) -> None:
    """Let the path name things that exist."""
    given = case.path_parameters
    is_new = _is_stateful(case)
    aim_read(case, chance)
    if "session_id" in given:
        # Never the session the fuzzer itself is in.
        given["session_id"] = DEMO.accounts[asker(case)].sign_in()["session_id"]
    if "form_response_id" in given:
        aim_response(case, chance)
    if "introduction_id" in given:
        aim_introduction(case, chance, asker(case))
    if "task_id" in given:
        aim_task(case, chance, asker(case))
    if "customer_id" in given:
        _aim_customer(case, chance)
    for member, collection in (("dossier_fact_id", "dossier-facts"), ("relationship_id", "relationships")):
        if member in given:
            above = f"/v1/customers/{given['customer_id']}/{collection}"
            if is_to_replace(case, member, f"{above}/{given[member]}", chance):
                given[member] = DEMO.part(above, chance, asker(case), is_new=is_new) or given[member]
    if "interaction_id" in given:
        network.aim_interaction(case, chance, asker(case))
    if "shadow_contact_id" in given:
        network.aim_contact(case, chance, asker(case))
    if "needs_analysis_id" in given and case.operation.path.endswith(fuzz_households.VERBS):
        fuzz_households.aim_household(case, chance)
    elif "needs_analysis_id" in given:
        path = f"/v1/needs-analyses/{given['needs_analysis_id']}"
        if is_to_replace(case, "needs_analysis_id", path, chance):
            given["needs_analysis_id"] = chance.choice(DEMO.analyses)
    proposals.aim(case, chance, asker(case))
    if "form_key" in given:
        aim_form(case, chance)


def _aim_customer(case: Case, chance: Chance) -> None:
    """A company has no dossier, a person no employees (409)."""
    given = case.path_parameters
    is_company = given["customer_id"] in DEMO.companies
    is_wrong = is_company if "dossier" in case.path else case.path.endswith("/company") and not is_company
    is_mistaken = is_wrong and (_is_stateful(case) or not chance.errs(0.1))
    if not (is_mistaken or is_to_replace(case, "customer_id", f"/v1/customers/{given['customer_id']}", chance)):
        return
    if _is_stateful(case):
        given["customer_id"] = DEMO.new_person()
    elif case.path.endswith("/company") and not chance.errs(0.1):
        given["customer_id"] = chance.choice(DEMO.companies)
    else:
        given["customer_id"] = chance.choice(DEMO.people if chance.is_sure else DEMO.customers(chance))


def _fit_query(case: Case, chance: Chance) -> None:
    """A cursor belongs to its query, and a search needs something to search for."""
    query = case.query
    if case.path == network.PATHS:
        network.fit_paths(query, chance)
    if "q" in query:
        text = str(query["q"])
        if not repair.is_searchable(text) or (identity.holds_number(text) and not chance.errs(0.1)):
            query["q"] = "wyq"
    if "cursor" in query:
        cursor = DEMO.next_cursor(_path(case), dict(query), asker(case))
        if cursor is None:
            del query["cursor"]
        else:
            query["cursor"] = cursor


def _fit_headers(case: Case, chance: Chance) -> None:
    """The current version, and a key not used for something else; half go without a proof, as none is right."""
    headers = case.headers
    if "DPoP" in headers and not (_is_stateful(case) or chance.errs(0.5)):
        del headers["DPoP"]
    if "Idempotency-Key" in headers:
        suffix = f".{case.id}"
        headers["Idempotency-Key"] = headers["Idempotency-Key"][: 255 - len(suffix)] + suffix
    if "If-Match" in headers and (chance.is_sure or len(headers["If-Match"]) <= 10):  # longer ones stay stale
        version = fuzz_rights.version_of(case)
        if version is None:
            found = DEMO.read(_path(case).removesuffix("/complete").removesuffix("/advance"), asker(case))
            version = None if found is None else found["version"]
        if version is not None:
            headers["If-Match"] = f'"{version}"'


def _fit_contact(body: Body) -> None:
    if "name" in body:
        body["name"] = repair.name(body["name"])
    if body.get("phones"):
        body["phones"] = [{**phone, "number": repair.phone(phone["number"])} for phone in body["phones"]]
    # Of a mask nobody knows whose it is; what is sent is sent in full.
    for mail in body.get("emails") or ():
        if mail["address"].endswith("@"):
            mail["address"] = f"{len(mail['address'])}@example.cn"
    if body.get("birthday") is not None:
        body["birthday"] = repair.birthday(body["birthday"])


def _fit_id_number(body: Body, *, is_company: bool) -> None:
    if body.get("id_number") is None:
        return
    number = (repair.uscc if is_company else repair.resident_id)(body["id_number"])
    if DEMO.is_first(number):
        body["id_number"] = number
    else:
        del body["id_number"]  # nobody else may have it: the second time would be a conflict


def _new_customer(case: Case, body: Body, chance: Chance) -> Body:
    _fit_contact(body)
    _fit_id_number(body, is_company=body["party_type"] == "organization")
    return body


def _changed_customer(case: Case, body: Body, chance: Chance) -> Body:
    found = DEMO.read(_path(case), asker(case))
    if found is not None and found["birthday"] is not None and body.get("birthday") is not None:
        body["birthday"] = {**found["birthday"], **body["birthday"]}  # as the merge will leave it
    if body.get("service_team_id") is not None:
        body["service_team_id"] = DEMO.service_team
    _fit_contact(body)
    is_company = found is not None and found["party_type"] == "organization"
    _fit_id_number(body, is_company=is_company)
    if is_company:
        body.pop("gender", None)
        body.pop("birthday", None)
    return body


def _fact(case: Case, body: Body, chance: Chance) -> Body:
    if "observed_on" in body:
        body["observed_on"] = repair.past_day(body["observed_on"])
    if "fact_key" in body:  # a key anybody has a value for, and nothing that must fit to it
        body["fact_key"] = chance.choice(("food", "leisure", "pets", "books"))
        for member in ("dossier", "purpose", "basis", "supersedes", "teller"):
            body.pop(member, None)
    if "value" in body or "fact_key" in body:
        body["value"] = "爬山"
    if body.get("review_by"):
        body["review_by"] = repair.past_day(body["review_by"])
    if case.method == "PATCH":
        for member in ("basis", "teller"):
            body.pop(member, None)
    return body


def _relationship(case: Case, body: Body, chance: Chance) -> Body:
    if "other_id" in body:
        others = [one for one in DEMO.people if one != case.path_parameters["customer_id"]]
        is_new = chance.is_sure or _is_stateful(case)
        body["other_id"] = DEMO.new_person() if is_new else chance.choice(others)
    network.fit_tie(body)
    return _changed_relationship(case, body, chance)


def _changed_relationship(case: Case, body: Body, chance: Chance) -> Body:
    stored = DEMO.read(_path(case), asker(case)) if case.method == "PATCH" else None
    if body.get("since") is not None:
        body["since"] = repair.past_day(body["since"])
    since, until = ({**(stored or {}), **body}.get(member) for member in ("since", "until"))
    if since is not None and until is not None and until < since:
        body["since"], body["until"] = until, since
    return body


def _response(case: Case, body: Body, chance: Chance) -> Body:
    body["customer_id"] = fuzz_consents.of_money(DEMO.new_person())
    body["form_key"], body["form_version"] = "needs.life", "1.0.0"
    return _changed_response(case, body, chance)


def _changed_response(case: Case, body: Body, chance: Chance) -> Body:
    if body.get("answers"):
        body["answers"] = repair.answers("needs.life", body["answers"], complete=False)
    return body


def _form(case: Case, body: Body, chance: Chance) -> Body:
    """A form of its own that can be published; what no schema says of one is told in `test_forms_publish`."""
    return {"definition": pet(form_key=f"org.drawn_{chance.randrange(16**8):08x}"), "migrations": []}


def _answered(case: Case, body: Body, chance: Chance) -> Body:
    """A day the customer may have answered on."""
    body.pop("answered_on", None)
    return body


def _login(case: Case, body: Body, chance: Chance) -> Body:
    """Half are right, and come from a device that is known: the guesses of the others cannot lock it out."""
    return body if chance.errs(0.5) else DEMO.accounts[asker(case)].credentials()


def _refresh(case: Case, body: Body, chance: Chance) -> Body:
    return body if chance.errs(0.5) else {"refresh_token": DEMO.accounts[AGENT].sign_in()["refresh_token"]}


_BODIES: dict[str, Callable[[Case, Body, Chance], Body]] = {
    "POST /v1/customers": _new_customer,
    "POST /v1/customers/search": lambda _case, body, _chance: repair.search(body),
    "PATCH /v1/customers/{customer_id}": _changed_customer,
    "POST /v1/customers/{customer_id}/dossier-facts": _fact,
    "PATCH /v1/customers/{customer_id}/dossier-facts/{dossier_fact_id}": _fact,
    "POST /v1/customers/{customer_id}/relationships": _relationship,
    "PATCH /v1/customers/{customer_id}/relationships/{relationship_id}": _changed_relationship,
    "POST /v1/form-responses": _response,
    "PATCH /v1/form-responses/{form_response_id}": _changed_response,
    "POST /v1/introductions": new_introduction,
    "POST /v1/introductions/{introduction_id}/advance": lambda case, body, chance: next_step(
        case, body, chance, asker(case)
    ),
    "POST /v1/auth/login": _login,
    "POST /v1/auth/refresh": _refresh,
    **network.BODIES,
    **BODIES,
    "POST /v1/needs-analyses/calculate": fit_calculation,
    "POST /v1/forms": _form,
    "POST /v1/forms/check": _form,
    "POST /v1/form-responses/{form_response_id}/complete": _answered,
    **fuzz_households.BODIES,
    "PUT /v1/organizations/{organization_id}/sales-rules": proposals.fit_rules,
    "POST /v1/products": proposals.fit_product,
    "POST /v1/customers/{customer_id}/tolerance-assessments": lambda case, body, chance: proposals.fit_assessment(
        case, body, chance, asker(case)
    ),
    "POST /v1/proposals": lambda case, body, chance: proposals.fit_proposal(case, body, chance, asker(case)),
    "POST /v1/proposals/{proposal_id}/sign": proposals.fit_signature,
    "POST /v1/needs-analyses/{needs_analysis_id}/recommendations": proposals.fit_bands,
    **fuzz_consents.BODIES,
    **fuzz_rights.BODIES,
}
