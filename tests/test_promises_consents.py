"""Promises 56 to 58: sensitive data wait for a consent of their own, which can be proven, withdrawn, and given for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from time import perf_counter
from typing import Any

import httpx
import pytest

from app import main
from app.config import Settings
from app.domain import consents as rules
from app.domain.consents import Age
from app.domain.lunar import PartialDate
from app.models.base import china_today, utc_now
from tests.apart import OPEN, apart
from tests.consents import MOTHER, body, give, grounds, post, withdraw
from tests.factories import World, create_customer
from tests.form_answers import least
from tests.library_forms import FORMS
from tests.life_form import complete, create_draft, save
from tests.matrix_makers import GOLF
from tests.own_forms import KEY, pet, publish
from tests.problem import assert_problem

RESPONSES = "/v1/form-responses"
# One answer of each kind, and the group it needs.
ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "health": ("policy.review", {"treated": True}),
    "financial": ("household.budget", {"income_self": 1_200_000}),
    "minors": ("needs.fact_find", {"children": [{"child_name": "周小满"}]}),
    "whereabouts": ("dossier.personal", {"itinerary": "下周出差"}),
    "identity": ("visit.nine_steps", {"id_number": "11010519491231002X"}),
    "third_party": ("visit.nine_steps", {"relatives": [{"relative_phone": "13800138000"}]}),
}


async def answered(client: httpx.AsyncClient, customer: dict[str, Any], group: str) -> httpx.Response:
    form_key, answers = ANSWERS[group]
    sent = {"customer_id": customer["id"], "form_key": form_key, "form_version": "1.0.0", "answers": answers}
    return await client.post(RESPONSES, json=sent)


async def assert_refused(client: httpx.AsyncClient, customer: dict[str, Any], group: str) -> None:
    answer = await answered(client, customer, group)
    assert_problem(answer, 403, "consent_missing")
    said = answer.json()
    assert (said["type"], said["purpose"], said["field_groups"]) == ("/problems/consent-missing", "advice", [group])
    assert [issue["code"] for issue in said["errors"]] == [f"consent_{group}"]
    for value in ("周小满", "下周出差", "11010519491231002X", "1200000", "13800138000"):
        assert value not in answer.text


def guarded(group: str) -> dict[str, Any]:
    return {"given_by": "guardian", "guardian": MOTHER} if group == "minors" else {}


@pytest.mark.parametrize(
    ("item", "said", "group"),
    [
        ({"type": "text", "max": 50, "extract": "dossier.personal.itinerary"}, "下周出差", "whereabouts"),
        ({"type": "text", "max": 50, "extract": "dossier.personal.org.golf"}, "膝盖受过伤", "health"),
        ({"type": "text", "max": 50, "prefill": "dossier.personal.org.golf"}, "膝盖受过伤", "health"),
        ({"type": "id_number"}, "11010519491231002X", "identity"),
    ],
)
async def test_row_56_a_form_that_calls_itself_harmless_is_judged_by_what_it_asks(
    world: World, item: dict[str, Any], said: str, group: str
) -> None:
    careful = {**GOLF, "fact_key": "org.golf", "dossier": "personal", "sensitivity": "sensitive_personal"}
    made = await world.admin.post("/v1/fact-definitions", json={**careful, "group": "health", "purpose": "advice"})
    assert made.status_code == 201, made.text
    asked = {"link_id": "asked", "label": {"zh": "说说看？", "en": "Tell me?"}, "sensitivity": "none", **item}
    await publish(world.admin, pet(items=[asked]))
    customer = await create_customer(world.agent)
    sent = {"customer_id": customer["id"], "form_key": KEY, "form_version": "1.0.0", "answers": {"asked": said}}
    refused = await world.agent.post(RESPONSES, json=sent)
    assert_problem(refused, 403, "consent_missing")
    assert refused.json()["field_groups"] == [group]
    await give(world.agent, customer["id"], group)
    assert (await world.agent.post(RESPONSES, json=sent)).status_code == 201


async def test_row_56_the_shortest_form_asks_what_the_longest_may_not(world: World) -> None:
    """`needs.life` 1.0.0 marks nothing: what `needs.fact_find` calls sensitive is so there as well."""
    customer = await create_customer(world.agent)
    sent = {"customer_id": customer["id"], "form_key": "needs.life", "form_version": "1.0.0"}
    harmless = {"family_expense": 12_000_000, "support_years": 18, "final_expenses": 3_000_000}
    draft = await world.agent.post(RESPONSES, json={**sent, "answers": harmless})
    assert draft.status_code == 201, draft.text
    money: list[dict[str, Any]] = [
        {"has_spouse_income": True, "spouse_income": 9_000_000},
        {"supports_parents": True, "parents_support": 0},
        {"children": [{"years_until": 6}, {"cost": 20_000_000, "years_until": 11}]},
        {"mortgage": 1}, {"other_debts": 1}, {"liquid_assets": 1}, {"existing_cover": 1},
        {"has_social_benefits": True, "social_benefits": 1},
    ]  # fmt: skip
    for answers in money:
        for refused in (
            await world.agent.post(RESPONSES, json={**sent, "answers": answers}),
            await save(world.agent, draft.json(), answers),
        ):
            assert_problem(refused, 403, "consent_missing")
            assert refused.json()["field_groups"] == ["financial"]
    said = await give(world.agent, customer["id"], "financial")
    for answers in money:
        assert (await world.agent.post(RESPONSES, json={**sent, "answers": answers})).status_code == 201
    saved = (await save(world.agent, draft.json(), money[3])).json()
    done = await complete(world.agent, saved)
    assert done.status_code == 201, done.text
    rests = (await withdraw(world.agent, said))["unfounded"]
    analysis = {"object_type": "needs_analysis", "object_id": done.json()["needs_analysis_id"]}
    assert any(analysis.items() <= one.items() for one in rests), rests


def days(back: int) -> str:
    return (utc_now() - timedelta(days=back)).isoformat()


@pytest.mark.parametrize("group", ANSWERS)
async def test_row_56_no_sensitive_answer_without_a_consent_of_its_own(world: World, group: str) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent, name="另一人")
    await assert_refused(world.agent, customer, group)
    others = [name for name in ANSWERS if name not in (group, "minors")]
    await give(world.agent, customer["id"], "general", *others)
    await assert_refused(world.agent, customer, group)
    await give(world.agent, customer["id"], group, purpose="service", **guarded(group))
    await assert_refused(world.agent, customer, group)
    await give(world.agent, other["id"], group, **guarded(group))
    await assert_refused(world.agent, customer, group)
    past = (china_today() - timedelta(days=10)).isoformat()
    await give(world.agent, customer["id"], group, decided_at=days(40), valid_until=past, **guarded(group))
    await assert_refused(world.agent, customer, group)
    to_come = (china_today() + timedelta(days=1)).isoformat()
    await give(world.agent, customer["id"], group, valid_from=to_come, **guarded(group))
    await assert_refused(world.agent, customer, group)
    await give(world.agent, customer["id"], group, decision="refused")
    await assert_refused(world.agent, customer, group)
    taken_back = await give(world.agent, customer["id"], group, **guarded(group))
    await withdraw(world.agent, taken_back)
    await assert_refused(world.agent, customer, group)
    await give(world.agent, customer["id"], group, **guarded(group))
    assert (await answered(world.agent, customer, group)).status_code == 201


async def test_row_56_consent_to_a_recipient_is_none_to_us(world: World) -> None:
    customer = await create_customer(world.agent)
    text = {"purpose": "advice", "field_group": "health", "is_material": True,
            "recipient": {"name": "江城银行", "contact": "隐私办公室 027-0000"}}  # fmt: skip
    made = (await world.admin.post("/v1/consent-texts", json=text)).json()
    assert "江城银行" in made["words"]["zh"]["text"]
    ground = {"field_group": "health", "text_version": 1, "text_hash": made["words"]["zh"]["text_hash"]}
    sent = await body(world.agent, "health", recipient="江城银行")
    await post(world.agent, customer["id"], {**sent, "grounds": [ground]})
    await assert_refused(world.agent, customer, "health")


async def test_row_56_material_change_of_the_text_asks_again(world: World) -> None:
    customer = await create_customer(world.agent)
    old = await give(world.agent, customer["id"], "health")
    text = {"purpose": "advice", "field_group": "health", "is_material": False}
    await world.admin.post("/v1/consent-texts", json=text)
    assert (await answered(world.agent, customer, "health")).status_code == 201
    await world.admin.post("/v1/consent-texts", json={**text, "is_material": True})
    await assert_refused(world.agent, customer, "health")
    url = f"/v1/customers/{customer['id']}/consents"
    held = (await world.agent.get(f"{url}/{old['id']}")).json()
    assert (held["status"], held["carries"]) == ("given", [])
    stale = {**await body(world.agent, "health"), "grounds": [
        {name: ground[name] for name in ("field_group", "text_version", "text_hash")} for ground in old["grounds"]
    ]}  # fmt: skip
    assert_problem(await world.agent.post(url, json=stale), 409, "consent_text_superseded")
    await give(world.agent, customer["id"], "health")
    assert (await answered(world.agent, customer, "health")).status_code == 201


async def test_row_56_draft_changes_and_completion_ask_too(world: World) -> None:
    customer, form = await create_customer(world.agent), FORMS["household.budget"]
    draft = await create_draft(world.agent, customer["id"], form_key=form.form_key, answers={})
    url = f"{RESPONSES}/{draft['id']}"

    async def held() -> dict[str, Any]:
        read: dict[str, Any] = (await world.agent.get(url)).json()
        return read

    answers = {**least(form), "spend_health": 10_000}
    assert_problem(await save(world.agent, draft, answers), 403, "consent_missing")
    consent = await give(world.agent, customer["id"], "financial", "health")
    assert (await save(world.agent, draft, answers)).status_code == 200
    told = await withdraw(world.agent, consent)
    groups = ["financial", "health"]
    assert (sorted(told["uncovered"]), told["unfounded_total"]) == (groups, 1)
    (object_,) = told["unfounded"]
    assert object_ == {"object_type": "form_response", "object_id": draft["id"], "field_groups": groups}
    assert_problem(await save(world.agent, await held(), {"income_self": 2}), 403, "consent_missing")
    assert_problem(await complete(world.agent, await held()), 403, "consent_missing")
    taken = await save(world.agent, await held(), {"spend_health": None})
    assert taken.status_code == 200, "what is there can be taken away"
    await give(world.agent, customer["id"], "financial", "health")
    assert (await save(world.agent, await held(), answers)).status_code == 200
    assert (await complete(world.agent, await held())).status_code == 201


async def test_row_57_who_when_what_and_how_can_be_shown(world: World) -> None:
    customer = await create_customer(world.agent)
    before = utc_now()
    made = await give(world.agent, customer["id"], "health", channel="on_screen_signature",
                      evidence={"reference": "签字 0042", "sha256": "a" * 64})  # fmt: skip
    read = (await world.agent.get(f"/v1/customers/{customer['id']}/consents/{made['id']}")).json()
    (ground,) = await grounds(world.agent, "health")
    assert read == made
    assert made["grounds"] == [{**ground, "consent_text_id": made["grounds"][0]["consent_text_id"]}]
    assert (made["purpose"], made["channel"], made["given_by"]) == ("advice", "on_screen_signature", "person")
    assert made["recorded_by"] == {"id": str(world.users["agent"]), "name": "agent"}
    assert before.isoformat()[:16] <= made["decided_at"][:16] <= utc_now().isoformat()[:16]
    assert made["evidence"]["sha256"] == "a" * 64
    seen = (await world.auditor.get(f"/v1/customers/{customer['id']}/consents/{made['id']}")).json()
    assert (seen["evidence"], seen["grounds"]) == (None, made["grounds"])
    stored = await world.db.fetchval("SELECT details_enc FROM consents WHERE id = $1", made["id"])
    assert b"0042" not in stored
    trail = await world.db.fetchval(
        "SELECT string_agg(detail::text, ' ') FROM audit_events WHERE object_id = $1", made["id"]
    )
    assert "health" in trail
    assert "0042" not in trail


async def test_row_57_nothing_is_agreed_to_by_default(world: World) -> None:
    customer = await create_customer(world.agent)
    url, sent = f"/v1/customers/{customer['id']}/consents", await body(world.agent, "health", "financial")
    for left_out in ("decision", "purpose", "grounds", "language", "channel", "given_by", "evidence"):
        answer = await world.agent.post(url, json={key: sent[key] for key in sent if key != left_out})
        assert answer.status_code == 422, left_out
    answer = await world.agent.post(url, json={key: sent[key] for key in sent if key != "is_separate"})
    assert [issue["code"] for issue in answer.json()["errors"]] == ["consent_not_separate"]
    sent["grounds"][0]["text_hash"] = "sha256:" + "0" * 64
    answer = await world.agent.post(url, json=sent)
    assert [(issue["pointer"], issue["code"]) for issue in answer.json()["errors"]] == [
        ("/grounds/0/text_hash", "consent_text_mismatch")
    ]
    assert (await world.agent.get(url)).json() == {"items": []}


@asynccontextmanager
async def second_instance(settings: Settings, world: World) -> AsyncIterator[Any]:
    """Another process over the same database, as far as anything a process remembers: `use(0)` and `use(1)` switch."""
    ours = [getattr(module, name) for module, name in OPEN]
    with apart(settings):
        app = main.create_api(settings)
        async with app.router.lifespan_context(app):
            both = (ours, [getattr(module, name) for module, name in OPEN])

            def use(which: int) -> None:
                for (module, name), value in zip(OPEN, both[which], strict=True):
                    setattr(module, name, value)

            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=main.wrap(app, settings)),
                base_url="http://test",
                headers={"Authorization": world.agent.headers["Authorization"]},
            )
            try:
                yield client, use
            finally:
                use(1)
                await client.aclose()


async def test_row_57_withdrawn_is_refused_from_the_next_request_on_everywhere(
    world: World, settings: Settings
) -> None:
    """A hundred rounds without a pause: withdrawn through one process, refused by the other at once."""
    customers = [await create_customer(world.agent) for _ in range(10)]
    sent, took = await body(world.agent, "health"), []
    async with second_instance(settings, world) as (other, use):
        for n in range(100):
            customer = customers[n % 10]
            use(0)
            consent = await post(world.agent, customer["id"], sent)
            use(1)
            assert (await answered(other, customer, "health")).status_code == 201
            use(0)
            await withdraw(world.agent, consent)
            begun = perf_counter()
            use(1)
            assert (await answered(other, customer, "health")).json()["code"] == "consent_missing"
            took.append(perf_counter() - begun)
        use(0)
        await assert_refused(world.agent, customer, "health")
        use(1)
    assert sorted(took)[95] < 1


DAYS = [  # birthday, day, what it says
    (PartialDate(2012, 11, 27), date(2026, 11, 26), Age.under_14),  # 13 years, 364 days
    (PartialDate(2012, 11, 27), date(2026, 11, 27), Age.of_age),
    (PartialDate(2012, 2, 29), date(2026, 2, 28), Age.under_14),
    (PartialDate(2012, 2, 29), date(2026, 3, 1), Age.of_age),
    (PartialDate(2012, 8, 15, "lunar"), date(2026, 9, 29), Age.under_14),  # 中秋 2012 was the 30th of September
    (PartialDate(2012, 8, 15, "lunar"), date(2026, 9, 30), Age.of_age),
    (PartialDate(2012, None, None), date(2026, 12, 30), Age.under_14),  # may be either: counts as under
    (PartialDate(2012, None, None), date(2026, 12, 31), Age.of_age),
    (PartialDate(2012, 4, None), date(2026, 4, 29), Age.under_14),
    (PartialDate(2012, 4, None), date(2026, 4, 30), Age.of_age),
    (PartialDate(2026, 12, 1), date(2026, 11, 1), Age.under_14),
    (PartialDate(None, 4, 5), date(2026, 4, 30), Age.unknown),
    (None, date(2026, 4, 30), Age.unknown),
]


@pytest.mark.parametrize(("birthday", "on", "age"), DAYS)
def test_row_58_fourteen_years_are_complete_on_the_birthday(birthday: PartialDate | None, on: date, age: Age) -> None:
    assert rules.age(birthday, on) is age


def born(days_short_of_14: int) -> dict[str, int]:
    """A birthday whose fourteenth return is so many days off."""
    day = china_today() + timedelta(days=days_short_of_14)
    return {"year": day.year - 14, "month": day.month, "day": day.day}


@pytest.mark.skipif((china_today() + timedelta(days=1)).strftime("%m%d") == "0229", reason="no such day 14 years ago")
async def test_row_58_under_fourteen_the_guardian_consents(world: World) -> None:
    child = await create_customer(world.agent, name="周小满", birthday=born(1))
    url, own = f"/v1/customers/{child['id']}/consents", await body(world.agent, "health")
    answer = await world.agent.post(url, json=own)
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [("/given_by", "guardian_required")]
    himself = {"is_customer": True, "relation": "other"}
    answer = await world.agent.post(url, json={**own, "given_by": "guardian", "guardian": himself})
    assert [one["code"] for one in answer.json()["errors"]] == ["guardian_required"]
    for left_out in ("name", "evidence"):
        less = {key: MOTHER[key] for key in MOTHER if key != left_out}
        answer = await world.agent.post(url, json={**own, "given_by": "guardian", "guardian": less})
        assert [one["pointer"] for one in answer.json()["errors"]] == [f"/guardian/{left_out}"]
    await assert_refused(world.agent, child, "health")
    made = await give(world.agent, child["id"], "health", given_by="guardian", guardian=MOTHER)
    assert made["guardian"] == {**MOTHER, "evidence": {"reference": "档案柜 3-18", "sha256": None}}
    assert (await answered(world.agent, child, "health")).status_code == 201


async def test_row_58_on_the_fourteenth_birthday_the_person_speaks_himself(world: World) -> None:
    person = await create_customer(world.agent, birthday={"year": china_today().year - 15, "month": 1, "day": 1})
    sent = await body(world.agent, "health", given_by="guardian", guardian=MOTHER)
    answer = await world.agent.post(f"/v1/customers/{person['id']}/consents", json=sent)
    assert [one["code"] for one in answer.json()["errors"]] == ["guardian_not_needed"]
    await give(world.agent, person["id"], "health")
    assert (await answered(world.agent, person, "health")).status_code == 201


async def test_row_58_a_birthday_learned_later_takes_away_what_the_child_said(world: World) -> None:
    person = await create_customer(world.agent)
    await give(world.agent, person["id"], "health")
    assert (await answered(world.agent, person, "health")).status_code == 201
    now = (await world.agent.get(f"/v1/customers/{person['id']}")).json()
    headers = {"If-Match": f'"{now["version"]}"'}
    young = {"year": china_today().year - 10, "month": 1, "day": 1}
    await world.agent.patch(f"/v1/customers/{person['id']}", json={"birthday": young}, headers=headers)
    await assert_refused(world.agent, person, "health")


async def test_row_58_data_of_children_need_a_parent_of_known_age(world: World) -> None:
    parent = await create_customer(world.agent)
    url, sent = f"/v1/customers/{parent['id']}/consents", await body(world.agent, "minors")
    for said, code in (
        ({"given_by": "person"}, "guardian_required"),
        ({"given_by": "guardian", "guardian": {"is_customer": True, "relation": "father"}}, "birthday_unknown"),
    ):
        answer = await world.agent.post(url, json={**sent, **said})
        assert [one["code"] for one in answer.json()["errors"]] == [code]
    grown = await create_customer(world.agent, birthday={"year": 1986, "month": 3, "day": 2})
    father = {"is_customer": True, "relation": "father"}
    await give(world.agent, grown["id"], "minors", "financial", given_by="guardian", guardian=father)
    assert (await answered(world.agent, grown, "minors")).status_code == 201
