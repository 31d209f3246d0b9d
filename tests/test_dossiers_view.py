"""The four dossiers as they are looked at: masks, conflicts, what was known on a day, phones."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from app.domain.consents import FieldGroup, Purpose
from app.services import dossiers
from tests.factories import World, create_company, create_customer, if_match
from tests.facts import TODAY, china_today, consent, fact_body, history, learn, reveal, url_of, view

__all__ = ["china_today"]  # no test names it: pytest runs it for every test of the module it is imported into


async def decide(world: World, fact: dict[str, Any], decision: str, *seen: dict[str, Any]) -> Any:
    body = {"decision": decision, "fact_ids": [one["id"] for one in (fact, *seen)]}
    return await world.agent.post(f"{url_of(fact)}/resolve", json=body)


def values(seen: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(fact["fact_key"], fact["value"]) for fact in seen["facts"]]


# --- masks -----------------------------------------------------------------------------------------------------


async def test_only_class_c1_is_shown_anywhere_without_a_look_on_record(world: World) -> None:
    person = await create_customer(world.agent)
    await learn(world.agent, person, "food", "沙茶面")
    secret = await learn(world.agent, person, "ambitions", "翠鸟计划")
    assert (secret["value"], secret["is_masked"]) == (None, True)
    url = f"/v1/customers/{person['id']}"
    for path in (f"{url}/dossiers/personal", f"{url}/dossier-facts", url_of(secret)):
        for client in (world.agent, world.manager, world.admin):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            assert "翠鸟" not in answer.text
    assert values(await view(world.agent, person)) == [("food", "沙茶面"), ("ambitions", None)]
    shown = await reveal(world.agent, person, "dossier.personal.ambitions", "dossier.personal.food")
    assert {(one["field"], one["value"]) for one in shown.json()["facts"]} == {
        ("dossier.personal.food", "沙茶面"), ("dossier.personal.ambitions", "翠鸟计划"),
    }  # fmt: skip
    assert "id_number" not in shown.json()
    detail = await world.db.fetchval(
        "SELECT detail::text FROM audit_events WHERE org_id = $1 AND action = 'customer.revealed'", world.org_id
    )
    assert "dossier.personal.ambitions" in detail
    assert "servicing" in detail
    assert "翠鸟" not in detail


async def test_nothing_of_a_value_lies_in_clear_in_the_database(world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person, "food", "翠鸟面馆", source="third_party", teller={"label": "翠鸟邻居"})
    assert made["teller"] == {"customer_id": None, "label": "翠鸟邻居"}
    row = await world.db.fetchrow("SELECT d::text AS line FROM dossier_facts d WHERE id = $1::uuid", made["id"])
    assert row["line"]
    for code in ("utf-8", "utf-16-le", "utf-16-be"):
        assert "翠鸟".encode(code).hex() not in row["line"]
    assert "翠鸟" not in row["line"]


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ("dossier.personal.shoe_size", "/fields/0"),
        ("dossier.project.food", "/fields/0"),
        ("dossier.corporate.managers", "/fields/0"),  # of a person
        ("dossier.secrets.food", "/fields/0"),
    ],
)
async def test_reveal_of_what_is_no_fact_of_his_is_422(world: World, field: str, pointer: str) -> None:
    answer = await reveal(world.agent, await create_customer(world.agent), field)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert field not in answer.text


async def test_reveal_of_facts_is_for_who_sees_the_customer_and_was_there_just_now(world: World) -> None:
    person = await create_customer(world.agent)
    await learn(world.agent, person, "ambitions", "翠鸟计划")
    partner = world.client(**{"X-API-Key": world.partner_key})
    assert (await reveal(world.stranger, person, "dossier.personal.ambitions")).status_code == 404
    assert (await reveal(world.auditor, person, "dossier.personal.ambitions")).status_code == 403
    assert (await reveal(partner, person, "dossier.personal.ambitions")).status_code == 403
    assert (await reveal(world.agent, person, "dossier.personal.pets")).json() == {"facts": []}


async def test_a_representative_needs_a_basis_and_stays_among_those_who_serve(world: World) -> None:
    company = await create_company(world.agent)
    url = f"/v1/customers/{company['id']}/dossier-facts"
    body = fact_body("rep", "小林，爱打电话")
    for basis, code in ((None, "missing"), ("told_by_customer", "choice")):
        sent = body if basis is None else {**body, "basis": basis}
        refused = await world.agent.post(url, json=sent)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code)
        assert refused.json()["errors"][0]["pointer"] == "/basis"
    made = await learn(world.agent, company, "rep", "小林，爱打电话", basis="public")
    assert (made["basis"], made["is_masked"], made["expires_on"]) == ("public", True, "2027-11-20")
    partner = world.client(**{"X-API-Key": world.partner_key})
    for path in (f"/v1/customers/{company['id']}/dossiers/competitor", url_of(made)):
        assert (await world.auditor.get(path)).status_code == 403
        assert (await partner.get(path)).status_code == 403


# --- least data (promise 61) and consent (promise 56) ------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"fact_key": "shoe_size"}, "/fact_key", "choice"),
        ({"dossier": "project"}, "/fact_key", "other_dossier"),
        ({"purpose": "underwriting"}, "/purpose", "other_purpose"),
        ({"dossier": "gossip"}, "/dossier", "choice"),
    ],
)
async def test_61_a_field_outside_its_purpose_or_dossier_is_422(
    world: World, over: dict[str, Any], pointer: str, code: str
) -> None:
    person = await create_customer(world.agent)
    answer = await world.agent.post(f"/v1/customers/{person['id']}/dossier-facts", json=fact_body(**over))
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [(pointer, code)]
    assert await history(world.agent, person) == []


async def test_61_a_view_shows_what_is_kept_for_its_purpose(world: World) -> None:
    company = await create_company(world.agent)
    await learn(world.agent, company, "company", "一家同业")
    await learn(world.agent, company, "rep_relation", "老同学", basis="agreed")
    assert len((await view(world.agent, company, "competitor"))["facts"]) == 2
    advice = await view(world.agent, company, "competitor", purpose="advice")
    assert [one["fact_key"] for one in advice["facts"]] == ["company"]
    assert advice["completeness"]["total"] == 4


async def test_56_a_sensitive_fact_needs_its_consent_and_names_it(world: World) -> None:
    person = await create_customer(world.agent)
    url = f"/v1/customers/{person['id']}/dossier-facts"
    for group, purpose, over in (
        (None, None, {}),
        (FieldGroup.health, Purpose.service, {}),
        (FieldGroup.whereabouts, Purpose.advice, {}),
        (FieldGroup.whereabouts, Purpose.service, {"valid_until": TODAY - timedelta(days=200)}),
    ):
        if group is not None and purpose is not None:
            await consent(world, person, group, purpose, **over)
        refused = await world.agent.post(url, json=fact_body("itinerary", "下周去泉州"))
        assert (refused.status_code, refused.json()["code"]) == (403, "consent_missing")
        assert (refused.json()["purpose"], refused.json()["field_groups"]) == ("service", ["whereabouts"])
        assert "泉州" not in refused.text
    given = await consent(world, person, FieldGroup.whereabouts, Purpose.service)
    made = await learn(world.agent, person, "itinerary", "下周去泉州")
    assert (made["consent_ids"], made["expires_on"]) == ([given], "2027-02-18")
    await world.db.execute("UPDATE consents SET withdrawn_at = now() WHERE org_id = $1", world.org_id)
    changed = await world.agent.patch(url_of(made), json={"value": "不去了"}, headers=if_match(made))
    assert changed.json()["code"] == "consent_missing"


# --- several sources -------------------------------------------------------------------------------------------


async def test_two_sources_that_differ_stand_side_by_side_until_one_is_chosen(world: World) -> None:
    person = await create_customer(world.agent)
    neighbour = await create_customer(world.agent, name="李雷")
    own = await learn(world.agent, person, "pets", "一只猫")
    other = await learn(
        world.agent, person, "pets", "两只狗", source="third_party", teller={"customer_id": neighbour["id"]},
        confidence="0.6",
    )  # fmt: skip
    assert (other["teller"], other["confidence"]) == ({"customer_id": neighbour["id"], "label": None}, "0.60")
    seen = await view(world.agent, person)
    assert values(seen) == [("pets", "一只猫"), ("pets", "两只狗")]
    assert seen["conflicts"] == [{"fact_key": "pets", "fact_ids": [own["id"], other["id"]]}]
    assert [one["is_conflicting"] for one in seen["facts"]] == [True, True]
    assert seen["completeness"]["known"] == 1
    third = await learn(world.agent, person, "pets", "一只鸟", source="observed")
    late = await decide(world, own, "choose", other)
    assert (late.status_code, late.json()["code"]) == (409, "conflict_changed")
    chosen = await decide(world, own, "choose", other, third)
    assert (chosen.status_code, sorted(chosen.json()["supersedes"])) == (200, sorted([other["id"], third["id"]]))
    seen = await view(world.agent, person)
    assert (values(seen), seen["conflicts"]) == ([("pets", "一只猫")], [])
    assert len(await history(world.agent, person)) == 3
    gone = await decide(world, other, "choose", own)
    assert (gone.status_code, gone.json()["code"]) == (409, "fact_superseded")


async def test_kept_facts_are_no_conflict_until_somebody_says_something_new(world: World) -> None:
    person = await create_customer(world.agent)
    own = await learn(world.agent, person, "pets", "一只猫")
    other = await learn(world.agent, person, "pets", "一只狗", source="observed")
    kept = await decide(world, own, "keep_all", other)
    assert (kept.status_code, kept.json()["settled_at"] is not None) == (200, True)
    seen = await view(world.agent, person)
    assert (len(seen["facts"]), seen["conflicts"]) == (2, [])
    await learn(world.agent, person, "pets", "一只鸟", source="public")
    assert len((await view(world.agent, person))["conflicts"][0]["fact_ids"]) == 3


async def test_sources_that_agree_are_no_conflict(world: World) -> None:
    person = await create_customer(world.agent)
    await learn(world.agent, person, "pets", "一只猫")
    await learn(world.agent, person, "pets", "一只猫", source="observed", observed_on="2026-11-22")
    seen = await view(world.agent, person)
    assert (len(seen["facts"]), seen["conflicts"], seen["completeness"]["known"]) == (2, [], 1)


async def test_a_late_older_word_of_the_same_source_is_history_at_once(world: World) -> None:
    person = await create_customer(world.agent)
    newer = await learn(world.agent, person, "pets", "两只猫")
    older = await learn(world.agent, person, "pets", "一只猫", observed_on="2026-10-01")
    assert older["superseded_by"] == newer["id"]
    assert values(await view(world.agent, person)) == [("pets", "两只猫")]


async def test_named_facts_are_superseded_whoever_told_them(world: World) -> None:
    person = await create_customer(world.agent)
    other = await learn(world.agent, person, "pets", "一只狗", source="observed")
    new = await learn(world.agent, person, "pets", "一只猫", supersedes=[other["id"]])
    assert new["supersedes"] == [other["id"]]
    body = fact_body("pets", "一只鸟", source="public", supersedes=[other["id"]])
    refused = await world.agent.post(f"/v1/customers/{person['id']}/dossier-facts", json=body)
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/supersedes/0"]


async def test_nobody_is_named_whom_the_caller_does_not_see(world: World) -> None:
    person, theirs = await create_customer(world.agent), await create_customer(world.stranger, name="外人")
    url = f"/v1/customers/{person['id']}/dossier-facts"
    unit = [{"party": theirs["id"], "role": "decider"}]
    for over, pointer in (
        ({"source": "third_party", "teller": {"customer_id": theirs["id"]}}, "/teller/customer_id"),
        ({"fact_key": "decision_unit", "value": unit, "basis": "agreed"}, "/value/0/party"),
    ):
        refused = await world.agent.post(url, json=fact_body(**over))
        assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [(pointer, "not_found")]


async def test_a_correction_names_nobody_else_either(world: World) -> None:
    person, theirs = await create_customer(world.agent), await create_customer(world.stranger, name="外人")
    made = await learn(world.agent, person, "pets", "一只狗", source="third_party", teller={"label": "邻居"})
    for body, pointer, code in (
        ({"teller": {"customer_id": theirs["id"]}}, "/teller/customer_id", "not_found"),
        ({"source": "customer"}, "/source", "teller_of_customer"),
        ({"basis": "agreed"}, "/basis", "choice"),
        ({"value": {"a": 1}}, "/value", "type"),
    ):
        refused = await world.agent.patch(url_of(made), json=body, headers=if_match(made))
        assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [(pointer, code)]
    fine = await world.agent.patch(
        url_of(made), json={"teller": None, "source": "customer", "confidence": "1"}, headers=if_match(made)
    )
    assert (fine.json()["teller"], fine.json()["confidence"]) == (None, "1.00")
    past = await history(world.agent, person)
    assert [one["teller"] for one in past] == [None, {"customer_id": None, "label": "邻居"}]


# --- what was known on a day -----------------------------------------------------------------------------------


def _clock(monkeypatch: pytest.MonkeyPatch, day: date, hour: int = 4) -> None:
    """Noon in China of a day, and the day itself."""
    now = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    monkeypatch.setattr(dossiers, "utc_now", lambda: now)
    monkeypatch.setattr("app.services.dossiers_amend.utc_now", lambda: now)
    monkeypatch.setattr(dossiers, "today", lambda: day)


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_known_on_a_day_is_what_the_view_said_on_that_day(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The oracle: the view of each evening, kept as it was, against `as_known_on` asked at the end."""
    chance, start = Random(seed), date(2026, 10, 1)
    person = await create_customer(world.agent)
    evenings: dict[date, list[tuple[str, str, str]]] = {}
    for step in range(12):
        day = start + timedelta(days=step)
        _clock(monkeypatch, day)
        current = (await view(world.agent, person))["facts"]
        deed = chance.choice(("learn", "learn", "correct", "choose", "keep"))
        key = chance.choice(("pets", "food"))
        mine = [{**one, "customer_id": person["id"]} for one in current if one["fact_key"] == key]
        if deed == "learn" or not mine:
            source = chance.choice(("customer", "observed", "public"))
            said = str(day - timedelta(days=chance.randint(0, 9)))
            await learn(world.agent, person, key, f"第{step}条", source=source, observed_on=said)
        elif deed == "correct":
            one = chance.choice(mine)
            await world.agent.patch(url_of(one), json={"value": f"改{step}"}, headers=if_match(one))
        else:
            one = chance.choice(mine)
            await decide(world, one, "choose" if deed == "choose" else "keep_all", *mine)
        seen = await view(world.agent, person)
        evenings[day] = sorted((one["fact_key"], one["value"], str(one["is_conflicting"])) for one in seen["facts"])
    for day, wanted in evenings.items():
        then = await view(world.agent, person, as_known_on=day.isoformat())
        found = sorted((one["fact_key"], one["value"], str(one["is_conflicting"])) for one in then["facts"])
        assert found == wanted, day
        assert then["as_known_on"] == day.isoformat()
    assert (await view(world.agent, person, as_known_on="2026-09-30"))["facts"] == []


async def test_tomorrow_is_not_known_yet(world: World) -> None:
    person = await create_customer(world.agent)
    url = f"/v1/customers/{person['id']}/dossiers/personal?as_known_on=2026-11-24"
    answer = await world.agent.get(url)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "in_future")


# --- phones ----------------------------------------------------------------------------------------------------


async def test_what_may_not_leave_for_a_phone_is_withheld_and_told_so(world: World) -> None:
    company = await create_company(world.agent)
    open_one = await learn(world.agent, company, "company", "一家同业")
    kept = await learn(world.agent, company, "rep", "小林", basis="agreed")
    seen = await view(world.agent, company, "competitor", **{"for": "offline"})
    assert [(one["fact_key"], one["is_withheld"]) for one in seen["facts"]] == [("company", False), ("rep", True)]
    listed = await history(world.agent, company, "?for=offline")
    assert {one["fact_key"]: (one["is_withheld"], one["value"]) for one in listed} == {
        "company": (False, "一家同业"), "rep": (True, None),
    }  # fmt: skip
    one = (await world.agent.get(f"{url_of(kept)}?for=offline")).json()
    assert (one["is_withheld"], one["teller"]) == (True, None)
    feed = "SELECT id::text, removed FROM feed WHERE org_id = $1 AND collection = 'dossier_facts' ORDER BY id"
    assert [tuple(row) for row in await world.db.fetch(feed, world.org_id)] == [
        (open_one["id"], False), (kept["id"], True),
    ]  # fmt: skip


async def test_a_new_holder_is_not_told_of_what_no_phone_may_keep(world: World) -> None:
    company = await create_company(world.agent)
    made = await learn(world.agent, company, "company", "一家同业")
    kept = await learn(world.agent, company, "rep", "小林", basis="agreed")
    answer = await world.manager.post(
        f"/v1/customers/{company['id']}/transfer", json={"to_user_id": str(world.users["mate"])},
        headers={"Idempotency-Key": str(uuid7())},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    feed = await world.db.fetch(
        "SELECT id::text, removed FROM feed WHERE org_id = $1 AND collection = 'dossier_facts' AND scope = $2",
        world.org_id, world.users["mate"],
    )  # fmt: skip
    assert dict(tuple(row) for row in feed) == {made["id"]: False, kept["id"]: True}
