"""How somebody of the organisation comes to be there: a new one, with the role and the team of the one named."""

from uuid import UUID

from uuid_utils.compat import uuid7

from app import deps
from tests.factories import World, add_user

Ids = dict[str, str]

_PLACES = {
    "agent": ("agent", "one"), "mate": ("agent", "one"), "stranger": ("agent", "two"), "manager": ("manager", "one"),
    "rival": ("manager", "two"), "admin": ("admin", "branch"), "auditor": ("auditor", "branch"),
}  # fmt: skip


async def person(world: World, name: str) -> Ids:
    new = f"p{uuid7().hex[-12:]}"
    await add_user(world, new, *_PLACES[name])
    deps.forget_actors()  # those above him see him at the next request
    return {"user_id": str(world.users[new])}


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
