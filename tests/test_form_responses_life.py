"""The life of a response: begun, completed, amended by a new revision, entered in error. What is final stays."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from uuid_utils.compat import uuid7

from app.config import Settings
from app.models.base import china_today
from tests.consents import consented
from tests.factories import World, create_customer, if_match
from tests.form_answers import least
from tests.library_forms import FORMS
from tests.life_form import ANSWERS, complete, create_analysis, create_draft, exact, places, save, url_of
from tests.own_forms import ANSWERS as PET
from tests.own_forms import KEY, completed, pet, pet_two, publish, start
from tests.test_database import as_app


async def _amend(client: httpx.AsyncClient, response: dict[str, Any], **body: Any) -> httpx.Response:
    return await client.post(f"{url_of(response)}/amend", json=body)


async def _retract(client: httpx.AsyncClient, response: dict[str, Any], reason: str = "录错了人") -> httpx.Response:
    return await client.post(f"{url_of(response)}/retract", json={"reason": reason})


async def _done(world: World, **over: Any) -> dict[str, Any]:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"], **over)
    made: dict[str, Any] = exact(await complete(world.agent, draft))
    return made


# --- begun -----------------------------------------------------------------------------------------------------


async def test_first_saved_answer_or_a_word_begins_the_interview(world: World) -> None:
    customer = await create_customer(world.agent)
    for change in ({"answers": {"mortgage": 7}}, {"status": "in_progress"}):
        draft = await create_draft(world.agent, customer["id"])
        assert draft["status"] == "draft"
        begun = await world.agent.patch(url_of(draft), json=change, headers=if_match(draft))
        assert (begun.json()["status"], begun.json()["version"]) == ("in_progress", 2)
        again = await world.agent.patch(url_of(draft), json={"status": "in_progress"}, headers=if_match(draft))
        assert (again.status_code, again.json()["version"]) == (200, 2)
        assert (await complete(world.agent, begun.json())).json()["status"] == "completed"
    wrong = await world.agent.patch(url_of(draft), json={"status": "completed"}, headers=if_match(draft))
    assert (wrong.status_code, places(wrong)) == (422, [("/status", "choice")])


async def test_clock_and_counter_of_the_phone_are_kept(world: World) -> None:
    customer = await create_customer(world.agent)
    at = ["2026-11-20T09:00:00+08:00", "2026-11-20T09:30:00+08:00", "2026-11-20T10:00:00+08:00"]
    draft = await create_draft(world.agent, customer["id"], client_at=at[0], client_counter=4)
    assert (draft["client_at"], draft["client_counter"]) == ("2026-11-20T01:00:00.000000Z", 4)
    change = {"answers": {"mortgage": 1}, "client_at": at[1], "client_counter": 2**53 - 1}
    saved = (await world.agent.patch(url_of(draft), json=change, headers=if_match(draft))).json()
    assert (saved["client_at"], saved["client_counter"]) == ("2026-11-20T01:30:00.000000Z", 2**53 - 1)
    headers = {"Idempotency-Key": uuid4().hex, **if_match(saved)}
    done = await world.agent.post(f"{url_of(draft)}/complete", json={"client_at": at[2]}, headers=headers)
    assert (done.json()["client_at"], done.json()["client_counter"]) == ("2026-11-20T02:00:00.000000Z", 2**53 - 1)
    for member, value in (("client_counter", -1), ("client_counter", "7"), ("client_at", "2026-11-20T09:00:00")):
        refused = await world.agent.patch(url_of(draft), json={member: value}, headers=if_match(draft))
        assert (refused.status_code, places(refused)[0][0]) == (422, f"/{member}")


# --- completed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("back", "code"), [(0, None), (90, None), (91, "out_of_range"), (-1, "in_future")])
async def test_day_of_the_answers_is_within_bounds(world: World, back: int, code: str | None) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    day = (china_today() - timedelta(days=back)).isoformat()
    headers = {"Idempotency-Key": uuid4().hex, **if_match(draft)}
    answer = await world.agent.post(f"{url_of(draft)}/complete", json={"answered_on": day}, headers=headers)
    if code is None:
        assert (answer.status_code, exact(answer)["answered_on"]) == (201, day)
    else:
        assert (answer.status_code, places(answer)) == (422, [("/answered_on", code)])


async def test_ages_are_reckoned_for_the_day_of_the_answers(world: World) -> None:
    """The child's age is the server's: on the day the family answered, whatever the phone computed."""
    form = FORMS["needs.fact_find"]
    today = china_today()
    answers = least(form) | {"children": [{"child_birth_date": f"{today.year - 7}-{today:%m}-01",
                                           "child_age": 99, "education_goal": "none"}]}  # fmt: skip
    ages = []
    for back in (0, 60):
        customer_id = await consented(world.agent, await create_customer(world.agent))
        draft = await create_draft(
            world.agent, customer_id, form_key=form.form_key, form_version=form.version, answers=answers
        )
        headers = {"Idempotency-Key": uuid4().hex, **if_match(draft)}
        day = (today - timedelta(days=back)).isoformat()
        done = exact(await world.agent.post(f"{url_of(draft)}/complete", json={"answered_on": day}, headers=headers))
        assert "calculated_differs" in [
            one["code"] for one in done["warnings"] if one["pointer"] == "/answers/children/0/child_age"
        ]
        ages.append(done["answers"]["children"][0]["child_age"])
    assert ages == [7, 6]


async def test_constraints_that_only_warn_are_told_and_kept(world: World) -> None:
    await publish(world.admin, pet())
    done = await completed(
        world.agent, (await create_customer(world.agent))["id"], answers={**PET, "monthly": 200_000, "yearly": 5}
    )
    assert [(one["pointer"], one["code"], one["key"]) for one in done["warnings"]] == [
        ("/answers/yearly", "calculated_differs", None),
        ("/answers/yearly", "constraint_broken", "dear"),
    ]
    assert done["warnings"][1]["message"] == {"zh": "花费较高", "en": "That is a lot"}
    assert done["answers"]["yearly"] == 2_400_000
    assert (await world.agent.get(url_of(done))).json() == done


async def test_response_of_version_one_is_taken_after_version_two_and_shown_unchanged(world: World) -> None:
    """Filled in without a network on 1.0.0, sent after 2.0.0 is out: judged by 1.0.0, and shown so ever after."""
    await publish(world.admin, pet())
    customer = await create_customer(world.agent)
    kept: dict[str, Any] = {"id": str(uuid7()), "client_at": "2026-11-01T09:00:00+08:00", "client_counter": 1}
    await publish(world.admin, pet_two())
    first, again = [await start(world.agent, customer["id"], **kept) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (201, 200, first.content)
    done = exact(await complete(world.agent, first.json()))
    assert (done["status"], done["form_version"]) == ("completed", "1.0.0")
    assert done["answers"] == {**PET, "yearly": 600_000}  # 2.0.0 knows neither kind nor walks
    hashes = {
        version: (await world.agent.get(f"/v1/forms/{KEY}/versions/{version}")).json()["content_hash"]
        for version in ("1.0.0", "2.0.0")
    }
    assert done["content_hash"] == hashes["1.0.0"] != hashes["2.0.0"]
    await publish(world.admin, {**pet_two(), "version": "3.0.0", "derived_from": "2.0.0"})
    assert (await world.agent.get(url_of(done))).json() == done
    newer = await start(world.agent, customer["id"], "2.0.0")
    assert (newer.status_code, places(newer)[0]) == (422, ("/answers/kind", "unknown_link_id"))


@pytest.mark.parametrize("change", [
    "answers_enc = '\\x01'", "answers_enc = NULL",
    "content_hash = 'x'", "status = 'draft'", "status = 'amended'", "customer_id = gen_random_uuid()",
    "needs_analysis_id = NULL", "completed_at = now()", "form_version = '2.0.0'",
    "recorded_by = gen_random_uuid()", "retraction_enc = NULL, status = 'draft'",
    "revision = 2",
])  # fmt: skip
async def test_database_refuses_to_change_what_is_completed(world: World, change: str) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    for status in ("completed", "entered_in_error"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="does not change"):
            await world.db.execute(
                f"UPDATE form_responses SET {change} WHERE id = $1",  # the cases above
                UUID(analysis["form_response_id"]),
            )
        if status == "completed":
            found = await world.agent.get(f"/v1/form-responses/{analysis['form_response_id']}")
            assert (await _retract(world.agent, found.json())).status_code == 200


async def test_service_itself_cannot_change_it_either(world: World, settings: Settings) -> None:
    old = await _done(world)
    async with as_app(settings, world.org_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="does not change"):
            await connection.execute("UPDATE form_responses SET answers_enc = NULL WHERE id = $1", UUID(old["id"]))
    async with as_app(settings, world.org_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await connection.execute("DELETE FROM form_responses WHERE id = $1", UUID(old["id"]))


# --- amended ---------------------------------------------------------------------------------------------------


async def test_amendment_is_a_new_revision_and_the_old_one_stays(world: World) -> None:
    old = await _done(world)
    answer = await _amend(world.agent, old)
    draft = exact(answer)
    assert (answer.status_code, answer.headers["location"]) == (201, url_of(draft))
    assert (draft["status"], draft["revision"], draft["amends_id"]) == ("draft", 2, old["id"])
    assert draft["answers"] == old["answers"]
    saved = (await save(world.agent, draft, {"mortgage": 1})).json()
    done = exact(await complete(world.agent, saved))
    assert (done["status"], done["answers"]["mortgage"]) == ("amended", 1)
    assert done["needs_analysis_id"] not in (None, old["needs_analysis_id"])
    assert (await world.agent.get(url_of(old))).json() == old
    third = exact(await _amend(world.agent, done))
    assert (third["revision"], third["amends_id"]) == (3, done["id"])
    listed = (await world.agent.get(f"/v1/customers/{old['customer_id']}/form-responses")).json()["items"]
    assert [(one["revision"], one["amends_id"], one["status"]) for one in listed] == [
        (3, done["id"], "draft"),
        (2, old["id"], "amended"),
        (1, None, "completed"),
    ]


async def test_draft_of_a_revision_keeps_the_warnings_of_its_answers(world: World) -> None:
    await publish(world.admin, pet())
    old = await completed(world.agent, (await create_customer(world.agent))["id"], answers={**PET, "monthly": 200_000})
    assert [one["key"] for one in old["warnings"]] == ["dear"]
    assert exact(await _amend(world.agent, old))["warnings"] == old["warnings"]


async def test_only_the_latest_completed_revision_is_amended_and_once(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    assert (await _amend(world.agent, draft)).json()["code"] == "response_not_completed"
    old = exact(await complete(world.agent, draft))
    shared = str(uuid7())
    first, again = [await _amend(world.agent, old, id=shared) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (201, 200, first.content)
    other = await _amend(world.agent, old)
    assert (other.status_code, other.json()["code"]) == (409, "response_amended")
    # Thrown away, it makes room for another.
    assert (await _retract(world.agent, first.json())).json()["status"] == "entered_in_error"
    assert (await _amend(world.agent, old)).status_code == 201
    elsewhere = await _done(world)
    assert (await _amend(world.agent, elsewhere, id=shared)).json()["code"] == "id_taken"


# --- entered in error ------------------------------------------------------------------------------------------


async def test_response_entered_in_error_keeps_its_answers_and_its_reason(world: World) -> None:
    old = await _done(world)
    answer = await _retract(world.agent, old)
    body = exact(answer)
    assert (answer.status_code, body["status"], body["retraction_reason"]) == (200, "entered_in_error", "录错了人")
    changed = {"status", "retraction_reason", "retracted_at", "version", "updated_at"}
    assert {key: value for key, value in body.items() if key not in changed} == {
        key: value for key, value in old.items() if key not in changed
    }
    assert (await _retract(world.agent, old)).content == answer.content
    for refused in (
        await _retract(world.agent, old, "另有原因"),
        await _amend(world.agent, old),
        await save(world.agent, body, {"mortgage": 1}),
        await complete(world.agent, body),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "response_retracted")


async def test_what_a_revision_follows_is_not_retracted_before_it(world: World) -> None:
    old = await _done(world)
    draft = exact(await _amend(world.agent, old))
    assert (await _retract(world.agent, old)).json()["code"] == "response_amended"
    assert (await _retract(world.agent, draft)).status_code == 200
    assert (await _retract(world.agent, old)).status_code == 200


async def test_reason_is_neither_in_lists_nor_in_the_trail(world: World) -> None:
    old = await _done(world)
    await _retract(world.agent, old, "翠鸟之误")
    listed = await world.agent.get(f"/v1/customers/{old['customer_id']}/form-responses?status=entered_in_error")
    assert len(listed.json()["items"]) == 1
    assert "翠鸟" not in listed.text
    trail = await world.db.fetchval(
        "SELECT string_agg(detail::text, ' ') FROM audit_events WHERE org_id = $1", world.org_id
    )
    assert "翠鸟" not in trail


async def test_others_neither_amend_nor_retract(world: World, other_world: World) -> None:
    old = await _done(world)
    for client, status in ((world.mate, 404), (world.stranger, 404), (other_world.admin, 404), (world.auditor, 403)):
        for answer in (await _amend(client, old), await _retract(client, old)):
            assert answer.status_code == status
    assert (await world.agent.get(url_of(old))).json() == old
    assert old["answers"] == ANSWERS
