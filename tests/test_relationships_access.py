"""Relationships through the API: who sees which, how they are listed, and the trail their changes leave."""

from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from tests.factories import World, create_customer, if_match
from tests.ties import Json, pair, relate, url


async def across(world: World) -> tuple[Json, Json, Json]:
    """A customer of the agent, one of the team mate, and what the manager recorded between them."""
    mine, theirs = await create_customer(world.agent, name="我的"), await create_customer(world.mate, name="同事的")
    return mine, theirs, await relate(world.manager, mine, theirs, "partner")


# --- who sees what ---------------------------------------------------------------------------------------------------


async def test_relationship_is_seen_only_with_both_ends(world: World) -> None:
    mine, theirs, made = await across(world)
    for name, customer, expected in (
        ("manager", mine, 200), ("manager", theirs, 200), ("admin", mine, 200), ("auditor", theirs, 200),
        ("agent", mine, 404), ("agent", theirs, 404), ("mate", theirs, 404), ("stranger", mine, 404),
    ):  # fmt: skip
        client = getattr(world, name)
        assert (await client.get(url(customer, made["id"]))).status_code == expected, (name, expected)
    assert (await world.agent.get(url(mine))).json()["items"] == []
    assert [row["id"] for row in (await world.manager.get(url(mine))).json()["items"]] == [made["id"]]
    assert (await world.agent.get(url(theirs))).status_code == 404


async def test_relationship_with_a_hidden_end_cannot_be_changed(world: World) -> None:
    mine, _, made = await across(world)
    place = url(mine, made["id"])
    assert (await world.agent.patch(place, json={"role": "x"}, headers=if_match(made))).status_code == 404
    assert (await world.agent.delete(place, headers=if_match(made))).status_code == 404
    await world.manager.delete(place, headers=if_match(made))
    assert (await world.agent.get(place)).status_code == 404
    assert (await world.agent.post(place + "/restore")).status_code == 404


async def test_relationship_of_two_others_is_404_below_a_third(world: World) -> None:
    one, other = await pair(world)
    third = await create_customer(world.agent)
    made = await relate(world.agent, one, other)
    place = url(third, made["id"])
    assert (await world.agent.get(place)).status_code == 404
    assert (await world.agent.patch(place, json={"role": "x"}, headers=if_match(made))).status_code == 404
    assert (await world.agent.delete(place, headers=if_match(made))).status_code == 404
    assert (await world.agent.post(place + "/restore")).status_code == 404


async def test_deleting_a_customer_hides_his_relationships_until_he_is_back(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    await world.agent.delete(f"/v1/customers/{other['id']}", headers=if_match(other))
    assert (await world.agent.get(url(one))).json()["items"] == []
    assert (await world.agent.get(url(one, made["id"]))).status_code == 404
    assert (await world.agent.patch(url(one, made["id"]), json={}, headers=if_match(made))).status_code == 404
    assert (await world.agent.get(url(other))).status_code == 410
    assert (await world.agent.get(url(other, made["id"]))).status_code == 410
    assert (await world.agent.post(url(other), json={"other_id": one["id"], "direction": "ally"})).status_code == 410
    await world.agent.post(f"/v1/customers/{other['id']}/restore")
    assert (await world.agent.get(url(one, made["id"]))).json() == made


async def test_auditor_reads_without_notes_and_cannot_write(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, note="离婚中", role="前夫")
    seen = (await world.auditor.get(url(one, made["id"]))).json()
    assert (seen["note"], seen["role"]) == (None, "前夫")
    assert "离婚中" not in (await world.auditor.get(url(other))).text
    refused = await world.auditor.post(url(one), json={"other_id": other["id"], "direction": "ally"})
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "relationships:write")


async def test_other_organisation_sees_nothing(world: World, other_world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    for path in (url(one), url(one, made["id"])):
        assert (await other_world.admin.get(path)).status_code == 404


# --- list -----------------------------------------------------------------------------------------------------------


async def star(world: World, arms: list[tuple[str, float]], **over: Any) -> tuple[Json, list[Json]]:
    """A customer and what he is related to, from both ends in turn."""
    centre = await create_customer(world.agent)
    made = []
    for index, (direction, strength) in enumerate(arms):
        other = await create_customer(world.agent, name=f"第{index}位")
        made.append(await relate(world.agent, centre, other, direction, strength=strength, **over))
    return centre, made


async def test_list_goes_from_strong_to_weak_and_pages_meet(world: World) -> None:
    arms = [("friend", 0.5), ("client", 0.9), ("supplier", 0.5), ("ally", 0.1), ("client", 0.5), ("relative", 1.0)]
    centre, made = await star(world, arms)
    whole = (await world.agent.get(url(centre))).json()
    by_id = {row["id"]: row for row in made}
    expected = sorted(by_id, key=lambda key: (by_id[key]["strength"], key), reverse=True)
    assert [row["id"] for row in whole["items"]] == expected
    assert whole["next_cursor"] is None
    assert all(row == by_id[row["id"]] for row in whole["items"])
    paged: list[str] = []
    page = await world.agent.get(url(centre), params={"limit": 2})
    while True:
        paged += [row["id"] for row in page.json()["items"]]
        if page.json()["next_cursor"] is None:
            break
        assert 'rel="next"' in page.headers["link"]
        page = await world.agent.get(url(centre), params={"limit": 2, "cursor": page.json()["next_cursor"]})
    assert paged == expected


async def test_list_filters_by_direction_as_seen_from_here(world: World) -> None:
    centre, made = await star(world, [("friend", 0.5), ("client", 0.9), ("supplier", 0.8), ("client", 0.7)])

    async def listed(customer: Json, direction: str) -> set[str]:
        rows = (await world.agent.get(url(customer), params={"direction": direction})).json()["items"]
        return {row["id"] for row in rows}

    assert await listed(centre, "client") == {made[1]["id"], made[3]["id"]}
    assert await listed(centre, "supplier,friend") == {made[0]["id"], made[2]["id"]}
    assert await listed(made[1]["other"], "supplier") == {made[1]["id"]}
    assert await listed(made[1]["other"], "client") == set()


async def test_list_separates_running_from_ended(world: World) -> None:
    centre, made = await star(world, [("friend", 0.5), ("client", 0.9), ("supplier", 0.8), ("ally", 0.2)])
    for row, day in ((made[1], "2020-01-01"), (made[2], "2999-12-31")):  # a day to come counts as ended too
        await world.agent.patch(url(centre, row["id"]), json={"until": day}, headers=if_match(row))

    async def listed(**params: str) -> list[str]:
        rows = (await world.agent.get(url(centre), params=params)).json()["items"]
        return [row["id"] for row in rows]

    assert await listed(current="true") == [made[0]["id"], made[3]["id"]]
    assert await listed(current="false") == [made[1]["id"], made[2]["id"]]
    assert len(await listed()) == 4


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("current=1", "current"), ("direction=enemy", "direction"), ("direction=", "direction"), ("limit=0", "limit"),
     ("limit=201", "limit"), ("type=Friend", "type")],
)  # fmt: skip
async def test_unknown_filter_is_422(world: World, query: str, parameter: str) -> None:
    customer = await create_customer(world.agent)
    answer = await world.agent.get(f"{url(customer)}?{query}")
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


async def test_cursor_belongs_to_customer_filter_and_caller(world: World) -> None:
    centre, made = await star(world, [("friend", 0.5), ("friend", 0.4), ("friend", 0.3)])
    cursor = (await world.agent.get(url(centre), params={"limit": 1})).json()["next_cursor"]
    assert (await world.agent.get(url(centre), params={"cursor": cursor})).status_code == 200
    for client, customer, extra in (
        (world.agent, made[0]["other"], {}),
        (world.agent, centre, {"current": "true"}),
        (world.agent, centre, {"direction": "friend"}),
        (world.manager, centre, {}),
    ):
        answer = await client.get(url(customer), params={"cursor": cursor, **extra})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


async def test_empty_list_differs_from_absent_customer(world: World) -> None:
    customer = await create_customer(world.agent)
    assert (await world.agent.get(url(customer))).json() == {"items": [], "next_cursor": None}
    assert (await world.agent.get(url({"id": uuid7()}))).status_code == 404
    assert (await world.stranger.get(url(customer))).status_code == 404


# --- trail ----------------------------------------------------------------------------------------------------------


async def test_every_change_is_audited_without_content(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, role="同学", note="秘密")
    place = url(one, made["id"])
    await world.agent.patch(place, json={"role": "战友", "strength": 0.6}, headers=if_match(made))
    await world.agent.delete(place, headers={"If-Match": '"2"'})
    await world.agent.post(place + "/restore")
    events = await world.db.fetch(
        "SELECT action, object_type, actor_id, detail FROM audit_events WHERE object_id = $1 ORDER BY at, id",
        UUID(made["id"]),
    )
    assert [event["action"] for event in events] == [
        "relationship.created", "relationship.updated", "relationship.deleted", "relationship.restored",
    ]  # fmt: skip
    assert {(event["object_type"], event["actor_id"]) for event in events} == {("relationship", world.users["agent"])}
    assert '"fields": ["role", "strength"]' in events[1]["detail"]
    assert not any(word in event["detail"] for event in events for word in ("同学", "战友", "秘密"))


async def test_both_owners_hear_of_every_change(world: World) -> None:
    mine, _, made = await across(world)
    owners = {world.users["agent"], world.users["mate"]}

    async def told() -> dict[UUID, bool]:
        rows = await world.db.fetch(
            "SELECT scope, removed FROM feed WHERE collection = 'relationships' AND id = $1", UUID(made["id"])
        )
        return {row["scope"]: row["removed"] for row in rows}

    assert await told() == dict.fromkeys(owners, False)
    before = await world.db.fetchval("SELECT max(seq) FROM feed WHERE id = $1", UUID(made["id"]))
    await world.manager.patch(url(mine, made["id"]), json={"role": "x"}, headers=if_match(made))
    after = await world.db.fetch("SELECT seq FROM feed WHERE id = $1", UUID(made["id"]))
    assert [row["seq"] > before for row in after] == [True, True]
    await world.manager.delete(url(mine, made["id"]), headers={"If-Match": '"2"'})
    assert await told() == dict.fromkeys(owners, True)
    await world.manager.post(url(mine, made["id"]) + "/restore")
    assert await told() == dict.fromkeys(owners, False)


async def test_refused_change_leaves_no_trail(world: World) -> None:
    one, other = await pair(world)
    await relate(world.agent, one, other)
    count = "SELECT count(*) FROM audit_events WHERE org_id = $1 AND object_type = 'relationship'"
    assert await world.db.fetchval(count, world.org_id) == 1
    await world.agent.post(url(other), json={"other_id": one["id"], "direction": "friend"})
    assert await world.db.fetchval(count, world.org_id) == 1
