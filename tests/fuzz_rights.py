"""Where the fuzzer's operations on rights, holds, contradicting facts and own definitions are aimed."""

from random import Random
from typing import Any, Final, TypeAlias
from uuid import uuid4

from tests.fuzz_world import ADMIN, AGENT, DEMO
from tests.matrix_makers import GOLF

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]

_REQUESTS: Final = "/v1/customers/{customer_id}/rights-requests"
_REQUEST: Final = _REQUESTS + "/{rights_request_id}"
_HOLDS: Final = "/v1/customers/{customer_id}/legal-holds"
_FACT: Final = "/v1/customers/{customer_id}/dossier-facts/{dossier_fact_id}"
_DEFINITION: Final = "/v1/fact-definitions/{fact_key}"
# What must have happened to a request before this can be done to it.
_DONE: Final = {"complete": ("check",), "package.json": ("check",), "package.zip": ("check",),
                "reopen": ("check", "complete")}  # fmt: skip


def _step(place: str, request: Body, step: str) -> Body:
    who, body = (AGENT, {"method": "id_document"}) if step == "check" else (ADMIN, None)
    headers = {"If-Match": f'"{request["version"]}"'}
    answer = DEMO.ask("POST", f"{place}/{request['id']}/{step}", who, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    made: Body = answer.json()
    return made


def aim_request(case: Case, _chance: Random) -> None:
    """A request of somebody nobody else works on, as far along as the operation needs it."""
    given, verb = case.path_parameters, case.operation.path.rsplit("/", 1)[1]
    given["customer_id"] = DEMO.new_person()
    place = _REQUESTS.format(customer_id=given["customer_id"])
    kind = "restriction" if verb == "reopen" else "access"
    answer = DEMO.ask("POST", place, AGENT, json={"kind": kind})
    assert answer.status_code == 201, answer.text
    request: Body = answer.json()
    for step in _DONE.get(verb, ()):
        request = _step(place, request, step)
    given["rights_request_id"] = request["id"]
    _stamp(case, request["version"])


def aim_hold(case: Case, _chance: Random) -> None:
    """A hold somebody has just set."""
    given = case.path_parameters
    given["customer_id"] = DEMO.new_person()
    place = _HOLDS.format(customer_id=given["customer_id"])
    answer = DEMO.ask("POST", place, ADMIN, json={"law": "dispute", "reason": "claim"})
    assert answer.status_code == 201, answer.text
    given["legal_hold_id"] = answer.json()["id"]
    _stamp(case, answer.json()["version"])


def aim_conflict(case: Case, _chance: Random) -> None:
    """One of two facts that contradict each other."""
    given = case.path_parameters
    given["customer_id"] = DEMO.new_person()
    place = f"/v1/customers/{given['customer_id']}/dossier-facts"
    for source, value in (("customer", "热干面"), ("observed", "牛肉面")):
        told = {"fact_key": "food", "value": value, "source": source, "observed_on": "2026-01-01"}
        answer = DEMO.ask("POST", place, AGENT, json=told)
        assert answer.status_code == 201, answer.text
    given["dossier_fact_id"] = answer.json()["id"]


def aim_definition(case: Case, _chance: Random) -> None:
    """A definition of the organisation's own, until it has as many versions as it may have."""
    case.path_parameters["fact_key"] = DEMO.lend("fact definition", ADMIN, _definition)


def _definition(who: str) -> str:
    key = f"org.fuzz_{uuid4().hex[:12]}"
    DEMO.ask("POST", "/v1/fact-definitions", who, json={"fact_key": key, "dossier": "personal", **GOLF})
    return key  # where there are as many as there may be, it stays unknown


_versions: dict[str, int] = {}


def _stamp(case: Case, version: int) -> None:
    _versions[case.id] = version


def version_of(case: Case) -> int | None:
    """The version of what the case was aimed at, where it cannot be read at its own path."""
    return _versions.pop(case.id, None)


def fit_decision(case: Case, body: Body, _chance: Random) -> Body:
    """Both of them stay."""
    place = f"/v1/customers/{case.path_parameters['customer_id']}/dossier-facts"
    return {**body, "decision": "keep_all", "fact_ids": [one["id"] for one in DEMO.items(place, AGENT)]}


def fit_definition(_case: Case, _body: Body, _chance: Random) -> Body:
    """Members that go together."""
    return dict(GOLF)


AIMS = {
    **{f"POST {_REQUEST}/{verb}": aim_request for verb in ("check", "withdraw", "complete", "refuse", "reopen")},
    **{f"GET {_REQUEST}{end}": aim_request for end in ("", "/package.json", "/package.zip")},
    f"DELETE {_HOLDS}/{{legal_hold_id}}": aim_hold,
    f"POST {_FACT}/resolve": aim_conflict,
    f"PUT {_DEFINITION}": aim_definition,
}
BODIES = {f"POST {_FACT}/resolve": fit_decision, f"PUT {_DEFINITION}": fit_definition}
