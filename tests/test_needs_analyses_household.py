"""Analyses of a household over HTTP: made of a completed fact find, explained, confirmed, revised, never changed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.config import Settings
from app.domain.household_needs import analyse
from app.models.base import china_today
from tests.consents import consented
from tests.fact_find import WAN, completed, create_household, facts, family, result_of
from tests.factories import World, create_customer
from tests.life_form import create_analysis, create_draft, exact, places
from tests.problem import assert_problem

URL = "/v1/needs-analyses"


def _url(analysis: dict[str, Any], verb: str = "") -> str:
    return f"{URL}/{analysis['id']}{verb}"


async def _household(world: World, **overrides: Any) -> dict[str, Any]:
    return await create_household(world.agent, (await create_customer(world.agent))["id"], **overrides)


# --- made ------------------------------------------------------------------------------------------------------


async def test_analysis_is_what_the_engine_makes_of_the_answers(world: World) -> None:
    made = await _household(world, discount_rate="0.035")
    assert {one["key"]: one["source"] for one in made["assumptions"]}["discount_rate"] == "agent"
    plain = await _household(world)
    wanted = analyse(facts(family()), china_today())
    assert plain["results"] == list(wanted.results)
    assert (plain["affordability"], plain["suitability"]) == (wanted.affordability, wanted.suitability)
    assert (plain["advice"], plain["missing"]) == (list(wanted.advice), list(wanted.missing))
    assert (plain["assumptions"], plain["household"]) == (wanted.assumptions, wanted.household.to_json())
    assert (plain["need_fen"], plain["existing_cover_fen"], plain["gap_fen"]) == wanted.totals
    assert (plain["method_code"], plain["as_of"], plain["tolerance"]) == ("household", china_today().isoformat(), None)
    assert [plain[name] for name in ("supersedes_id", "superseded_by_id", "life_event", "diff", "confirmed_at")] == [
        None
    ] * 5


async def test_read_has_a_tag_that_follows_what_is_said_later(world: World) -> None:
    made = await _household(world)
    read = await world.agent.get(_url(made))
    assert exact(read) == made
    tag = read.headers["etag"]
    assert (await world.agent.get(_url(made), headers={"If-None-Match": tag})).status_code == 304
    body = {"kind": "recording", "reference": "rec-2026-0007", "confirmed_at": "2026-01-05T08:00:00Z"}
    assert (await world.agent.post(_url(made, "/confirm"), json=body)).status_code == 201
    later = await world.agent.get(_url(made), headers={"If-None-Match": tag})
    assert (later.status_code, later.headers["etag"][:3]) == (200, '"1.')


async def test_list_gives_the_summary_only(world: World) -> None:
    made = await _household(world)
    [item] = exact(await world.agent.get(f"/v1/customers/{made['customer_id']}/needs-analyses"))["items"]
    assert item == {key: made[key] for key in item}
    assert {"as_of", "supersedes_id", "superseded_by_id", "confirmed_at"} <= set(item)
    assert not {"results", "household", "facts", "assumptions", "diff", "affordability"} & set(item)


async def test_retry_answers_the_same_analysis(world: World) -> None:
    body = {"form_response_id": await completed(world.agent, (await create_customer(world.agent))["id"])}
    headers = {"Idempotency-Key": uuid4().hex}
    first, again = [await world.agent.post(URL, json=body, headers=headers) for _ in range(2)]
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    other = await world.agent.post(URL, json=body)
    assert other.json()["id"] != first.json()["id"]  # without a key each is an analysis of its own


async def test_only_a_completed_fact_find_is_analysed(world: World) -> None:
    customer = await consented(world.agent, await create_customer(world.agent))
    form = {"form_key": "needs.fact_find", "form_version": "1.0.0"}
    draft = await create_draft(world.agent, customer, answers=family(), **form)
    answer = await world.agent.post(URL, json={"form_response_id": draft["id"]})
    assert_problem(answer, 409, "response_not_completed")
    life = await create_analysis(world.agent, customer)
    answer = await world.agent.post(URL, json={"form_response_id": life["form_response_id"]})
    assert_problem(answer, 409, "form_not_analysed")
    answer = await world.agent.post(URL, json={"form_response_id": str(uuid4())})
    assert (answer.status_code, places(answer)) == (422, [("/form_response_id", "not_found")])


@pytest.mark.parametrize(
    ("overrides", "place"),
    [
        ({"nonsense": {"value": 1, "set_by": "agent"}}, ("/overrides", "assumption_unknown")),
        ({"inflation": {"value": "0.5", "set_by": "agent"}}, ("/overrides/inflation/value", "out_of_range")),
        ({"inflation": {"value": 1, "set_by": "agent"}}, ("/overrides/inflation/value", "pattern")),
        ({"income_fen": {"value": "1", "set_by": "agent"}}, ("/overrides/income_fen/value", "type")),
        ({"income_fen": {"value": 1, "set_by": "nobody"}}, ("/overrides/income_fen", "choice_unknown")),
        ({"income_fen": {"value": 1}}, ("/overrides/income_fen", "type")),
        ({"support_years": {"value": 81, "set_by": "customer"}}, ("/overrides/support_years/value", "out_of_range")),
    ],
)
async def test_refused_assumption_is_pointed_at(world: World, overrides: Any, place: tuple[str, str]) -> None:
    response = await completed(world.agent, (await create_customer(world.agent))["id"])
    answer = await world.agent.post(URL, json={"form_response_id": response, "overrides": overrides})
    assert (answer.status_code, places(answer)) == (422, [place])


async def test_result_too_large_to_be_exact_is_refused(world: World) -> None:
    answers = family(living_monthly=10**11, inflation="0.15", discount_rate="0", support_years=80)
    response = await completed(world.agent, (await create_customer(world.agent))["id"], answers)
    answer = await world.agent.post(URL, json={"form_response_id": response})
    assert (answer.status_code, places(answer)) == (422, [("", "result_out_of_range")])


# --- explained -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "language", "first"),
    [("zh-CN", "zh-CN", "全家一览"), ("en", "en", "The family at a glance")],
)
async def test_explanation_speaks_the_language_asked_for(world: World, accept: str, language: str, first: str) -> None:
    made = await _household(world)
    answer = await world.agent.get(_url(made, "/explain"), headers={"Accept-Language": accept})
    told = exact(answer)
    assert (told["language"], answer.headers["content-language"], told["sections"][0]["title"]) == (
        language, language, first,
    )  # fmt: skip
    assert answer.headers["vary"] == "Accept-Language"
    places_told = {(one["insured"], one["peril"]) for one in told["sections"]}
    assert places_told == {(None, None), *((one["insured"], one["peril"]) for one in made["results"])}


async def test_explanation_says_what_is_assumed_what_follows_and_what_is_missing(world: World) -> None:
    answers = family(cash=None, deposits=None, equities=None, survivor_share=6500)
    made = await create_household(world.agent, (await create_customer(world.agent))["id"], answers, inflation="0.025")
    told = exact(await world.agent.get(_url(made, "/explain"), headers={"Accept-Language": "zh-CN"}))["sections"]
    (life,) = (one for one in told if (one["insured"], one["peril"]) == ("self", "life"))
    assert "家里少了一个人以后,基本开支还要原来的 65%(您告诉我们的)" in life["assumed"]
    assert "东西每年涨价 2.5%(由您的代理人设定)" in life["assumed"]
    assert "存下的钱每年增值 3%(问卷里的常用值,您没有改)" in life["assumed"]
    assert result_of(made, "self", "life")["gap_fen"] > 0
    assert any(text.startswith("所以还差约 ") and text.endswith("万元。") for text in life["follows"])
    assert life["missing"][0].startswith("没有说家里有多少随时能用的钱")
    (girl,) = (one for one in told if (one["insured"], one["peril"]) == ("child.0", "life"))
    assert girl["follows"][0] == "周小满还没成年。按规定,所有公司加起来,身故保额最多 20 万元。"
    assert "已经超出 5 万元。" in girl["follows"]
    assert any("第 2 份保单已经到期" in text for text in told[0]["missing"])


async def test_nobody_is_told_of_children_or_an_income_that_are_not_there(world: World) -> None:
    alone: dict[str, Any] = {
        "marital": "unmarried",
        "children": [],
        "policies": [],
        "retirement_age": None,
        "birth_date": "1964-01-01",
    }
    gone = dict.fromkeys(name for name in family() if name.startswith("spouse_"))
    made = await create_household(world.agent, (await create_customer(world.agent))["id"], family(**gone | alone))
    told = exact(await world.agent.get(_url(made, "/explain"), headers={"Accept-Language": "zh-CN"}))["sections"]
    said = {one["peril"]: one for one in told}
    assert "孩子" not in said["life"]["follows"][0]
    assert "离退休还有" not in "".join(said["critical_illness"]["assumed"])  # he has retired
    assert said["critical_illness"]["follows"][0] == "如果您得了大病,治疗和休养一共需要约 52 万元。"
    nearly = family(**gone | alone | {"retirement_age": 64})
    made = await create_household(world.agent, (await create_customer(world.agent))["id"], nearly)
    told = exact(await world.agent.get(_url(made, "/explain"), headers={"Accept-Language": "zh-CN"}))["sections"]
    (ill,) = (one for one in told if one["peril"] == "critical_illness")
    assert "离退休还有 2 年,生病时只算这几年少掉的收入(您告诉我们的)" in ill["assumed"]


async def test_analysis_of_the_life_form_is_explained_too(world: World) -> None:
    made = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    told = exact(await world.agent.get(_url(made, "/explain"), headers={"Accept-Language": "en"}))["sections"]
    assert [(one["insured"], one["peril"]) for one in told] == [(None, None), ("self", "life")]
    assert "The family has to be looked after for 18 more years (as you told us)" in told[1]["assumed"]
    assert told[1]["follows"][0].startswith("If you were no longer there, the family would need about CNY ")


# --- confirmed -------------------------------------------------------------------------------------------------

WORD = {"kind": "signature", "reference": "sig-2026-0042", "confirmed_at": "2026-01-05T16:00:00+08:00"}


async def test_customer_confirms_once(world: World) -> None:
    made = await _household(world)
    answer = await world.agent.post(_url(made, "/confirm"), json=WORD)
    told = exact(answer)
    assert (answer.status_code, answer.headers["location"]) == (201, _url(made))
    assert told["confirmation"] == {
        "kind": "signature",
        "reference": "sig-2026-0042",
        "confirmed_at": "2026-01-05T08:00:00.000000Z",
        "recorded_by": str(world.users["agent"]),
    }
    said = {"confirmation", "confirmed_at"}
    assert {key: value for key, value in told.items() if key not in said} == {
        key: value for key, value in made.items() if key not in said
    }
    assert exact(await world.agent.get(_url(made))) == told
    assert_problem(await world.agent.post(_url(made, "/confirm"), json=WORD), 409, "analysis_confirmed")


async def test_confirmation_lies_in_the_past_and_says_where_it_is_kept(world: World) -> None:
    made = await _household(world)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = await world.agent.post(_url(made, "/confirm"), json={**WORD, "confirmed_at": soon})
    assert (answer.status_code, places(answer)) == (422, [("/confirmed_at", "in_future")])
    answer = await world.agent.post(_url(made, "/confirm"), json={**WORD, "reference": ""})
    assert (answer.status_code, places(answer)) == (422, [("/reference", "too_short")])


# --- revised ---------------------------------------------------------------------------------------------------


async def _revise(world: World, made: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = await world.agent.post(_url(made, "/revise"), json=body)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = exact(answer)
    return told


async def test_revision_by_assumption_tells_exactly_what_changed(world: World) -> None:
    made = await _household(world)
    income = {"spouse_income_fen": {"value": 20 * WAN, "set_by": "customer"}}
    new = await _revise(world, made, life_event="income", overrides=income)
    assert (new["supersedes_id"], new["life_event"], new["form_response_id"]) == (
        made["id"], "income", made["form_response_id"],
    )  # fmt: skip
    told = {(one["insured"], one["peril"]): one for one in new["diff"]["results"]}
    assert told.keys() == {(one["insured"], one["peril"]) for one in made["results"]}
    for key, change in told.items():
        before, after = result_of(made, *key), result_of(new, *key)
        for name in ("need_fen", "existing_fen", "gap_fen"):
            assert change[name] == {"before": before[name], "after": after[name]}
        moved = any(before[name] != after[name] for name in ("need_fen", "existing_fen", "gap_fen"))
        assert change["change"] == ("changed" if moved else "same")
    assert {key for key, change in told.items() if change["change"] == "changed"} == {
        ("self", "life"), ("spouse", "critical_illness"), ("spouse", "accident"),
    }  # fmt: skip
    assert told["spouse", "critical_illness"]["inputs"] == ["income_fen"]
    assert told["spouse", "critical_illness"]["need_fen"]["after"] == 52 * WAN + 4 * 20 * WAN
    assert new["diff"]["assumptions"] == [{"key": "spouse_income_fen", "before": 15 * WAN, "after": 20 * WAN}]
    assert new["diff"]["answers"] == []
    old = exact(await world.agent.get(_url(made)))
    assert old == made | {"superseded_by_id": new["id"]}


async def test_revision_by_a_newer_response_compares_the_answers(world: World) -> None:
    customer = (await create_customer(world.agent))["id"]
    made = await create_household(world.agent, customer, inflation="0.03")
    baby = {"child_birth_date": "2026-01-02", "child_social_medical": "resident", "education_goal": "none"}
    answers = family(children=[*family()["children"], baby])
    new = await _revise(
        world, made, life_event="birth", form_response_id=await completed(world.agent, customer, answers)
    )
    added = [one for one in new["diff"]["results"] if one["change"] == "added"]
    assert {(one["insured"], one["peril"]) for one in added} == {
        ("child.2", "critical_illness"), ("child.2", "medical"), ("child.2", "accident"),
    }  # fmt: skip
    assert all(one["gap_fen"]["before"] is None and one["need_fen"]["after"] for one in added)
    assert not any(point["row"] == 11 for point in new["missing"])  # the policy of a third child has found him
    assert new["diff"]["answers"] == ["children"]
    # The former assumption of the agent stood for former answers.
    assert new["diff"]["assumptions"] == [{"key": "inflation", "before": "0.03", "after": "0.02"}]


@pytest.mark.parametrize("moment", [0, 1_700_000_000, 1.5, True])
async def test_seconds_since_1970_are_no_time(world: World, moment: object) -> None:
    made = await _household(world)
    answer = await world.agent.post(_url(made, "/confirm"), json={**WORD, "confirmed_at": moment})
    assert_problem(answer, 422, "invalid", ("/confirmed_at", "type"))


async def test_answers_that_were_taken_back_are_not_confirmed_and_the_analysis_says_so(world: World) -> None:
    made = await _household(world)
    before = await world.db.fetchval("SELECT max(seq) FROM feed WHERE org_id = $1", world.org_id)
    read = await world.agent.get(_url(made))
    assert read.json()["is_retracted"] is False
    await world.agent.post(f"/v1/form-responses/{made['form_response_id']}/retract", json={"reason": "录错了人"})
    assert_problem(await world.agent.post(_url(made, "/confirm"), json=WORD), 409, "analysis_retracted")
    after = await world.agent.get(_url(made), headers={"If-None-Match": read.headers["etag"]})
    assert after.json() == {**read.json(), "is_retracted": True}
    told = "SELECT count(*) FROM feed WHERE org_id = $1 AND seq > $2 AND collection = 'needs_analyses' AND id = $3"
    assert await world.db.fetchval(told, world.org_id, before, UUID(made["id"])) > 0


async def test_revisions_keep_earlier_assumptions_and_go_one_after_another(world: World) -> None:
    made = await _household(world, inflation="0.03")
    death = {"spouse_income_fen": {"value": 0, "set_by": "agent"}}
    new = await _revise(world, made, life_event="death", overrides=death)
    assert {one["key"]: one["value"] for one in new["assumptions"]}["inflation"] == "0.03"
    assert [one["change"] for one in new["diff"]["results"] if one["insured"] == "spouse"] == [
        "removed", "changed", "same", "changed",
    ]  # fmt: skip
    again = {"life_event": "other", "overrides": death}
    assert_problem(await world.agent.post(_url(made, "/revise"), json=again), 409, "analysis_superseded")
    assert_problem(await world.agent.post(_url(made, "/confirm"), json=WORD), 409, "analysis_superseded")
    third = await _revise(
        world, new, life_event="retirement", overrides={"retirement_age": {"value": 55, "set_by": "customer"}}
    )
    listed = exact(await world.agent.get(f"/v1/customers/{made['customer_id']}/needs-analyses"))["items"]
    assert [(one["id"], one["supersedes_id"]) for one in listed] == [
        (third["id"], new["id"]), (new["id"], made["id"]), (made["id"], None),
    ]  # fmt: skip


async def test_revision_changes_something_of_the_same_customer(world: World) -> None:
    made = await _household(world)
    answer = await world.agent.post(_url(made, "/revise"), json={"life_event": "job"})
    assert (answer.status_code, places(answer)) == (422, [("/overrides", "missing")])
    other = await completed(world.agent, (await create_customer(world.agent))["id"])
    answer = await world.agent.post(_url(made, "/revise"), json={"life_event": "job", "form_response_id": other})
    assert (answer.status_code, places(answer)) == (422, [("/form_response_id", "not_found")])


async def test_analysis_of_the_life_form_is_revised_by_a_fact_find_only(world: World) -> None:
    customer = (await create_customer(world.agent))["id"]
    made = await create_analysis(world.agent, customer)
    rate = {"discount_rate": {"value": "0.04", "set_by": "agent"}}
    answer = await world.agent.post(_url(made, "/revise"), json={"life_event": "other", "overrides": rate})
    assert_problem(answer, 409, "analysis_not_household")
    new = await _revise(world, made, life_event="marriage", form_response_id=await completed(world.agent, customer))
    (life,) = (one for one in new["diff"]["results"] if (one["insured"], one["peril"]) == ("self", "life"))
    assert (life["gap_fen"]["before"], life["change"]) == (made["gap_fen"], "changed")
    assert (await world.agent.get(_url(new, "/explain"))).status_code == 200


# --- who, and that it stays ------------------------------------------------------------------------------------


async def test_visibility_follows_the_customer(world: World, other_world: World) -> None:
    made = await _household(world)
    body = {"form_response_id": made["form_response_id"]}
    revision = {"life_event": "other", **body}
    for client, status in ((world.stranger, 404), (other_world.admin, 404), (world.auditor, 403)):
        assert (await client.get(_url(made))).status_code == status
        assert (await client.get(_url(made, "/explain"))).status_code == status
        assert (await client.post(_url(made, "/confirm"), json=WORD)).status_code == status
        assert (await client.post(_url(made, "/revise"), json=revision)).status_code == status
        assert (await client.post(URL, json=body)).status_code == (422 if status == 404 else status)
    assert (await world.manager.get(_url(made, "/explain"))).status_code == 200


async def test_trail_names_the_response_and_the_former_analysis(world: World) -> None:
    made = await _household(world)
    new = await _revise(world, made, life_event="other", overrides={"support_years": {"value": 1, "set_by": "agent"}})
    await world.agent.post(_url(new, "/confirm"), json=WORD)
    rows = await world.db.fetch(
        "SELECT action, detail FROM audit_events WHERE org_id = $1 AND object_id = $2 ORDER BY at",
        world.org_id,
        UUID(new["id"]),
    )
    assert [row["action"] for row in rows] == ["needs_analysis.created", "needs_analysis.confirmed"]
    assert made["id"] in rows[0]["detail"]
    assert "sig-2026-0042" not in rows[1]["detail"]


@pytest.mark.parametrize("table", ["needs_analyses", "needs_analysis_confirmations"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET version = 2", "DELETE FROM {}"])
async def test_not_even_the_owner_of_the_tables_changes_them(world: World, table: str, statement: str) -> None:
    made = await _household(world)
    await world.agent.post(_url(made, "/confirm"), json=WORD)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with world.db.transaction():
            await world.db.execute(statement.format(table))


async def test_what_it_rests_on_is_in_no_answer(world: World) -> None:
    made = await _household(world)
    assert not {"facts", "overrides"} & made.keys()


async def test_stored_analysis_is_bound_to_its_organisation(settings: Settings, world: World) -> None:
    made = await _household(world)
    await world.agent.post(_url(made, "/confirm"), json=WORD)
    connection = await asyncpg.connect(settings.database_url)
    try:
        for org_id, count in ((world.org_id, 1), (uuid4(), 0)):
            await connection.execute(f"SET app.org_id = '{org_id}'")
            found = await connection.fetchval("SELECT count(*) FROM needs_analysis_confirmations")
            assert found == count
    finally:
        await connection.close()
