"""Teams: the tree managers look down, and service teams that share customers."""

import asyncio
from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from app import deps
from tests.factories import World, create_customer, create_service_team, if_match


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def made(world: World, **over: Any) -> dict[str, Any]:
    answer = await world.admin.post("/v1/teams", json={"name": "三部", **over})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/teams/{body['id']}"
    return body


async def sees(client: httpx.AsyncClient, customer: dict[str, Any]) -> bool:
    deps.forget_actors()
    return (await client.get(f"/v1/customers/{customer['id']}")).status_code == 200


# --- the tree --------------------------------------------------------------------------------------------------


async def test_team_is_made_read_renamed_and_deleted(world: World) -> None:
    team = await made(world, parent_id=str(world.teams["branch"]))
    url = f"/v1/teams/{team['id']}"
    assert (await world.agent.get(url)).json() == team
    renamed = await world.admin.patch(url, json={"name": "四部"}, headers=if_match(team))
    assert (renamed.json()["name"], renamed.json()["parent_id"]) == ("四部", str(world.teams["branch"]))
    assert (await world.admin.delete(url, headers=if_match(renamed.json()))).status_code == 204
    assert (await world.agent.get(url)).status_code == 410
    assert team["id"] not in (await world.agent.get("/v1/teams")).text


async def test_only_an_administrator_changes_teams(world: World) -> None:
    url = f"/v1/teams/{world.teams['one']}"
    for client in (world.agent, world.manager, world.auditor):
        assert (await client.post("/v1/teams", json={"name": "三部"})).status_code == 403
        assert (await client.patch(url, json={"name": "x"}, headers={"If-Match": '"1"'})).status_code == 403


async def test_teams_are_listed_page_by_page(world: World) -> None:
    await create_service_team(world, "agent")
    found: list[str] = []
    url = "/v1/teams?limit=2"
    while True:
        page = (await world.agent.get(url)).json()
        found += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        url = f"/v1/teams?limit=2&cursor={page['next_cursor']}"
    assert found == ["分公司", "一部", "二部", "服务一组"]
    assert [item["name"] for item in (await world.agent.get("/v1/teams?kind=service")).json()["items"]] == ["服务一组"]


async def test_moving_a_team_moves_what_managers_see(world: World) -> None:
    customer = await create_customer(world.stranger)
    assert not await sees(world.manager, customer)
    team = (await world.admin.get(f"/v1/teams/{world.teams['two']}")).json()
    below = {"parent_id": str(world.teams["one"])}
    moved = await world.admin.patch(f"/v1/teams/{team['id']}", json=below, headers=if_match(team))
    assert moved.status_code == 200
    assert await sees(world.manager, customer)
    back = {"parent_id": str(world.teams["branch"])}
    await world.admin.patch(f"/v1/teams/{team['id']}", json=back, headers=if_match(moved.json()))
    assert not await sees(world.manager, customer)


async def test_tree_never_becomes_a_ring(world: World) -> None:
    below = await made(world, parent_id=str(world.teams["one"]))
    top = (await world.admin.get(f"/v1/teams/{world.teams['one']}")).json()
    for parent in (below["id"], top["id"], str(uuid7())):
        url, body = f"/v1/teams/{top['id']}", {"parent_id": parent}
        answer = await world.admin.patch(url, json=body, headers=if_match(top))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/parent_id")


async def test_two_moves_at_once_make_no_ring(world: World) -> None:
    left, right = [await made(world, name=name) for name in ("甲", "乙")]
    answers = await asyncio.gather(
        world.admin.patch(f"/v1/teams/{left['id']}", json={"parent_id": right["id"]}, headers=if_match(left)),
        world.admin.patch(f"/v1/teams/{right['id']}", json={"parent_id": left["id"]}, headers=if_match(right)),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_team_that_is_needed_is_not_deleted(world: World) -> None:
    for name in ("branch", "one"):  # teams below, people
        answer = await world.admin.delete(f"/v1/teams/{world.teams[name]}", headers={"If-Match": '"1"'})
        assert (answer.status_code, answer.json()["code"]) == (409, "team_in_use")


# --- service teams ---------------------------------------------------------------------------------------------


async def test_members_see_what_is_given_to_their_service_team_and_nothing_else(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    shared, own = await create_customer(world.agent), await create_customer(world.agent, name="李小萌")
    answer = await world.agent.patch(
        f"/v1/customers/{shared['id']}", json={"service_team_id": team}, headers=if_match(shared)
    )
    assert (answer.status_code, answer.json()["service_team_id"]) == (200, team)
    assert [await sees(world.stranger, one) for one in (shared, own)] == [True, False]
    assert not await sees(world.mate, shared)
    listed = (await world.stranger.get("/v1/customers")).json()["items"]
    assert [item["id"] for item in listed] == [shared["id"]]
    found = (await world.stranger.get("/v1/customers?q=wyq")).json()["items"]
    assert [item["id"] for item in found] == [shared["id"]]
    assert (await world.agent.get("/v1/customers")).json()["items"][1]["id"] == shared["id"]


async def test_service_team_reaches_sub_collections_and_the_network(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    one, other = await create_customer(world.agent), await create_customer(world.agent, name="李小萌")
    for customer in (one, other):
        url = f"/v1/customers/{customer['id']}"
        await world.agent.patch(url, json={"service_team_id": team}, headers=if_match(customer))
    tie = {"other_id": other["id"], "direction": "friend"}
    assert (await world.stranger.post(f"/v1/customers/{one['id']}/relationships", json=tie)).status_code == 201
    network = (await world.stranger.get(f"/v1/customers/{one['id']}/network")).json()
    assert {node["id"] for node in network["nodes"]} == {one["id"], other["id"]}


async def test_service_team_neither_deletes_nor_restores_a_customer(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    customer = await create_customer(world.agent)
    url = f"/v1/customers/{customer['id']}"
    given = await world.agent.patch(url, json={"service_team_id": team}, headers=if_match(customer))
    assert (await world.stranger.delete(url, headers=if_match(given.json()))).status_code == 403
    assert (await world.agent.delete(url, headers=if_match(given.json()))).status_code == 204
    assert (await world.stranger.post(f"{url}/restore")).status_code == 403
    assert (await world.stranger.get(url)).status_code == 410
    assert (await world.agent.post(f"{url}/restore")).status_code == 200


async def test_leaving_a_service_team_takes_its_customers_out_of_sight(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    customer = await create_customer(world.agent)
    url = f"/v1/customers/{customer['id']}"
    await world.agent.patch(url, json={"service_team_id": team}, headers=if_match(customer))
    assert await sees(world.stranger, customer)
    member = f"/v1/teams/{team}/members/{world.users['stranger']}"
    assert (await world.admin.delete(member)).status_code == 204
    assert not await sees(world.stranger, customer)
    assert (await world.admin.delete(member)).status_code == 404


async def test_customer_goes_only_to_a_service_team_one_serves_in(world: World, other_world: World) -> None:
    own, foreign = await create_service_team(world, "agent"), await create_service_team(world, "mate")
    elsewhere = await create_service_team(other_world, "agent")
    customer = await create_customer(world.agent)
    url = f"/v1/customers/{customer['id']}"
    for team in (foreign, elsewhere, str(world.teams["one"]), str(uuid7())):
        answer = await world.agent.patch(url, json={"service_team_id": team}, headers=if_match(customer))
        issue = answer.json()["errors"][0]
        assert (answer.status_code, issue["pointer"], issue["code"]) == (422, "/service_team_id", "not_found")
    admin = await world.admin.patch(url, json={"service_team_id": own}, headers=if_match(customer))
    assert admin.status_code == 200
    cleared = await world.agent.patch(url, json={"service_team_id": None}, headers=if_match(admin.json()))
    assert cleared.json()["service_team_id"] is None


async def test_phones_of_a_service_team_hear_when_a_customer_comes_and_goes(world: World) -> None:
    team = await create_service_team(world, "agent")
    customer = await create_customer(world.agent)
    url = f"/v1/customers/{customer['id']}"
    given = await world.agent.patch(url, json={"service_team_id": team}, headers=if_match(customer))
    await world.agent.patch(url, json={"service_team_id": None}, headers=if_match(given.json()))
    rows = await world.db.fetch("SELECT scope, removed FROM feed WHERE org_id = $1 AND collection = 'customers'",
                                world.org_id)  # fmt: skip
    assert {(str(row["scope"]), row["removed"]) for row in rows} == {(str(world.users["agent"]), False), (team, True)}


async def test_member_of_a_sales_team_is_no_member_row(world: World) -> None:
    answer = await world.admin.put(f"/v1/teams/{world.teams['one']}/members/{world.users['agent']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "team_kind")


async def test_serving_twice_is_serving_once(world: World) -> None:
    team = await create_service_team(world, "agent", "agent")
    assert (await world.agent.get(f"/v1/teams/{team}")).json()["member_ids"] == [str(world.users["agent"])]
