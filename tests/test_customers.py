"""Customer profiles through the API."""

import asyncio
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app import vault
from tests.factories import World, create_company, create_customer, if_match, searched

RESIDENT_ID = "11010519491231002X"  # the national standard's own sample
USCC = "91350100M000100Y43"


async def test_create_individual_answers_full_profile(world: World) -> None:
    answer = await world.agent.post(
        "/v1/customers",
        json={
            "party_type": "individual",
            "name": "欧阳 雪梅",
            "stage": "contact",
            "gender": "female",
            "birthday": {"year": 1980, "month": 8, "day": 15, "calendar": "lunar"},
            "occupation": "教师",
            "phones": [{"number": "138 0013 8000", "kind": "mobile"}],
            "emails": [{"address": "xm@example.com"}],
            "addresses": [{"city": "武汉市", "county": "江汉区", "detail": "解放大道688号"}],
            "tags": ["vip"],
            "note": "周末有空",
        },
    )
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/customers/{body['id']}"
    assert answer.headers["etag"] == '"1"'
    assert body["phones"] == [{"number": "138****8000", "kind": "mobile", "label": None}]
    assert body["emails"][0]["address"] == "x***@"
    assert (body["addresses"][0]["detail"], body["note"]) == ("解放大道688号", "周末有空")
    assert body["owner_id"] == str(world.users["agent"])
    assert body["birthday"] == {"year": 1980, "month": 8, "day": 15, "calendar": "lunar", "leap_month": False}
    read = await world.agent.get(f"/v1/customers/{body['id']}")
    assert read.json() == body
    assert read.headers["cache-control"] == "no-store"


async def test_create_organization_has_no_personal_members(world: World) -> None:
    company = await create_company(world.agent, id_number=USCC)
    assert (company["gender"], company["birthday"], company["id_type"]) == (None, None, "uscc")
    refused = await world.agent.post(
        "/v1/customers", json={"party_type": "organization", "name": "某公司", "gender": "male"}
    )
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/gender", "code": "unknown", "message": "is not a known member"}]


async def test_id_number_is_masked_and_sealed(world: World) -> None:
    made = await create_customer(world.agent, id_number=RESIDENT_ID.lower())
    assert made["id_number_masked"] == "1****************X"
    row = await world.db.fetchrow("SELECT * FROM customers WHERE id = $1", UUID(made["id"]))
    assert RESIDENT_ID.encode() not in row["id_number_enc"]
    keys = await world.db.fetch("SELECT wrapped FROM person_keys WHERE person_id = $1", UUID(made["id"]))
    cipher = await vault.opener(world.org_id, UUID(made["id"]), [key["wrapped"] for key in keys])
    assert cipher.open("customers", "id_number", UUID(made["id"]), row["id_number_enc"]) == RESIDENT_ID


async def test_duplicate_id_number_in_org_is_409_without_the_other_person(world: World, other_world: World) -> None:
    first = await create_customer(world.agent, name="李雷", id_number=RESIDENT_ID)
    body = {"party_type": "individual", "name": "韩梅梅", "id_number": RESIDENT_ID}
    refused = await world.stranger.post("/v1/customers", json=body)
    assert refused.status_code == 409
    assert refused.json()["code"] == "id_number_taken"
    assert refused.json()["errors"][0]["pointer"] == "/id_number"
    assert first["id"] not in refused.text
    assert "李雷" not in refused.text
    await create_customer(other_world.agent, id_number=RESIDENT_ID)  # another organisation does not know


@pytest.mark.parametrize(
    ("member", "value", "pointer", "code"),
    [
        ("id_number", "110105194912310021", "/id_number", "id_number_checksum"),
        ("id_number", "360426199113010079", "/id_number", "id_number_date"),
        ("phones", [{"number": "12345678901"}], "/phones/0/number", "phone_invalid"),
        ("name", "张\u200b三", "/name", "name_invisible"),
        ("name", "   ", "/name", "name_empty"),
        ("birthday", {"year": 2023, "month": 2, "day": 29}, "/birthday", "date_day_range"),
        ("birthday", {"day": 3}, "/birthday", "date_day_without_month"),
        ("birthday", {"year": "1980"}, "/birthday/year", "type"),
        ("birthday", {"year": True}, "/birthday/year", "type"),
        ("birthday", {"month": 6, "leap_month": "yes"}, "/birthday/leap_month", "type"),
        ("id", "01890000000070008000000000000000", "/id", "type"),
        ("note", "a\u0085b", "/note", "pattern"),
        ("stage", "friend", "/stage", "choice"),
        ("emails", [{"address": "nobody"}], "/emails/0/address", "pattern"),
        ("tags", ["x"] * 31, "/tags", "too_long"),
        ("owner_id", "01890000-0000-7000-8000-000000000000", "/owner_id", "unknown"),
        ("version", 7, "/version", "unknown"),
    ],
)
async def test_broken_rule_names_the_place_and_not_the_value(
    world: World, member: str, value: object, pointer: str, code: str
) -> None:
    answer = await world.agent.post("/v1/customers", json={"party_type": "individual", "name": "王永庆", member: value})
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
    if isinstance(value, str) and value.strip():
        assert value not in answer.text


async def test_same_id_and_body_again_is_200_other_body_409(world: World) -> None:
    body = {"id": str(uuid7()), "party_type": "individual", "name": "王永庆"}
    first = await world.agent.post("/v1/customers", json=body)
    again = await world.agent.post("/v1/customers", json=body)
    other = await world.agent.post("/v1/customers", json={**body, "name": "王永在"})
    foreign = await world.stranger.post("/v1/customers", json=body)
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert again.json() == first.json()
    assert foreign.json()["code"] == "id_taken"


async def test_patch_changes_only_what_was_sent(world: World) -> None:
    made = await create_customer(world.agent, note="旧", tags=["a"])
    answer = await world.agent.patch(
        f"/v1/customers/{made['id']}", json={"note": None, "stage": "customer"}, headers=if_match(made)
    )
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    assert (body["note"], body["stage"], body["tags"], body["name"]) == (None, "customer", ["a"], "王永庆")
    assert body["stage_changed_at"] > made["stage_changed_at"]


async def test_patch_completes_members_of_lists(world: World) -> None:
    made = await create_customer(world.agent)
    change = {"phones": [{"number": "13800138000"}], "emails": [{"address": "a@b.cn"}], "addresses": [{"city": "武汉"}]}
    answer = await world.agent.patch(f"/v1/customers/{made['id']}", json=change, headers=if_match(made))
    body = answer.json()
    assert answer.status_code == 200
    assert body["phones"] == [{"number": "138****8000", "kind": "mobile", "label": None}]
    assert body["emails"] == [{"address": "***@", "kind": "home"}]
    assert (body["addresses"][0]["city"], body["addresses"][0]["kind"]) == ("武汉", "home")


async def test_patch_merges_the_birthday_part_by_part(world: World) -> None:
    made = await create_customer(world.agent)
    url = f"/v1/customers/{made['id']}"
    first = await world.agent.patch(url, json={"birthday": {"month": 8, "day": 31}}, headers=if_match(made))
    assert first.json()["birthday"] == {
        "year": None, "month": 8, "day": 31, "calendar": "solar", "leap_month": False}  # fmt: skip
    year = await world.agent.patch(url, json={"birthday": {"year": 1988}}, headers=if_match(first.json()))
    assert (year.json()["birthday"]["year"], year.json()["birthday"]["day"]) == (1988, 31)
    june = await world.agent.patch(url, json={"birthday": {"month": 6}}, headers=if_match(year.json()))
    assert (june.status_code, june.json()["errors"][0]["code"]) == (422, "date_day_range")
    gone = await world.agent.patch(url, json={"birthday": None}, headers=if_match(year.json()))
    assert gone.json()["birthday"] is None


async def test_patch_null_on_required_member_is_422(world: World) -> None:
    made = await create_customer(world.agent)
    for member in ("name", "stage", "phones", "tags"):
        answer = await world.agent.patch(f"/v1/customers/{made['id']}", json={member: None}, headers=if_match(made))
        assert answer.status_code == 422, member


async def test_patch_without_if_match_is_428_and_stale_412(world: World) -> None:
    made = await create_customer(world.agent)
    url = f"/v1/customers/{made['id']}"
    missing = await world.agent.patch(url, json={"note": "x"})
    assert (missing.status_code, missing.json()["code"]) == (428, "if_match_missing")
    assert (await world.agent.patch(url, json={"note": "x"}, headers=if_match(made))).status_code == 200
    stale = await world.agent.patch(url, json={"note": "y"}, headers=if_match(made))
    assert (stale.status_code, stale.json()["current_version"], stale.headers["etag"]) == (412, 2, '"2"')
    weak = await world.agent.patch(url, json={"note": "z"}, headers={"If-Match": 'W/"2"'})
    assert weak.status_code == 200
    assert (await world.agent.delete(url)).status_code == 428
    garbage = await world.agent.patch(url, json={"note": "z"}, headers={"If-Match": "three"})
    assert garbage.status_code == 400


async def test_wechat_patches_through_post(world: World) -> None:
    made = await create_customer(world.agent)
    answer = await world.agent.post(
        f"/v1/customers/{made['id']}",
        json={"note": "来自小程序"},
        headers={**if_match(made), "X-HTTP-Method-Override": "PATCH"},
    )
    assert (answer.status_code, answer.json()["note"]) == (200, "来自小程序")


async def test_patch_identity_of_wrong_kind_is_422(world: World) -> None:
    person, company = await create_customer(world.agent), await create_company(world.agent)
    for made, number in ((person, USCC), (company, RESIDENT_ID)):
        url = f"/v1/customers/{made['id']}"
        answer = await world.agent.patch(url, json={"id_number": number}, headers=if_match(made))
        assert answer.status_code == 422
    gender = await world.agent.patch(
        f"/v1/customers/{company['id']}", json={"gender": "male"}, headers=if_match(company)
    )
    assert gender.json()["errors"][0]["pointer"] == "/gender"


async def test_patch_can_clear_the_id_number(world: World) -> None:
    made = await create_customer(world.agent, id_number=RESIDENT_ID)
    answer = await world.agent.patch(f"/v1/customers/{made['id']}", json={"id_number": None}, headers=if_match(made))
    assert (answer.json()["id_type"], answer.json()["id_number_masked"]) == (None, None)
    columns = "id_number_enc, id_number_bi, id_number_bi_ver"
    row = await world.db.fetchrow(f"SELECT {columns} FROM customers WHERE id = $1", UUID(made["id"]))
    assert tuple(row) == (None, None, None)


async def test_delete_then_410_then_restore(world: World) -> None:
    made = await create_customer(world.agent, id_number=RESIDENT_ID)
    url = f"/v1/customers/{made['id']}"
    gone = await world.agent.delete(url, headers=if_match(made))
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await world.agent.get(url)).status_code == 410
    assert (await world.agent.patch(url, json={}, headers={"If-Match": '"2"'})).status_code == 410
    assert (await world.stranger.get(url)).status_code == 404
    assert (await world.agent.get("/v1/customers")).json()["items"] == []
    back = await world.agent.post(f"{url}/restore")
    assert (back.status_code, back.json()["version"]) == (200, 3)
    assert (await world.agent.get(url)).status_code == 200


async def test_restore_is_refused_when_the_id_number_moved_on(world: World) -> None:
    made = await create_customer(world.agent, id_number=RESIDENT_ID)
    await world.agent.delete(f"/v1/customers/{made['id']}", headers=if_match(made))
    await create_customer(world.agent, name="新建", id_number=RESIDENT_ID)
    answer = await world.agent.post(f"/v1/customers/{made['id']}/restore")
    assert (answer.status_code, answer.json()["code"]) == (409, "id_number_taken")


async def test_restore_after_thirty_days_is_404(world: World) -> None:
    made = await create_customer(world.agent)
    await world.db.execute(
        "UPDATE customers SET deleted_at = now() - interval '31 days' WHERE id = $1", UUID(made["id"])
    )
    assert (await world.agent.post(f"/v1/customers/{made['id']}/restore")).status_code == 404
    assert (await world.agent.get(f"/v1/customers/{made['id']}")).status_code == 404


async def test_if_none_match_answers_304(world: World) -> None:
    made = await create_customer(world.agent)
    answer = await world.agent.get(f"/v1/customers/{made['id']}", headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')
    changed = await world.agent.get(f"/v1/customers/{made['id']}", headers={"If-None-Match": '"9"'})
    assert changed.status_code == 200


async def test_auditor_sees_masked_contact_data_and_cannot_write(world: World) -> None:
    made = await create_customer(
        world.agent,
        phones=[{"number": "13812348000"}],
        emails=[{"address": "contact@example.com"}],
        addresses=[{"city": "武汉市", "detail": "解放大道688号"}],
        note="私事",
    )
    seen = (await world.auditor.get(f"/v1/customers/{made['id']}")).json()
    assert seen["phones"][0]["number"] == "138****8000"
    assert seen["emails"][0]["address"] == "con***@"
    assert (seen["addresses"][0]["detail"], seen["note"]) == (None, None)
    refused = await world.auditor.post("/v1/customers", json={"party_type": "individual", "name": "某"})
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "customers:write")


async def test_search_does_not_tell_an_auditor_what_the_mask_hides(world: World) -> None:
    await create_customer(world.agent, phones=[{"number": "13812348000"}])
    for query, found in (("13812348000", 0), ("+86 138 1234 8000", 0), ("8000", 0), ("wyq", 1)):
        assert len(await searched(world.auditor, query)) == found, query
        assert len(await searched(world.admin, query)) == 1, query


async def test_link_of_a_page_has_one_address(world: World) -> None:
    await create_customer(world.agent, tags=[">;rel=x,<"])
    await create_customer(world.agent, tags=[">;rel=x,<"])
    answer = await world.agent.get("/v1/customers?limit=1&tag=>%3Brel%3Dx,%3C")
    assert len(answer.json()["items"]) == 1
    assert answer.headers["link"].count(">") == 1
    following = await world.agent.get(answer.links["next"]["url"])
    assert (len(following.json()["items"]), following.json()["next_cursor"]) == (1, None)


async def test_tombstone_of_thirty_one_days_is_404_to_writers_too(world: World) -> None:
    made = await create_customer(world.agent)
    old = "UPDATE customers SET deleted_at = now() - interval '31 days' WHERE id = $1"
    await world.db.execute(old, UUID(made["id"]))
    url = f"/v1/customers/{made['id']}"
    assert (await world.agent.patch(url, json={"note": "x"}, headers=if_match(made))).status_code == 404
    assert (await world.agent.delete(url, headers=if_match(made))).status_code == 404


async def test_visibility_follows_the_team_tree(world: World, other_world: World) -> None:
    made = await create_customer(world.agent)
    url = f"/v1/customers/{made['id']}"
    status = {name: (await getattr(world, name).get(url)).status_code for name in
              ("agent", "mate", "stranger", "manager", "admin", "auditor")}  # fmt: skip
    assert status == {"agent": 200, "mate": 404, "stranger": 404, "manager": 200, "admin": 200, "auditor": 200}
    assert (await other_world.admin.get(url)).status_code == 404


async def test_list_shows_nobody_elses_customers(world: World, other_world: World) -> None:
    made = await create_customer(world.agent)
    clients = {name: getattr(world, name) for name in ("agent", "mate", "stranger", "manager", "admin", "auditor")}
    clients["outside"] = other_world.admin
    found = {name: (await client.get("/v1/customers")).json()["items"] for name, client in clients.items()}
    seen = {name for name, items in found.items() if made["id"] in [item["id"] for item in items]}
    assert seen == {"agent", "manager", "admin", "auditor"}


async def test_who_does_not_see_a_customer_cannot_change_him(world: World, other_world: World) -> None:
    made = await create_customer(world.agent, id_number=RESIDENT_ID)
    url, current = f"/v1/customers/{made['id']}", if_match(made)
    for client in (world.mate, world.stranger, other_world.agent, other_world.admin):
        answers = [
            await client.patch(url, json={"name": "张三"}, headers=current),
            await client.delete(url, headers=current),
            await client.post(
                f"{url}/reveal", json={"fields": ["id_number"], "purpose": "claim"}, headers={"Idempotency-Key": "k"}
            ),
        ]
        assert [answer.status_code for answer in answers] == [404] * 3
    assert (await world.agent.get(url)).json() == made
    assert (await world.agent.delete(url, headers=current)).status_code == 204
    for client in (world.mate, other_world.admin):
        assert (await client.post(f"{url}/restore")).status_code == 404
    assert (await world.agent.get(url)).status_code == 410


async def test_unknown_and_foreign_answers_are_the_same_bytes(world: World) -> None:
    made = await create_customer(world.agent)
    foreign = (await world.stranger.get(f"/v1/customers/{made['id']}")).json()
    unknown = (await world.stranger.get(f"/v1/customers/{uuid7()}")).json()
    assert {**foreign, "request_id": ""} == {**unknown, "request_id": ""}


async def test_parallel_patches_lose_nothing(world: World) -> None:
    made = await create_customer(world.agent)
    url = f"/v1/customers/{made['id']}"

    async def writer() -> int:
        done = 0
        while done < 5:
            version = (await world.agent.get(url)).json()["version"]
            answer = await world.agent.patch(url, json={"note": "x"}, headers={"If-Match": f'"{version}"'})
            assert answer.status_code in (200, 412)
            done += answer.status_code == 200
        return done

    assert sum(await asyncio.gather(*(writer() for _ in range(4)))) == 20
    assert (await world.agent.get(url)).json()["version"] == 21


async def test_every_change_is_audited_and_fed(world: World) -> None:
    made = await create_customer(world.agent, name="李雷")
    await world.agent.patch(f"/v1/customers/{made['id']}", json={"stage": "investor"}, headers=if_match(made))
    await world.agent.delete(f"/v1/customers/{made['id']}", headers={"If-Match": '"2"'})
    events = await world.db.fetch(
        "SELECT action, actor_id, detail FROM audit_events WHERE object_id = $1 ORDER BY at", UUID(made["id"])
    )
    assert [event["action"] for event in events] == [
        "customer.created", "customer.stage_changed", "customer.updated", "customer.deleted",
    ]  # fmt: skip
    assert {event["actor_id"] for event in events} == {world.users["agent"]}
    assert all("李雷" not in event["detail"] for event in events)
    feed = await world.db.fetch("SELECT scope, collection, removed FROM feed WHERE id = $1", UUID(made["id"]))
    assert [tuple(row) for row in feed] == [(world.users["agent"], "customers", True)]
