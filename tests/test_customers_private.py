"""What of a customer is sealed: changed without being read in full, opened only with his own key."""

from typing import Any
from uuid import UUID

import pytest

from app import crypto, db, keyring, unsealing
from tests.factories import World, create_customer, if_match, searched

PHONES = [{"number": "13812348000", "label": "公司"}, {"number": "13900139047"}]


def pointed(answer: Any) -> list[tuple[str, str]]:
    return [(issue["pointer"], issue["code"]) for issue in answer.json()["errors"]]


async def stored(world: World, made: dict[str, Any]) -> dict[str, Any]:
    body = {"fields": ["phones", "emails"], "purpose": "correction"}
    answer = await world.admin.post(
        f"/v1/customers/{made['id']}/reveal", json=body, headers={"Idempotency-Key": str(made["version"]) + made["id"]}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_list_sent_back_as_it_was_answered_changes_nothing_but_what_is_new(world: World) -> None:
    made = await create_customer(world.agent, phones=PHONES, emails=[{"address": "contact@example.cn"}])
    seen = (await world.agent.get(f"/v1/customers/{made['id']}")).json()
    first, second = seen["phones"]
    change = {
        "phones": [{**second, "label": "家里"}, {"number": "027-85912346", "kind": "work"}, first],
        "emails": [{"address": "neu@example.cn", "kind": "work"}, *seen["emails"]],
    }
    answer = await world.agent.patch(f"/v1/customers/{made['id']}", json=change, headers=if_match(seen))
    assert answer.status_code == 200, answer.text
    assert await stored(world, answer.json()) == {
        "phones": [
            {"number": "+8613900139047", "kind": "mobile", "label": "家里"},
            {"number": "+862785912346", "kind": "work", "label": None},
            {"number": "+8613812348000", "kind": "mobile", "label": "公司"},
        ],
        "emails": [
            {"address": "neu@example.cn", "kind": "work"},
            {"address": "contact@example.cn", "kind": "home"},
        ],
    }
    assert await searched(world.agent, "13900139047") == [made["id"]]


async def test_mask_of_two_or_of_none_is_refused_by_its_place(world: World) -> None:
    twins = [{"number": "13812348000"}, {"number": "13856788000"}]
    mails = [{"address": "contact@example.cn"}, {"address": "concert@example.cn"}]
    made = await create_customer(world.agent, phones=twins, emails=mails)
    url = f"/v1/customers/{made['id']}"
    change = {
        "phones": [{"number": "138****8000"}, {"number": "139****8000"}, {"number": "****8000"}],
        "emails": [{"address": "con***@"}, {"address": "xyz***@"}],
    }
    answer = await world.agent.patch(url, json=change, headers=if_match(made))
    assert answer.status_code == 422
    assert pointed(answer) == [
        ("/phones/0/number", "mask_ambiguous"), ("/phones/1/number", "mask_unknown"),
        ("/phones/2/number", "mask_unknown"), ("/emails/0/address", "mask_ambiguous"),
        ("/emails/1/address", "mask_unknown"),
    ]  # fmt: skip
    assert "56788000" not in answer.text
    # In full it goes, and what is not sent needs no mask.
    bodies: list[dict[str, Any]] = [{"phones": [*twins, {"number": "13700000000"}]}, {"note": "x"}]
    for body in bodies:
        version = (await world.agent.get(url)).headers["etag"]
        assert (await world.agent.patch(url, json=body, headers={"If-Match": version})).status_code == 200


async def test_same_number_twice_is_one_mask(world: World) -> None:
    made = await create_customer(world.agent, phones=[PHONES[0], {**PHONES[0], "kind": "work"}])
    answer = await world.agent.patch(
        f"/v1/customers/{made['id']}", json={"phones": [{"number": "138****8000"}]}, headers=if_match(made)
    )
    assert answer.status_code == 200
    assert [phone["number"] for phone in (await stored(world, answer.json()))["phones"]] == ["+8613812348000"]


@pytest.mark.parametrize("phone", ["138****8000", "****8000", "138***8000", "*", "1**********"])
async def test_new_customer_takes_no_mask(world: World, phone: str) -> None:
    body = {"party_type": "individual", "name": "王永庆", "phones": [{"number": phone}]}
    answer = await world.agent.post("/v1/customers", json=body)
    assert answer.status_code == 422
    assert [place for place, _ in pointed(answer)] == ["/phones/0/number"]
    mail = {"party_type": "individual", "name": "王永庆", "emails": [{"address": "con***@"}]}
    assert pointed(await world.agent.post("/v1/customers", json=mail)) == [("/emails/0/address", "pattern")]


async def test_star_in_an_address_is_no_mask(world: World) -> None:
    made = await create_customer(world.agent, emails=[{"address": "a***b@example.cn"}])
    change = {"emails": [{"address": "a*****@"}, {"address": "x***@example.cn"}]}
    answer = await world.agent.patch(f"/v1/customers/{made['id']}", json=change, headers=if_match(made))
    assert answer.status_code == 200, answer.text
    mails = (await stored(world, answer.json()))["emails"]
    assert [mail["address"] for mail in mails] == ["a***b@example.cn", "x***@example.cn"]


async def test_part_that_changes_leaves_the_others(world: World) -> None:
    made = await create_customer(
        world.agent, phones=PHONES, emails=[{"address": "a@example.cn"}], addresses=[{"city": "武汉市"}], note="旧"
    )
    url, version = f"/v1/customers/{made['id']}", 1
    emptied: list[dict[str, Any]] = [{"note": None}, {"addresses": []}, {"emails": []}]
    for change in (*emptied, {"note": "新"}, {"name": "李雷"}):
        answer = await world.agent.patch(url, json=change, headers={"If-Match": f'"{version}"'})
        body, version = answer.json(), version + 1
        assert len(body["phones"]) == 2
        assert body["phones"][0]["label"] == "公司"
    assert (body["note"], body["addresses"], body["emails"]) == ("新", [], [])


async def test_customer_without_anything_private_needs_no_key(world: World) -> None:
    made = await create_customer(world.agent)
    row = await world.db.fetchrow("SELECT private_enc, phones_bi FROM customers WHERE id = $1", UUID(made["id"]))
    assert tuple(row) == (None, None)
    assert await world.db.fetchval("SELECT count(*) FROM person_keys WHERE org_id = $1", world.org_id) == 0


async def test_sealed_part_opens_in_no_other_customer(world: World) -> None:
    """Even whoever can write to the database cannot show one customer's data with another."""
    one, other = [await create_customer(world.agent, phones=PHONES) for _ in range(2)]
    move = "UPDATE customers c SET private_enc = o.private_enc FROM customers o WHERE c.id = $1 AND o.id = $2"
    await world.db.execute(move, UUID(other["id"]), UUID(one["id"]))
    assert (await world.agent.get(f"/v1/customers/{other['id']}")).status_code == 500
    assert (await world.agent.get(f"/v1/customers/{one['id']}")).status_code == 200


async def test_id_number_stays_unique_while_its_index_lies_under_a_former_key(world: World) -> None:
    number = "11010519491231002X"
    await create_customer(world.agent, id_number=number)
    async with db.transaction(world.org_id) as session:
        keys = await keyring.blind_keys(session, world.org_id)
    assert keys.current == 1
    wrapper = keyring.current().wrapper
    version, wrapped = await wrapper.wrap(crypto.Place.key("blind", world.org_id, 2), crypto.new_key())
    await world.db.execute("UPDATE blind_keys SET state = 'decrypt_only' WHERE org_id = $1", world.org_id)
    await world.db.execute(
        "INSERT INTO blind_keys (org_id, version, wrapped, kek_version, activated_at) VALUES ($1, 2, $2, $3, now())",
        world.org_id, wrapped, version,
    )  # fmt: skip
    keyring.current().organisations.clear()
    body = {"party_type": "individual", "name": "韩梅梅", "id_number": number}
    refused = await world.agent.post("/v1/customers", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "id_number_taken")
    assert refused.json()["errors"][0]["pointer"] == "/id_number"
    assert len(await searched(world.agent, number)) == 1


def test_places_are_filled_in_their_order_and_a_text_can_be_none() -> None:
    text = '{"a":"\\u0001","b":["\\u0001"],"c":"\\\\u0001"}'
    assert unsealing.fill(text, ["\\u0001", None, "too many"]) == '{"a":"\\\\u0001","b":[null],"c":"\\\\u0001"}'
    with pytest.raises(ValueError, match="place"):
        unsealing.fill(text, ["x"])
