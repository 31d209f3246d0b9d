"""Product categories, and the organisation's own products."""

from app.domain.product_catalogue import CATEGORIES, PERILS, USUAL
from tests.factories import World, if_match

TERM = {"code": "TL-1", "name": "测试定期寿险", "insurer": "测试人寿", "category": "term_life"}


async def test_categories_are_built_in_with_their_levels(world: World) -> None:
    items = (await world.agent.get("/v1/product-categories")).json()["items"]
    assert [item["code"] for item in items] == list(CATEGORIES)
    by_code = {item["code"]: item for item in items}
    levels = {one["design"]: one["level"] for one in by_code["whole_life"]["designs"]}
    assert levels == {"ordinary": 2, "participating": 3, "universal": 3, "unit_linked": 4}
    assert [one["level"] for one in by_code["accident"]["designs"]] == [1]
    assert by_code["medical"]["is_indemnity"] is True
    assert by_code["term_life"]["branch_label"] == {"zh": "人寿保险", "en": "Life insurance"}


def test_every_peril_has_a_usual_category_that_answers_it() -> None:
    assert set(USUAL) == set(PERILS)
    for peril, code in USUAL.items():
        assert CATEGORIES[code].perils[0] == peril


async def test_no_product_is_shipped(world: World) -> None:
    assert (await world.agent.get("/v1/products")).json() == {"items": []}


async def test_product_takes_the_level_of_its_category_unless_told(world: World) -> None:
    made = await world.admin.post("/v1/products", json=TERM)
    assert (made.status_code, made.json()["level"], made.json()["is_active"]) == (201, 2, True)
    assert made.headers["location"] == f"/v1/products/{made.json()['id']}"
    linked = {**TERM, "code": "UL-1", "category": "whole_life", "design": "unit_linked"}
    assert (await world.admin.post("/v1/products", json=linked)).json()["level"] == 4
    own = {**TERM, "code": "TL-2", "level": 3}
    assert (await world.admin.post("/v1/products", json=own)).json()["level"] == 3
    codes = [item["code"] for item in (await world.auditor.get("/v1/products")).json()["items"]]
    assert codes == ["TL-1", "TL-2", "UL-1"]


async def test_product_of_a_design_its_category_is_not_sold_in_is_422(world: World) -> None:
    answer = await world.admin.post("/v1/products", json={**TERM, "design": "unit_linked"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "design_mismatch")


async def test_code_and_id_are_used_once(world: World) -> None:
    made = (await world.admin.post("/v1/products", json=TERM)).json()
    assert (await world.admin.post("/v1/products", json=TERM)).json()["code"] == "product_exists"
    again = {**TERM, "code": "TL-9", "id": made["id"]}
    assert (await world.admin.post("/v1/products", json=again)).json()["code"] == "id_taken"


async def test_list_of_products_is_full_some_day(world: World) -> None:
    await world.db.execute(
        "INSERT INTO products (org_id, id, code, name, insurer, category, design, level) "
        "SELECT $1, gen_random_uuid(), 'X' || n, '测', '测', 'term_life', 'ordinary', 2 FROM generate_series(1, 500) n",
        world.org_id,
    )
    assert (await world.admin.post("/v1/products", json=TERM)).json()["code"] == "too_many_products"


async def test_product_is_retired_and_not_lost(world: World) -> None:
    made = (await world.admin.post("/v1/products", json=TERM)).json()
    url = f"/v1/products/{made['id']}"
    changed = await world.admin.patch(url, json={"is_active": False, "level": 5}, headers=if_match(made))
    assert (changed.json()["is_active"], changed.json()["level"], changed.json()["version"]) == (False, 5, 2)
    assert (await world.admin.patch(url, json={"level": 4}, headers=if_match(made))).status_code == 412
    assert (await world.admin.patch(url, json={"category": "medical"}, headers=if_match(made))).status_code == 422
    assert (await world.agent.get(url)).json() == changed.json()


async def test_only_an_administrator_writes(world: World) -> None:
    for name in ("agent", "manager", "auditor"):
        assert (await getattr(world, name).post("/v1/products", json=TERM)).status_code == 403
