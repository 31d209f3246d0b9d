"""Consents: recorded with text and proof, read with their history, withdrawn by one call."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from app.models.base import china_today, utc_now
from tests.consents import body, consented, give, post, withdraw
from tests.factories import World, create_customer, create_service_team, if_match
from tests.life_form import places
from tests.problem import assert_problem


def url(customer: dict[str, Any]) -> str:
    return f"/v1/customers/{customer['id']}/consents"


async def state(world: World, customer: dict[str, Any], group: str, purpose: str = "advice") -> dict[str, Any]:
    answer = await world.agent.get(f"/v1/customers/{customer['id']}/consent-coverage")
    (found,) = (
        one
        for one in answer.json()["items"]
        if (one["purpose"], one["field_group"], one["recipient"]) == (purpose, group, None)
    )
    made: dict[str, Any] = found
    return made


async def test_a_consent_is_read_as_it_was_recorded(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await give(world.agent, customer["id"], "health", "financial")
    assert (made["status"], made["carries"]) == ("given", ["health", "financial"])
    assert (made["valid_from"], made["valid_until"]) == (china_today().isoformat(), None)
    assert [event["kind"] for event in made["events"]] == ["given"]
    assert (await world.agent.get(f"{url(customer)}/{made['id']}")).json() == made
    assert (await world.agent.get(url(customer))).json()["items"] == [made]


async def test_consented_is_enough_for_every_form(world: World) -> None:
    customer_id = await consented(world.agent, await create_customer(world.agent))
    items = (await world.agent.get(f"/v1/customers/{customer_id}/consent-coverage")).json()["items"]
    open_ones = [one["field_group"] for one in items if one["purpose"] == "advice" and one["state"] != "given"]
    assert open_ones == ["general"]
    assert len(items) == 50


async def test_the_same_id_and_body_is_recorded_once(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent, name="另一人")
    sent = {**await body(world.agent, "health"), "id": str(uuid7())}
    first = await world.agent.post(url(customer), json=sent)
    again = await world.agent.post(url(customer), json=sent)
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert_problem(await world.agent.post(url(other), json=sent), 409, "id_taken", ("/id", "invalid"))
    changed = {**sent, "channel": "app"}
    assert_problem(await world.agent.post(url(customer), json=changed), 409, "id_taken", ("/id", "invalid"))
    await withdraw(world.agent, first.json())
    assert (await world.agent.post(url(customer), json=sent)).json()["status"] == "withdrawn"


async def test_withdrawal_keeps_the_record_and_says_so_twice(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await give(world.agent, customer["id"], "health")
    told = await withdraw(world.agent, made)
    assert (told["uncovered"], told["unfounded"], told["unfounded_total"]) == (["health"], [], 0)
    assert (told["consent"]["status"], told["consent"]["carries"]) == ("withdrawn", [])
    assert [event["kind"] for event in told["consent"]["events"]] == ["given", "withdrawn"]
    assert await withdraw(world.agent, made) == told
    answer = await world.agent.post(f"{url(customer)}/{made['id']}/withdraw", json={"channel": "message"})
    assert answer.json() == told
    assert (await world.agent.get(url(customer))).json()["items"] == [told["consent"]]


async def test_withdrawal_ends_whatever_was_said_before_it(world: World) -> None:
    """Two consents to the same: the person who takes one back does not mean to leave the other. A phone that comes
    later with what was said earlier brings nothing back either."""
    customer = await create_customer(world.agent)
    first = await give(world.agent, customer["id"], "health")
    await give(world.agent, customer["id"], "health", "financial")
    told = await withdraw(world.agent, first)
    assert told["uncovered"] == ["health"]
    assert (await state(world, customer, "health"))["state"] != "given"
    assert (await state(world, customer, "financial"))["state"] == "given"
    an_hour_ago = (utc_now() - timedelta(hours=1)).isoformat()
    await give(world.agent, customer["id"], "health", decided_at=an_hour_ago)
    assert (await state(world, customer, "health"))["state"] != "given"
    await give(world.agent, customer["id"], "health")
    assert (await state(world, customer, "health"))["state"] == "given"


async def test_refusal_is_recorded_and_says_until_when_nobody_asks(world: World) -> None:
    customer = await create_customer(world.agent)
    sent = await body(world.agent, "whereabouts", decision="refused", evidence=None, channel="app")
    made = await post(world.agent, customer["id"], sent)
    quiet = (china_today() + timedelta(days=180)).isoformat()
    assert (made["status"], made["do_not_ask_before"], made["carries"]) == ("refused", quiet, [])
    found = await state(world, customer, "whereabouts")
    assert (found["state"], found["do_not_ask_before"], found["consent_id"]) == ("refused", quiet, made["id"])
    assert_problem(await world.agent.post(f"{url(customer)}/{made['id']}/withdraw"), 409, "consent_refused")


BAD: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"decided_at": (utc_now() + timedelta(days=1)).isoformat()}, ("/decided_at", "in_future")),
    ({"decided_at": (utc_now() - timedelta(days=91)).isoformat()}, ("/decided_at", "out_of_range")),
    ({"valid_from": "2020-01-01"}, ("/valid_from", "out_of_range")),
    ({"valid_until": "2020-01-01"}, ("/valid_until", "until_before_since")),
    ({"valid_until": "9999-12-31"}, ("/valid_until", "out_of_range")),
    ({"valid_from": "9999-12-31"}, ("/valid_from", "out_of_range")),
    ({"do_not_ask_before": "2030-01-01"}, ("/do_not_ask_before", "not_both")),
    ({"decision": "refused", "valid_until": "2090-01-01"}, ("/valid_until", "not_both")),
    ({"decision": "refused", "do_not_ask_before": "2090-01-01"}, ("/do_not_ask_before", "out_of_range")),
    ({"evidence": None}, ("/evidence", "missing")),
    ({"given_by": "guardian"}, ("/guardian", "missing")),
    ({"guardian": {"is_customer": True, "relation": "father"}}, ("/guardian", "not_both")),
]


@pytest.mark.parametrize(("over", "place"), BAD)
async def test_record_that_cannot_be_is_422(world: World, over: dict[str, Any], place: tuple[str, str]) -> None:
    customer = await create_customer(world.agent, birthday={"year": 1980})
    sent = await body(world.agent, "health")
    changed = {key: value for key, value in {**sent, **over}.items() if value is not None}
    answer = await world.agent.post(url(customer), json=changed)
    assert answer.status_code == 422
    assert place in places(answer)


async def test_one_group_is_named_once_and_by_a_text_that_exists(world: World) -> None:
    customer = await create_customer(world.agent)
    sent = await body(world.agent, "health", "financial")
    sent["grounds"][1] = sent["grounds"][0]
    answer = await world.agent.post(url(customer), json=sent)
    assert places(answer) == [("/grounds/1/field_group", "repeated")]
    sent = await body(world.agent, "health")
    sent["grounds"][0]["text_version"] = 7
    answer = await world.agent.post(url(customer), json=sent)
    assert places(answer) == [("/grounds/0/text_version", "not_found")]


async def test_coverage_tells_what_ends_soon_and_what_does_not_hold_yet(world: World) -> None:
    customer, today = await create_customer(world.agent), china_today()

    def day(away: int) -> str:
        made: date = today + timedelta(days=away)
        return made.isoformat()

    await give(world.agent, customer["id"], "health", valid_until=day(30))
    await give(world.agent, customer["id"], "financial", valid_until=day(31))
    await give(world.agent, customer["id"], "identity", valid_from=day(1))
    await give(world.agent, customer["id"], "religion")
    text = {"purpose": "advice", "field_group": "religion", "is_material": True}
    await world.admin.post("/v1/consent-texts", json=text)
    groups = ("health", "financial", "identity", "religion", "biometrics")
    states = [(await state(world, customer, group))["state"] for group in groups]
    assert states == ["expiring", "given", "not_yet_valid", "outdated", "open"]


async def test_phones_hear_of_consents_and_of_customers_given_away(world: World) -> None:
    customer = await create_customer(world.agent)
    team = await create_service_team(world, "agent", "mate")
    made = await give(world.agent, customer["id"], "health")
    feed = "SELECT scope, removed FROM feed WHERE collection = 'consents' AND id = $1"
    assert [tuple(row) for row in await world.db.fetch(feed, made["id"])] == [(world.users["agent"], False)]
    now = (await world.agent.get(f"/v1/customers/{customer['id']}")).json()
    shared = await world.agent.patch(
        f"/v1/customers/{customer['id']}", json={"service_team_id": team}, headers=if_match(now)
    )
    assert shared.status_code == 200
    assert len(await world.db.fetch(feed, made["id"])) == 2


async def test_customer_has_only_so_many_decisions(world: World) -> None:
    customer = await create_customer(world.agent)
    await world.db.execute(
        "INSERT INTO consents (org_id, id, customer_id, decision, purpose, grounds, is_separate, language, channel, "
        "given_by, decided_at, valid_from, recorded_by, created_digest) "
        "SELECT $1, gen_random_uuid(), $2, 'given', 'service', '[{\"field_group\": \"general\", \"text_version\": 1}]',"
        " false, 'zh', 'app', 'person', now(), current_date, $3, '' FROM generate_series(1, 1000)",
        world.org_id, customer["id"], world.users["agent"],
    )  # fmt: skip
    sent = await body(world.agent, "health")
    answer = await world.agent.post(url(customer), json=sent, headers={"Idempotency-Key": uuid4().hex})
    assert_problem(answer, 409, "too_many_consents")
