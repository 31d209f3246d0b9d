"""Promise 9 over HTTP: what is stolen from a phone with a key of its own is useless anywhere else (RFC 9449)."""

import time
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import deps, keyring
from tests.dpop_forge import LEFT_OUT, Device
from tests.factories import World, create_customer
from tests.test_sessions import PASSWORD, credentials, give_password

BASE = "http://test"


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def send(world: World, path: str, body: Any, device: Device, **over: Any) -> httpx.Response:
    """A POST without a token, with the nonce the service asks for."""
    url = BASE + path
    first = await world.client(DPoP=device.proof("POST", url)).post(path, json=body)
    assert first.status_code == 401, first.text
    assert first.json()["code"] == "dpop_nonce_required"
    assert 'error="use_dpop_nonce"' in first.headers["www-authenticate"]
    proof = device.proof("POST", url, nonce=first.headers["dpop-nonce"], **over)
    return await world.client(DPoP=proof).post(path, json=body)


async def bound(world: World, device: Device) -> dict[str, Any]:
    """The tokens of a session that is bound to the device."""
    await give_password(world)
    answer = await send(world, "/v1/auth/login", credentials(world), device)
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
    assert answer.headers["dpop-nonce"]
    tokens: dict[str, Any] = answer.json()
    return tokens


async def get(
    world: World, token: str, proof: str | None, path: str = "/v1/me", scheme: str = "DPoP"
) -> httpx.Response:
    headers = {"Authorization": f"{scheme} {token}"} | ({} if proof is None else {"DPoP": proof})
    return await world.client(**headers).get(path)


async def test_promise_09_bound_session_works_with_its_key(world: World) -> None:
    device = Device()
    tokens = await bound(world, device)
    token = tokens["access_token"]
    for path in ("/v1/me", "/v1/customers?limit=1", f"/v1/customers/{(await create_customer(world.agent))['id']}"):
        proof = device.proof("GET", BASE + path, access_token=token)
        assert (await get(world, token, proof, path)).status_code == 200, path  # the express lane as well
    again = await send(world, "/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}, device)
    assert (again.status_code, again.json()["token_type"]) == (200, "DPoP")
    items = (await world.agent.get("/v1/auth/sessions")).json()["items"]
    assert [item["is_bound"] for item in items if item["id"] == tokens["session_id"]] == [True]


async def test_promise_09_each_of_the_twelve_checks_is_made_over_http(world: World) -> None:
    device, thief = Device(), Device()
    token = (await bound(world, device))["access_token"]
    url, now = f"{BASE}/v1/me", time.time()
    right: dict[str, Any] = {"access_token": token}
    header = device.proof("GET", url, **right)
    wrong: dict[str, str | None] = {
        "missing": None,
        "no JWT": "x.y.z",
        "claims": device.proof("GET", url, jti=LEFT_OUT, **right),
        "typ": device.proof("GET", url, header={"typ": "jwt"}, **right),
        "alg none": device.proof("GET", url, header={"alg": "none"}, **right),
        "alg HS256": device.proof("GET", url, header={"alg": "HS256"}, **right),
        "signature": thief.proof("GET", url, jwk=device.jwk, **right),
        "private key": device.proof("GET", url, jwk={**device.jwk, "d": "A" * 43}, **right),
        "htm": device.proof("POST", url, **right),
        "htu": device.proof("GET", f"{BASE}/v1/customers", **right),
        "htu of another host": device.proof("GET", "http://elsewhere/v1/me", **right),
        "iat behind": device.proof("GET", url, now=now - 70, **right),
        "iat ahead": device.proof("GET", url, now=now + 70, **right),
        "nonce": device.proof("GET", url, nonce="A" * 43, **right),
        "ath": device.proof("GET", url, access_token=token + "x"),
        "ath missing": device.proof("GET", url),
        "key": thief.proof("GET", url, **right),
    }
    for what, proof in wrong.items():
        answer = await get(world, token, proof)
        assert answer.status_code == 401, what
        assert answer.json()["code"] in ("dpop_proof_invalid", "dpop_nonce_required"), what
        assert answer.headers["www-authenticate"].startswith("DPoP "), what
    twice = await world.client().get("/v1/me", headers=[("Authorization", f"DPoP {token}"), ("DPoP", header),
                                                        ("DPoP", header)])  # fmt: skip
    assert twice.status_code == 400
    assert (await get(world, token, header)).status_code == 200
    assert (await get(world, token, header)).json()["code"] == "dpop_proof_invalid"  # seen before


async def test_promise_09_bound_token_is_no_bearer_token_and_no_other_way_round(world: World) -> None:
    device = Device()
    token = (await bound(world, device))["access_token"]
    assert (await get(world, token, None, scheme="Bearer")).status_code == 401
    proof = device.proof("GET", f"{BASE}/v1/me", access_token=token)
    assert (await get(world, token, proof, scheme="Bearer")).status_code == 401
    plain = world.token("agent")
    proof = device.proof("GET", f"{BASE}/v1/me", access_token=plain)
    assert (await get(world, plain, proof)).status_code == 401
    assert (await get(world, plain, proof, scheme="Bearer")).status_code == 200  # a proof nobody asked for


async def test_promise_09_stolen_refresh_token_neither_works_nor_ends_the_owners_session(world: World) -> None:
    device, thief = Device(), Device()
    tokens = await bound(world, device)
    body = {"refresh_token": tokens["refresh_token"]}
    assert (await world.client().post("/v1/auth/refresh", json=body)).json()["code"] == "refresh_invalid"
    assert (await send(world, "/v1/auth/refresh", body, thief)).json()["code"] == "refresh_invalid"
    assert (await send(world, "/v1/auth/refresh", body, device)).status_code == 200
    noted = await world.db.fetchval(
        "SELECT count(*) FROM audit_events WHERE object_id = $1 AND action = 'session.proof_refused'",
        UUID(tokens["session_id"]),
    )
    assert noted == 2


async def test_promise_09_sign_in_proof_is_good_once(world: World) -> None:
    await give_password(world)
    device, url = Device(), f"{BASE}/v1/auth/login"
    first = await world.client(DPoP=device.proof("POST", url)).post("/v1/auth/login", json=credentials(world))
    proof = device.proof("POST", url, nonce=first.headers["dpop-nonce"])
    answers = [await world.client(DPoP=proof).post("/v1/auth/login", json=credentials(world)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[1].json()["code"] == "dpop_proof_invalid"


async def test_phone_with_a_wrong_clock_works_with_the_nonce_of_the_refusal(world: World) -> None:
    device = Device()
    await give_password(world)
    answer = await send(world, "/v1/auth/login", credentials(world), device, now=time.time() + 86_400)
    token = answer.json()["access_token"]
    late = await get(world, token, device.proof("GET", f"{BASE}/v1/me", access_token=token, now=5))
    assert late.json()["code"] == "dpop_nonce_required"
    nonce = late.headers["dpop-nonce"]
    proof = device.proof("GET", f"{BASE}/v1/me", access_token=token, now=5, nonce=nonce)
    assert (await get(world, token, proof)).status_code == 200


async def test_mini_program_signs_the_method_it_sends(world: World) -> None:
    device = Device()
    token = (await bound(world, device))["access_token"]
    customer = await create_customer(world.agent)
    path = f"/v1/customers/{customer['id']}"
    for method, status in (("PATCH", 401), ("POST", 200)):
        headers = {
            "Authorization": f"DPoP {token}",
            "DPoP": device.proof(method, BASE + path, access_token=token),
            "X-HTTP-Method-Override": "PATCH",
            "If-Match": '"1"',
        }
        assert (await world.client(**headers).post(path, json={"note": "x"})).status_code == status, method


async def test_bound_session_steps_up_to_a_bound_token(world: World) -> None:
    device = Device()
    token = (await bound(world, device))["access_token"]
    path = "/v1/auth/step-up"
    headers = {"Authorization": f"DPoP {token}", "DPoP": device.proof("POST", BASE + path, access_token=token)}
    answer = await world.client(**headers).post(path, json={"password": PASSWORD})
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
    assert (await get(world, answer.json()["access_token"], None, scheme="Bearer")).status_code == 401


async def test_organisation_that_requires_keys_admits_them(world: World) -> None:
    device = Device()
    await world.db.execute("UPDATE org_settings SET is_dpop_required = true WHERE org_id = $1", world.org_id)
    token = (await bound(world, device))["access_token"]
    proof = device.proof("GET", f"{BASE}/v1/me", access_token=token)
    assert (await get(world, token, proof)).status_code == 200
    assert (await world.agent.get("/v1/me")).status_code == 401


async def test_behind_a_proxy_the_proof_names_the_public_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    token = (await bound(world, device))["access_token"]
    monkeypatch.setattr(keyring.current().settings, "public_url", "https://api.example.com")
    for base, status in ((BASE, 401), ("https://api.example.com", 200), ("http://api.example.com", 401)):
        proof = device.proof("GET", f"{base}/v1/me", access_token=token)
        assert (await get(world, token, proof)).status_code == status, base
