"""The express lane answers what FastAPI answers: every request here is sent both ways and compared."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.config import Settings
from app.express import Express, Lane
from app.guard import Guard
from app.logs import RequestLog
from app.main import _express_routes
from app.routers import auth, customers, service
from tests.factories import World, create_company, create_customer

_VARYING = {"x-request-id", "date"}


@pytest.fixture
async def plain(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The same application and shell without the lane."""
    shell = RequestLog(Guard(api, allowed_hosts=None), trusted_proxies=frozenset())
    transport = httpx.ASGITransport(app=shell, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def told(answer: httpx.Response) -> tuple[int, dict[str, str], object]:
    """What must be equal: status, headers and body, but for the id of the request."""
    headers = {name: value for name, value in answer.headers.items() if name not in _VARYING}
    body = answer.json() if answer.content else None
    if isinstance(body, dict):
        body.pop("request_id", None)
    return answer.status_code, headers, body


PATHS = [
    "/v1/customers/{id}",
    "/v1/customers/{id}?expand=all",
    "/v1/customers/{id}/network",
    "/v1/customers/{id}/network?depth=1&limit=3&direction=friend,client",
    "/v1/customers/{id}/network?depth=9",
    "/v1/customers/{id}/network?unknown=1",
    "/v1/customers/01890000-0000-7000-8000-000000000000",
    "/v1/customers/01890000-0000-7000-8000-000000000000/network",
    "/v1/customers/not-an-id",
    "/v1/customers/{ID}",
    "/v1/customers",
    "/v1/customers?limit=1&sort=name",
    "/v1/customers?limit=1&stage=prospect%2Ccontact&tag=%E8%B4%B5%E5%AE%BE",
    "/v1/customers?q=wyq&limit=2",
    "/v1/customers?q=%E7%8E%8B+%E6%B0%B8",
    "/v1/customers?q=.",
    "/v1/customers?limit=0",
    "/v1/customers?limit=",
    "/v1/customers?limit=abc",
    "/v1/customers?cursor=AAAA",
    "/v1/customers?nonsense=1",
    "/v1/customers?party_type=organization",
]


@pytest.mark.parametrize("path", PATHS)
async def test_lane_answers_as_fastapi_does(world: World, plain: httpx.AsyncClient, path: str) -> None:
    first = await create_customer(world.agent, tags=["贵宾"])
    await create_customer(world.agent, name="王永在", tags=["贵宾"])
    company = await create_company(world.agent)
    fact = {"other_id": company["id"], "direction": "client"}
    await world.agent.post(f"/v1/customers/{first['id']}/relationships", json=fact)
    url = path.replace("{id}", first["id"]).replace("{ID}", first["id"].upper())
    for who in ("agent", "stranger", "auditor", "manager"):
        token = world.token(who)
        mine = world.client(token)
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
        assert told(await mine.get(url)) == told(await plain.get(url, headers=headers)), who


@pytest.mark.parametrize("credential", [None, "Bearer nonsense", "Basic abc"])
async def test_lane_refuses_strangers_as_fastapi_does(
    world: World, plain: httpx.AsyncClient, credential: str | None
) -> None:
    headers = {"Accept-Language": "en"} | ({"Authorization": credential} if credential else {})
    for url in ("/v1/customers", "/v1/customers/01890000-0000-7000-8000-000000000000"):
        answer = await world.client().get(url, headers=headers)
        assert answer.status_code == 401
        assert told(answer) == told(await plain.get(url, headers=headers))


async def test_unchanged_customer_is_304_both_ways(world: World, plain: httpx.AsyncClient) -> None:
    made = await create_customer(world.agent)
    token = world.token("agent")
    headers = {"Authorization": f"Bearer {token}", "If-None-Match": '"1"'}
    answers = await asyncio.gather(
        *(client.get(f"/v1/customers/{made['id']}", headers=headers) for client in (world.agent, plain))
    )
    assert told(answers[0]) == told(answers[1])
    assert answers[0].status_code == 304


async def test_other_methods_reach_fastapi(world: World) -> None:
    made = await create_customer(world.agent)
    assert (await world.agent.put(f"/v1/customers/{made['id']}", json={})).status_code == 405
    assert (await world.agent.head("/v1/customers")).status_code == 405


def test_lane_takes_only_routes_it_understands() -> None:
    routes = [
        route
        for module in (auth, service, customers)
        for route in module.router.routes
        if isinstance(route, APIRoute) and route.name in ("list_sessions", "get_liveness", "create_customer")
    ]
    assert len(routes) == 3
    for route in routes:
        with pytest.raises(ValueError, match="cannot take the express lane"):
            Lane(route)


async def test_fault_in_the_lane_goes_on_to_the_outermost_layer(api: FastAPI, settings: Settings) -> None:
    async def failing(_request: object, error: Exception) -> object:
        raise error

    lane = Express(api, _express_routes(), failing)  # type: ignore[arg-type]  # it never answers
    shell = RequestLog(lane, trusted_proxies=frozenset())
    transport = httpx.ASGITransport(app=shell, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/v1/customers")
    assert answer.headers["content-type"] == "application/problem+json"
