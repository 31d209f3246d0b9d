"""Facts of the personal dossier through the API, one source each."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain.fact_definitions import DossierName, shipped
from app.services import dossiers
from tests.factories import World, create_customer, if_match
from tests.facts import SECRET, TODAY, china_today, consent, fact_body, history, learn, url_of, view

__all__ = ["china_today"]  # no test names it: pytest runs it for every test of the module it is imported into
ZH = {"Accept-Language": "zh-CN"}
KINDS = shipped().of(DossierName.personal)
BY_KEY = {one.key: one for one in KINDS}


def aged(key: str, over: int) -> str:
    return (TODAY - timedelta(days=BY_KEY[key].review_days + over)).isoformat()


async def know(world: World, person: dict[str, Any], key: str, **over: Any) -> None:
    """A fact of any key, with the consent or basis it needs."""
    if BY_KEY[key].bases:
        over["basis"] = "told_by_customer"
    if BY_KEY[key].needs_consent:
        await consent(world, person, BY_KEY[key].group, BY_KEY[key].purpose)
    await learn(world.agent, person, key, "知道", **over)


async def test_create_answers_what_a_read_answers(world: World) -> None:
    person = await create_customer(world.agent)
    answer = await world.agent.post(f"/v1/customers/{person['id']}/dossier-facts", json=fact_body())
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == url_of(made)
    assert answer.headers["etag"] == '"1"'
    assert made["recorded_by"] == {"id": str(world.users["agent"]), "name": "agent"}
    assert {key: made[key] for key in fact_body()} == fact_body()
    assert (made["dossier"], made["definition_version"], made["is_masked"]) == ("personal", 1, False)
    assert (made["teller"], made["basis"], made["confidence"], made["consent_ids"]) == (None, None, None, [])
    assert (made["review_by"], made["expires_on"], made["supersedes"]) == ("2028-11-19", None, [])
    assert (made["customer_id"], made["superseded_at"], made["version"]) == (person["id"], None, 1)
    read = await world.agent.get(url_of(made))
    assert (read.json(), read.headers["cache-control"]) == (made, "no-store")
    held = {"If-None-Match": read.headers["etag"]}
    assert (await world.agent.get(url_of(made), headers=held)).status_code == 304
    # It tells who recorded it, and what his name is.
    await world.db.execute("UPDATE users SET name = '林知秋' WHERE id = $1", world.users["agent"])
    again = await world.agent.get(url_of(made), headers=held)
    assert (again.status_code, again.json()["recorded_by"]["name"], again.json()["version"]) == (200, "林知秋", 1)


async def test_empty_dossier_is_zero_percent_and_asks_for_the_family(world: World) -> None:
    person = await create_customer(world.agent)
    assert await view(world.agent, person) == {
        "customer_id": person["id"],
        "dossier": "personal",
        "as_known_on": None,
        "facts": [],
        "conflicts": [],
        "opportunity": None,
        "policies_in_force": None,
        "completeness": {"known": 0, "total": 12, "percent": 0, "stale": 0},
        "next_question": {
            "fact_key": "family_hometown",
            "label": "Family and hometown",
            "question": BY_KEY["family_hometown"].question.en,
        },
        "version": 0,
    }


async def test_completeness_goes_from_0_to_100_in_the_order_of_asking(world: World) -> None:
    person = await create_customer(world.agent)
    percents, asked = [], []
    while True:
        seen = await view(world.agent, person)
        percents.append(seen["completeness"]["percent"])
        if seen["next_question"] is None:
            break
        asked.append(seen["next_question"]["fact_key"])
        await know(world, person, asked[-1], observed_on="2026-11-23")
    assert percents == [0, 8, 16, 25, 33, 41, 50, 58, 66, 75, 83, 91, 100]
    assert asked == [kind.key for kind in KINDS]
    assert seen["version"] == 12


async def test_facts_are_shown_in_the_order_of_asking_however_they_were_learned(world: World) -> None:
    person = await create_customer(world.agent)
    for key in ("books", "pets", "work_role"):
        await learn(world.agent, person, key, f"关于{key}")
    facts = (await view(world.agent, person))["facts"]
    assert [(fact["fact_key"], fact["value"]) for fact in facts] == [
        ("work_role", "关于work_role"), ("pets", "关于pets"), ("books", "关于books"),
    ]  # fmt: skip


async def test_staleness_moves_the_next_question(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await create_customer(world.agent)
    for kind in KINDS:
        await know(world, person, kind.key, observed_on=aged(kind.key, 0))
    fresh = await view(world.agent, person)
    assert (fresh["next_question"], fresh["completeness"]["stale"]) == (None, 0)
    monkeypatch.setattr(dossiers, "today", lambda: TODAY + timedelta(days=1))
    await know(world, person, "family_hometown", observed_on="2026-11-24")
    stale = await view(world.agent, person)
    assert stale["completeness"] == {"known": 12, "total": 12, "percent": 100, "stale": 11}
    assert stale["next_question"]["fact_key"] == "work_role"
    assert [fact["is_stale"] for fact in stale["facts"]] == [False] + [True] * 11


async def test_unknown_facts_are_asked_before_stale_ones(world: World) -> None:
    person = await create_customer(world.agent)
    await know(world, person, "family_hometown", observed_on=aged("family_hometown", 1))
    seen = await view(world.agent, person)
    assert seen["facts"][0]["is_stale"] is True
    assert seen["next_question"]["fact_key"] == "work_role"


async def test_a_newer_fact_supersedes_and_keeps_the_history(world: World) -> None:
    person = await create_customer(world.agent)
    old = await learn(world.agent, person, "pets", "一只猫")
    other = await learn(world.agent, person, "food", "沙茶面")
    new = await learn(world.agent, person, "pets", "两只猫", observed_on="2026-11-21")
    assert [f["value"] for f in (await view(world.agent, person))["facts"]] == ["沙茶面", "两只猫"]
    items = await history(world.agent, person)
    assert [item["id"] for item in items] == [new["id"], other["id"], old["id"]]
    assert items[0] == new
    assert (items[0]["superseded_at"], items[1]["superseded_at"]) == (None, None)
    past = items[2]
    assert (past["value"], past["version"], past["recorded_at"]) == ("一只猫", 2, old["recorded_at"])
    assert (past["superseded_at"] is not None, past["superseded_by"]) == (True, new["id"])
    assert new["supersedes"] == [old["id"]]
    assert (await world.agent.get(url_of(old))).json() == past
    assert [item["id"] for item in await history(world.agent, person, "?fact_key=pets")] == [new["id"], old["id"]]
    assert await history(world.agent, person, "?fact_key=books") == []


async def test_history_pages_repeat_and_lose_nothing(world: World) -> None:
    person = await create_customer(world.agent)
    made = [(await learn(world.agent, person, "pets", f"第{n}条"))["id"] for n in range(5)]
    await learn(world.agent, person, "food", "别的")
    url = f"/v1/customers/{person['id']}/dossier-facts?fact_key=pets&limit=2"
    seen, page = [], await world.agent.get(url)
    while True:
        seen += [item["id"] for item in page.json()["items"]]
        if page.json()["next_cursor"] is None:
            break
        link = page.headers["link"]
        page = await world.agent.get(link[1 : link.index(">")])
    assert seen == made[::-1]
    assert "link" not in page.headers


async def test_cursor_is_bound_to_customer_and_filter(world: World) -> None:
    one, two = await create_customer(world.agent), await create_customer(world.agent, name="李雷")
    for n in range(2):
        await learn(world.agent, one, "pets", f"第{n}条")
    cursor = (await world.agent.get(f"/v1/customers/{one['id']}/dossier-facts?limit=1")).json()["next_cursor"]
    for url in (f"{two['id']}/dossier-facts?", f"{one['id']}/dossier-facts?fact_key=pets&"):
        refused = await world.agent.get(f"/v1/customers/{url}limit=1&cursor={cursor}")
        assert (refused.status_code, refused.json()["code"]) == (400, "cursor_invalid")


async def test_labels_and_tag_follow_the_language(world: World) -> None:
    person = await create_customer(world.agent)
    await learn(world.agent, person, "pets", "一只猫")
    url = f"/v1/customers/{person['id']}/dossiers/personal"
    zh, en = await world.agent.get(url, headers=ZH), await world.agent.get(url)
    assert [a.json()["facts"][0]["label"] for a in (zh, en)] == ["宠物", "Pets"]
    assert zh.json()["next_question"]["question"] == "您老家是哪里？家里现在有哪些人？"
    assert [a.headers["content-language"] for a in (zh, en)] == ["zh-CN", "en"]
    assert zh.headers["vary"] == en.headers["vary"] == "Accept-Language"
    assert zh.headers["cache-control"] == "no-store"
    assert zh.headers["etag"] != en.headers["etag"]
    crossed = await world.agent.get(url, headers={"If-None-Match": zh.headers["etag"]})
    assert (crossed.status_code, crossed.headers["etag"]) == (200, en.headers["etag"])
    same = await world.agent.get(url, headers={**ZH, "If-None-Match": zh.headers["etag"]})
    assert (same.status_code, same.content, same.headers["content-language"]) == (304, b"", "zh-CN")
    assert (same.headers["vary"], same.headers["cache-control"]) == ("Accept-Language", "no-store")


async def test_dossier_tag_changes_with_the_facts_and_with_the_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await create_customer(world.agent)
    url = f"/v1/customers/{person['id']}/dossiers/personal"
    tags = [(await world.agent.get(url)).headers["etag"]]
    await learn(world.agent, person, "leisure", "打羽毛球", observed_on=TODAY.isoformat(), review_by="2026-12-23")
    tags.append((await world.agent.get(url)).headers["etag"])
    assert (await world.agent.get(url, headers={"If-None-Match": tags[1]})).status_code == 304
    monkeypatch.setattr(dossiers, "today", lambda: TODAY + timedelta(days=31))
    aged_answer = await world.agent.get(url, headers={"If-None-Match": tags[1]})
    assert (aged_answer.status_code, aged_answer.json()["facts"][0]["is_stale"]) == (200, True)
    assert len({*tags, aged_answer.headers["etag"]}) == 3


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("observed_on", "2026-11-24", "in_future"),
        ("observed_on", "1899-12-31", "out_of_range"),
        ("observed_on", "2026-02-30", "type"),
        ("observed_on", "2026-11-20T00:00:00", "pattern"),
        ("observed_on", "1763596800", "pattern"),
        ("observed_on", 1763596800, "type"),
        ("observed_on", None, "type"),
        ("fact_key", "shoe_size", "choice"),
        ("source", "rumour", "choice"),
        ("value", "", "too_short"),
        ("value", " \n　 ", "too_short"),
        ("value", "长" * 2001, "too_long"),
        ("value", "响\u0007铃", "pattern"),
        ("recorded_by", "01890000-0000-7000-8000-000000000000", "unknown"),
        ("label", "宠物", "unknown"),
        ("value", 77777, "type"),
        ("value", None, "type"),
        ("confidence", "1.01", "pattern"),
        ("review_by", "1899-12-31", "out_of_range"),
        ("basis", "public", "choice"),
        ("teller", {"label": "邻居"}, "teller_of_customer"),
        ("teller", {}, "one_of"),
    ],
)
async def test_broken_rule_names_the_place_and_never_the_value(
    world: World, member: str, value: object, code: str
) -> None:
    person = await create_customer(world.agent)
    url = f"/v1/customers/{person['id']}/dossier-facts"
    answer = await world.agent.post(url, json={**fact_body(), member: value})
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(f"/{member}", code)]
    assert SECRET not in answer.text
    if value:
        assert str(value) not in answer.text
    assert await history(world.agent, person) == []


async def test_day_of_observation_is_judged_in_china(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(dossiers, "utc_now", lambda: datetime(2026, 11, 22, 16, 30, tzinfo=UTC))
    person = await create_customer(world.agent)
    await learn(world.agent, person, observed_on="2026-11-23")
    url = f"/v1/customers/{person['id']}/dossier-facts"
    late = await world.agent.post(url, json=fact_body(observed_on="2026-11-24"))
    assert (late.status_code, late.json()["errors"][0]["code"]) == (422, "in_future")


async def test_patch_corrects_the_current_fact(world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person, "pets", "一只毛", confidence="0.5")
    answer = await world.agent.patch(url_of(made), json={"value": "一只猫"}, headers=if_match(made))
    body = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (body["value"], body["source"], body["observed_on"]) == ("一只猫", "customer", "2026-11-20")
    assert (body["recorded_at"] > made["recorded_at"], body["superseded_at"]) == (True, None)
    assert body["confidence"] == "0.50"
    rest = await world.agent.patch(
        url_of(made), json={"source": "document", "observed_on": "2026-11-01"}, headers=if_match(body)
    )
    assert (rest.json()["value"], rest.json()["source"], rest.json()["observed_on"]) == (
        "一只猫", "document", "2026-11-01",
    )  # fmt: skip
    # Each former wording is history now.
    wordings = await history(world.agent, person)
    assert [one["value"] for one in wordings] == ["一只猫", "一只猫", "一只毛"]
    assert [one["superseded_by"] for one in wordings] == [None, made["id"], made["id"]]
    assert (await view(world.agent, person))["version"] == 5


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"value": None}, "/value"),
        ({"value": "   "}, "/value"),
        ({"source": None}, "/source"),
        ({"observed_on": None}, "/observed_on"),
        ({"observed_on": "2026-11-24"}, "/observed_on"),
        ({"fact_key": "food"}, "/fact_key"),
        ({"superseded_at": None}, "/superseded_at"),
    ],
)
async def test_patch_refuses_what_a_fact_cannot_be(world: World, patch: dict[str, Any], pointer: str) -> None:
    made = await learn(world.agent, await create_customer(world.agent))
    answer = await world.agent.patch(url_of(made), json=patch, headers=if_match(made))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await world.agent.get(url_of(made))).json() == made


async def test_writes_need_the_current_version(world: World) -> None:
    made = await learn(world.agent, await create_customer(world.agent))
    url = url_of(made)
    assert (await world.agent.patch(url, json={"value": "x"})).status_code == 428
    assert (await world.agent.delete(url)).status_code == 428
    await world.agent.patch(url, json={"value": "新"}, headers=if_match(made))
    for stale in (
        await world.agent.patch(url, json={"value": "x"}, headers=if_match(made)),
        await world.agent.delete(url, headers=if_match(made)),
    ):
        assert (stale.status_code, stale.json()["current_version"]) == (412, 2)


async def test_history_cannot_be_corrected_but_can_be_deleted(world: World) -> None:
    person = await create_customer(world.agent)
    old = await learn(world.agent, person, "pets", "一只猫")
    new = await learn(world.agent, person, "pets", "两只猫")
    for version in (1, 2):  # whatever the phone believes: no version makes it possible
        refused = await world.agent.patch(url_of(old), json={"value": "狗"}, headers={"If-Match": f'"{version}"'})
        assert (refused.status_code, refused.json()["code"]) == (409, "fact_superseded")
    assert (await world.agent.delete(url_of(old), headers={"If-Match": '"2"'})).status_code == 204
    assert [item["id"] for item in await history(world.agent, person)] == [new["id"]]
    back = await world.agent.post(f"{url_of(old)}/restore")
    assert back.status_code == 200
    assert back.json()["superseded_at"] is not None
    assert [f["id"] for f in (await view(world.agent, person))["facts"]] == [new["id"]]


async def test_deleting_the_current_fact_does_not_bring_back_the_older_one(world: World) -> None:
    person = await create_customer(world.agent)
    old = await learn(world.agent, person)
    new = await learn(world.agent, person, value="新的情况")
    before = (await view(world.agent, person))["version"]
    gone = await world.agent.delete(url_of(new), headers=if_match(new))
    assert (gone.status_code, gone.content) == (204, b"")
    seen = await view(world.agent, person)
    assert (seen["facts"], seen["completeness"]["known"]) == ([], 0)
    assert seen["next_question"]["fact_key"] == "family_hometown"
    assert seen["version"] == before + 1
    assert (await world.agent.get(url_of(new))).status_code == 410
    assert (await world.agent.patch(url_of(new), json={}, headers={"If-Match": '"2"'})).status_code == 410
    assert (await world.agent.delete(url_of(new), headers={"If-Match": '"2"'})).status_code == 410
    assert [item["id"] for item in await history(world.agent, person)] == [old["id"]]


async def test_restore_makes_it_current_again(world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person)
    living = await world.agent.post(f"{url_of(made)}/restore")
    assert (living.status_code, living.json()) == (200, made)
    await world.agent.delete(url_of(made), headers=if_match(made))
    back = await world.agent.post(f"{url_of(made)}/restore")
    assert (back.status_code, back.json()["version"], back.headers["etag"]) == (200, 3, '"3"')
    assert (await view(world.agent, person))["facts"][0]["value"] == SECRET


async def test_restore_is_refused_when_a_newer_one_is_current(world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person)
    await world.agent.delete(url_of(made), headers=if_match(made))
    newer = await learn(world.agent, person, value="新的情况")
    refused = await world.agent.post(f"{url_of(made)}/restore")
    assert (refused.status_code, refused.json()["code"]) == (409, "fact_superseded")
    await world.agent.delete(url_of(newer), headers=if_match(newer))
    assert (await world.agent.post(f"{url_of(made)}/restore")).status_code == 200


async def test_a_tombstone_of_thirty_one_days_is_404(world: World) -> None:
    made = await learn(world.agent, await create_customer(world.agent))
    await world.agent.delete(url_of(made), headers=if_match(made))
    await world.db.execute(
        "UPDATE dossier_facts SET deleted_at = now() - interval '31 days' WHERE id = $1", UUID(made["id"])
    )
    for answer in (
        await world.agent.post(f"{url_of(made)}/restore"),
        await world.agent.get(url_of(made)),
        await world.agent.patch(url_of(made), json={}, headers={"If-Match": '"2"'}),
        await world.agent.delete(url_of(made), headers={"If-Match": '"2"'}),
    ):
        assert answer.status_code == 404
