"""What is gathered from many rows: filters by id, cursors, and edges with an end the caller cannot see."""

from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from app import deps
from tests import matrix_makers as make
from tests.factories import World, add_user, create_customer, create_service_team, if_match
from tests.household_form import propose
from tests.life_form import create_analysis, create_draft
from tests.matrix_makers import Ids, Make
from tests.operations import by_id, operations
from tests.rights import ask
from tests.ties import Json, people, relate, url
from tests.tolerance_form import assess
from tests.traces import said, unknown

# --- filters ---------------------------------------------------------------------------------------------------

# (operation, filter) → how to come to have what it points at, and which of the ids it is.
FILTERS: dict[tuple[str, str], tuple[Make, str]] = {
    ("list_users", "team_id"): (make.team, "team_id"),
    ("list_audit_events", "actor_id"): (make.person, "user_id"),
    ("list_audit_events", "object_id"): (make.customer, "customer_id"),
    ("list_introductions", "introducer_id"): (make.introducer, "customer_id"),
    ("list_introductions", "target_id"): (make.customer, "customer_id"),
    ("list_tasks", "customer_id"): (make.introducer, "customer_id"),
    ("get_agent_coverage", "agent_id"): (make.person_with_customer, "user_id"),
    ("list_recommendations", "customer_id"): (make.customer, "customer_id"),
    ("list_shadow_contacts", "known_through_id"): (make.customer, "customer_id"),
    ("list_audit_events", "person_id"): (make.customer, "customer_id"),
}
# Not what a list is narrowed by, but what is asked for: one that is not there is 404 (tests of the operation).
ASKED_FOR = {("list_network_paths", "to"), ("list_network_paths", "at_company")}


def test_every_filter_by_id_is_looked_at(api: FastAPI) -> None:
    found = {
        (operation.id, name)
        for operation in operations(api.openapi())
        for name, schema in operation.query().items()
        if "uuid" in str(schema)
    }
    assert found == set(FILTERS) | set(ASKED_FOR)


@pytest.mark.parametrize(("name", "parameter"), FILTERS)
async def test_foreign_id_in_a_filter_is_as_unknown(
    api: FastAPI, world: World, other_world: World, name: str, parameter: str
) -> None:
    operation, (maker, which) = by_id(api.openapi())[name], FILTERS[name, parameter]
    theirs = (await maker(world, "agent"))[which]
    filters = (theirs, str(world.teams["one"]), unknown("x")["x"])
    answers = [await operation.call(other_world.admin, {}, **{parameter: value}) for value in filters]
    assert said(answers[0]) == said(answers[1]) == said(answers[2])
    assert (answers[0].json()["items"], answers[0].json().get("next_cursor")) == ([], None)


async def test_filter_shows_a_manager_nobody_of_a_team_that_is_not_his(world: World) -> None:
    two, one = str(world.teams["two"]), str(world.teams["one"])
    assert (await world.manager.get("/v1/users", params={"team_id": two})).json()["items"] == []
    seen = (await world.manager.get("/v1/users", params={"team_id": one})).json()["items"]
    assert {item["username"] for item in seen} == {"agent", "mate"}  # not he himself


# --- cursors ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """A list: how two rows come into it, who reads it, and a filter that makes it another query."""

    fill: Make
    caller: str = "agent"
    other_query: tuple[str, str] | None = None
    whose: str | None = None  # the parameter by which somebody above reads the rows of the agent


async def _customers(world: World, name: str) -> Ids:
    return {**await make.customer(world, name), **await make.customer(world, name)}


async def _relationships(world: World, name: str) -> Ids:
    one, *others = [await create_customer(getattr(world, name), name=f"第{n}位") for n in range(3)]
    for other in others:
        await relate(getattr(world, name), one, other)
    return {"customer_id": one["id"]}


async def _facts(world: World, name: str) -> Ids:
    ids = await make.fact(world, name)
    again = {**make.FACT, "value": "荆州", "observed_on": "2026-01-06"}
    await getattr(world, name).post(f"/v1/customers/{ids['customer_id']}/dossier-facts", json=again)
    return {"customer_id": ids["customer_id"]}


async def _drafts(world: World, name: str) -> Ids:
    ids = await make.customer(world, name)
    for _ in range(2):
        await create_draft(getattr(world, name), ids["customer_id"])
    return ids


async def _analyses(world: World, name: str) -> Ids:
    ids = await make.customer(world, name)
    for _ in range(2):
        await create_analysis(getattr(world, name), ids["customer_id"])
    return ids


async def _invitations(world: World, name: str) -> Ids:
    return {**await make.invitation(world, name), **await make.invitation(world, name)}


async def _introducers(world: World, name: str) -> Ids:
    return {**await make.introducer(world, name), **await make.introducer(world, name)}


async def _scores(world: World, name: str) -> Ids:
    ids = await people(world, 2, name)
    await world.db.execute(
        "INSERT INTO network_scores SELECT $1, s.id, c.id, 0.5, 0, 1, 1, 7, false, 0, 40, now() "
        "FROM unnest($2::uuid[]) AS s (id), unnest($3::uuid[]) AS c (id)",
        world.org_id, [world.org_id, *world.users.values()], ids,
    )  # fmt: skip
    return {}


async def _shadow_contacts(world: World, name: str) -> Ids:
    return {**await make.shadow_contact(world, name), **await make.shadow_contact(world, name)}


async def _interactions(world: World, name: str) -> Ids:
    ids = await make.interaction(world, name)
    place = f"/v1/customers/{ids['customer_id']}/relationships/{ids['relationship_id']}/interactions"
    assert (await getattr(world, name).post(place, json=make.MEAL)).status_code == 201
    return ids


async def _proposals(world: World, name: str) -> Ids:
    ids = await make.household_analysis(world, name)
    made = [await propose(getattr(world, name), {"id": ids["needs_analysis_id"]}) for _ in range(2)]
    return {"customer_id": made[0].json()["customer_id"]}


async def _assessments(world: World, name: str) -> Ids:
    ids = await make.customer(world, name)
    for _ in range(2):
        await assess(getattr(world, name), ids["customer_id"])
    return ids


async def _looked_at(world: World, name: str) -> Ids:
    ids = await make.customer(world, name)
    assert (await getattr(world, name).get(f"/v1/customers/{ids['customer_id']}")).status_code == 200
    return ids


async def _rights_requests(world: World, name: str) -> Ids:
    ids = await make.customer(world, name)
    for kind in ("access", "copy"):
        await ask(getattr(world, name), {"id": ids["customer_id"]}, kind)
    return ids


LISTS = {
    "list_customers": Listed(_customers, other_query=("stage", "prospect")),
    "list_relationships": Listed(_relationships, other_query=("current", "true")),
    "list_dossier_facts": Listed(_facts, other_query=("fact_key", "family_hometown")),
    "list_form_responses": Listed(_drafts, other_query=("status", "draft")),
    "list_needs_analyses": Listed(_analyses),
    "list_audit_events": Listed(_customers, "admin", ("action", "customer.created")),
    "list_users": Listed(make.person, "manager", ("is_disabled", "false")),
    "list_teams": Listed(make.team, other_query=("kind", "sales")),
    "list_invitations": Listed(_invitations, "admin", ("state", "open")),
    "list_introductions": Listed(_introducers, other_query=("status", "introduced")),
    "list_introducers": Listed(_introducers),
    "list_tasks": Listed(_introducers, other_query=("state", "open")),
    "get_agent_coverage": Listed(_customers, other_query=("agent_id", unknown("id")["id"]), whose="agent_id"),
    "list_influences": Listed(_scores, other_query=("scope", "organization")),
    "list_shadow_contacts": Listed(_shadow_contacts, other_query=("expiring_to", "2999-01-01")),
    "list_relationship_interactions": Listed(_interactions),
    "list_proposals": Listed(_proposals),
    "list_tolerance_assessments": Listed(_assessments),
    "list_access_log": Listed(_looked_at, other_query=("at_to", "2100-01-01T00:00:00Z")),
    "list_rights_requests": Listed(_rights_requests),
}


# Asked in a body: tests/test_customers_search.py looks at `search_customers`.
def test_every_list_with_a_cursor_is_looked_at(api: FastAPI) -> None:
    assert {o.id for o in operations(api.openapi()) if "next_cursor" in o.answer_members()} == {
        *LISTS,
        "search_customers",
    }
    assert {o.id for o in operations(api.openapi()) if "cursor" in o.query()} == set(LISTS)


@pytest.mark.parametrize("name", LISTS)
async def test_cursor_is_good_for_its_caller_and_its_query_only(
    api: FastAPI, world: World, other_world: World, name: str
) -> None:
    operation, listed = by_id(api.openapi())[name], LISTS[name]
    await add_user(world, "deputy", "admin", "branch")
    caller, ids = getattr(world, listed.caller), await listed.fill(world, "agent")
    there, second = await listed.fill(other_world, "agent"), await listed.fill(world, "agent")
    first = await operation.call(caller, ids, limit="1")
    cursor: str = first.json()["next_cursor"]
    tries: list[tuple[str, httpx.AsyncClient, Ids, dict[str, str]]] = [
        ("somebody else who sees the same", world.deputy, ids, {}),
        ("the same role elsewhere", getattr(other_world, listed.caller), there, {}),
        ("an administrator elsewhere", other_world.admin, there, {}),
    ]
    if listed.other_query is not None:
        tries.append(("another query", caller, ids, dict([listed.other_query])))
    if operation.ids:
        tries.append(("another customer", caller, second, {}))
    for what, client, where, query in tries:
        assert (await operation.call(client, where, **query)).status_code == 200, what
        answer = await operation.call(client, where, **{**query, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid"), what
    for broken in (cursor[:-2], cursor[1:], cursor.swapcase(), "A" * len(cursor)):
        answer = await operation.call(caller, ids, cursor=broken)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
    good = await operation.call(caller, ids, limit="1", cursor=cursor)
    assert good.json()["items"][0] != first.json()["items"][0]


async def test_cursor_of_one_list_opens_no_other(api: FastAPI, world: World) -> None:
    found, ids, cursors, query = by_id(api.openapi()), {}, {}, {}
    for name, listed in LISTS.items():
        ids[name] = await listed.fill(world, "agent")
        query[name] = {} if listed.whose is None else {listed.whose: str(world.users["agent"])}
        first = await found[name].call(world.admin, ids[name], limit="1", **query[name])
        cursors[name] = first.json()["next_cursor"]
    for name in LISTS:
        for other, cursor in cursors.items():
            answer = await found[name].call(world.admin, ids[name], cursor=cursor, **query[name])
            assert answer.status_code == (200 if name == other else 400), (name, other)


# --- edges -----------------------------------------------------------------------------------------------------


async def _share(world: World, team: str, customer: Json) -> Json:
    """Give a customer of the agent to a service team; as it then stands."""
    answer = await world.agent.patch(
        f"/v1/customers/{customer['id']}", json={"service_team_id": team}, headers=if_match(customer)
    )
    assert answer.status_code == 200, answer.text
    given: Json = answer.json()
    return given


async def _seen(world: World, name: str, customer: Json, hidden: Json) -> tuple[set[str], set[str]]:
    """The customers in the network and at the other ends of the relationships; nowhere is the hidden one named."""
    client = getattr(world, name)
    network = await client.get(f"/v1/customers/{customer['id']}/network", params={"depth": 3})
    listed = await client.get(url(customer))
    for answer in (network, listed):
        assert answer.status_code == 200
        assert hidden["id"] not in answer.text
        assert hidden["name"] not in answer.text
    return {node["id"] for node in network.json()["nodes"]}, {row["other"]["id"] for row in listed.json()["items"]}


async def test_edge_to_another_agents_customer_is_not_there(world: World) -> None:
    """The manager recorded it; neither owner learns of it, and nothing behind the hidden end is reached through it."""
    mine, far = await create_customer(world.agent, name="我的"), await create_customer(world.agent, name="我的远")
    hidden = await create_customer(world.mate, name="同事的")
    ties = [await relate(world.manager, mine, hidden), await relate(world.manager, hidden, far)]
    assert await _seen(world, "agent", mine, hidden) == ({mine["id"]}, set())
    assert await _seen(world, "agent", far, hidden) == ({far["id"]}, set())
    for one, tie in ((mine, ties[0]), (hidden, ties[0])):
        assert (await world.agent.get(url(one, tie["id"]))).status_code == 404
    assert (await world.agent.post(url(mine), json={"other_id": hidden["id"], "direction": "ally"})).status_code == 422


async def test_service_team_sees_the_edges_between_what_it_shares_and_no_others(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    near, far, hidden = [await create_customer(world.agent, name=name) for name in ("近邻", "远邻", "藏者")]
    shared = await relate(world.agent, near, far)
    private, behind = await relate(world.agent, near, hidden), await relate(world.agent, hidden, far)
    assert (await world.stranger.get(url(near))).status_code == 404
    near = await _share(world, team, near)
    deps.forget_actors()
    nobody = {**unknown("id"), "name": "无人"}
    assert await _seen(world, "stranger", near, hidden) == ({near["id"]}, set())  # the other end is not his yet
    far = await _share(world, team, far)
    both = {near["id"], far["id"]}
    assert await _seen(world, "stranger", near, hidden) == (both, {far["id"]})
    assert await _seen(world, "stranger", far, hidden) == (both, {near["id"]})
    whole = ({near["id"], far["id"], hidden["id"]}, {far["id"], hidden["id"]})
    assert await _seen(world, "agent", near, nobody) == whole
    assert (await world.stranger.get(url(near, shared["id"]))).status_code == 200
    for place in (url(near, private["id"]), url(far, behind["id"]), url(hidden, private["id"])):
        assert (await world.stranger.get(place)).status_code == 404
        assert (await world.stranger.delete(place, headers={"If-Match": '"1"'})).status_code == 404
    answer = await world.stranger.post(url(near), json={"other_id": hidden["id"], "direction": "ally"})
    assert answer.status_code == 422


async def test_edge_into_another_organisation_cannot_be_made(world: World, other_world: World) -> None:
    mine, theirs = await create_customer(world.agent), await create_customer(other_world.agent, name="别家的")
    for name in ("agent", "manager", "admin"):
        answer = await getattr(world, name).post(url(mine), json={"other_id": theirs["id"], "direction": "friend"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/other_id")
    assert await world.db.fetchval("SELECT count(*) FROM relationships WHERE org_id = $1", world.org_id) == 0
