"""Who reads the note of a relationship: its author; the agents of either end and those above them; all who see both."""

from typing import Any
from uuid import UUID

import pytest

from app import deps
from tests.factories import World, create_customer, create_service_team, if_match
from tests.ties import Json, relate, url

NOTE = "借过钱"


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def shared(world: World, client_name: str, team: str, **over: Any) -> Json:
    """A customer of this user, looked after by the service team as well."""
    client = getattr(world, client_name)
    made = await create_customer(client, **over)
    answer = await client.patch(f"/v1/customers/{made['id']}", json={"service_team_id": team}, headers=if_match(made))
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


async def between(world: World, author: str, visibility: str) -> tuple[Json, Json, Json]:
    """A customer of the agent and one of the mate, a service team in which both and the stranger serve, and the tie
    this one recorded: everybody sees both ends.
    """
    team = await create_service_team(world, "agent", "mate", "stranger")
    deps.forget_actors()
    mine, theirs = await shared(world, "agent", team), await shared(world, "mate", team, name="李雷")
    deps.forget_actors()
    made = await relate(getattr(world, author), mine, theirs, note=NOTE, note_visibility=visibility)
    assert made["note"] == NOTE  # whoever wrote it, reads it
    return mine, theirs, made


# Who reads a note somebody wrote: of the agent, the colleague at the other end, their manager, the administrator, a
# member of the service team, an auditor.
READERS = {
    ("agent", "private"): {"agent"},
    ("agent", "owners"): {"agent", "mate", "manager", "admin"},
    ("agent", "everyone"): {"agent", "mate", "manager", "admin", "stranger"},
    ("stranger", "private"): {"stranger"},
    ("stranger", "owners"): {"stranger", "agent", "mate", "manager", "admin"},
    ("manager", "private"): {"manager"},
    ("manager", "owners"): {"agent", "mate", "manager", "admin"},
}


@pytest.mark.parametrize(("author", "visibility"), READERS)
async def test_note_is_read_by_whom_it_is_for(world: World, author: str, visibility: str) -> None:
    mine, theirs, made = await between(world, author, visibility)
    for name in ("agent", "mate", "manager", "admin", "stranger", "auditor"):
        expected = NOTE if name in READERS[author, visibility] else None
        for customer in (mine, theirs):
            client = getattr(world, name)
            one = (await client.get(url(customer, made["id"]))).json()
            (listed,) = (await client.get(url(customer))).json()["items"]
            assert (one["note"], listed["note"], one["note_visibility"]) == (expected, expected, visibility), name
            network = (await client.get(f"/v1/customers/{customer['id']}/network")).text
            assert NOTE not in network


@pytest.mark.parametrize(("author", "visibility"), READERS)
async def test_note_that_cannot_be_read_is_not_overwritten(world: World, author: str, visibility: str) -> None:
    mine, _, made = await between(world, author, visibility)
    place = url(mine, made["id"])
    for name in ("agent", "mate", "manager", "admin", "stranger"):
        client = getattr(world, name)
        current = (await client.get(place)).json()
        for change in ({"note": "别的"}, {"note": None}, {"note_visibility": "everyone"}):
            if name in READERS[author, visibility]:
                continue
            answer = await client.patch(place, json=change, headers=if_match(current))
            assert (answer.status_code, answer.json()["code"]) == (403, "note_private"), (name, change)
        # What is not the note is as changeable as ever.
        answer = await client.patch(place, json={"role": name}, headers=if_match(current))
        assert answer.status_code == 200, name
    current = (await getattr(world, author).get(url(mine, made["id"]))).json()
    assert (current["note"], current["note_visibility"]) == (NOTE, visibility)


async def test_whoever_may_read_it_may_write_it_and_is_its_author_then(world: World) -> None:
    mine, _, made = await between(world, "agent", "owners")
    place = url(mine, made["id"])
    answer = await world.mate.patch(
        place, json={"note": "还清了", "note_visibility": "private"}, headers=if_match(made)
    )
    assert (answer.status_code, answer.json()["note"]) == (200, "还清了")
    assert (await world.agent.get(place)).json()["note"] is None
    assert (await world.mate.get(place)).json()["note"] == "还清了"


@pytest.mark.parametrize("before", ["private", "everyone"])
async def test_note_where_none_was_begins_as_owners(world: World, before: str) -> None:
    mine, _, made = await between(world, "agent", before)
    place = url(mine, made["id"])
    bare = (await world.agent.patch(place, json={"note": None}, headers=if_match(made))).json()
    assert bare["note_visibility"] == before
    answer = (await world.mate.patch(place, json={"note": "新的"}, headers=if_match(bare))).json()
    assert (answer["note"], answer["note_visibility"]) == ("新的", "owners")
    read = {name: (await getattr(world, name).get(place)).json()["note"] for name in ("agent", "manager", "stranger")}
    assert read == {"agent": "新的", "manager": "新的", "stranger": None}


async def test_note_where_none_was_begins_as_it_is_told(world: World) -> None:
    mine, _, made = await between(world, "agent", "everyone")
    place = url(mine, made["id"])
    bare = (await world.agent.patch(place, json={"note": None}, headers=if_match(made))).json()
    private = {"note": "新的", "note_visibility": "private"}
    answer = (await world.mate.patch(place, json=private, headers=if_match(bare))).json()
    assert answer["note_visibility"] == "private"
    assert (await world.agent.get(place)).json()["note"] is None


@pytest.mark.parametrize("change", [{"note_visibility": "everyone"}, {"note": "别的"}, {"note": None}])
@pytest.mark.parametrize("visibility", ["everyone", None])
async def test_service_team_decides_on_no_note_of_others(
    world: World, visibility: str | None, change: dict[str, str | None]
) -> None:
    mine, _, made = await between(world, "agent", visibility or "owners")
    place = url(mine, made["id"])
    if visibility is None:  # there is no note yet
        made = (await world.agent.patch(place, json={"note": None}, headers=if_match(made))).json()
    answer = await world.stranger.patch(place, json=change, headers=if_match(made))
    assert (answer.status_code, answer.json()["code"]) == (403, "relationship_of_others")
    rest = {"role": "老乡", "strength": 0.25, "until": "2026-01-01"}
    assert (await world.stranger.patch(place, json=rest, headers=if_match(made))).status_code == 200


@pytest.mark.parametrize("change", [{"note_visibility": "everyone"}, {"note": "别的"}, {"note": None}])
async def test_author_decides_on_his_note_also_with_a_service_team_only(
    world: World, change: dict[str, str | None]
) -> None:
    mine, _, made = await between(world, "stranger", "private")
    answer = await world.stranger.patch(url(mine, made["id"]), json=change, headers=if_match(made))
    assert answer.status_code == 200


# Who deletes a tie with the note of somebody: who answers for both ends always, for one if he reads the note, and the
# author. The code tells why the others do not.
REMOVERS = {
    ("agent", "private"): {"agent": 204, "mate": "note_private", "manager": 204, "stranger": "note_private"},
    ("agent", "owners"): {"agent": 204, "mate": 204, "manager": 204, "stranger": "note_private"},
    ("agent", "everyone"): {"mate": 204, "manager": 204, "admin": 204, "stranger": "relationship_of_others"},
    ("stranger", "private"): {"stranger": 204, "agent": "note_private", "mate": "note_private", "admin": 204},
}


@pytest.mark.parametrize(("author", "visibility"), REMOVERS)
async def test_tie_is_deleted_and_restored_by_whose_business_it_is(world: World, author: str, visibility: str) -> None:
    mine, theirs, made = await between(world, author, visibility)
    for name, expected in REMOVERS[author, visibility].items():
        client = getattr(world, name)
        for customer in (mine, theirs):
            place = url(customer, made["id"])
            current = {"If-Match": (await world.admin.get(place)).headers["etag"]}
            answer = await client.delete(place, headers=current)
            if answer.status_code == 403:
                assert answer.json()["code"] == expected, name
                await world.admin.delete(place, headers=current)
                again = await client.post(f"{place}/restore")
                assert (again.status_code, again.json()["code"]) == (403, expected), name
                assert (await world.admin.post(f"{place}/restore")).status_code == 200
            else:
                assert answer.status_code == expected, name
                assert (await client.post(f"{place}/restore")).status_code == 200, name


async def test_refusal_says_in_both_languages_whose_business_the_tie_is(world: World) -> None:
    mine, _, made = await between(world, "agent", "everyone")
    told = {}
    for language in ("zh-CN", "en"):
        headers = {**if_match(made), "Accept-Language": language}
        answer = await world.stranger.delete(url(mine, made["id"]), headers=headers)
        told[language] = answer.json()["title"]
    assert told["zh-CN"].startswith("仅记录人")
    assert told["en"].startswith("Its author")


@pytest.mark.parametrize("visibility", ["private", "owners", "everyone"])
@pytest.mark.parametrize("author", ["agent", "manager"])
async def test_notes_are_not_handed_over_with_the_customer(world: World, author: str, visibility: str) -> None:
    mine, _, made = await between(world, author, visibility)
    answer = await world.manager.post(
        f"/v1/customers/{mine['id']}/transfer", json={"to_user_id": str(world.users["mate"])},
        headers={"Idempotency-Key": "x"},
    )  # fmt: skip
    assert answer.status_code == 200
    assert await world.db.fetchval("SELECT note_enc FROM relationships WHERE id = $1", UUID(made["id"])) is None
    for name in ("agent", "mate", "manager", "admin"):
        answer = await getattr(world, name).get(url(mine, made["id"]))
        assert answer.status_code == 404 or answer.json()["note"] is None, name


async def test_note_stands_in_no_audit_event(world: World) -> None:
    mine, _, made = await between(world, "agent", "everyone")
    await world.mate.patch(url(mine, made["id"]), json={"note": "还清了"}, headers=if_match(made))
    details = await world.db.fetch("SELECT detail FROM audit_events WHERE org_id = $1", world.org_id)
    assert not any(word in row["detail"] for row in details for word in (NOTE, "还清了"))
