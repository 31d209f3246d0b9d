"""Keys of partner banks over HTTP: what they open, what they never open, and what lies at rest."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from app import apikeys, db, keyring
from app.services import api_keys
from tests.factories import World, create_customer


def bank(world: World, text: str | None = None) -> httpx.AsyncClient:
    return world.client(world.partner_key if text is None else text)


async def make_key(world: World, **over: int) -> str:
    async with db.transaction(world.org_id) as session:
        _row, text = await api_keys.create(session, world.org_id, partner_name="江城银行", environment="test", **over)
    return text


async def test_partner_reads_itself_with_either_header(world: World) -> None:
    bearer = await bank(world).get("/v1/partner/me")
    header = await world.client(**{"X-API-Key": world.partner_key}).get("/v1/partner/me")
    assert bearer.status_code == 200
    assert bearer.json() == header.json()
    body = bearer.json()
    assert (body["partner_name"], body["org_name"], body["scopes"]) == ("测试银行", "测试机构", ["partner:self"])
    assert body["key_id"] == world.partner_key.split("_")[2]
    assert "Z" in body["expires_at"]


async def test_every_bad_key_gets_the_same_401(world: World) -> None:
    spent: list[str] = []
    for change in ("revoked_at = now()", "expires_at = now() - interval '1 second'", "deleted_at = now()"):
        spent.append(await make_key(world))
        await world.db.execute(f"UPDATE api_keys SET {change} WHERE key_id = $1", spent[-1].split("_")[2])
    good = world.partner_key
    stranger = apikeys.generate("test", keyring.current().api_keys).text
    swapped = apikeys.generate("test", bytes(range(32)))
    borrowed = good[:26] + swapped.text[26:58]  # a true key id with another secret, and a checksum that fits
    borrowed += apikeys._checksum(borrowed)
    assert apikeys.parse(borrowed) is not None
    bad = [*spent, stranger, borrowed, good[:-1], good + "A", good.swapcase(), "rmk_", "rmk_test_", "rmk_" + "0" * 60]
    answers = [await bank(world, text).get("/v1/partner/me") for text in bad]
    answers += [await world.client(**{"X-API-Key": text}).get("/v1/partner/me") for text in [*bad, "none", "eyJ0.e.x"]]
    answers.append(await world.client().get("/v1/partner/me"))
    assert {answer.status_code for answer in answers} == {401}
    assert len({str({**answer.json(), "request_id": ""}) for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {'Bearer realm="renmai"'}
    assert (await bank(world).get("/v1/partner/me")).status_code == 200


async def test_one_changed_character_is_refused(world: World) -> None:
    for place in range(9, 64, 5):
        other = "b" if world.partner_key[place] == "a" else "a"
        text = world.partner_key[:place] + other + world.partner_key[place + 1 :]
        assert (await bank(world, text).get("/v1/partner/me")).status_code == 401, place


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/me", "session:own"),
        ("GET", "/v1/auth/sessions", "session:own"),
        ("POST", "/v1/auth/logout", "session:own"),
        ("GET", "/v1/customers", "customers:read"),
        ("POST", "/v1/customers", "customers:write"),
    ],
)
async def test_partner_is_refused_where_users_work(world: World, method: str, path: str, scope: str) -> None:
    body = {"party_type": "individual", "name": "某"} if path == "/v1/customers" and method == "POST" else None
    answer = await bank(world).request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["required_scope"]) == (403, "scope_missing", scope)


async def test_partner_sees_no_customer_even_with_a_stored_scope(world: World) -> None:
    made = await create_customer(world.agent)
    await world.db.execute(
        "UPDATE api_keys SET scopes = '{partner:self,customers:read,customers:write}' WHERE org_id = $1", world.org_id
    )
    assert (await bank(world).get(f"/v1/customers/{made['id']}")).status_code == 403
    assert (await bank(world).get("/v1/partner/me")).status_code == 200


async def test_key_without_scopes_opens_nothing(world: World) -> None:
    await world.db.execute("UPDATE api_keys SET scopes = '{}' WHERE org_id = $1", world.org_id)
    answer = await bank(world).get("/v1/partner/me")
    assert (answer.status_code, answer.json()["required_scope"]) == (403, "partner:self")


@pytest.mark.parametrize("name", ["agent", "manager", "admin", "auditor"])
async def test_user_is_refused_where_partners_work(world: World, name: str) -> None:
    answer = await getattr(world, name).get("/v1/partner/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def test_key_of_another_organisation_stays_there(world: World, other_world: World) -> None:
    await world.db.execute("UPDATE orgs SET name = '别家机构' WHERE id = $1", other_world.org_id)
    assert (await bank(world, other_world.partner_key).get("/v1/partner/me")).json()["org_name"] == "别家机构"


async def test_last_use_is_known_to_the_minute_and_not_written_each_time(world: World) -> None:
    last = "SELECT last_used_at, xmin::text FROM api_keys WHERE org_id = $1"
    assert (await world.db.fetchrow(last, world.org_id))["last_used_at"] is None
    await asyncio.gather(*(bank(world).get("/v1/partner/me") for _ in range(5)))
    first = await world.db.fetchrow(last, world.org_id)
    assert first["last_used_at"] is not None
    await bank(world).get("/v1/partner/me")
    assert await world.db.fetchrow(last, world.org_id) == first
    await world.db.execute(
        "UPDATE api_keys SET last_used_at = last_used_at - interval '31 seconds' WHERE org_id = $1", world.org_id
    )
    await bank(world).get("/v1/partner/me")
    assert (await world.db.fetchrow(last, world.org_id))["last_used_at"] >= first["last_used_at"]


async def test_refused_key_is_not_noted_as_used(world: World) -> None:
    await world.db.execute("UPDATE api_keys SET revoked_at = now() WHERE org_id = $1", world.org_id)
    await bank(world).get("/v1/partner/me")
    assert await world.db.fetchval("SELECT last_used_at FROM api_keys WHERE org_id = $1", world.org_id) is None


async def test_created_key_works_and_only_its_hash_is_stored(world: World) -> None:
    text = await make_key(world, days=1)
    body = (await bank(world, text).get("/v1/partner/me")).json()
    assert body["partner_name"] == "江城银行"
    left = datetime.fromisoformat(body["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(days=1)
    rows = await world.db.fetch("SELECT * FROM api_keys WHERE org_id = $1", world.org_id)
    values = [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row.values()]
    for secret in (text, text[26:58], world.partner_key, world.partner_key[26:58]):
        assert not any(secret.encode() in value for value in values)
    assert {len(row["key_hash"]) for row in rows} == {32}


async def test_two_keys_of_one_partner_overlap_and_one_can_go(world: World) -> None:
    old, new = await make_key(world), await make_key(world)
    assert {(await bank(world, text).get("/v1/partner/me")).status_code for text in (old, new)} == {200}
    await world.db.execute("UPDATE api_keys SET revoked_at = now() WHERE key_id = $1", old.split("_")[2])
    assert [(await bank(world, text).get("/v1/partner/me")).status_code for text in (old, new)] == [401, 200]


async def test_key_lives_at_most_a_year(world: World) -> None:
    for days in (0, -1, 366):
        with pytest.raises(ValueError, match="1 to 365"):
            await make_key(world, days=days)
    assert await make_key(world, days=365)


async def test_key_must_expire_within_366_days_says_the_database_too(world: World) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await world.db.execute(
            "UPDATE api_keys SET expires_at = created_at + interval '367 days' WHERE org_id = $1", world.org_id
        )
