"""Drafts of what to recommend: within the room, by rank, and never refused as they are."""

from typing import Any

from tests.factories import World, create_customer
from tests.household_form import WAN, analyse, propose, qualify


async def _analysis(world: World) -> dict[str, Any]:
    await qualify(world)
    customer = await create_customer(world.agent, name="林致远")
    return await analyse(world.agent, customer["id"])


def _band(category: str, per: str, low: int, high: int) -> dict[str, Any]:
    ages = {"age_from": 0, "age_to": 60, "payment_years": 20}
    return {"category": category, **ages, "per": per, "low_fen": low, "high_fen": high}


async def test_draft_lists_sums_where_nobody_told_what_cover_costs(world: World) -> None:
    analysis = await _analysis(world)
    url = f"/v1/needs-analyses/{analysis['id']}/recommendations"
    found = (await world.agent.post(url, json={})).json()
    assert (found["room_fen"], found["room_left_fen"]) == (4_400_000, 4_400_000)
    assert [item["rank"] for item in found["items"]] == list(range(1, len(found["items"]) + 1))
    assert {item["why"] for item in found["items"]} == {"sum_only"}
    assert {item["premium_high_fen"] for item in found["items"]} == {None}


async def test_draft_spends_the_room_by_rank_with_the_agents_bands_first(world: World) -> None:
    analysis = await _analysis(world)
    await qualify(
        world, premium_bands=[_band("accident", "wan", 1, 9_999_999), _band("medical", "policy", 40_000, 60_000)]
    )
    url = f"/v1/needs-analyses/{analysis['id']}/recommendations"
    body = {"premium_bands": [_band("accident", "wan", 500, 1_000), _band("critical_illness", "wan", 30_000, 50_000)]}
    found = (await world.agent.post(url, json=body)).json()
    by_rank = {item["rank"]: item for item in found["items"]}
    assert (by_rank[1]["peril"], by_rank[1]["premium_high_fen"]) == ("accident", 360 * 1_000)
    assert (by_rank[2]["peril"], by_rank[2]["premium_high_fen"], by_rank[2]["why"]) == ("medical", 60_000, "closed")
    ill = by_rank[4]  # what is left, 392万 fen, pays for 78万 of the 117万
    assert (ill["gap_fen"], ill["sum_insured_fen"], ill["why"]) == (117 * WAN, 78 * WAN, "reduced")
    assert found["room_left_fen"] == 4_400_000 - sum(item["premium_high_fen"] or 0 for item in found["items"])
    assert (await world.agent.get(f"/v1/customers/{analysis['customer_id']}/proposals")).json()["items"] == []


async def test_draft_can_be_proposed_as_it_is(world: World) -> None:
    """What the rule drafts never exceeds a gap, a limit or the room, so no reason is against it."""
    analysis = await _analysis(world)
    url = f"/v1/needs-analyses/{analysis['id']}/recommendations"
    bands = [_band(one, "wan", 100, 200) for one in ("term_life", "accident", "critical_illness", "medical")]
    found = (await world.agent.post(url, json={"premium_bands": bands})).json()
    names = ("insured", "peril", "category", "sum_insured_fen", "premium_low_fen", "premium_high_fen", "payment_years")
    covers = [
        {**{name: item[name] for name in names}, "reason": item["words"]["zh"]}
        for item in found["items"]
        if item["sum_insured_fen"]
    ]
    answer = await propose(world.agent, analysis, *covers)
    assert answer.status_code == 201, answer.text
    assert {reason["code"] for reason in answer.json()["verdict"]["reasons"]} <= {"premium_open"}
