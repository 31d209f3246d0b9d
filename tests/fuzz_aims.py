"""Where the operations of administrators are aimed, so that the fuzzer does not saw off the branch it sits on.

Users, teams and invitations that get changed, shut out or deleted are made for it; the demo's own stay as they are.
"""

from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import uuid4

from schemathesis.generation.meta import TestPhase

from tests import fuzz_repair as repair
from tests.fuzz_chance import Chance
from tests.fuzz_people import new_password
from tests.fuzz_turns import FACTOR, PASSWORD, asker
from tests.fuzz_world import ADMIN, DEMO

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]

_USER, _TEAM, _INVITATION = "/v1/users/{user_id}", "/v1/teams/{team_id}", "/v1/invitations/{invitation_id}"
_MEMBER = f"{_TEAM}/members/{{user_id}}"


def is_stateful(case: Case) -> bool:
    """Whether the case is a step of a scenario.

    Hypothesis draws scenarios again and gives up when an answer differs, so every step acts on things of its own,
    except where a link leads: what became of that is what the scenario asks.
    """
    return bool(case.meta.phase.name == TestPhase.STATEFUL)


def is_drawn(case: Case, member: str) -> bool:
    """Whether the id in the path was captured from an earlier answer."""
    return any(draw.parameter_name == member for draw in case.meta.pool_draws)


def _is_kept(case: Case, member: str, collection: str, chance: Chance) -> bool:
    """Whether the id in the path may stay: ours, and there; of the unknown ones, one in ten."""
    given = case.path_parameters[member]
    if chance.is_sure or DEMO.is_needed(given):
        return False
    status = DEMO.ask("GET", f"{collection}/{given}", ADMIN).status_code
    if status == 404:
        return not is_stateful(case) and not is_drawn(case, member) and chance.errs(0.1)
    return is_drawn(case, member) and (status != 410 or is_stateful(case))


def is_to_replace(case: Case, member: str, path: str, chance: Chance) -> bool:
    """Whether the id in the path should give way to one of ours; of the unknown ones, one in ten stays."""
    if chance.is_sure:
        return True
    status = DEMO.ask("GET", path, asker(case)).status_code
    if is_drawn(case, member):
        # Captured from an earlier answer; to restore a tombstone is worth a try.
        is_restored = case.path.endswith(f"{{{member}}}/restore")
        return is_stateful(case) or status == 404 or (status == 410 and not is_restored)
    return status == 404 and (is_stateful(case) or not chance.errs(0.1))


# --- paths -------------------------------------------------------------------------------------------------------


def _target(case: Case, chance: Chance) -> None:
    if not _is_kept(case, "user_id", "/v1/users", chance):
        case.path_parameters["user_id"] = DEMO.crew.new_user().id if is_stateful(case) else DEMO.crew.target(chance)


def _leaver(case: Case, chance: Chance) -> None:
    if not _is_kept(case, "user_id", "/v1/users", chance):
        case.path_parameters["user_id"] = DEMO.crew.new_user().id if is_stateful(case) else _one_who_leaves()


def _one_who_leaves() -> str:
    return DEMO.lend("user_id", ADMIN, lambda _who: DEMO.crew.new_user().id, is_used_up=True)


def _factor_of_another(case: Case, chance: Chance) -> None:
    owner = DEMO.crew.own(FACTOR)
    owner.set_second_factor(chance.choice(("open", "confirmed")))
    case.path_parameters["user_id"] = owner.id


def _session_of_another(case: Case, chance: Chance) -> None:
    patient = DEMO.crew.patient
    case.path_parameters |= {"user_id": patient.id, "session_id": patient.sign_in()["session_id"]}


def _team(case: Case, chance: Chance) -> None:
    if not _is_kept(case, "team_id", "/v1/teams", chance):
        case.path_parameters["team_id"] = DEMO.new_team(chance.choice(("sales", "service")))


def _relation_type(case: Case, chance: Chance) -> None:
    """One of its own: a built-in one that is retired would refuse every relationship that has it."""
    if is_stateful(case) or not chance.errs(0.1):
        case.path_parameters["relation_type_id"] = _own_relation_type(case)


def _own_relation_type(case: Case) -> str:
    if is_stateful(case):
        return DEMO.new_relation_type()
    is_used_up = case.method == "DELETE"
    return DEMO.lend("relation_type_id", ADMIN, lambda _who: DEMO.new_relation_type(), is_used_up=is_used_up)


def _member(case: Case, chance: Chance) -> None:
    """Into, or out of, a service team of our own; one in ten is a sales team (409)."""
    given = case.path_parameters
    given["user_id"] = DEMO.crew.new_user().id if is_stateful(case) else DEMO.crew.target(chance)
    if not (is_stateful(case) and _is_kept(case, "team_id", "/v1/teams", chance)):
        is_wrong = chance.errs(0.1) and not is_stateful(case)
        given["team_id"] = DEMO.new_team("sales" if is_wrong else "service")
    if case.method == "DELETE":
        DEMO.ask("PUT", str(case.operation.path).format(**given), ADMIN)


def _invitation(case: Case, chance: Chance) -> None:
    if not _is_kept(case, "invitation_id", "/v1/invitations", chance):
        case.path_parameters["invitation_id"] = DEMO.crew.invite()["id"]


def _handed_over(case: Case, chance: Chance) -> None:
    case.path_parameters["customer_id"] = DEMO.new_person()


def _organization(case: Case, chance: Chance) -> None:
    if is_stateful(case) or not chance.errs(0.1):
        case.path_parameters["organization_id"] = DEMO.organization


# --- bodies ------------------------------------------------------------------------------------------------------


def _sales_team(body: Body, member: str, chance: Chance) -> None:
    if body.get(member) is not None:
        body[member] = chance.choice(DEMO.sales_teams)


def _changed_user(case: Case, body: Body, chance: Chance) -> Body:
    _sales_team(body, "team_id", chance)
    return body


def _new_team(case: Case, body: Body, chance: Chance) -> Body:
    _sales_team(body, "parent_id", chance)
    if body.get("kind") == "service":
        body.pop("parent_id", None)
    return body


def _changed_team(case: Case, body: Body, chance: Chance) -> Body:
    found = DEMO.read(str(case.operation.path).format(**case.path_parameters), ADMIN)
    _sales_team(body, "parent_id", chance)
    if found is not None and found["kind"] == "service" and "parent_id" in body:
        body["parent_id"] = None
    return body


def _departure(case: Case, body: Body, chance: Chance) -> Body:
    body["left_on"] = repair.past_day(body["left_on"])
    for one in (body, *body.get("by_area", [])):
        one["to_user_id"] = chance.choice(DEMO.receivers)
    return body


def _transfer(case: Case, body: Body, chance: Chance) -> Body:
    """One in ten has the customer already (409)."""
    to_user_id = DEMO.users["agent1"] if chance.errs(0.1) else chance.choice(DEMO.receivers)
    return {**body, "to_user_id": to_user_id}


def _settings(case: Case, body: Body, chance: Chance) -> Body:
    """The first two would shut everybody out who has no device key or second factor: the fuzzer itself. The third
    stays, because a colleague can be asked only while it does.
    """
    kept = {"is_dpop_required": False, "is_second_factor_required": False, "are_cross_agent_paths_allowed": True}
    return {**body, **{flag: value for flag, value in kept.items() if flag in body}}


def _accept(case: Case, body: Body, chance: Chance) -> Body:
    """Most tokens open something: a new account, or a new password for an old one.

    The drawn ones may do so too, when they were captured from an answer; so no password is weak.
    """
    if not is_stateful(case) and chance.errs(0.4):
        return {**body, "password": new_password()}
    if chance.random() < 0.7:
        token = DEMO.crew.invite()["token"]
    else:
        answer = DEMO.ask("POST", f"/v1/users/{DEMO.crew.target(chance)}/password-resets", ADMIN)
        assert answer.status_code == 201, answer.text
        token = answer.json()["token"]
    return {"token": token, "password": new_password()}


def _new_own_password(case: Case, body: Body, chance: Chance) -> Body:
    """One in five does not know the present password (401)."""
    if not is_stateful(case) and chance.errs(0.2):
        return body
    return {"current_password": DEMO.crew.own(PASSWORD).password, "new_password": new_password()}


def _step_up(case: Case, body: Body, chance: Chance) -> Body:
    """One of the two must be there: without a second factor, the password."""
    if not is_stateful(case) and chance.errs(0.2):
        return {**body, "password": body.get("password") or uuid4().hex}
    return {**body, "password": DEMO.crew.own(PASSWORD).password}


def _confirm(case: Case, body: Body, chance: Chance) -> Body:
    """One in ten has nothing to confirm (409)."""
    is_ready = is_stateful(case) or not chance.errs(0.1)
    code = DEMO.crew.own(FACTOR).set_second_factor("open" if is_ready else "none")
    return {"code": code or body["code"]}


def _asked(case: Case, body: Body, chance: Chance) -> Body:
    return {**body, "asked_on": repair.past_day(body["asked_on"])} if "asked_on" in body else body


AIMS: dict[str, Callable[[Case, Chance], None]] = {
    f"PATCH {_USER}": _target,
    f"POST {_USER}/disable": _target,
    f"POST {_USER}/enable": _target,
    f"POST {_USER}/password-resets": _target,
    f"POST {_USER}/departure": _leaver,
    f"DELETE {_USER}/second-factor": _factor_of_another,
    f"DELETE {_USER}/sessions/{{session_id}}": _session_of_another,
    f"PATCH {_TEAM}": _team,
    f"DELETE {_TEAM}": _team,
    "PATCH /v1/relation-types/{relation_type_id}": _relation_type,
    "DELETE /v1/relation-types/{relation_type_id}": _relation_type,
    f"PUT {_MEMBER}": _member,
    f"DELETE {_MEMBER}": _member,
    f"DELETE {_INVITATION}": _invitation,
    "PATCH /v1/organizations/{organization_id}": _organization,
    "POST /v1/customers/{customer_id}/transfer": _handed_over,
    "PUT /v1/organizations/{organization_id}/sales-rules": _organization,
}
BODIES: dict[str, Callable[[Case, Body, Chance], Body]] = {
    f"PATCH {_USER}": _changed_user,
    f"POST {_USER}/departure": _departure,
    "POST /v1/teams": _new_team,
    f"PATCH {_TEAM}": _changed_team,
    "POST /v1/invitations": _changed_user,
    "PATCH /v1/organizations/{organization_id}": _settings,
    "POST /v1/customers/{customer_id}/transfer": _transfer,
    "POST /v1/auth/invitations/accept": _accept,
    "POST /v1/auth/password": _new_own_password,
    "POST /v1/auth/step-up": _step_up,
    "POST /v1/auth/second-factor/confirm": _confirm,
    "PUT /v1/customers/{customer_id}/coverage-answers/{direction}": _asked,
}
# Writes that make something new, or change a customer of the demo's hundreds: nothing rests on any one of them.
HARMLESS = frozenset(
    {
        "POST /v1/auth/login",
        "POST /v1/auth/refresh",
        "POST /v1/auth/invitations/accept",
        "DELETE /v1/auth/sessions/{session_id}",  # one that was opened for it: `_aim` of the hooks
        "POST /v1/customers",
        "PATCH /v1/customers/{customer_id}",
        "DELETE /v1/customers/{customer_id}",
        "POST /v1/customers/{customer_id}/restore",
        "POST /v1/customers/{customer_id}/reveal",
        "POST /v1/customers/{customer_id}/dossier-facts",
        "PATCH /v1/customers/{customer_id}/dossier-facts/{dossier_fact_id}",
        "DELETE /v1/customers/{customer_id}/dossier-facts/{dossier_fact_id}",
        "POST /v1/customers/{customer_id}/dossier-facts/{dossier_fact_id}/restore",
        "POST /v1/customers/{customer_id}/relationships",
        "PATCH /v1/customers/{customer_id}/relationships/{relationship_id}",
        "DELETE /v1/customers/{customer_id}/relationships/{relationship_id}",
        "POST /v1/customers/{customer_id}/relationships/{relationship_id}/restore",
        "POST /v1/form-responses",
        "PATCH /v1/form-responses/{form_response_id}",
        "POST /v1/form-responses/{form_response_id}/complete",
        "POST /v1/teams",
        "POST /v1/relation-types",
        "POST /v1/network/path-requests",
        "POST /v1/invitations",
        "POST /v1/introductions",
        "PATCH /v1/introductions/{introduction_id}",
        "DELETE /v1/introductions/{introduction_id}",
        "POST /v1/introductions/{introduction_id}/advance",
        "POST /v1/introductions/{introduction_id}/reopen",
        "POST /v1/introductions/{introduction_id}/restore",
        "POST /v1/tasks/{task_id}/complete",
        "POST /v1/tasks/{task_id}/reopen",
        "PUT /v1/customers/{customer_id}/coverage-answers/{direction}",
        "DELETE /v1/customers/{customer_id}/coverage-answers/{direction}",
        "PUT /v1/network/recommendation-dismissals/{customer_id}",
        "DELETE /v1/network/recommendation-dismissals/{customer_id}",
        "POST /v1/network/influence/refresh",  # one job waits, however often it is asked for
        "POST /v1/shadow-contacts",
        "PATCH /v1/shadow-contacts/{shadow_contact_id}",
        "DELETE /v1/shadow-contacts/{shadow_contact_id}",
        "POST /v1/shadow-contacts/{shadow_contact_id}/promote",
        "POST /v1/relationships/bulk",
        "POST /v1/customers/{customer_id}/relationships/{relationship_id}/interactions",
        "DELETE /v1/customers/{customer_id}/relationships/{relationship_id}/interactions/{interaction_id}",
        "POST /v1/needs-analyses/calculate",  # nothing is stored
        "POST /v1/needs-analyses",
        "POST /v1/needs-analyses/{needs_analysis_id}/confirm",
        "POST /v1/needs-analyses/{needs_analysis_id}/revise",
        "POST /v1/needs-analyses/{needs_analysis_id}/what-if",  # nothing is stored
        "POST /v1/form-responses/{form_response_id}/amend",
        "POST /v1/form-responses/{form_response_id}/retract",
        "POST /v1/form-responses/{form_response_id}/migrate",
        "POST /v1/form-responses/{form_response_id}/apply-extraction",
        "POST /v1/forms/check",  # nothing is stored
        "POST /v1/forms",  # under a key of its own
        "POST /v1/forms/{form_key}/versions/{form_version}/withdraw",  # a shipped one is refused
        "POST /v1/products",
        "PATCH /v1/products/{product_id}",
        "POST /v1/customers/{customer_id}/tolerance-assessments",
        "POST /v1/tolerance-assessments/{tolerance_assessment_id}/confirm",
        "POST /v1/proposals",
        "POST /v1/proposals/{proposal_id}/sign",
        "POST /v1/needs-analyses/{needs_analysis_id}/recommendations",  # nothing is stored
        "POST /v1/customers/{customer_id}/consents",
        "POST /v1/customers/{customer_id}/consents/{consent_id}/withdraw",
        "POST /v1/consent-texts",
        "POST /v1/customers/{customer_id}/dossier-facts/{dossier_fact_id}/resolve",
        "POST /v1/fact-definitions",  # under a key of its own
        "PUT /v1/fact-definitions/{fact_key}",  # one of the product's is refused
        "PATCH /v1/fact-definitions/{fact_key}",
        "POST /v1/fact-definitions/{fact_key}/withdraw",  # one of the product's is refused
        "POST /v1/customers/{customer_id}/rights-requests",
        "POST /v1/customers/{customer_id}/rights-requests/{rights_request_id}/check",
        "POST /v1/customers/{customer_id}/rights-requests/{rights_request_id}/withdraw",
        "POST /v1/customers/{customer_id}/rights-requests/{rights_request_id}/complete",  # erases one of hundreds
        "POST /v1/customers/{customer_id}/rights-requests/{rights_request_id}/refuse",
        "POST /v1/customers/{customer_id}/rights-requests/{rights_request_id}/reopen",
        "POST /v1/customers/{customer_id}/legal-holds",
        "DELETE /v1/customers/{customer_id}/legal-holds/{legal_hold_id}",
        "POST /v1/customers/search",  # nothing is stored
    }
)


# --- what is read ------------------------------------------------------------------------------------------------


def aim_read(case: Case, chance: Chance) -> None:
    """Let a read, or a write of AIMS that is not aimed yet, name users, teams, invitations that exist."""
    given = case.path_parameters
    if "user_id" in given:
        found = list(DEMO.users.values())
        if case.operation.path.endswith("/departure"):
            found = [DEMO.departed]
        _replace(case, "user_id", "", found, chance)
    if "team_id" in given:
        _replace(case, "team_id", "/v1/teams", DEMO.sales_teams, chance)
    if "invitation_id" in given and not _is_kept(case, "invitation_id", "/v1/invitations", chance):
        given["invitation_id"] = DEMO.crew.invite()["id"]
    if "relation_type_id" in given and not _is_kept(case, "relation_type_id", "/v1/relation-types", chance):
        given["relation_type_id"] = _own_relation_type(case)
    if "organization_id" in given:
        _organization(case, chance)


def _replace(case: Case, member: str, collection: str, found: list[str], chance: Chance) -> None:
    path = (
        f"{collection}/{case.path_parameters[member]}"
        if collection
        else str(case.operation.path).format(**case.path_parameters)
    )
    is_there = DEMO.ask("GET", path, ADMIN).status_code == 200
    if (
        not is_there
        and (is_stateful(case) or not chance.errs(0.1))
        and not (is_stateful(case) and is_drawn(case, member))
    ):
        case.path_parameters[member] = chance.choice(found)
