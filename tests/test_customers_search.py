"""Search in a body: what an address must not hold is looked up there, in the pages of the list."""

import base64
from typing import Any
from uuid import UUID

import httpx
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import keyring, paging
from app.config import Settings
from app.domain import identity
from tests.factories import World, create_company, create_customer, searched
from tests.problem import assert_problem
from tests.test_identity import credit_codes, resident_ids

SEARCH = "/v1/customers/search"
PHONE, ID_NUMBER = "13812348000", "11010519491231002X"
SPELLINGS = (
    *("13812348000", "138 1234 8000", "138-1234-8000", "+86 138 1234 8000", "8613812348000", "008613812348000"),
    *("１３８１２３４８０００", "11010519491231002x", "110105 19491231 002X", "１１０１０５１９４９１２３１００２Ｘ"),
)
# Mistyped, cut off, and written with whatever between: an address would tell nearly as much.
NEARLY = ("138123480001", "1381234", "138.1234.8000", "138/1234/8000", "王 138，1234，8000", "110105199001011237",
          "11010519491231002", "91350100m000100y43", "(027) 8591 2346", "138\u200b1234\u200b8000")  # fmt: skip


@pytest.mark.parametrize("typed", SPELLINGS)
async def test_whole_number_is_found_in_every_spelling(world: World, typed: str) -> None:
    wanted = await create_customer(world.agent, phones=[{"number": PHONE}], id_number=ID_NUMBER)
    await create_customer(world.agent, name="李雷", phones=[{"number": "13812348001"}])
    assert await searched(world.agent, typed) == [wanted["id"]]


@pytest.mark.parametrize("typed", [*SPELLINGS, *NEARLY])
async def test_row_54_address_with_a_number_is_refused_and_says_where_to_go(world: World, typed: str) -> None:
    await create_customer(world.agent, phones=[{"number": PHONE}], id_number=ID_NUMBER)
    for client, language in ((world.agent, "zh-CN"), (world.auditor, "en")):
        answer = await client.get("/v1/customers", params={"q": typed}, headers={"Accept-Language": language})
        assert_problem(answer, 422, "number_in_address", ("?q", "number_in_address"))
        assert "POST /v1/customers/search" in answer.json()["title"]
        assert not any(part in answer.text for part in (typed, PHONE, ID_NUMBER))


async def test_names_and_tails_stay_in_the_address(world: World) -> None:
    made = await create_customer(world.agent, phones=[{"number": PHONE}])
    company = await create_company(world.agent, name="江城360科技2026有限公司")
    for query, wanted in (("王永", made), ("wyq", made), ("8000", made), ("000", made), ("360", company),
                          ("360科技2026", company)):  # fmt: skip
        answer = await world.agent.get("/v1/customers", params={"q": query})
        assert [row["id"] for row in answer.json()["items"]] == [wanted["id"]], query
        assert await searched(world.agent, query) == [wanted["id"]], query
    assert [len(await searched(world.auditor, query)) for query in ("8000", PHONE, ID_NUMBER, "wyq")] == [0, 0, 0, 1]


async def test_page_is_the_one_of_the_list(world: World) -> None:
    for number in range(5):
        await create_customer(world.agent, stage=("prospect", "contact")[number % 2], tags=["vip"])
    query: dict[str, Any] = {"q": "wyq", "tag": "vip", "party_type": "individual", "sort": "name", "limit": 1}
    body, asked = {**query, "stage": ["prospect", "customer"]}, {**query, "stage": "prospect,customer"}
    seen, cursor = [], None
    while True:
        more: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        there = await world.agent.post(SEARCH, json={**body, **more})
        listed = await world.agent.get("/v1/customers", params={**asked, **more})
        assert there.content == listed.content
        assert "link" not in there.headers
        seen += [row["id"] for row in there.json()["items"]]
        cursor = there.json()["next_cursor"]
        if cursor is None:
            break
    assert len(set(seen)) == len(seen) == 3


async def test_cursor_is_good_for_its_caller_and_its_query_only(world: World, other_world: World) -> None:
    for one in (world, other_world):
        for _ in range(2):
            await create_customer(one.agent, phones=[{"number": PHONE}])
    body = {"q": PHONE, "limit": 1}
    cursor = (await world.agent.post(SEARCH, json=body)).json()["next_cursor"]
    tries: list[tuple[httpx.AsyncClient, dict[str, Any]]] = [
        (world.admin, {}), (other_world.agent, {}), (world.agent, {"q": "13812348001"}), (world.agent, {"q": "wyq"}),
        (world.agent, {"stage": ["prospect"]}), (world.agent, {"cursor": cursor.swapcase()}),
    ]  # fmt: skip
    for client, other in tries:
        assert_problem(await client.post(SEARCH, json={**body, "cursor": cursor, **other}), 400, "cursor_invalid")
    assert len((await world.agent.post(SEARCH, json={**body, "cursor": cursor})).json()["items"]) == 1


def test_row_54_cursor_does_not_tell_what_was_searched_for(settings: Settings) -> None:
    """Anybody can read a cursor: a plain digest in it would be tried out with all numbers there are."""
    key, bound = keyring.derive(settings).cursors, paging.binding("customers", "+8613812348000")
    text = paging.encode(key, bound, paging.Position("a", UUID(int=7)))
    raw = base64.urlsafe_b64decode(text + "==")
    assert bound not in raw
    assert paging.decode(key, bound, text) == paging.Position("a", UUID(int=7))


@pytest.mark.parametrize(
    ("body", "place", "code"),
    [
        ({}, "/q", "missing"),
        ({"q": ""}, "/q", "too_short"),
        ({"q": "9" * 51}, "/q", "too_long"),
        ({"q": None}, "/q", "type"),
        ({"q": "w", "limit": 0}, "/limit", "out_of_range"),
        ({"q": "w", "limit": "5"}, "/limit", "type"),
        ({"q": "w", "stage": []}, "/stage", "too_short"),
        ({"q": "w", "stage": ["contact", "contact"]}, "/stage", "too_long"),
        ({"q": "w", "stage": "contact"}, "/stage", "type"),
        ({"q": "w", "tag": None}, "/tag", "type"),
        ({"q": "w", "owner_id": "x"}, "/owner_id", "unknown"),
    ],
)
async def test_body_is_checked(world: World, body: dict[str, Any], place: str, code: str) -> None:
    assert_problem(await world.agent.post(SEARCH, json=body), 422, "invalid", (place, code))


async def test_nothing_searchable_is_refused_by_its_place(world: World) -> None:
    assert_problem(await world.agent.post(SEARCH, json={"q": "·"}), 422, "invalid", ("/q", "too_short"))
    assert_problem(await world.agent.get("/v1/customers?q=·"), 422, "invalid", ("?q", "too_short"))


async def test_its_name_is_no_id(world: World) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = await world.agent.request(method, SEARCH)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), method


# --- what counts as a number ---------------------------------------------------------------------------------------


@given(st.sampled_from([*resident_ids(200, seed=7), *credit_codes(200, seed=7)]), st.sampled_from([" ", "-", "．", ""]))
def test_every_number_of_a_document_counts(number: str, mark: str) -> None:
    assert identity.holds_number(mark.join(number))
    assert identity.holds_number(f"王永庆{number.lower()}")


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_phone_that_can_be_stored_counts(region: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        found = phonenumbers.example_number_for_type(region, kind)
        if found is not None:
            for shape in (phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL):
                assert identity.holds_number(phonenumbers.format_number(found, shape))


@given(st.text(max_size=50))
def test_what_finds_by_a_number_counts_whatever_the_text(text: str) -> None:
    for rule in (identity.check_phone, identity.check_resident_id, identity.check_uscc):
        try:
            rule(text)
        except identity.IdentityError:
            continue
        assert identity.holds_number(text)
