"""Who may do what to which object: the tables of the isolation matrix.

Every operation of the OpenAPI document with an id in its path has a row here, and a row says for every principal what
he gets. Who reaches an object follows from what kind of object it is, so a row names its kind; how such an object
comes into being stands in `tests/matrix_makers.py`.
"""

from dataclasses import dataclass, replace
from typing import Any

import httpx

from app import deps
from tests import matrix_forms
from tests import matrix_makers as make
from tests.factories import World, add_partner, add_user
from tests.household_form import SIGNED, life
from tests.life_form import FORM
from tests.matrix_makers import GOLF, Make
from tests.own_forms import pet

# The one whose object it is; his team mate; an agent and a manager of another team; the manager and the administrator
# above him; the auditor; an agent and the administrator of another organisation; two partner banks of this one; and
# administrators whose session was ended, who were disabled, who show nothing.
PRINCIPALS = (
    "owner", "mate", "stranger", "rival", "manager", "admin", "auditor", "foreign_agent", "foreign_admin",
    "partner", "other_partner", "revoked", "disabled", "anonymous",
)  # fmt: skip
OK = 0  # the success the row names

Cells = dict[str, int]


def _kind(*people: int) -> Cells:
    """The first nine columns; banks lack every scope, and who has no live session is nobody."""
    return dict(zip(PRINCIPALS, (*people, 403, 403, 401, 401, 401), strict=True))


# fmt: off
#             owner mate stranger rival manager admin auditor | foreign_agent foreign_admin
THEIRS = _kind(  OK, 404,     404,  404,     OK,   OK,    403,            404,          404)  # a customer's own things
SEEN   = _kind(  OK, 404,     404,  404,     OK,   OK,     OK,            404,          404)  # … the auditor reads too
OWN    = _kind(  OK, 404,     404,  404,    404,  404,    404,            404,          404)  # one's own session
BELOW  = _kind( 403, 403,     403,  404,     OK,   OK,    403,            403,          404)  # for those who manage him
WATCHED= _kind( 403, 403,     403,  404,     OK,   OK,     OK,            403,          404)  # … and who audit
ADMIN  = _kind( 403, 403,     403,  403,    403,   OK,    403,            403,          404)  # the administrator only
COMMON = _kind(  OK,  OK,      OK,   OK,     OK,   OK,     OK,            404,          404)  # of the organisation
# fmt: on


@dataclass(frozen=True)
class Row:
    """An operation: whose business its object is, how somebody gets one, a valid body, the status of success."""

    kind: Cells
    make: Make
    body: Any = None
    good: int = 200

    def expected(self, principal: str) -> int:
        """The status this principal gets."""
        return self.kind[principal] or self.good

    def may(self) -> str:
        """The first principal who may."""
        return next(name for name in PRINCIPALS if self.kind[name] == OK)


ROWS = {
    "get_customer": Row(SEEN, make.customer),
    "update_customer": Row(THEIRS, make.customer, {"note": "x"}),
    "delete_customer": Row(THEIRS, make.customer, good=204),
    "restore_customer": Row(THEIRS, make.deleted_customer),
    "transfer_customer": Row(BELOW, make.customer_and_receiver, {"to_user_id": "{receiver_id}"}),
    "reveal_customer": Row(THEIRS, make.customer, {"fields": ["id_number"], "purpose": "claim"}),
    "get_network": Row(SEEN, make.customer),
    "get_kin": Row(SEEN, make.customer),
    "get_network_drawing": Row(SEEN, make.customer),
    "export_network_graphml": Row(BELOW, make.customer),
    "export_network_json_graph": Row(BELOW, make.customer),
    "get_company": Row(SEEN, make.company),
    "list_relationships": Row(SEEN, make.customer),
    "create_relationship": Row(THEIRS, make.two_customers, {"other_id": "{other_id}", **make.FRIEND}, 201),
    "get_relationship": Row(SEEN, make.relationship),
    "update_relationship": Row(THEIRS, make.relationship, {"note": "x"}),
    "delete_relationship": Row(THEIRS, make.relationship, good=204),
    "restore_relationship": Row(THEIRS, make.deleted_relationship),
    "list_dossier_facts": Row(THEIRS, make.customer),
    "create_dossier_fact": Row(THEIRS, make.customer, make.FACT, 201),
    "get_dossier_fact": Row(THEIRS, make.fact),
    "update_dossier_fact": Row(THEIRS, make.fact, {"value": "荆州"}),
    "delete_dossier_fact": Row(THEIRS, make.fact, good=204),
    "restore_dossier_fact": Row(THEIRS, make.deleted_fact),
    "list_form_responses": Row(THEIRS, make.customer),
    "get_form_response": Row(THEIRS, make.draft),
    "update_form_response": Row(THEIRS, make.draft, {"answers": {}}),
    "complete_form_response": Row(THEIRS, make.draft, {}, 201),
    "list_needs_analyses": Row(THEIRS, make.customer),
    "get_needs_analysis": Row(THEIRS, make.analysis),
    "delete_session": Row(OWN, make.own_session, good=204),
    "get_user": Row(WATCHED, make.person),
    "update_user": Row(ADMIN, make.person, {"name": "林新名"}),
    "disable_user": Row(ADMIN, make.person),
    "enable_user": Row(ADMIN, make.disabled_person),
    "create_password_reset": Row(ADMIN, make.person, good=201),
    "delete_user_second_factor": Row(ADMIN, make.person_with_second_factor, good=204),
    "list_user_sessions": Row(BELOW, make.person),
    "delete_user_session": Row(BELOW, make.person_with_session, good=204),
    "get_departure": Row(WATCHED, make.departed_person),
    "create_departure": Row(
        BELOW, make.person_and_receiver, {"left_on": "2026-01-05", "to_user_id": "{receiver_id}"}, 201
    ),
    "get_team": Row(COMMON, make.team),
    "update_team": Row(ADMIN, make.team, {"name": "四部"}),
    "delete_team": Row(ADMIN, make.team, good=204),
    "put_team_member": Row(ADMIN, make.service_team_and_person),
    "delete_team_member": Row(ADMIN, make.served_team, good=204),
    "get_relation_type": Row(COMMON, make.relation_type),
    "update_relation_type": Row(ADMIN, make.relation_type, {"is_active": False}),
    "delete_relation_type": Row(ADMIN, make.relation_type, good=204),
    "get_invitation": Row(ADMIN, make.invitation),
    "delete_invitation": Row(ADMIN, make.invitation, good=204),
    "get_organization": Row(COMMON, make.organization),
    "update_organization": Row(ADMIN, make.organization, {"session_idle_days": 6}),
    "get_introduction": Row(THEIRS, make.introduction),
    "update_introduction": Row(THEIRS, make.introduction, {"note": "x"}),
    "advance_introduction": Row(THEIRS, make.introduction, {"status": "introduced"}),
    "reopen_introduction": Row(THEIRS, make.introduction),
    "delete_introduction": Row(THEIRS, make.introduction, good=204),
    "restore_introduction": Row(THEIRS, make.deleted_introduction),
    "get_referrals": Row(THEIRS, make.customer),
    "get_task": Row(THEIRS, make.task),
    "complete_task": Row(THEIRS, make.task),
    "reopen_task": Row(THEIRS, make.task),
    "get_coverage": Row(SEEN, make.customer),
    "put_coverage_answer": Row(THEIRS, make.asked_customer, {"asked_on": "2026-01-06"}),
    "delete_coverage_answer": Row(THEIRS, make.asked_customer, good=204),
    "put_recommendation_dismissal": Row(THEIRS, make.customer, {"reason": "not_now"}),
    "delete_recommendation_dismissal": Row(THEIRS, make.customer, good=204),
    "get_shadow_contact": Row(THEIRS, make.shadow_contact),
    "update_shadow_contact": Row(THEIRS, make.shadow_contact, {"name": "陈建华"}),
    "delete_shadow_contact": Row(THEIRS, make.shadow_contact, good=204),
    "export_shadow_contact": Row(THEIRS, make.shadow_contact),
    "promote_shadow_contact": Row(THEIRS, make.shadow_contact, {"stage": "prospect"}),
    "list_relationship_interactions": Row(SEEN, make.relationship),
    "create_relationship_interaction": Row(THEIRS, make.relationship, make.MEAL, 201),
    "get_relationship_interaction": Row(SEEN, make.interaction),
    "delete_relationship_interaction": Row(THEIRS, make.interaction, good=204),
    "get_needs_explanation": Row(THEIRS, make.analysis),
    "confirm_needs_analysis": Row(THEIRS, make.household, make.WORD, 201),
    "revise_needs_analysis": Row(THEIRS, make.household, make.REVISION, 201),
    "calculate_what_if": Row(THEIRS, make.household, {"assumptions": {"inflation": "0.03"}}),
    "amend_form_response": Row(THEIRS, matrix_forms.completed, {}, 201),
    "retract_form_response": Row(THEIRS, make.draft, {"reason": "录错了人"}),
    "migrate_form_response": Row(THEIRS, matrix_forms.old_response, {"to_version": "2.0.0"}, 201),
    "apply_extraction": Row(THEIRS, matrix_forms.extracted, {"link_ids": ["school"]}),
    "get_prefill": Row(THEIRS, make.customer_and_form),
    "get_product": Row(COMMON, make.product),
    "update_product": Row(ADMIN, make.product, {"is_active": False}),
    "get_sales_rules": Row(COMMON, make.organization),
    "replace_sales_rules": Row(ADMIN, make.organization, {}),
    "get_tolerance": Row(THEIRS, make.assessed_customer),
    "list_tolerance_assessments": Row(THEIRS, make.customer),
    "create_tolerance_assessment": Row(THEIRS, make.tolerance_response, {"form_response_id": "{other_id}"}),
    "get_tolerance_assessment": Row(THEIRS, make.assessment),
    "confirm_tolerance_assessment": Row(THEIRS, make.assessment),
    "list_proposals": Row(THEIRS, make.customer),
    "get_proposal": Row(THEIRS, make.proposal),
    "sign_proposal": Row(THEIRS, make.proposal, SIGNED),
    "export_proposal_document": Row(THEIRS, make.proposal),
    "calculate_recommendations": Row(THEIRS, make.household_analysis, {}),
    "list_consents": Row(SEEN, make.customer),
    "create_consent": Row(THEIRS, make.customer, make.REFUSAL, 201),
    "get_consent": Row(SEEN, make.consent),
    "withdraw_consent": Row(THEIRS, make.consent, {"channel": "app"}),
    "get_consent_coverage": Row(SEEN, make.customer),
    "get_consent_text": Row(COMMON, make.consent_text),
    "get_dossier": Row(THEIRS, make.customer_and_dossier),
    "resolve_dossier_fact": Row(THEIRS, make.fact, {"decision": "keep_all", "fact_ids": ["{dossier_fact_id}"]}),
    "list_access_log": Row(SEEN, make.customer),
    "list_rights_requests": Row(SEEN, make.customer),
    "create_rights_request": Row(THEIRS, make.customer, {"kind": "access"}, 201),
    "get_rights_request": Row(SEEN, make.rights_request),
    "check_rights_identity": Row(THEIRS, make.rights_request, {"method": "id_document"}),
    "withdraw_rights_request": Row(THEIRS, make.rights_request),
    "complete_rights_request": Row(BELOW, make.checked_request),
    "refuse_rights_request": Row(BELOW, make.rights_request, {"reason": "no_such_data"}),
    "reopen_rights_request": Row(BELOW, make.restriction),
    "export_rights_package": Row(BELOW, make.checked_request),
    "export_rights_package_tables": Row(BELOW, make.checked_request),
    "list_legal_holds": Row(SEEN, make.customer),
    "create_legal_hold": Row(ADMIN, make.customer, make.HOLD, 201),
    "delete_legal_hold": Row(ADMIN, make.legal_hold, good=204),
}

# Operations on something that belongs to something else.
NESTED = tuple(name for name, row in ROWS.items() if row.make in make.NESTED)

# Operations with a body and no id in their path: a valid body. {customer_id} is one of the caller's customers.
BODIES: dict[str, Any] = {
    "create_customer": {"party_type": "individual", "name": "王永庆"},
    "create_form_response": {"customer_id": "{customer_id}", "answers": {}, **FORM},
    "create_team": {"name": "三部"},
    "create_path_request": {"request_token": "A" * 80},
    "create_relation_type": {"code": "tea_friend", "direction": "friend", "label": {"zh": "茶友", "en": "tea friend"}},
    "create_invitation": {"username": "neu.er", "name": "林新人", "role": "agent"},
    "login": {
        "org": "none", "username": "nobody", "password": "x" * 12,
        "device": {"id": "p", "name": "p", "platform": "ios"},
    },
    "refresh_tokens": {"refresh_token": "rmr_" + "A" * 64},
    "step_up": {"password": "x" * 12},
    "change_password": {"current_password": "x" * 12, "new_password": "y" * 12},
    "confirm_second_factor": {"code": "000000"},
    "accept_invitation": {"token": "rmi_" + "A" * 64, "password": "x" * 12},
    "create_introduction": {"introducer_id": "{customer_id}", "target_id": "{other_id}"},
    "create_shadow_contact": {"known_through_id": "{customer_id}", **make.CONTACT},
    "create_relationships": {
        "items": [{"customer_id": "{customer_id}", "new_contact": {"name": "陈建国", "party_type": "individual"},
                   "direction": "friend"}]
    },
    "calculate_needs": {"method": "dime", "income_fen": 20_000_000},
    "create_needs_analysis": {"form_response_id": "{form_response_id}"},
    "check_form": {"definition": pet()},
    "publish_form": {"definition": pet()},
    "withdraw_form_version": {"reason": "措辞有误"},
    "create_product": {"code": "TL-1", "name": "测试定期寿险", "insurer": "测试人寿", "category": "term_life"},
    "create_proposal": {
        "needs_analysis_id": "{needs_analysis_id}",
        "recommendations": [life(category=None, product_id="{product_id}")],
    },
    "publish_consent_text": make.TEXT,
    "create_fact_definition": {"fact_key": "org.golf", "dossier": "personal", **GOLF},
    "replace_fact_definition": GOLF,
    "update_fact_definition": {"order": 5},
    "search_customers": {"q": "13800138000"},
}  # fmt: skip

# What the placeholders of those bodies stand for, where it is more than a customer.
NEEDED: dict[str, Make] = {
    "create_introduction": make.two_customers,
    "create_needs_analysis": make.fact_find,
    "withdraw_form_version": make.customer_and_form,
    "create_proposal": make.household_and_product,
    "replace_fact_definition": make.own_definition,
    "update_fact_definition": make.own_definition,
}


@dataclass(frozen=True)
class Pointer:
    """An id in a body: how somebody comes to have what it points at, which of the ids it is, who tries whose.

    `along`: other members of the body that must fit to it, and which of the ids they are. `is_own`: the rightful id is
    one of those the operation's own maker answers.
    """

    make: Make
    which: str
    tries: tuple[tuple[str, str], ...]
    along: tuple[tuple[str, str], ...] = ()
    is_own: bool = False


_CUSTOMER = Pointer(
    make.customer, "customer_id", (("mate", "owner"), ("stranger", "owner"), ("foreign_admin", "owner"))
)
_RECEIVER = Pointer(
    make.person, "user_id", (("manager", "stranger"), ("manager", "auditor"), ("foreign_admin", "owner"))
)
_TEAM = Pointer(make.team, "team_id", (("foreign_admin", "owner"),))
_SERVICE_TEAM = Pointer(make.served_team, "team_id", (("owner", "mate"), ("foreign_admin", "owner")))

_FACT_FIND = Pointer(make.fact_find, "form_response_id", _CUSTOMER.tries)

POINTERS = {
    ("create_form_response", "customer_id"): _CUSTOMER,
    ("create_relationship", "other_id"): _CUSTOMER,
    ("transfer_customer", "to_user_id"): _RECEIVER,
    ("create_departure", "to_user_id"): _RECEIVER,
    ("create_departure", "by_area/*/to_user_id"): _RECEIVER,
    ("update_customer", "service_team_id"): _SERVICE_TEAM,
    ("update_user", "team_id"): _TEAM,
    ("create_invitation", "team_id"): _TEAM,
    ("create_team", "parent_id"): _TEAM,
    ("update_team", "parent_id"): _TEAM,
    ("create_introduction", "introducer_id"): _CUSTOMER,
    ("create_introduction", "target_id"): _CUSTOMER,
    ("create_introduction", "relationship_id"): Pointer(
        make.related_customers,
        "relationship_id",
        _CUSTOMER.tries,
        (("introducer_id", "customer_id"), ("target_id", "other_id")),
    ),
    ("create_shadow_contact", "known_through_id"): _CUSTOMER,
    ("create_needs_analysis", "form_response_id"): _FACT_FIND,
    ("revise_needs_analysis", "form_response_id"): replace(_FACT_FIND, is_own=True),  # of the same customer
    ("create_proposal", "needs_analysis_id"): Pointer(make.household_analysis, "needs_analysis_id", _CUSTOMER.tries),
    ("create_proposal", "recommendations/*/product_id"): Pointer(make.product, "product_id", _TEAM.tries),
}
# Ids in the items of a bulk call, which answers 200 and says in a result that one is unknown: tested there.
POINTERS_IN_ITEMS = {
    ("create_relationships", "items/*/customer_id"): "test_relationships_bulk.py",
    ("create_relationships", "items/*/other_id"): "test_relationships_bulk.py",
    # It has to be of the customer in the path, so no other rightful one can stand in its place.
    ("create_tolerance_assessment", "form_response_id"): "test_tolerance_assessments.py",
    # Somebody may be named only where the customer did not say it himself.
    ("create_dossier_fact", "teller/customer_id"): "test_dossiers_view.py",
    ("update_dossier_fact", "teller/customer_id"): "test_dossiers_view.py",
    # Current facts of the same customer and key: no others can stand in their place.
    ("create_dossier_fact", "supersedes/*"): "test_dossiers_view.py",
    ("resolve_dossier_fact", "fact_ids/*"): "test_dossiers_view.py",
}

# What a manager reaches of people: those below him. All others are as unknown, he himself included.
PEOPLE = ("get_user", "list_user_sessions", "delete_user_session", "get_departure", "create_departure")
BELOW_MANAGER = {"owner": OK, "stranger": 404, "rival": 404, "admin": 404, "auditor": 404, "foreign_agent": 404}


async def cast(world: World, other: World) -> dict[str, httpx.AsyncClient]:
    """A client for every principal. Those who lost their access would be administrators."""
    await add_user(world, "rival", "manager", "two")
    for name in ("revoked", "disabled"):
        await add_user(world, name, "admin", "branch")
    tokens = {name: world.token(name) for name in ("rival", "revoked", "disabled")}
    await world.db.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", world.sessions["revoked"])
    await world.db.execute("UPDATE users SET disabled_at = now() WHERE id = $1", world.users["disabled"])
    deps.forget_actors()
    return {
        "owner": world.agent,
        **{name: getattr(world, name) for name in ("mate", "stranger", "manager", "admin", "auditor")},
        **{name: world.client(token) for name, token in tokens.items()},
        "foreign_agent": other.agent,
        "foreign_admin": other.admin,
        "partner": world.client(world.partner_key),
        "other_partner": world.client(await add_partner(world, "江城银行")),
        "anonymous": world.client(),
    }


def called(principal: str) -> str:
    """The name of a principal in his organisation."""
    return "agent" if principal == "owner" else principal.removeprefix("foreign_")


def place(principal: str, world: World, other: World) -> tuple[World, str]:
    """Where a principal is at home, and what he is called there."""
    return (other if principal.startswith("foreign_") else world), called(principal)
