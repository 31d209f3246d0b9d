"""Coverage of the six directions: of one customer, of a whole agent, and the answer that there is nobody."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from app import deps
from app.domain import coverage
from tests.factories import World, create_company, create_customer, create_service_team, if_match
from tests.random_books import Book, answer_none, random_book
from tests.ties import Json, link, people, relate, tie, url

DAY = "2026-01-05"


async def covered(client: httpx.AsyncClient, customer_id: UUID | str) -> Json:
    answer = await client.get(f"/v1/customers/{customer_id}/coverage")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def book_of(client: httpx.AsyncClient, **params: Any) -> Json:
    answer = await client.get("/v1/network/coverage", params=params)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def states(found: Json) -> dict[str, str]:
    return {row["direction"]: row["state"] for row in found["directions"]}


def place(customer: Json, direction: str) -> str:
    return f"/v1/customers/{customer['id']}/coverage-answers/{direction}"


async def say_none(client: httpx.AsyncClient, customer: Json, direction: str, day: str = DAY) -> httpx.Response:
    return await client.put(place(customer, direction), json={"asked_on": day})


# --- one customer ----------------------------------------------------------------------------------------------------


async def test_unknown_person_is_asked_for_his_family_first(world: World) -> None:
    customer = await create_customer(world.agent)
    found = await covered(world.agent, customer["id"])
    assert (found["customer_id"], found["score"]) == (customer["id"], 0)
    assert [row["direction"] for row in found["directions"]] == list(coverage.DIRECTIONS)
    assert found["directions"][0] == {
        "direction": "relative", "state": "unknown", "count": 0, "strength": None, "asked_on": None,
    }  # fmt: skip
    zh, en = coverage.question("individual", "relative")
    assert found["next"] == {"direction": "relative", "zh": zh, "en": en}


async def test_company_is_asked_for_its_clients_first(world: World) -> None:
    company = await create_company(world.agent)
    assert (await covered(world.agent, company["id"]))["next"]["direction"] == "client"


async def test_ties_fill_the_direction_they_have_from_this_end(world: World) -> None:
    customer, buyer, other = [await create_customer(world.agent, name=name) for name in ("甲某", "乙某", "丙某")]
    await relate(world.agent, customer, buyer, "client", strength=0.4)
    await relate(world.agent, customer, other, "client", strength=0.7)
    await relate(world.agent, customer, other, "friend", strength=0.2)
    mine = await covered(world.agent, customer["id"])
    rows = {row["direction"]: (row["count"], row["strength"]) for row in mine["directions"]}
    assert (rows["client"], rows["friend"], rows["supplier"]) == ((2, 0.7), (1, 0.2), (0, None))
    assert (mine["score"], mine["next"]["direction"]) == (40, "relative")
    assert states(await covered(world.agent, buyer["id"]))["supplier"] == "filled"


async def test_tie_to_a_shadow_contact_fills_and_the_contact_itself_has_no_coverage(world: World) -> None:
    customer = await create_customer(world.agent)
    (contact,) = await people(world, 1)
    await world.db.execute(
        "UPDATE customers SET is_shadow = true, known_through_id = $1, keep_until = '2999-01-01' WHERE id = $2",
        UUID(customer["id"]),
        contact,
    )
    await link(world, [tie(UUID(customer["id"]), contact, "relative")])
    assert states(await covered(world.agent, customer["id"]))["relative"] == "filled"
    assert (await world.agent.get(f"/v1/customers/{contact}/coverage")).status_code == 404
    found = await book_of(world.agent)
    assert ([item["id"] for item in found["items"]], found["customers"]) == ([customer["id"]], 1)


async def test_ended_deleted_and_dangling_ties_fill_nothing(world: World) -> None:
    customer, other, gone = [await create_customer(world.agent, name=name) for name in ("甲某", "乙某", "丙某")]
    await relate(world.agent, customer, other, "ally", until=DAY)
    removed = await relate(world.agent, customer, other, "friend")
    await world.agent.delete(url(customer, removed["id"]), headers=if_match(removed))
    await relate(world.agent, customer, gone, "relative")
    assert states(await covered(world.agent, customer["id"]))["relative"] == "filled"
    await world.agent.delete(f"/v1/customers/{gone['id']}", headers=if_match(gone))
    assert set(states(await covered(world.agent, customer["id"])).values()) == {"unknown"}
    assert (await world.agent.get(f"/v1/customers/{gone['id']}/coverage")).status_code == 410


async def test_all_six_answered_leave_nothing_to_ask(world: World) -> None:
    customer = await create_customer(world.agent)
    for direction in coverage.DIRECTIONS:
        answer = await say_none(world.agent, customer, direction)
        assert answer.status_code == 200
    assert answer.json() == await covered(world.agent, customer["id"])
    assert (answer.json()["score"], answer.json()["next"]) == (100, None)
    assert set(states(answer.json()).values()) == {"asked_none"}


# --- the answer that there is nobody ---------------------------------------------------------------------------------


async def test_answer_is_recorded_once_changed_and_taken_back(world: World) -> None:
    customer = await create_customer(world.agent)
    first = await say_none(world.agent, customer, "supplier")
    assert states(first.json())["supplier"] == "asked_none"
    assert first.json()["score"] == 10
    assert (await say_none(world.agent, customer, "supplier")).json() == first.json()
    later = await say_none(world.agent, customer, "supplier", "2026-02-06")
    assert {row["asked_on"] for row in later.json()["directions"]} == {None, "2026-02-06"}
    for _ in range(2):
        gone = await world.agent.delete(place(customer, "supplier"))
        assert (gone.status_code, gone.content) == (204, b"")
    assert set(states(await covered(world.agent, customer["id"])).values()) == {"unknown"}
    actions = await world.db.fetch(
        "SELECT action, detail ->> 'direction' AS way FROM audit_events "
        "WHERE org_id = $1 AND object_type = $2 ORDER BY id",
        world.org_id,
        "coverage_answer",
    )
    assert [(row["action"], row["way"]) for row in actions] == [
        ("coverage_answer.recorded", "supplier"),
        ("coverage_answer.recorded", "supplier"),
        ("coverage_answer.deleted", "supplier"),
    ]
    assert (await say_none(world.agent, customer, "supplier")).json() == first.json()


async def test_tie_outweighs_the_answer_and_its_end_lets_it_count_again(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent, name="李雷")
    await say_none(world.agent, customer, "friend")
    made = await relate(world.agent, customer, other, "friend")
    found = await covered(world.agent, customer["id"])
    friend = next(row for row in found["directions"] if row["direction"] == "friend")
    assert friend == {"direction": "friend", "state": "filled", "count": 1, "strength": 0.5, "asked_on": DAY}
    assert (await book_of(world.agent))["directions"]["friend"] == {"filled": 2, "asked_none": 0, "unknown": 0}
    await world.agent.patch(url(customer, made["id"]), json={"until": DAY}, headers=if_match(made))
    assert states(await covered(world.agent, customer["id"]))["friend"] == "asked_none"
    assert (await book_of(world.agent))["directions"]["friend"] == {"filled": 0, "asked_none": 1, "unknown": 1}


async def test_answer_is_told_to_the_phones_of_those_who_hold_the_customer(world: World) -> None:
    customer = await create_customer(world.agent)
    await say_none(world.agent, customer, "ally")
    told = "SELECT scope, removed FROM feed WHERE org_id = $1 AND collection = 'coverage_answers'"
    rows = await world.db.fetch(told, world.org_id)
    assert [tuple(row) for row in rows] == [(world.users["agent"], False)]
    body = {"to_user_id": str(world.users["mate"])}
    assert (await world.admin.post(f"/v1/customers/{customer['id']}/transfer", json=body)).status_code == 200
    assert {tuple(row) for row in await world.db.fetch(told, world.org_id)} == {
        (world.users["agent"], True), (world.users["mate"], False),
    }  # fmt: skip
    await world.mate.delete(place(customer, "ally"))
    assert (world.users["mate"], True) in {tuple(row) for row in await world.db.fetch(told, world.org_id)}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"asked_on": "1899-12-31"}, "out_of_range"),
        ({"asked_on": None}, "invalid_type"),
        ({}, "missing"),
        ({"asked_on": DAY, "note": "x"}, "unknown"),
    ],
)
async def test_wrong_answer_is_422(world: World, body: Json, code: str) -> None:
    customer = await create_customer(world.agent)
    answer = await world.agent.put(place(customer, "ally"), json=body)
    assert answer.status_code == 422
    if code in ("out_of_range", "unknown"):
        assert answer.json()["errors"][0]["code"] == code


async def test_answer_of_tomorrow_is_422(world: World) -> None:
    customer = await create_customer(world.agent)
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    answer = await say_none(world.agent, customer, "ally", tomorrow)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "in_future")


async def test_no_direction_of_that_name_is_422(world: World) -> None:
    customer = await create_customer(world.agent)
    answer = await say_none(world.agent, customer, "enemy")
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "direction")


# --- a whole agent ---------------------------------------------------------------------------------------------------


async def test_agent_without_customers_has_an_empty_summary(world: World) -> None:
    found = await book_of(world.agent)
    assert (found["customers"], found["average_score"], found["items"], found["next_cursor"]) == (0, None, [], None)
    assert found["directions"]["ally"] == {"filled": 0, "asked_none": 0, "unknown": 0}


async def test_pages_run_from_the_lowest_score_and_repeat_the_summary(world: World) -> None:
    made = [await create_customer(world.agent, name=f"第{number}位") for number in range(5)]
    await say_none(world.agent, made[0], "relative")
    await say_none(world.agent, made[1], "ally")
    walked, cursor = [], None
    for _ in range(3):
        page = await book_of(world.agent, limit=2, **({} if cursor is None else {"cursor": cursor}))
        assert (page["customers"], page["average_score"]) == (5, 7)
        walked += [(item["score"], item["id"]) for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert walked == [*sorted((0, one["id"]) for one in made[2:]), (10, made[1]["id"]), (25, made[0]["id"])]


async def test_first_page_links_to_the_next(world: World) -> None:
    for _ in range(2):
        await create_customer(world.agent)
    answer = await world.agent.get("/v1/network/coverage", params={"limit": 1})
    assert 'rel="next"' in answer.headers["link"]


# --- against the rules -----------------------------------------------------------------------------------------------


def expected(book: Book, owners: set[UUID] | None, agent: UUID) -> Json:
    """Everything the agent's page has to say, from the rules alone."""
    seen = book.seen(owners)
    rows, counts = [], {way: {"filled": 0, "asked_none": 0, "unknown": 0} for way in coverage.DIRECTIONS}
    for party in book.parties.values():
        if party.id not in seen or party.owner != agent or party.is_shadow:
            continue
        ways = {one.way for one in book.around(party.id, seen)}
        found = {
            way: "filled" if way in ways else "asked_none" if (party.id, way) in book.asked else "unknown"
            for way in coverage.DIRECTIONS
        }
        for way, state in found.items():
            counts[way][state] += 1
        answered = [way for way, state in found.items() if state != "unknown"]
        score = sum(coverage.WEIGHTS[party.party_type][way] for way in answered)
        rows.append((score, str(party.id), found, coverage.next_direction(party.party_type, answered)))
    rows.sort(key=lambda row: row[:2])
    average = round(sum(row[0] for row in rows) / len(rows), 6) if rows else None
    return {"rows": rows, "counts": counts, "average": average}


def shown(found: Json) -> list[tuple[Any, ...]]:
    return [(item["score"], item["id"], item["directions"], item["next_direction"]) for item in found["items"]]


@pytest.mark.parametrize("seed", range(5))
async def test_random_book_agrees_with_the_plain_rules(world: World, seed: int) -> None:
    team = await create_service_team(world, "stranger")
    deps.forget_actors()
    book = await random_book(world, seed, team=UUID(team))
    await answer_none(world, book, random.Random(seed))
    users, both = world.users, {"agent", "mate"}
    sees: dict[str, set[UUID] | None] = {
        "agent": {users["agent"]}, "mate": {users["mate"]}, "stranger": {users["stranger"], UUID(team)},
        "manager": {users["manager"], *(users[name] for name in both)}, "admin": None, "auditor": None,
    }  # fmt: skip
    for caller, owners in sees.items():
        for agent in ("agent", "mate", "stranger"):
            wanted = expected(book, owners, users[agent])
            found = await book_of(getattr(world, caller), agent_id=str(users[agent]), limit=200)
            assert shown(found) == wanted["rows"], (caller, agent)
            assert found["directions"] == wanted["counts"], (caller, agent)
            assert found["customers"] == len(wanted["rows"])
            average = found["average_score"]
            assert average == wanted["average"] or abs(average - wanted["average"]) <= 0.05 + 1e-6
        for party in list(book.parties.values())[::5]:
            await _one_agrees(getattr(world, caller), book, party.id, owners)


async def _one_agrees(client: httpx.AsyncClient, book: Book, here: UUID, owners: set[UUID] | None) -> None:
    seen, party = book.seen(owners), book.parties[here]
    answer = await client.get(f"/v1/customers/{here}/coverage")
    if here not in seen or party.is_shadow:
        assert answer.status_code in (404, 410)
        return
    ties = list(book.around(here, seen))
    for row in answer.json()["directions"]:
        strengths = [float(one.strength) for one in ties if one.way == row["direction"]]
        assert (row["count"], row["strength"]) == (len(strengths), max(strengths, default=None))
        assert (row["asked_on"] is not None) == ((here, row["direction"]) in book.asked)


async def test_agent_the_caller_sees_nothing_of_is_as_unknown(world: World, other_world: World) -> None:
    await create_customer(world.agent)
    await create_customer(other_world.agent)
    nobody = await book_of(world.mate, agent_id=str(uuid7()))
    for whose in (world.users["agent"], other_world.users["agent"], UUID(world.org_id.hex)):
        assert await book_of(world.mate, agent_id=str(whose)) == nobody
    assert nobody["items"] == []
    assert (await book_of(world.manager, agent_id=str(world.users["agent"])))["customers"] == 1


async def test_direction_known_through_others_customers_only_stays_unknown_for_the_agent(world: World) -> None:
    mine, theirs = await create_customer(world.agent), await create_customer(world.mate)
    await relate(world.manager, mine, theirs, "partner")
    assert states(await covered(world.agent, mine["id"]))["partner"] == "unknown"
    assert states(await covered(world.manager, mine["id"]))["partner"] == "filled"
    whose = {"agent_id": str(world.users["agent"])}
    assert (await book_of(world.agent))["directions"]["partner"]["filled"] == 0
    assert (await book_of(world.manager, **whose))["directions"]["partner"]["filled"] == 1
