"""How somebody comes to have an object of every kind the isolation matrix speaks of; each answers the ids."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from app import deps
from app.domain.consents import FieldGroup, Purpose
from tests import rights
from tests.consents import built_in, give
from tests.fact_find import completed as completed_fact_find
from tests.factories import World, add_user, create_company, create_customer, create_service_team, if_match
from tests.household_form import analyse, propose, qualify
from tests.life_form import FORM, create_analysis, create_draft
from tests.tolerance_form import assess

Ids = dict[str, str]
Make = Callable[[World, str], Awaitable[Ids]]

FRIEND = {"direction": "friend", "strength": 0.5}
CONTACT = {"name": "陈建国", "party_type": "individual", "relation": {"type": "sibling"}}
MEAL = {"kind": "meal", "occurred_on": "2026-01-05"}
WORD = {"kind": "signature", "reference": "sig-2026-0042", "confirmed_at": "2026-01-05T08:00:00Z"}
REVISION = {"life_event": "income", "overrides": {"income_fen": {"value": 20_000_000, "set_by": "customer"}}}
FACT = {"fact_key": "family_hometown", "value": "襄阳", "source": "customer", "observed_on": "2026-01-05"}


# --- a customer of his, and what hangs on it -------------------------------------------------------------------


async def customer(world: World, name: str) -> Ids:
    return {"customer_id": (await create_customer(getattr(world, name)))["id"]}


async def company(world: World, name: str) -> Ids:
    return {"customer_id": (await create_company(getattr(world, name)))["id"]}


async def deleted_customer(world: World, name: str) -> Ids:
    made = await create_customer(getattr(world, name))
    await getattr(world, name).delete(f"/v1/customers/{made['id']}", headers=if_match(made))
    return {"customer_id": made["id"]}


async def two_customers(world: World, name: str) -> Ids:
    return {**await customer(world, name), "other_id": (await customer(world, name))["customer_id"]}


async def customer_and_receiver(world: World, name: str) -> Ids:
    return {**await customer(world, name), "receiver_id": str(world.users["mate"])}


async def fact(world: World, name: str) -> Ids:
    ids = await customer(world, name)
    answer = await getattr(world, name).post(f"/v1/customers/{ids['customer_id']}/dossier-facts", json=FACT)
    return {**ids, "dossier_fact_id": answer.json()["id"]}


async def deleted_fact(world: World, name: str) -> Ids:
    ids = await fact(world, name)
    await _delete(getattr(world, name), f"/v1/customers/{ids['customer_id']}/dossier-facts/{ids['dossier_fact_id']}")
    return ids


async def relationship(world: World, name: str) -> Ids:
    ids = await two_customers(world, name)
    url, body = f"/v1/customers/{ids['customer_id']}/relationships", {"other_id": ids["other_id"], **FRIEND}
    made = (await getattr(world, name).post(url, json=body)).json()
    return {"customer_id": ids["customer_id"], "relationship_id": made["id"]}


async def deleted_relationship(world: World, name: str) -> Ids:
    ids = await relationship(world, name)
    await _delete(getattr(world, name), f"/v1/customers/{ids['customer_id']}/relationships/{ids['relationship_id']}")
    return ids


async def related_customers(world: World, name: str) -> Ids:
    """Both ends of a relationship beside it."""
    ids = await two_customers(world, name)
    url, body = f"/v1/customers/{ids['customer_id']}/relationships", {"other_id": ids["other_id"], **FRIEND}
    return {**ids, "relationship_id": (await getattr(world, name).post(url, json=body)).json()["id"]}


async def introduction(world: World, name: str) -> Ids:
    ids = await two_customers(world, name)
    body = {"introducer_id": ids["customer_id"], "target_id": ids["other_id"]}
    return {"introduction_id": (await getattr(world, name).post("/v1/introductions", json=body)).json()["id"]}


async def deleted_introduction(world: World, name: str) -> Ids:
    ids = await introduction(world, name)
    await _delete(getattr(world, name), f"/v1/introductions/{ids['introduction_id']}")
    return ids


async def introducer(world: World, name: str) -> Ids:
    """Of somebody, who was thanked for nothing yet."""
    ids = await two_customers(world, name)
    client, body = getattr(world, name), {"introducer_id": ids["customer_id"], "target_id": ids["other_id"]}
    made = (await client.post("/v1/introductions", json=body)).json()
    step = {"json": {"status": "introduced"}, "headers": {"If-Match": '"1"'}}
    assert (await client.post(f"/v1/introductions/{made['id']}/advance", **step)).status_code == 200
    return {"customer_id": ids["customer_id"], "introduction_id": made["id"]}


async def task(world: World, name: str) -> Ids:
    owed = {"customer_id": (await introducer(world, name))["customer_id"]}
    (found,) = (await getattr(world, name).get("/v1/tasks", params=owed)).json()["items"]
    return {**owed, "task_id": found["id"]}


async def interaction(world: World, name: str) -> Ids:
    ids = await relationship(world, name)
    url = f"/v1/customers/{ids['customer_id']}/relationships/{ids['relationship_id']}/interactions"
    return {**ids, "interaction_id": (await getattr(world, name).post(url, json=MEAL)).json()["id"]}


async def shadow_contact(world: World, name: str) -> Ids:
    body = {"known_through_id": (await customer(world, name))["customer_id"], **CONTACT}
    return {"shadow_contact_id": (await getattr(world, name).post("/v1/shadow-contacts", json=body)).json()["id"]}


async def draft(world: World, name: str) -> Ids:
    owner: httpx.AsyncClient = getattr(world, name)
    return {"form_response_id": (await create_draft(owner, (await customer(world, name))["customer_id"]))["id"]}


async def analysis(world: World, name: str) -> Ids:
    owner: httpx.AsyncClient = getattr(world, name)
    return {"needs_analysis_id": (await create_analysis(owner, (await customer(world, name))["customer_id"]))["id"]}


async def fact_find(world: World, name: str) -> Ids:
    """Completed, of a customer of his own."""
    owner: httpx.AsyncClient = getattr(world, name)
    customer_id = (await customer(world, name))["customer_id"]
    return {"customer_id": customer_id, "form_response_id": await completed_fact_find(owner, customer_id)}


async def household(world: World, name: str) -> Ids:
    """The analysis of a household, and what it rests on."""
    ids, owner = await fact_find(world, name), getattr(world, name)
    answer = await owner.post("/v1/needs-analyses", json={"form_response_id": ids["form_response_id"]})
    return {**ids, "needs_analysis_id": answer.json()["id"]}


async def asked_customer(world: World, name: str) -> Ids:
    """He knows nobody who is an ally."""
    ids = {**await customer(world, name), "direction": "ally"}
    url = f"/v1/customers/{ids['customer_id']}/coverage-answers/ally"
    assert (await getattr(world, name).put(url, json={"asked_on": "2026-01-05"})).status_code == 200
    return ids


async def _delete(client: httpx.AsyncClient, url: str) -> None:
    assert (await client.delete(url, headers={"If-Match": '"1"'})).status_code == 204


# --- people: somebody new with the role and the team of the one named ------------------------------------------

_PLACES = {
    "agent": ("agent", "one"), "mate": ("agent", "one"), "stranger": ("agent", "two"), "manager": ("manager", "one"),
    "rival": ("manager", "two"), "admin": ("admin", "branch"), "auditor": ("auditor", "branch"),
}  # fmt: skip


async def person(world: World, name: str) -> Ids:
    new = f"p{uuid7().hex[-12:]}"
    await add_user(world, new, *_PLACES[name])
    deps.forget_actors()  # those above him see him at the next request
    return {"user_id": str(world.users[new])}


async def person_with_customer(world: World, name: str) -> Ids:
    return {"user_id": str(world.users[name]), **await customer(world, name)}


async def disabled_person(world: World, name: str) -> Ids:
    ids = await person(world, name)
    await world.db.execute("UPDATE users SET disabled_at = now() WHERE id = $1", UUID(ids["user_id"]))
    return ids


async def person_with_session(world: World, name: str) -> Ids:
    ids = await person(world, name)
    session = await world.db.fetchval("SELECT id FROM sessions WHERE user_id = $1", UUID(ids["user_id"]))
    return {**ids, "session_id": str(session)}


async def own_session(world: World, name: str) -> Ids:
    """Another device he is signed in on."""
    session = uuid7()
    await world.db.execute(
        "INSERT INTO sessions (org_id, id, user_id, device_id, device_name, platform, idle_expires_at, "
        "absolute_expires_at) SELECT org_id, $2, user_id, 'other', '另一部', 'ios', idle_expires_at, "
        "absolute_expires_at FROM sessions WHERE id = $1",
        world.sessions[name],
        session,
    )
    return {"session_id": str(session)}


async def person_with_second_factor(world: World, name: str) -> Ids:
    ids = await person(world, name)
    await world.db.execute(
        "INSERT INTO second_factors (org_id, id, user_id, secret_enc, confirmed_at) VALUES ($1, $2, $3, '', now())",
        world.org_id,
        uuid7(),
        UUID(ids["user_id"]),
    )
    return ids


async def person_and_receiver(world: World, name: str) -> Ids:
    return {**await person(world, name), "receiver_id": str(world.users["mate"])}


async def departed_person(world: World, name: str) -> Ids:
    ids = await person(world, name)
    body = {"left_on": "2026-01-05", "to_user_id": str(world.users["mate"])}
    url, headers = f"/v1/users/{ids['user_id']}/departure", {"Idempotency-Key": ids["user_id"]}
    assert (await world.admin.post(url, json=body, headers=headers)).status_code == 201
    return ids


# --- of the organisation; whoever is named may be in it --------------------------------------------------------


async def team(world: World, _name: str) -> Ids:
    return {"team_id": (await _made(world, "/v1/teams", {"name": "三部"}))["id"]}


async def relation_type(world: World, _name: str) -> Ids:
    code, label = f"own_{uuid7().hex[-12:]}", {"zh": "茶友", "en": "tea friend"}
    host = {"inverse_code": f"{code}_host", "inverse_label": {"zh": "茶主", "en": "tea host"}}
    body = {"code": code, "direction": "friend", "label": label, **host}
    return {"relation_type_id": (await _made(world, "/v1/relation-types", body))["id"]}


async def service_team_and_person(world: World, name: str) -> Ids:
    return {"team_id": await create_service_team(world), **await person(world, name)}


async def served_team(world: World, name: str) -> Ids:
    return {"team_id": await create_service_team(world, name), "user_id": str(world.users[name])}


async def invitation(world: World, _name: str) -> Ids:
    body = {"username": f"n{uuid7().hex[-12:]}", "name": "林新人", "role": "agent"}
    return {"invitation_id": (await _made(world, "/v1/invitations", body))["id"]}


async def organization(world: World, _name: str) -> Ids:
    return {"organization_id": str(world.org_id)}


async def product(world: World, _name: str) -> Ids:
    body = {"code": f"P{uuid7().hex[-12:]}", "name": "测试定期寿险", "insurer": "测试人寿", "category": "term_life"}
    return {"product_id": (await _made(world, "/v1/products", body))["id"]}


# --- what is recommended ---------------------------------------------------------------------------------------


async def tolerance_response(world: World, name: str) -> Ids:
    """A customer and the completed response about his risk tolerance, which is recorded already."""
    ids = await customer(world, name)
    made = await assess(getattr(world, name), ids["customer_id"])
    return {**ids, "tolerance_assessment_id": made["id"], "other_id": made["form_response_id"]}


async def assessed_customer(world: World, name: str) -> Ids:
    return {"customer_id": (await tolerance_response(world, name))["customer_id"]}


async def assessment(world: World, name: str) -> Ids:
    return {"tolerance_assessment_id": (await tolerance_response(world, name))["tolerance_assessment_id"]}


async def household_analysis(world: World, name: str) -> Ids:
    """The analysis of a household; whoever is in the organisation may sell."""
    for user in world.users:
        await qualify(world, user)
    found = await analyse(getattr(world, name), (await customer(world, name))["customer_id"])
    return {"needs_analysis_id": found["id"]}


async def household_and_product(world: World, name: str) -> Ids:
    return {**await household_analysis(world, name), **await product(world, name)}


async def proposal(world: World, name: str) -> Ids:
    answer = await propose(getattr(world, name), {"id": (await household_analysis(world, name))["needs_analysis_id"]})
    assert answer.status_code == 201, answer.text
    return {"proposal_id": answer.json()["id"]}


TEXT = {"purpose": "service", "field_group": "health", "is_material": False}
REFUSAL = {
    "decision": "refused", "purpose": "advice", "grounds": [built_in(Purpose.advice, FieldGroup.health)],
    "language": "zh", "channel": "app", "given_by": "person",
}  # fmt: skip


async def consent(world: World, name: str) -> Ids:
    made = await give(getattr(world, name), (await customer(world, name))["customer_id"], "health")
    return {"customer_id": made["customer_id"], "consent_id": made["id"]}


async def consent_text(world: World, name: str) -> Ids:
    return {"consent_text_id": (await _made(world, "/v1/consent-texts", TEXT))["id"]}


async def _made(world: World, url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await world.admin.post(url, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def rights_request(world: World, name: str) -> Ids:
    made = await customer(world, name)
    return {
        **made,
        "rights_request_id": (await rights.ask(getattr(world, name), {"id": made["customer_id"]}, "copy"))["id"],
    }


async def checked_request(world: World, name: str) -> Ids:
    made = await customer(world, name)
    found = await rights.checked(getattr(world, name), {"id": made["customer_id"]}, "copy")
    return {**made, "rights_request_id": await _first(world, found["id"])}


async def restriction(world: World, name: str) -> Ids:
    """One that was carried out."""
    made = await customer(world, name)
    subject = {"id": made["customer_id"]}
    found = await rights.checked(getattr(world, name), subject, "restriction")
    answer = await world.admin.post(rights.url(subject, found, "complete"), headers=if_match(found))
    assert answer.status_code == 200, answer.text
    return {**made, "rights_request_id": await _first(world, found["id"])}


async def _first(world: World, request_id: str) -> str:
    """As if it were the first version, which every operation of the matrix says it changes."""
    await world.db.execute("UPDATE rights_requests SET version = 1 WHERE id = $1", UUID(request_id))
    return request_id


async def legal_hold(world: World, name: str) -> Ids:
    made = await customer(world, name)
    answer = await world.admin.post(f"/v1/customers/{made['customer_id']}/legal-holds", json=HOLD)
    assert answer.status_code == 201, answer.text
    return {**made, "legal_hold_id": answer.json()["id"]}


HOLD = {"law": "dispute", "reason": "claim"}


# Those that answer two ids for a path: one below the other.
NESTED = (
    fact, deleted_fact, relationship, deleted_relationship, person_with_session, service_team_and_person, served_team,
    interaction, consent, rights_request,
    checked_request, restriction, legal_hold,
)  # fmt: skip


async def customer_and_form(world: World, name: str) -> Ids:
    return {**await customer(world, name), **FORM}


async def customer_and_dossier(world: World, name: str) -> Ids:
    return {**await customer(world, name), "dossier": "personal"}


GOLF: dict[str, Any] = {
    "label": {"zh": "高尔夫", "en": "Golf"},
    "question": {"zh": "您打高尔夫吗？", "en": "Do you play golf?"},
    "shape": {"kind": "text", "max_length": 200},
    "sensitivity": "c1",
    "group": "general",
    "purpose": "service",
    "legal_basis": "consent",
    "retention": "consent",
    "review_days": 365,
    "order": 500,
    "is_offline_allowed": True,
}


async def own_definition(world: World, name: str) -> Ids:
    """Made by an administrator, whoever wants it; once is enough."""
    body = {"fact_key": "org.golf", "dossier": "personal", **GOLF}
    assert (await world.admin.post("/v1/fact-definitions", json=body)).status_code in (201, 409)
    return {**await customer(world, name), "fact_key": "org.golf"}
