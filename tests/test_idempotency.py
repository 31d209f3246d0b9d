"""Idempotency-Key over HTTP: a retry answers the same and acts once."""

import asyncio
import hashlib
import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import db, deps, idempotency
from app.errors import Conflict, Malformed
from tests.factories import World, create_customer, if_match

PERSON = {"party_type": "individual", "name": "王永庆"}


async def post(client: httpx.AsyncClient, key: str, **over: Any) -> httpx.Response:
    return await client.post("/v1/customers", json={**PERSON, **over}, headers={"Idempotency-Key": key})


async def count(world: World) -> int:
    found: int = await world.db.fetchval("SELECT count(*) FROM customers WHERE org_id = $1", world.org_id)
    return found


async def test_repeated_key_answers_what_the_first_answered(world: World) -> None:
    first, again = await post(world.agent, "key-1"), await post(world.agent, "key-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    for name in ("content-type", "location", "etag"):
        assert again.headers[name] == first.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert again.headers["cache-control"] == "no-store"
    assert await count(world) == 1


async def test_twenty_parallel_posts_make_one_object(world: World) -> None:
    answers = await asyncio.gather(*(post(world.agent, "one-key") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
    assert await count(world) == 1
    events = "SELECT count(*) FROM audit_events WHERE org_id = $1 AND action = 'customer.created'"
    assert await world.db.fetchval(events, world.org_id) == 1


async def test_many_keys_in_parallel_never_double(world: World) -> None:
    calls = [post(world.agent, f"key-{number}", name=f"客户{number}") for number in range(12) for _ in range(8)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 12
    assert await count(world) == 12


async def test_key_with_another_body_is_422_and_changes_nothing(world: World) -> None:
    await post(world.agent, "key-1")
    other = await post(world.agent, "key-1", name="李雷")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["errors"][0]["header"] == "Idempotency-Key"
    assert "李雷" not in other.text
    assert await count(world) == 1


async def test_key_with_another_path_is_422(world: World) -> None:
    made = (await post(world.agent, "key-1")).json()
    other = await world.agent.post(f"/v1/customers/{made['id']}/restore", headers={"Idempotency-Key": "key-1"})
    assert other.json()["code"] == "idempotency_key_reused"


async def test_keys_of_other_users_and_organisations_are_their_own(world: World, other_world: World) -> None:
    answers = [await post(client, "same") for client in (world.agent, world.mate, world.manager, other_world.agent)]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["id"] for answer in answers}) == 4
    rows = await world.db.fetch("SELECT org_id, principal_id FROM idempotency_keys WHERE key = 'same'")
    assert len({tuple(row) for row in rows}) == 4


async def test_key_is_free_again_after_a_day_and_not_before(world: World) -> None:
    first = await post(world.agent, "key-1")
    age = "UPDATE idempotency_keys SET created_at = now() - $1::text::interval WHERE org_id = $2"
    await world.db.execute(age, "23 hours 59 minutes", world.org_id)
    assert (await post(world.agent, "key-1")).content == first.content
    await world.db.execute(age, "24 hours 1 minute", world.org_id)
    second = await post(world.agent, "key-1", name="李雷")
    assert (second.status_code, second.json()["name"]) == (201, "李雷")
    assert await count(world) == 2


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "tab\there"])
async def test_impossible_key_is_400(world: World, key: str) -> None:
    answer = await world.agent.post("/v1/customers", json=PERSON, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["header"].lower() == "idempotency-key"
    assert await count(world) == 0


async def test_key_beyond_ascii_or_repeated_is_400(world: World) -> None:
    for headers in ([(b"idempotency-key", "键".encode())], [(b"idempotency-key", b"a"), (b"idempotency-key", b"a")]):
        assert (await world.agent.post("/v1/customers", json=PERSON, headers=headers)).status_code == 400
    assert await count(world) == 0


def test_longest_key_is_accepted_and_a_missing_one_only_where_it_may_be() -> None:
    assert idempotency.check_key("x" * 255, required=True) == "x" * 255
    assert idempotency.check_key(None, required=False) is None
    with pytest.raises(Malformed) as caught:
        idempotency.check_key(None, required=True)
    assert caught.value.code == "idempotency_key_missing"


def test_digest_tells_method_path_and_body_apart() -> None:
    parts = [("POST", "/a", b"b"), ("PUT", "/a", b"b"), ("POST", "/ab", b""), ("POST", "/a", b"b ")]
    assert len({idempotency.request_hash(*part) for part in parts}) == 4


async def test_dump_does_not_tell_what_was_sent(world: World) -> None:
    """Of a body with few possible values each could be tried, and two equal ones would look alike."""
    for client in (world.agent, world.mate):
        assert (await post(client, "key-1")).status_code == 201
    made = await world.db.fetch("SELECT request_hash FROM idempotency_keys WHERE org_id = $1", world.org_id)
    bodies = [json.dumps(PERSON, ensure_ascii=False, separators=marks).encode() for marks in ((",", ":"), (", ", ": "))]
    tried = {idempotency.request_hash("POST", "/v1/customers", body) for body in bodies}
    kept = {row["request_hash"] for row in made}
    assert [len(one) for one in kept] == [32, 32]
    assert kept & (tried | {hashlib.sha256(body).digest() for body in bodies}) == set()


async def test_retry_across_the_upgrade_answers_what_was_answered_before_it(world: World) -> None:
    """The release before kept a plain hash: its row still knows its request, and no other."""
    first = await post(world.agent, "key-1")
    sent = first.request.content
    plain = idempotency.request_hash("POST", "/v1/customers", sent)
    assert plain == hashlib.sha256(b"POST\x00/v1/customers\x00" + sent).digest()
    await world.db.execute("UPDATE idempotency_keys SET request_hash = $2 WHERE org_id = $1", world.org_id, plain)
    again = await post(world.agent, "key-1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    other = await post(world.agent, "key-1", name="李雷")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await count(world) == 1


async def test_failed_request_does_not_burn_its_key(world: World) -> None:
    for over in ({"name": "   "}, {"phones": [{"number": "12345678901"}]}, {"owner_id": str(world.users["mate"])}):
        assert (await post(world.agent, "key-1", **over)).status_code == 422
    assert (await post(world.agent, "key-1")).status_code == 201
    assert await world.db.fetchval("SELECT count(*) FROM idempotency_keys WHERE org_id = $1", world.org_id) == 1


async def test_refused_caller_leaves_no_key(world: World) -> None:
    assert (await post(world.auditor, "key-1")).status_code == 403
    assert (await post(world.client(), "key-1")).status_code == 401
    assert await world.db.fetchval("SELECT count(*) FROM idempotency_keys WHERE org_id = $1", world.org_id) == 0


async def test_conflict_is_not_kept_as_an_answer(world: World) -> None:
    made = await create_customer(world.agent)
    taken = await post(world.agent, "key-1", id=made["id"], name="李雷")
    assert (taken.status_code, taken.json()["code"]) == (409, "id_taken")
    assert (await post(world.agent, "key-1", name="李雷")).status_code == 201


async def test_restore_with_key_is_replayed_after_a_second_deletion(world: World) -> None:
    """What the retry answers is what happened then, not what is true now."""
    made = await create_customer(world.agent)
    url, key = f"/v1/customers/{made['id']}", {"Idempotency-Key": "restore-1"}
    await world.agent.delete(url, headers=if_match(made))
    first = await world.agent.post(f"{url}/restore", headers=key)
    await world.agent.delete(url, headers=if_match(first.json()))
    again = await world.agent.post(f"{url}/restore", headers=key)
    assert (again.status_code, again.content) == (200, first.content)
    deleted = await world.db.fetchval("SELECT deleted_at FROM customers WHERE id = $1", UUID(made["id"]))
    assert deleted is not None


async def test_key_of_a_revoked_session_replays_nothing(world: World) -> None:
    await post(world.agent, "key-1")
    await world.db.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", world.sessions["agent"])
    deps.forget_actors()
    assert (await post(world.agent, "key-1")).status_code == 401


async def test_twin_of_a_request_that_hangs_is_told_to_retry(world: World) -> None:
    """Another process holds the key and does not finish: 409 with Retry-After, when the lock timeout is over."""
    principal = world.users["agent"]

    async def twin() -> None:
        async with db.transaction(world.org_id) as session:
            await db.raw(session).execute("SET LOCAL lock_timeout = '50ms'")
            await idempotency.begin(session, principal, "busy", b"d" * 32)

    async with db.transaction(world.org_id) as first:
        assert await idempotency.begin(first, principal, "busy", b"d" * 32) is None
        with pytest.raises(Conflict) as caught:
            await twin()
    assert (caught.value.code, caught.value.headers) == ("retry", {"Retry-After": "1"})


async def test_twin_takes_over_when_the_first_request_fails(world: World) -> None:
    principal, started = world.users["agent"], asyncio.Event()

    async def first() -> None:
        async with db.transaction(world.org_id) as session:
            assert await idempotency.begin(session, principal, "key", b"d" * 32) is None
            started.set()
            raise ZeroDivisionError

    async def twin() -> object:
        await started.wait()
        async with db.transaction(world.org_id) as session:
            return await idempotency.begin(session, principal, "key", b"d" * 32)

    failed, claimed = await asyncio.gather(first(), twin(), return_exceptions=True)
    assert isinstance(failed, ZeroDivisionError)
    assert claimed is None
