"""Consent texts: built in for every purpose and group, an organisation's own, never changed."""

import hashlib
from typing import Any

import asyncpg
import pytest

from app.domain.consents import SEPARATE, FieldGroup, Purpose
from tests.consents import built_in, give
from tests.factories import World, create_customer
from tests.life_form import places
from tests.problem import assert_problem

URL = "/v1/consent-texts"
TEXT: dict[str, Any] = {"purpose": "advice", "field_group": "health", "is_material": True}
OWN = {
    "who": "江城测试保险代理有限公司，隐私热线 027-0000", "purpose": "分析您的保障需求", "method": "加密保存",
    "kinds": "健康状况", "retention": "至您撤回", "rights": "可随时撤回，请致电隐私热线",
    "necessity": "计算缺口", "effect": "泄露可能造成损害",
}  # fmt: skip


async def in_force(world: World, purpose: str = "advice") -> dict[str, dict[str, Any]]:
    items = (await world.agent.get(URL, params={"purpose": purpose})).json()["items"]
    return {item["field_group"]: item for item in items}


@pytest.mark.parametrize("purpose", Purpose)
async def test_every_purpose_of_ours_has_built_in_texts_with_all_that_must_be_told(
    world: World, purpose: Purpose
) -> None:
    texts = await in_force(world, purpose)
    if purpose is Purpose.partner_sharing:  # PIPL 23: a text has to name the recipient
        assert texts == {}
        return
    assert list(texts) == list(FieldGroup)
    for group, text in texts.items():
        assert (text["id"], text["text_version"], text["published_at"], text["recipient"]) == (None, 1, None, None)
        for shown in text["words"].values():
            items = [shown[name] for name in ("who", "purpose", "method", "kinds", "retention", "rights")]
            apart = [shown[name] for name in ("necessity", "effect")]
            assert "测试机构" in shown["who"]
            assert all(item in shown["text"] for item in items)
            assert all(item is not None and item in shown["text"] for item in apart) is (group in SEPARATE)
            assert shown["text_hash"] == "sha256:" + hashlib.sha256(shown["text"].encode()).hexdigest()
    assert built_in(purpose, FieldGroup.health)["text_hash"] == texts["health"]["words"]["zh"]["text_hash"]


async def test_own_text_is_the_next_version_and_what_was_agreed_to_stays_readable(world: World) -> None:
    customer = await create_customer(world.agent)
    consent = await give(world.agent, customer["id"], "health")
    made = await world.admin.post(URL, json={**TEXT, "words": {"zh": OWN}})
    assert (made.status_code, made.json()["text_version"], made.json()["words"]["en"]) == (201, 2, None)
    assert made.headers["location"] == f"{URL}/{made.json()['id']}"
    assert all(words in made.json()["words"]["zh"]["text"] for words in OWN.values())
    assert (await in_force(world))["health"] == made.json()
    (ground,) = consent["grounds"]
    old = (await world.agent.get(f"{URL}/{ground['consent_text_id']}")).json()
    assert (old["text_version"], old["words"]["zh"]["text_hash"]) == (1, ground["text_hash"])
    await give(world.agent, customer["id"], "health")
    again = (await world.admin.post(URL, json=TEXT)).json()
    assert (again["text_version"], "测试机构" in again["words"]["en"]["text"]) == (3, True)


async def test_text_for_a_recipient_names_him_and_how_to_reach_him(world: World) -> None:
    sharing = {**TEXT, "purpose": "partner_sharing"}
    refused = await world.admin.post(URL, json=sharing)
    assert (refused.status_code, places(refused)) == (422, [("/recipient", "missing")])
    bank = {"name": "江城银行", "contact": "个人信息保护办公室 027-0000"}
    made = (await world.admin.post(URL, json={**sharing, "recipient": bank})).json()
    assert (made["text_version"], made["recipient"]) == (1, bank)
    assert all(bank[name] in made["words"]["zh"]["text"] for name in bank)
    customer = await create_customer(world.agent)
    ground = {"field_group": "health", "text_version": 1, "text_hash": made["words"]["zh"]["text_hash"]}
    sent = {"decision": "given", "purpose": "partner_sharing", "grounds": [ground], "language": "zh",
            "channel": "app", "given_by": "person"}  # fmt: skip
    url = f"/v1/customers/{customer['id']}/consents"
    answer = await world.agent.post(url, json=sent)
    assert ("/recipient", "missing") in places(answer)
    answer = await world.agent.post(url, json={**sent, "recipient": "别的银行"})
    assert places(answer) == [("/grounds/0/text_version", "not_found")]
    answer = await world.agent.post(url, json={**sent, "recipient": bank["name"]})
    assert (answer.status_code, answer.json()["recipient"]) == (201, bank["name"])


async def test_text_about_sensitive_data_says_why_and_what_it_means(world: World) -> None:
    less = {name: OWN[name] for name in OWN if name not in ("necessity", "effect")}
    answer = await world.admin.post(URL, json={**TEXT, "words": {"zh": less}})
    assert places(answer) == [("/words/zh/effect", "missing"), ("/words/zh/necessity", "missing")]
    general = {**TEXT, "field_group": "general", "words": {"zh": less}}
    assert (await world.admin.post(URL, json=general)).status_code == 201


async def test_only_an_administrator_publishes(world: World) -> None:
    for who in (world.agent, world.manager, world.auditor):
        assert_problem(await who.post(URL, json=TEXT), 403, "scope_missing")


async def test_texts_are_full_some_day(world: World) -> None:
    await world.db.execute(
        "INSERT INTO consent_texts (org_id, id, purpose, field_group, text_version, words, is_material) "
        "SELECT $1, gen_random_uuid(), 'advice', 'religion', n, '{}', false FROM generate_series(1, 500) n",
        world.org_id,
    )
    assert_problem(await world.admin.post(URL, json=TEXT), 409, "too_many_consent_texts")


async def test_what_is_published_decided_and_noted_never_changes(world: World) -> None:
    await give(world.agent, (await create_customer(world.agent))["id"], "health")
    for statement in (
        "UPDATE consent_texts SET words = '{}'",
        "DELETE FROM consent_texts",
        "UPDATE consents SET decided_at = now()",
        "UPDATE consents SET grounds = '[{}]'",
        "UPDATE consents SET details_enc = '\\x00'",
        "DELETE FROM consents",
        "UPDATE consent_events SET at = now()",
        "DELETE FROM consent_uses",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.db.execute(statement)
    await world.db.execute("UPDATE consents SET withdrawn_at = now() WHERE org_id = $1", world.org_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.db.execute("UPDATE consents SET withdrawn_at = NULL")
    await world.db.execute("UPDATE consents SET details_enc = NULL WHERE org_id = $1", world.org_id)
