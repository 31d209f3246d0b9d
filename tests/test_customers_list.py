"""The list of customers: every sort order, page after page; filters; what a search finds."""

import pytest

from tests.factories import World, create_company, create_customer

NAMES = ("王永庆", "王永庆", "李雷", "欧阳雪梅", "曾国藩", "李雷", "江城贸易")


async def all_pages(world: World, query: str) -> list[dict[str, object]]:
    """Every row of the list, gathered two at a time, following the Link header's own cursor."""
    rows: list[dict[str, object]] = []
    path: str | None = f"/v1/customers?limit=2&{query}"
    while path is not None:
        page = await world.agent.get(path)
        rows += page.json()["items"]
        cursor = page.json()["next_cursor"]
        assert ("link" in page.headers) == (cursor is not None)
        path = None if cursor is None else page.headers["link"].split(">")[0].lstrip("<")
    return rows


@pytest.mark.parametrize("key", ["created_at", "updated_at", "name"])
async def test_every_order_shows_every_customer_once_whatever_is_equal(world: World, key: str) -> None:
    made = [await create_customer(world.agent, name=name) for name in NAMES]
    up = await all_pages(world, f"sort={key}")
    down = await all_pages(world, f"sort=-{key}")
    assert sorted(str(row["id"]) for row in up) == sorted(customer["id"] for customer in made)
    assert [row["id"] for row in down] == [row["id"] for row in reversed(up)]
    if key == "name":
        assert [row["name"] for row in up] == ["江城贸易", "李雷", "李雷", "欧阳雪梅", "王永庆", "王永庆", "曾国藩"]
    else:
        assert [row[key] for row in up] == sorted(str(row[key]) for row in up)


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "王永",
            "永庆",
            "庆",
            "wangyongqing",
            "WYQ",
            "wyq",
            "yongqing",
            "8000",
            "８０００",
        ),
    ],
)
async def test_search_finds_by_name_pinyin_initials_and_phone_tail(world: World, typed: str) -> None:
    wanted = await create_customer(
        world.agent, name="王永庆", phones=[{"number": "13812348000"}], id_number="11010519491231002X"
    )
    await create_customer(world.agent, name="李雷", phones=[{"number": "13812348001"}])
    found = (await world.agent.get("/v1/customers", params={"q": typed})).json()["items"]
    assert [row["id"] for row in found] == [wanted["id"]]


async def test_filters_narrow_the_list_together(world: World) -> None:
    both = await create_customer(world.agent, name="甲", stage="customer", tags=["vip", "茶友"])
    await create_customer(world.agent, name="乙", stage="contact", tags=["vip"])
    company = await create_company(world.agent, stage="customer", tags=["vip"])

    async def ids(query: str) -> set[object]:
        return {row["id"] for row in await all_pages(world, query)}

    assert await ids("tag=vip&stage=customer,investor") == {both["id"], company["id"]}
    assert await ids("tag=vip&stage=customer&party_type=individual") == {both["id"]}
    assert await ids("stage=investor") == set()
