"""Fact definitions: the 33 of the product, what an organisation adds, what it changes."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.consents import FieldGroup, Purpose
from app.domain.fact_definitions import Catalogue, DossierName, LegalBasis, Override, Sensitivity, shipped
from app.domain.fact_types import ValueKind
from tests import matrix_makers as make
from tests.factories import World, create_customer, if_match
from tests.facts import china_today, consent, fact_body, history, learn, url_of, view
from tests.library_forms import FORMS

__all__ = ["china_today"]  # no test names it: pytest runs it for every test of the module it is imported into

ALL = "/v1/fact-definitions"
FIELDS = {
    "corporate": {
        "组织机构", "通讯方式", "地址", "各级管理者的职责", "生产性质", "业务情况", "所在行业的基本情况", "信誉情况",
        "客户的重点客户",
    },
    "competitor": {
        "对手公司的情况", "对手产品的使用情况", "客户对其产品的满意度", "竞争对手的销售代表的名字和销售特点",
        "该销售代表与客户的关系", "对手公司与客户的关系",
    },
    "project": {"最近的购买计划", "要解决什么问题", "决策人和影响者", "购买时间表", "购买预算", "购买流程"},
    "personal": {
        "家庭状况和家乡", "毕业的学校", "喜欢的休闲方式", "喜欢的餐厅和食物", "宠物", "喜欢的书籍",
        "上次度假的地点和下次休假的计划", "行程", "在机构中的作用", "同事之间的关系", "今年的工作目标",
        "个人发展计划和志向",
    },
}  # fmt: skip
GOLF: dict[str, Any] = {"fact_key": "org.golf", "dossier": "personal", **make.GOLF}


async def add(client: httpx.AsyncClient, **over: Any) -> dict[str, Any]:
    answer = await client.post(ALL, json={**GOLF, **over})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def whole(**over: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOLF, **over}.items() if key not in ("fact_key", "dossier")}


async def change(client: httpx.AsyncClient, key: str, **over: Any) -> httpx.Response:
    held = (await client.get(f"{ALL}/{key}")).json()
    return await client.patch(f"{ALL}/{key}", json=over, headers=if_match(held))


# --- the product's ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_the_33_fields_of_the_founding_documents_are_all_asked_for(name: str) -> None:
    asked = [one for one in shipped().of(DossierName(name)) if one.is_asked]
    assert {one.label.zh for one in asked} == FIELDS[name]
    assert sum(len(labels) for labels in FIELDS.values()) == 33
    assert [one.order for one in asked] == sorted({one.order for one in asked if one.order})


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_they_are_those_the_published_forms_read_and_write_and_ask_alike(name: str) -> None:
    items = [place.item for place in FORMS[f"dossier.{name}"].index.values()]
    written = {item.extract: item for item in items if item.extract}
    asked = {one.field: one for one in shipped().of(DossierName(name)) if one.is_asked}
    assert set(written) == set(asked)
    for field, item in written.items():
        assert (item.label.zh, item.label.en) == (asked[field].question.zh, asked[field].question.en)
        assert asked[field].shape.kind is ValueKind.text


@pytest.mark.parametrize("one", shipped().all(), ids=lambda one: one.field)
def test_every_definition_says_why_how_long_and_how_carefully(one: Any) -> None:
    is_third = one.sensitivity is Sensitivity.third_party
    assert is_third is bool(one.bases) is (one.group == "third_party")
    assert one.needs_consent is (one.group not in ("general", "third_party"))
    assert not (one.needs_consent and one.is_offline_allowed)
    if is_third:
        assert one.retention.startswith("observed+")
    assert one.question.zh.endswith("？")
    assert one.question.en.endswith("?")
    assert 1 <= one.review_days <= 3650
    if one.legal_basis is LegalBasis.no_personal_data:
        assert one.dossier in (DossierName.corporate, DossierName.competitor)


async def test_list_has_everything_in_both_languages_and_can_be_held(world: World) -> None:
    answer = await world.agent.get(ALL)
    items = answer.json()["items"]
    assert len(items) == len(shipped().all()) == 41
    assert {one["fact_key"]: one["version"] for one in items} == dict.fromkeys((one["fact_key"] for one in items), 1)
    held = {"If-None-Match": answer.headers["etag"]}
    assert (await world.mate.get(ALL, headers=held)).status_code == 304
    some = (await world.agent.get(f"{ALL}?dossier=project")).json()["items"]
    assert {one["dossier"] for one in some} == {"project"}
    assert some[0]["question"] == {"zh": "最近有什么购买保险的打算？", "en": "What insurance is being considered?"}
    one = await world.agent.get(f"{ALL}/stage")
    assert one.json()["shape"]["members"][0]["name"] == "stage"
    same = await world.agent.get(f"{ALL}/stage", headers={"If-None-Match": one.headers["etag"]})
    assert same.status_code == 304
    assert (await world.agent.get(f"{ALL}/shoe_size")).status_code == 404


# --- an organisation's own -------------------------------------------------------------------------------------


async def test_own_definition_is_asked_recorded_and_nobody_elses(world: World, other_world: World) -> None:
    made = await add(world.admin)
    assert (made["is_own"], made["definition_version"], made["version"]) == (True, 1, 1)
    person = await create_customer(world.agent)
    assert (await view(world.agent, person))["completeness"]["total"] == 13
    fact = await learn(world.agent, person, "org.golf", "每月一次")
    assert (fact["definition_version"], fact["value"]) == (1, "每月一次")
    theirs = await create_customer(other_world.agent)
    url = f"/v1/customers/{theirs['id']}/dossier-facts"
    assert (await other_world.agent.post(url, json=fact_body("org.golf", "每月一次"))).status_code == 422
    assert (await other_world.admin.get(f"{ALL}/org.golf")).status_code == 404
    again = await world.admin.post(ALL, json=GOLF)
    assert (again.status_code, again.json()["code"]) == (409, "fact_definition_exists")


async def test_a_new_version_never_changes_what_old_facts_meant(world: World) -> None:
    made = await add(world.admin)
    person = await create_customer(world.agent)
    old = await learn(world.agent, person, "org.golf", "每月一次")
    options = [{"code": "often", "label": {"zh": "常打", "en": "Often"}}]
    body = whole(shape={"kind": "choice", "options": options}, sensitivity="c2", review_days=30)
    answer = await world.admin.put(f"{ALL}/org.golf", json=body, headers=if_match(made))
    assert (answer.status_code, answer.json()["definition_version"], answer.json()["version"]) == (200, 2, 2)
    held = (await world.agent.get(f"{ALL}/org.golf?definition_version=1")).json()
    assert (held["shape"], held["sensitivity"]) == (GOLF["shape"], "c1")
    assert (await world.agent.get(f"{ALL}/org.golf?definition_version=3")).status_code == 404
    url = f"/v1/customers/{person['id']}/dossier-facts"
    assert (await world.agent.post(url, json=fact_body("org.golf", "每月一次"))).status_code == 422
    new = await learn(world.agent, person, "org.golf", "often", observed_on="2026-11-22")
    assert (new["definition_version"], new["is_masked"]) == (2, True)
    past = next(one for one in await history(world.agent, person) if one["id"] == old["id"])
    # What is careful today is careful with what was recorded before, too.
    assert (past["definition_version"], past["is_masked"], past["value"]) == (1, True, None)
    stale = await world.admin.put(f"{ALL}/org.golf", json=body, headers=if_match(made))
    assert stale.status_code == 412


async def test_correction_of_what_has_become_sensitive_needs_the_consent(world: World) -> None:
    made = await add(world.admin)
    person = await create_customer(world.agent)
    old = await learn(world.agent, person, "org.golf", "每月一次")
    body = whole(sensitivity="sensitive_personal", group="health", purpose="advice")
    assert (await world.admin.put(f"{ALL}/org.golf", json=body, headers=if_match(made))).status_code == 200
    refused = await world.agent.patch(url_of(old), json={"value": "膝盖受过伤"}, headers=if_match(old))
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_missing")
    agreed = await consent(world, person, FieldGroup.health, Purpose.advice)
    done = await world.agent.patch(url_of(old), json={"value": "膝盖受过伤"}, headers=if_match(old))
    assert (done.status_code, done.json()["consent_ids"]) == (200, [agreed])


async def test_withdrawn_takes_nothing_new_and_keeps_what_is_there(world: World) -> None:
    await add(world.admin)
    person = await create_customer(world.agent)
    await learn(world.agent, person, "org.golf", "每月一次")
    for _ in range(2):
        gone = await world.admin.post(f"{ALL}/org.golf/withdraw")
        assert (gone.status_code, gone.json()["is_withdrawn"]) == (200, True)
    url = f"/v1/customers/{person['id']}/dossier-facts"
    refused = await world.agent.post(url, json=fact_body("org.golf", "每周一次"))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/fact_key")
    seen = await view(world.agent, person)
    assert (seen["completeness"]["total"], [one["value"] for one in seen["facts"]]) == (12, ["每月一次"])
    put = await world.admin.put(f"{ALL}/org.golf", json=whole(), headers=if_match(gone.json()))
    assert (put.status_code, put.json()["code"]) == (409, "fact_definition_withdrawn")


@pytest.mark.parametrize(
    ("over", "pointer", "code"),
    [
        ({"fact_key": "golfing"}, "/fact_key", "pattern"),
        ({"shape": {"kind": "record"}}, "/shape/kind", "choice"),
        ({"shape": {"kind": "choice"}}, "/shape/options", "missing"),
        ({"shape": {"kind": "list"}}, "/shape/item", "missing"),
        ({"shape": {"kind": "money", "max": 5}}, "/shape/max", "shape_mismatch"),
        ({"shape": {"kind": "number", "min": 5, "max": 1}}, "/shape/max", "band_reversed"),
        ({"shape": {"kind": "list", "item": {"kind": "choice"}}}, "/shape/item/options", "missing"),
        ({"group": "health"}, "/group", "group_mismatch"),
        ({"sensitivity": "sensitive_personal"}, "/group", "group_mismatch"),
        ({"sensitivity": "third_party", "group": "third_party"}, "/bases", "bases_mismatch"),
        ({"bases": ["agreed"]}, "/bases", "bases_mismatch"),
        ({"retention": "for ever"}, "/retention", "pattern"),
        ({"review_days": 0}, "/review_days", "out_of_range"),
        ({"is_offline_allowed": "yes"}, "/is_offline_allowed", "type"),
    ],
)
async def test_a_definition_that_contradicts_itself_is_422(
    world: World, over: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await world.admin.post(ALL, json={**GOLF, **over})
    assert answer.status_code == 422, answer.text
    assert (answer.json()["errors"][0]["pointer"], answer.json()["errors"][0]["code"]) == (pointer, code)


async def test_only_administrators_define(world: World) -> None:
    for client in (world.agent, world.manager, world.auditor):
        assert (await client.post(ALL, json=GOLF)).status_code == 403
        assert (await client.patch(f"{ALL}/pets", json={"order": 1}, headers={"If-Match": '"1"'})).status_code == 403
    built_in = await world.admin.put(f"{ALL}/pets", json=whole(), headers={"If-Match": '"1"'})
    assert (built_in.status_code, built_in.json()["code"]) == (409, "fact_definition_built_in")
    assert (await world.admin.post(f"{ALL}/pets/withdraw")).json()["code"] == "fact_definition_built_in"
    assert (await world.admin.post(f"{ALL}/shoes/withdraw")).status_code == 404


# --- what an organisation changes ------------------------------------------------------------------------------


async def test_order_and_interval_are_the_organisations(world: World, other_world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person, "pets", "一只猫")
    assert made["review_by"] == "2027-11-20"
    answer = await change(world.admin, "pets", review_days=2, order=1)
    assert (answer.json()["review_days"], answer.json()["is_changed"], answer.json()["version"]) == (2, True, 2)
    seen = await view(world.agent, person)
    assert (seen["facts"][0]["is_stale"], seen["facts"][0]["review_by"]) == (True, "2026-11-22")
    assert (await change(world.admin, "books", order=1, is_asked=True)).status_code == 200
    assert (await view(world.agent, person))["next_question"]["fact_key"] == "books"
    assert (await change(world.admin, "books", is_asked=False)).status_code == 200
    assert (await view(world.agent, person))["completeness"]["total"] == 11
    back = await change(world.admin, "pets", review_days=None, order=None)
    assert (back.json()["review_days"], back.json()["is_changed"]) == (365, False)
    stale = await world.admin.patch(f"{ALL}/pets", json={"order": 5}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["current_version"]) == (412, 3)
    assert (await other_world.agent.get(f"{ALL}/pets")).json()["version"] == 1


async def test_phones_forget_what_they_may_not_keep_any_more_and_get_it_when_they_may(world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person, "pets", "一只猫")
    feed = "SELECT seq, removed FROM feed WHERE org_id = $1 AND id = $2::uuid"
    before = await world.db.fetchrow(feed, world.org_id, made["id"])
    assert before["removed"] is False
    for allowed in (False, True):
        assert (await change(world.admin, "pets", is_offline_allowed=allowed)).status_code == 200
        after = await world.db.fetchrow(feed, world.org_id, made["id"])
        assert (after["removed"], after["seq"] > before["seq"]) == (not allowed, True)
        shown = await view(world.agent, person, **{"for": "offline"})
        assert (shown["facts"][0]["is_withheld"], shown["facts"][0]["value"]) == (
            not allowed,
            "一只猫" if allowed else None,
        )
        before = after


async def test_every_change_of_a_definition_is_on_record(world: World) -> None:
    made = await add(world.admin)
    await world.admin.put(f"{ALL}/org.golf", json=whole(), headers=if_match(made))
    await change(world.admin, "pets", order=5)
    await world.admin.post(f"{ALL}/org.golf/withdraw")
    actions = await world.db.fetch(
        "SELECT action FROM audit_events WHERE org_id = $1 AND object_type = 'fact_definition' ORDER BY at, id",
        world.org_id,
    )
    assert [row["action"].split(".")[1] for row in actions] == ["created", "replaced", "updated", "withdrawn"]


_OVERRIDES = st.builds(
    Override,
    st.none() | st.integers(1, 3650),
    st.none() | st.booleans(),
    st.none() | st.integers(1, 10_000),
    st.none() | st.booleans(),
)


@given(st.dictionaries(st.sampled_from(sorted(one.key for one in shipped().all())), _OVERRIDES))
def test_overrides_change_what_they_name_and_nothing_else(overrides: dict[str, Override]) -> None:
    changed = Catalogue((), overrides)
    for one in shipped().all():
        now, override = changed.current(one.key), overrides.get(one.key)
        assert now is not None
        if override is None:
            assert now == one
            continue
        assert now.review_days == (one.review_days if override.review_days is None else override.review_days)
        wanted = override.is_offline_allowed
        assert now.is_offline_allowed is (one.is_offline_allowed if wanted is None else wanted)
        if override.is_asked is not None:
            assert now.is_asked is override.is_asked
        assert (now.shape, now.sensitivity, now.group, now.bases) == (one.shape, one.sensitivity, one.group, one.bases)
    assert changed.as_written("pets", 1) == shipped().as_written("pets", 1)
