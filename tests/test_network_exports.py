"""The network as a file: read back by a program that knows the format and nothing of us."""

import io
import random
from typing import Any
from uuid import UUID

import httpx
import jsonschema_rs
import networkx as nx
import orjson
import pytest

from app.domain.network_exports import graphml, json_graph
from tests.factories import World, create_customer, if_match
from tests.ties import Json, link, network, people, relate, tie

FORMS = ("graphml", "jgf")
_METADATA = {"type": ["object", "null"]}
# JSON Graph Format 2, one graph, nodes by id: after the published schema (jsongraphformat.info).
JGF = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["graph"],
    "additionalProperties": False,
    "properties": {
        "graph": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "label": {"type": "string"},
                "directed": {"type": "boolean"},
                "type": {"type": "string"},
                "metadata": _METADATA,
                "nodes": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"label": {"type": "string"}, "metadata": _METADATA},
                    },
                },
                "edges": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["source", "target"],
                        "properties": {
                            "id": {"type": "string"},
                            "source": {"type": "string"},
                            "target": {"type": "string"},
                            "relation": {"type": "string"},
                            "directed": {"type": "boolean"},
                            "label": {"type": "string"},
                            "metadata": _METADATA,
                        },
                    },
                },
            },
        }
    },
}


def place(customer: UUID | str, form: str) -> str:
    return f"/v1/customers/{customer}/network.{form}"


def read(answer: httpx.Response) -> Any:
    """The graph as networkx finds it, edges by their own ids."""
    assert answer.status_code == 200, answer.text
    return nx.read_graphml(io.BytesIO(answer.content), force_multigraph=True)


async def some_graph(world: World, seed: int = 1) -> list[UUID]:
    """Twenty people, several ties between the same two among them."""
    nodes, chance = sorted(await people(world, 20)), random.Random(seed)
    kinds = ("relative", "friend", "client", "partner", "ally")
    facts = {(chance.randrange(10), chance.randrange(10, 20), chance.choice(kinds)) for _ in range(50)}
    strengths = (100, 500, 837)
    await link(world, [tie(nodes[a], nodes[b], kind, chance.choice(strengths)) for a, b, kind in sorted(facts)])
    return nodes


async def test_graphml_says_what_the_network_says(world: World) -> None:
    root = (await some_graph(world))[0]
    found = await network(world.manager, root, depth=3)
    graph = read(await world.manager.get(place(root, "graphml"), params={"depth": 3}))
    assert graph.is_directed()
    assert graph.graph | {"root_id": str(root), "depth": 3, "truncated": False, "omitted": 0} == graph.graph
    assert set(graph.nodes) == {node["id"] for node in found["nodes"]}
    for node in found["nodes"]:
        kept = {name: value for name, value in node.items() if value is not None and name not in ("id", "name")}
        said = dict(graph.nodes[node["id"]])
        assert said.pop("label") == node["name"]
        assert (said.pop("via_label", None) is None) is (node["via"] is None)
        assert said == kept
    drawn = {key: (one, other, data) for one, other, key, data in graph.edges(keys=True, data=True)}
    assert len(found["edges"]) > 20
    assert {
        edge["id"]: (edge["from_id"], edge["to_id"], edge["type"], edge["direction"], edge["strength"], edge["role"])
        for edge in found["edges"]
    } == {
        key: (one, other, data["type"], data["direction"], data["strength"], data["role"])
        for key, (one, other, data) in drawn.items()
    }


async def test_json_graph_says_what_the_network_says(world: World) -> None:
    root = (await some_graph(world, 2))[0]
    found = await network(world.manager, root, depth=2, direction="friend,client")
    answer = await world.manager.get(place(root, "jgf"), params={"depth": 2, "direction": "friend,client"})
    graph = answer.json()["graph"]
    assert (graph["id"], graph["directed"], graph["label"]) == (str(root), True, "客户")
    assert graph["metadata"] == {name: found[name] for name in ("root_id", "depth", "truncated", "omitted", "hidden")}
    assert list(graph["nodes"]) == [node["id"] for node in found["nodes"]]
    for node in found["nodes"]:
        said = graph["nodes"][node["id"]]
        assert said["metadata"] | {"id": node["id"], "name": said["label"]} == node | {
            "via_label": said["metadata"]["via_label"]
        }
    assert [(edge["id"], edge["source"], edge["target"], edge["relation"]) for edge in graph["edges"]] == [
        (edge["id"], edge["from_id"], edge["to_id"], edge["type"]) for edge in found["edges"]
    ]


async def test_json_graph_keeps_to_the_published_format(world: World) -> None:
    root = (await some_graph(world, 3))[0]
    answer = await world.manager.get(place(root, "jgf"))
    assert answer.headers["content-type"] == "application/vnd.jgf+json"
    assert list(jsonschema_rs.Draft202012Validator(JGF).iter_errors(answer.json())) == []


async def test_files_have_a_name_and_a_language(world: World) -> None:
    root, child = await create_customer(world.agent, name="王"), await create_customer(world.agent, name="王小")
    await relate(world.agent, root, child, "relative", type="child")
    for form in FORMS:
        answer = await world.manager.get(place(root["id"], form), headers={"Accept-Language": "zh-CN"})
        assert answer.headers["content-disposition"] == f'attachment; filename="network.{form}"'
        assert (answer.headers["content-language"], answer.headers["vary"]) == ("zh-CN", "Accept-Language")
        assert "子女" in answer.text
        assert "via_type" in answer.text
        assert "子女" not in (await world.manager.get(place(root["id"], form))).text


async def test_name_that_is_markup_comes_back_as_it_was(world: World) -> None:
    name = '</data><node id="x"/>&amp;\']]>王'
    root = await create_customer(world.agent, name=name)
    graph = read(await world.manager.get(place(root["id"], "graphml")))
    assert dict(graph.nodes(data="label")) == {root["id"]: name}


async def test_every_export_is_on_record_without_a_name(world: World) -> None:
    nodes = await some_graph(world)
    for form in FORMS:
        assert (await world.manager.get(place(nodes[0], form), params={"depth": 1})).status_code == 200
    counted = await network(world.manager, nodes[0], depth=1)
    await world.manager.get(f"/v1/customers/{nodes[0]}/network.svg")
    rows = await world.db.fetch(
        "SELECT actor_id, object_type, object_id, detail::text AS detail FROM audit_events "
        "WHERE org_id = $1 AND action LIKE 'network.%' ORDER BY id",
        world.org_id,
    )
    sizes = {"nodes": len(counted["nodes"]), "edges": len(counted["edges"]), "fields": ["relationships"]}
    assert [(row["actor_id"], row["object_type"], row["object_id"]) for row in rows] == [
        (world.users["manager"], "customer", nodes[0])
    ] * 2
    assert [orjson.loads(row["detail"]) for row in rows] == [{"format": form, **sizes} for form in FORMS]


@pytest.mark.parametrize("form", FORMS)
async def test_invisible_neighbour_is_counted_and_never_named(world: World, form: str) -> None:
    mine, hidden = (
        await create_customer(world.agent, name="我的"),
        await create_customer(world.stranger, name="同事的客户"),
    )
    await relate(world.admin, mine, hidden)
    seen = (await world.manager.get(place(mine["id"], form))).text
    assert "同事的" not in seen
    assert hidden["id"] not in seen
    assert "同事的客户" in (await world.admin.get(place(mine["id"], form))).text


@pytest.mark.parametrize("form", FORMS)
async def test_foreign_root_is_404_and_deleted_one_410(world: World, other_world: World, form: str) -> None:
    mine = await create_customer(world.agent)
    for client in (other_world.manager, other_world.admin):
        assert (await client.get(place(mine["id"], form))).status_code == 404
    await world.agent.delete(f"/v1/customers/{mine['id']}", headers=if_match(mine))
    assert (await world.manager.get(place(mine["id"], form))).status_code == 410
    assert await world.db.fetchval("SELECT count(*) FROM audit_events WHERE action = 'network.exported' "
                                   "AND org_id = $1", world.org_id) == 0  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["agent", "auditor"])
async def test_file_is_for_those_who_export(world: World, name: str, form: str) -> None:
    mine = await create_customer(world.agent)
    answer = await getattr(world, name).get(place(mine["id"], form))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    stale = world.client(world.token("manager", proven_ago=600))
    assert (await stale.get(place(mine["id"], form))).json()["code"] == "step_up_required"


def test_label_follows_the_gender_of_the_target() -> None:
    labels = {"parent": {"zh": "父母", "en": "parent", "zh_female": "母亲", "en_female": "mother"}}
    rest: Json = {"party_type": "individual", "stage": "contact", "tier": None, "is_shadow": False, "ownership": "mine",
                  "strength": 1, "degree": 1, "hidden": 0}  # fmt: skip
    nodes = [
        {**rest, "id": "a", "name": "甲", "gender": None, "depth": 0, "parent_id": None, "via": None, "via_type": None},
        {**rest, "id": "b", "name": "乙", "gender": "female", "depth": 1, "parent_id": "a", "via": "relative",
         "via_type": "parent"},
    ]  # fmt: skip
    edge = {"id": "e", "from_id": "a", "to_id": "b", "direction": "relative", "type": "parent", "strength": 1}
    found = {"root_id": "a", "depth": 2, "truncated": False, "omitted": 0, "hidden": 0, "nodes": nodes,
             "edges": [{**edge, "role": None}]}  # fmt: skip
    graph = json_graph(found, labels, "zh")["graph"]
    assert graph["edges"][0]["label"] == graph["nodes"]["b"]["metadata"]["via_label"] == "母亲"
    assert graph["nodes"]["a"]["metadata"]["via_label"] is None
    assert "母亲" in graphml(found, labels, "zh")
    assert "mother" in graphml(found, labels, "en")
