"""Where the fuzzer's operations on products, tolerance and proposals are aimed: at a household that can be advised."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias
from uuid import uuid4

from requests import Response

from tests import household_form, tolerance_form
from tests.fuzz_aims import is_stateful
from tests.fuzz_chance import Chance
from tests.fuzz_consents import consented
from tests.fuzz_world import ADMIN, DEMO

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]

_GRADED = {"qualification_level": 2, "category": None, "max_level": 5}


def _post(path: str, who: str, body: Body, **headers: str) -> Body:
    answer = DEMO.ask("POST", path, who, json=body, headers={"Idempotency-Key": uuid4().hex, **headers})
    assert answer.status_code == 201, answer.text
    made: Body = answer.json()
    return made


def _completed(who: str, customer: str, form: dict[str, str], answers: Body) -> str:
    made = _post("/v1/form-responses", who, {"customer_id": customer, "answers": answers, **form})
    path, version = f"/v1/form-responses/{made['id']}/complete", f'"{made["version"]}"'
    return str(_post(path, who, {}, **{"If-Match": version})["id"])


def new_product(_who: str) -> str:
    """The id of a product nobody has recommended."""
    body = {"code": f"F{uuid4().hex[:12]}", "name": "测试寿险", "insurer": "测试人寿", "category": "term_life"}
    answer = DEMO.ask("POST", "/v1/products", ADMIN, json=body)
    if answer.status_code == 409:  # as many as there may be
        return str(DEMO.items("/v1/products", ADMIN)[0]["id"])
    return str(answer.json()["id"])


def new_response(who: str, customer: str) -> str:
    """The id of a completed response about his risk tolerance."""
    return _completed(who, customer, tolerance_form.FORM, tolerance_form.answers(tolerance_form.MIDDLE))


def new_assessment(who: str) -> str:
    """The id of an assessment of somebody new."""
    customer = DEMO.new_person()
    new_response(who, customer)
    return str(DEMO.items(f"/v1/customers/{customer}/tolerance-assessments", who)[0]["id"])


def new_analysis(who: str) -> str:
    """The id of the analysis of a household, by somebody who may sell."""
    _qualify(who)
    response = _completed(who, consented(DEMO.new_person(), who), household_form.FORM, household_form.answers())
    return str(_post("/v1/needs-analyses", who, {"form_response_id": response})["id"])


def new_proposal(who: str) -> str:
    """The id of a proposal nobody has signed."""

    def send(analysis: str) -> Response:
        body = {"needs_analysis_id": analysis, "recommendations": [household_form.life()]}
        return DEMO.ask("POST", "/v1/proposals", who, json=body)

    return DEMO.made_of("needs_analysis_id", who, _lent_analysis, send)


def _lent_analysis(who: str) -> str:
    return DEMO.lend_whole("needs_analysis_id", who, new_analysis, "/v1/needs-analyses")


def _assessed(who: str) -> str:
    """The id of somebody whose tolerance is known."""
    customer = DEMO.new_person()
    new_response(who, customer)
    return customer


@cache
def _qualify(who: str) -> None:
    """A licence and a level for the caller, and an organisation that grades levels."""
    for path, sent in (
        (f"/v1/users/{DEMO.users[who]}", {"licence_no": household_form.LICENCE, "qualification_level": 2}),
        (f"/v1/organizations/{DEMO.organization}/sales-rules", None),
    ):
        found = DEMO.read(path, ADMIN)
        assert found is not None
        headers = {"If-Match": f'"{found.pop("version")}"'}
        if sent is None:
            DEMO.ask("PUT", path, ADMIN, json=fit_rules(None, found, Chance(0)), headers=headers)
        elif any(found[name] != value for name, value in sent.items()):
            DEMO.ask("PATCH", path, ADMIN, json=sent, headers=headers)


# --- paths -------------------------------------------------------------------------------------------------------


def aim(case: Case, chance: Chance, who: str) -> None:
    """Let the path name a product, an assessment, an analysis or a proposal that is there; one in ten stays.

    What one case leaves as it was the next one gets, except in a scenario.
    """
    given, path = case.path_parameters, str(case.operation.path)
    if chance.errs(0.1):
        return
    found = _thing(given, path)
    if found is not None:
        member, make = found
        is_used_up = path.endswith(("/sign", "/confirm"))
        given[member] = make(who) if is_stateful(case) else DEMO.lend(member, who, make, is_used_up=is_used_up)


def _thing(given: Body, path: str) -> tuple[str, Callable[[str], str]] | None:
    """The member of the path that names something of ours, and what makes one."""
    if path.endswith("/recommendations") and "needs_analysis_id" in given:
        return "needs_analysis_id", new_analysis
    if path.endswith("/tolerance"):
        return "customer_id", _assessed
    return next(((member, make) for member, make in _MAKERS.items() if member in given), None)


_MAKERS: dict[str, Callable[[str], str]] = {
    "product_id": new_product,
    "tolerance_assessment_id": new_assessment,
    "proposal_id": new_proposal,
}


# --- bodies ------------------------------------------------------------------------------------------------------


def fit_rules(_case: Case | None, body: Body, _chance: Chance) -> Body:
    """Each level and category once, bands the right way round, and level 2 graded: proposals rest on it."""
    lines = {(one["qualification_level"], one.get("category")): one for one in body.get("authorisations") or ()}
    told = {**body, "authorisations": [*(one for key, one in lines.items() if key != (2, None)), _GRADED][-100:]}
    bands = body.get("premium_bands") or []
    pairs = (("low_fen", "high_fen"), ("age_from", "age_to"))
    told["premium_bands"] = [
        {**band, **{name: value for pair in pairs for name, value in _ordered(band, *pair)}} for band in bands
    ]
    return told


def _ordered(band: Body, low: str, high: str) -> list[tuple[str, Any]]:
    return list(zip((low, high), sorted((band[low], band[high])), strict=True))


def fit_product(_case: Case, body: Body, _chance: Chance) -> Body:
    """A code of its own, in a design every category is sold in."""
    return {**body, "code": f"F{uuid4().hex[:12]}", "design": "ordinary"}


def fit_assessment(case: Case, body: Body, _chance: Chance, who: str) -> Body:
    """A completed response of the customer in the path."""
    if not isinstance(body.get("form_response_id"), str):
        return body
    customer = case.path_parameters["customer_id"] = DEMO.new_person()
    return {"form_response_id": new_response(who, customer)}


def fit_proposal(case: Case, body: Body, _chance: Chance, who: str) -> Body:
    """What an agent would recommend."""
    covers = [household_form.life()]
    analysis = new_analysis(who) if is_stateful(case) else _lent_analysis(who)
    return {**body, "needs_analysis_id": analysis, "recommendations": covers, "alternatives": []}


def fit_signature(_case: Case, body: Body, _chance: Chance) -> Body:
    """The customer himself, who was told."""
    return {**body, "is_customer_himself": True, "is_opinion_told": True}


def fit_bands(_case: Case, body: Body, chance: Chance) -> Body:
    """Bands the right way round."""
    return {"premium_bands": fit_rules(None, body, chance)["premium_bands"]}
