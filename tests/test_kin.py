"""The family of a customer over HTTP: inferred kin are computed, marked, walled, and never stored."""

import pytest

from tests.factories import World, create_customer
from tests.ties import Json, relate


async def family(world: World, customer: Json, name: str = "agent") -> dict[str, Json]:
    answer = await getattr(world, name).get(f"/v1/customers/{customer['id']}/kin")
    assert answer.status_code == 200, answer.text
    return {item["person"]["name"]: item for item in answer.json()["items"]}


@pytest.fixture
async def people(world: World) -> dict[str, Json]:
    """Three generations: 陈秀英 is the mother of 王永庆 and 王小妹; 王永庆 and 李雷霞 have a son 王小明."""
    made = {}
    for name, gender in (
        ("陈秀英", "female"),
        ("王永庆", "male"),
        ("王小妹", "female"),
        ("李雷霞", "female"),
        ("王小明", "male"),
    ):
        made[name] = await create_customer(world.agent, name=name, gender=gender)
    await relate(world.agent, made["王永庆"], made["陈秀英"], "relative", type="parent")
    await relate(world.agent, made["陈秀英"], made["王小妹"], "relative", type="child")
    await relate(world.agent, made["王永庆"], made["李雷霞"], "relative", type="spouse")
    await relate(world.agent, made["王小明"], made["王永庆"], "relative", type="parent")
    return made


async def test_grandmother_sister_and_in_laws_follow(world: World, people: dict[str, Json]) -> None:
    found = await family(world, people["王小明"])
    assert {name: (item["type"], item["label"]["zh"], item["inferred"]) for name, item in found.items()} == {
        "王永庆": ("parent", "父亲", False),
        "陈秀英": ("grandparent", "祖母", True),
        "王小妹": ("uncle_aunt", "伯母婶母舅母姑母姨母", True),
    }
    assert [person["name"] for person in found["陈秀英"]["through"]] == ["王永庆"]
    assert found["陈秀英"]["family_degree"] == 2
    assert found["王永庆"]["relationship_id"] is not None
    hers = await family(world, people["李雷霞"])
    assert {name: item["type"] for name, item in hers.items()} == {
        "王永庆": "spouse", "陈秀英": "parent_in_law", "王小妹": "sibling_in_law",
    }  # fmt: skip
    assert hers["陈秀英"]["label"] == {"zh": "婆婆或岳母", "en": "mother in law"}
    assert await world.db.fetchval("SELECT count(*) FROM relationships WHERE org_id = $1", world.org_id) == 4


async def test_what_was_entered_is_not_inferred_again(world: World, people: dict[str, Json]) -> None:
    await relate(world.agent, people["王小明"], people["王小妹"], "relative")
    found = await family(world, people["王小明"])
    assert (found["王小妹"]["type"], found["王小妹"]["inferred"]) == ("relative", False)


async def test_corrected_parent_corrects_all(world: World, people: dict[str, Json]) -> None:
    url = f"/v1/customers/{people['王永庆']['id']}/relationships"
    (mother,) = [
        one for one in (await world.agent.get(url)).json()["items"] if one["other"]["id"] == people["陈秀英"]["id"]
    ]
    await world.agent.delete(f"{url}/{mother['id']}", headers={"If-Match": f'"{mother["version"]}"'})
    assert set(await family(world, people["王小明"])) == {"王永庆"}


async def test_kin_are_not_inferred_through_somebody_unseen(world: World) -> None:
    """The mother belongs to a colleague: what hangs on her is not there, for the agent."""
    names = ("甲", "乙", "丙")
    mine, mother, aunt = [
        await create_customer(client, name=name)
        for client, name in zip((world.agent, world.mate, world.agent), names, strict=True)
    ]
    await relate(world.manager, mine, mother, "relative", type="parent")
    await relate(world.manager, mother, aunt, "relative", type="sibling")
    assert await family(world, mine) == {}
    assert set(await family(world, mine, "manager")) == {"乙", "丙"}


async def test_family_of_nobody_is_404_and_of_a_deleted_one_410(world: World, people: dict[str, Json]) -> None:
    assert (await world.mate.get(f"/v1/customers/{people['王小明']['id']}/kin")).status_code == 404
    await world.agent.delete(f"/v1/customers/{people['王小明']['id']}", headers={"If-Match": '"1"'})
    assert (await world.agent.get(f"/v1/customers/{people['王小明']['id']}/kin")).status_code == 410


async def test_auditor_reads_a_relative_where_the_tie_is_delicate(world: World) -> None:
    one, other = [await create_customer(world.agent, name=name) for name in ("甲", "乙")]
    await relate(world.agent, one, other, "relative", type="former_spouse")
    assert (await family(world, one))["乙"]["type"] == "former_spouse"
    assert (await family(world, one, "auditor"))["乙"]["type"] == "relative"
