"""Promise 64: what was known, recommended and agreed is kept as it was, and says the same whenever it is read again.

金融机构产品适当性管理办法 32, 33; 保险销售行为管理办法 21, 22, 28, 31, 41.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app import db
from app.domain import proposal_facts, suitability
from app.domain.dossier import china_date
from app.domain.proposal_facts import Moment, Recommended
from app.domain.suitability import Thresholds
from app.models.needs_analyses import NeedsAnalysis
from app.models.proposals import Proposal
from app.models.sales_rules import SalesThresholds
from tests import sealed, tolerance_form
from tests.factories import World, create_customer, if_match
from tests.household_form import WAN, analyse, life, propose, proposed, qualify, sign

LINKED: dict[str, Any] = {"category": "whole_life", "design": "unit_linked"}
Json = dict[str, Any]


async def _linked(world: World) -> Json:
    """A proposal that rests on an analysis and a tolerance, as the API answers it."""
    await qualify(world)
    customer = await create_customer(world.agent, name="林致远")
    analysis = await analyse(world.agent, customer["id"])
    await tolerance_form.assess(world.agent, customer["id"], tolerance_form.BOLD)
    answer = await propose(world.agent, analysis, life(**LINKED))
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def _row(world: World, proposal: Json) -> Json:
    found = await world.db.fetchrow("SELECT * FROM proposals WHERE id = $1", UUID(proposal["id"]))
    assert found is not None
    return dict(found)


# --- first the analysis, then the suggestion ---------------------------------------------------------------------


async def test_row_64_nothing_is_suggested_before_the_needs_are_analysed(world: World) -> None:
    await qualify(world)
    other = await create_customer(world.mate)
    foreign = await analyse(world.mate, other["id"])
    without = {"recommendations": [life()]}
    answer = await world.agent.post("/v1/proposals", json=without)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/needs_analysis_id")
    unknown = "01890000-0000-7000-8000-000000000000"
    for ground in (unknown, foreign["id"]):
        answer = await propose(world.agent, {"id": ground})
        assert answer.status_code in (404, 422), answer.text
    assert await world.db.fetchval("SELECT count(*) FROM proposals WHERE org_id = $1", world.org_id) == 0


# --- what is kept -------------------------------------------------------------------------------------------------


async def test_row_64_grades_of_product_and_agent_are_kept_with_the_match(world: World) -> None:
    """They stay as they were on that day, whatever becomes of the agent, the product's level and the rules."""
    made = await _linked(world)
    (cover,) = made["recommendations"]
    assert (cover["category"], cover["design"], cover["level"]) == ("whole_life", "unit_linked", 4)
    assert made["agent"]["qualification_level"] == 2
    assert made["agent"]["licence_no"]
    assert made["tolerance"]["tolerance_class"] == "c5"
    assert (made["verdict_code"], made["verdict"]["code"]) == ("suitable", "suitable")
    await qualify(world, level=1, most=1)
    refused = await propose(world.agent, {"id": made["needs_analysis_id"]}, life(**LINKED))
    assert refused.json()["code"] in ("proposal_not_suitable", "proposal_incomplete")
    assert (await world.agent.get(f"/v1/proposals/{made['id']}")).json() == made
    kept = (await sealed.opened(world, Proposal, made["id"])).content["judged_by"]
    assert (kept["agent_levels"], kept["tolerance"]["level"]) == ([5], 5)


async def test_row_64_stop_advice_and_the_customers_own_will_are_kept(world: World) -> None:
    await qualify(world)
    customer = await create_customer(world.agent, name="林致远")
    analysis = await analyse(world.agent, customer["id"])
    cover, said = life(sum_insured_fen=500 * WAN), "我知道风险，仍要投保。"
    advised = await propose(world.agent, analysis, cover)
    assert (advised.status_code, advised.json()["code"]) == (409, "proposal_advised_against")
    made = (await propose(world.agent, analysis, cover, customer_insists=True, statement=said)).json()
    signed = (await sign(world.agent, made)).json()
    assert (signed["verdict_code"], signed["customer_insists"], signed["statement"]) == ("advise_stop", True, said)
    assert [reason["code"] for reason in signed["verdict"]["reasons"]] == ["over_cover"]
    assert all(reason["source"] for reason in signed["verdict"]["reasons"])


async def test_row_64_every_version_of_the_analysis_is_kept(world: World) -> None:
    made = await proposed(world)
    first = (await world.agent.get(f"/v1/needs-analyses/{made['needs_analysis_id']}")).json()
    change = {"life_event": "income", "overrides": {"income_fen": {"value": 40 * WAN, "set_by": "customer"}}}
    revised = await world.agent.post(f"/v1/needs-analyses/{first['id']}/revise", json=change)
    assert revised.status_code == 201, revised.text
    again = (await world.agent.get(f"/v1/needs-analyses/{first['id']}")).json()
    changed = {name for name in again if again[name] != first[name]}
    assert changed <= {"superseded_by_id", "is_superseded", "version", "updated_at"}, changed
    listed = await world.agent.get(f"/v1/customers/{first['customer_id']}/needs-analyses")
    assert {one["id"] for one in listed.json()["items"]} == {first["id"], revised.json()["id"]}
    assert (await world.agent.get(f"/v1/proposals/{made['id']}")).json() == made  # still on the ground of the first


# --- what cannot be changed ---------------------------------------------------------------------------------------


async def test_row_64_no_request_changes_a_proposal_and_a_signed_one_is_not_signed_again(world: World) -> None:
    made = await proposed(world)
    signed = (await sign(world.agent, made)).json()
    assert (signed["version"], signed["signature"]["signed_by"]) == (made["version"] + 1, "林致远")
    url = f"/v1/proposals/{made['id']}"
    for method in ("PATCH", "PUT", "DELETE"):
        for client in (world.agent, world.admin):
            answer = await client.request(method, url, headers=if_match(signed))
            assert answer.status_code == 405, method
    again = await sign(world.agent, made, signed_by="别人")
    assert (again.status_code, again.json()["code"]) == (409, "proposal_signed")
    other = await propose(world.agent, {"id": made["needs_analysis_id"]}, life(sum_insured_fen=WAN), id=made["id"])
    assert (other.status_code, other.json()["code"]) == (409, "id_taken")
    assert (await world.agent.get(url)).json() == signed
    events = await world.admin.get("/v1/audit-events", params={"object_id": made["id"]})
    actions = {event["action"] for event in events.json()["items"]}
    assert actions == {"proposal.created", "proposal.signed", "proposal.viewed"}


async def test_row_64_database_keeps_what_was_recommended_by_grants(world: World) -> None:
    """The role of the service may add a signature and nothing else; it may not delete."""
    made = await proposed(world)
    before = await _row(world, made)
    columns = set(before) - {"signed_at", "signature_enc", "updated_at", "version", "row_seq"}
    changes = [f"UPDATE proposals SET {column} = {column} WHERE id = $1" for column in sorted(columns)]
    for statement in (*changes, "DELETE FROM proposals WHERE id = $1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with db.transaction(world.org_id) as session:
                await db.raw(session).execute(statement, UUID(made["id"]))
    assert await _row(world, made) == before


@pytest.mark.parametrize("column", ["signed_at", "signature_enc", "updated_at", "version"])
async def test_row_64_database_keeps_a_signature_by_a_trigger(world: World, column: str) -> None:
    """Not even the role that owns the table changes a signed one."""
    made = await proposed(world)
    assert (await sign(world.agent, made)).status_code == 200
    before = await _row(world, made)
    other = {"signed_at": "now()", "signature_enc": r"'\x00'", "updated_at": "now()", "version": "9"}[column]
    statement = f"UPDATE proposals SET {column} = {other} WHERE id = $1"
    with pytest.raises(asyncpg.PostgresError):
        async with db.transaction(world.org_id) as session:
            await db.raw(session).execute(statement, UUID(made["id"]))
    with pytest.raises(asyncpg.PostgresError):
        await world.db.execute(statement, UUID(made["id"]))
    assert await _row(world, made) == before


@pytest.mark.parametrize("table", ["needs_analyses", "tolerance_assessments"])
async def test_row_64_ground_is_kept_too(world: World, table: str) -> None:
    made = await _linked(world)
    row_id = UUID(made["needs_analysis_id"] if table == "needs_analyses" else made["tolerance"]["assessment_id"])
    for statement in (f"UPDATE {table} SET created_at = now() WHERE id = $1", f"DELETE FROM {table} WHERE id = $1"):
        with pytest.raises(asyncpg.PostgresError):
            async with db.transaction(world.org_id) as session:
                await db.raw(session).execute(statement, row_id)


# --- it can be reckoned again -------------------------------------------------------------------------------------


def _replayed(analysis: NeedsAnalysis, proposal: Proposal) -> suitability.Verdict:
    """The opinion from nothing but the two stored rows: no rule, user, product or assessment of today is asked."""
    content, at = proposal.content, proposal.recommended_at
    kept = content["judged_by"]
    names = ("insured", "peril", "category", "design", "level", "sum_insured_fen", "premium_low_fen",
             "premium_high_fen", "payment_years")  # fmt: skip
    recommended = [
        Recommended(**{name: one[name] for name in names}, agent_level=level)
        for one, level in zip(content["recommendations"], kept["agent_levels"], strict=True)
    ]
    held = kept["tolerance"]
    moment = Moment(
        at=at,
        today=china_date(at),
        assessed_at=proposal.assessed_at,
        assessment_valid_until=datetime.fromisoformat(kept["assessment_valid_until"]),
        tolerance=held
        and suitability.Tolerance(level=held["level"], valid_until=datetime.fromisoformat(held["valid_until"])),
        has_representative_consent=kept["has_representative_consent"],
    )
    thresholds = Thresholds(**dict(SalesThresholds.model_validate(kept["thresholds"])))
    stored = {
        name: getattr(analysis, name) for name in ("household", "results", "affordability", "assumptions", "facts")
    }
    return suitability.verdict(proposal_facts.facts(stored, recommended, moment), thresholds)


@pytest.mark.parametrize(
    ("cover", "rules", "over"),
    [
        ({}, {}, {}),
        (LINKED, {}, {}),
        ({}, {"thresholds": {"payment_end_age": 50, "yearly_premium_share": "0.01"}}, {}),
        ({"sum_insured_fen": 500 * WAN}, {}, {"customer_insists": True, "statement": "仍要投保"}),
        ({"premium_high_fen": 30 * WAN}, {}, {"customer_insists": True, "statement": "仍要投保"}),
    ],
)
async def test_row_64_stored_opinion_is_reckoned_again_from_what_is_stored(
    world: World, cover: Json, rules: Json, over: Json
) -> None:
    await qualify(world, **rules)
    customer = await create_customer(world.agent, name="林致远")
    analysis = await analyse(world.agent, customer["id"])
    await tolerance_form.assess(world.agent, customer["id"], tolerance_form.BOLD)
    made = await propose(world.agent, analysis, life(**cover), **over)
    assert made.status_code == 201, made.text
    assert (await sign(world.agent, made.json())).status_code == 200
    await qualify(world, level=1, most=1, thresholds={"yearly_premium_share": "0.0001"})  # other rules by now
    rows = [await sealed.opened(world, model, one["id"]) for model, one in ((NeedsAnalysis, analysis),
                                                                           (Proposal, made.json()))]  # fmt: skip
    assert _replayed(*rows).to_json() == rows[1].content["verdict"]
    assert "judged_by" not in made.json()
