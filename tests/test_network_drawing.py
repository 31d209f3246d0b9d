"""The drawn network: nothing covers anything, everybody is there and joined to the one before him, and it is SVG."""

import re
from itertools import combinations
from random import Random
from typing import Any
from uuid import UUID, uuid5
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain import network_drawing
from app.domain.network_drawing import COLOURS, DIRECTIONS, GREY, INK, PAPER, TINTS, UNKNOWN, WIDTH, Picture, draw
from app.domain.network_labels import is_plain, measured, shortened, spoken, written
from app.domain.network_layout import Box, Item, lay_out
from app.domain.relation_catalogue import built_in
from tests.factories import World, create_customer, if_match
from tests.ties import Json, link, people, relate, tie

SVG = "{http://www.w3.org/2000/svg}"
TIES = {kind.inverse_code: kind.inverse_label for kind in built_in()} | {kind.code: kind.label for kind in built_in()}
CODES = sorted(TIES)
_SPACE = UUID("5f0c2f1e-7a55-4c2a-9d1a-000000000000")
names = st.one_of(
    st.sampled_from(["王永庆", "司马懿", "江城衡岳纺织有限责任公司", "Wm", "<b>alert(1)</b>", '"&amp;"', "]]>",
                     "﷽﷽", "a\u0301\u0302\u0303\u0304\u0305", "👨‍👩‍👧‍👦" * 9, "نادية", "W" * 100, "\u200b", "\ufffe"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100),
)  # fmt: skip


@st.composite
def networks(draw_: st.DrawFn, most: int = 60) -> Json:
    """What the endpoint may answer: a tree of at most three hops, hop by hop, and some more edges."""
    pool = draw_(st.lists(names, min_size=1, max_size=6))
    doors = draw_(st.lists(st.sampled_from(DIRECTIONS), min_size=1, max_size=6, unique=True))
    count, chance = draw_(st.integers(1, most)), Random(draw_(st.integers(0, 2**32)))
    nodes = [_node(chance, 0, None, doors, pool)]
    for hop, size in enumerate([*sorted(chance.choices(range(1, count + 1), k=2)), count], start=1):
        above = [node for node in nodes if node["depth"] == hop - 1]
        for _ in range(size - len(nodes) if above else 0):
            nodes.append(_node(chance, len(nodes), chance.choice(above), doors, pool))
    edges = [_edge(chance, node["parent_id"], node["id"]) for node in nodes[1:]]
    if len(nodes) > 2:
        pairs = [chance.sample(nodes, 2) for _ in range(chance.randint(0, 20))]
        edges += [_edge(chance, one["id"], other["id"]) for one, other in pairs]
    hidden, omitted = sum(node["hidden"] for node in nodes), chance.choice([0, 12, 10**6])
    return {"depth": 3, "nodes": nodes, "edges": edges, "omitted": omitted, "truncated": omitted > 0, "hidden": hidden}


def _edge(chance: Random, one: str, other: str) -> Json:
    return {"from_id": one, "to_id": other, "strength": chance.choice([0, 0.123, 0.5, 1])}


def _node(chance: Random, place: int, parent: Json | None, doors: list[str], pool: list[str]) -> Json:
    return {
        "id": str(uuid5(_SPACE, str(place))),
        "name": chance.choice(pool),
        "party_type": chance.choice(["individual", "organization"]),
        "gender": chance.choice([None, "male", "female"]),
        "is_shadow": chance.random() < 0.2,
        "hidden": chance.choice([0, 0, 1, 99]),
        "depth": 0 if parent is None else parent["depth"] + 1,
        "parent_id": None if parent is None else parent["id"],
        "via": None if parent is None else chance.choice(doors),
        "via_type": None if parent is None else chance.choice(CODES),
    }


def boxes(picture: Picture) -> list[Box]:
    layout = picture.layout
    return [layout.root, *layout.headings, *layout.items]


def texts(picture: Picture) -> list[str]:
    return ["".join(found.itertext()) for found in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(), st.sampled_from(["zh", "en"]))
def test_no_label_covers_another_and_all_are_on_the_sheet(network: Json, language: str) -> None:
    picture = draw(network, TIES, language)
    for one, other in combinations(boxes(picture), 2):
        assert not one.overlaps(other)
    for box in boxes(picture):
        assert box.x >= 0
        assert box.x + box.width <= WIDTH
        assert box.y >= picture.layout.field.y
        assert box.y + box.height <= picture.layout.field.y + picture.layout.field.height < picture.height
    assert len(picture.layout.items) == len(network["nodes"]) - 1
    assert draw(network, TIES, language).svg == picture.svg


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(100))
def test_every_text_stays_within_its_box(network: Json) -> None:
    """The lines of a label, as their widths were reckoned, lie within the box that was kept free for them."""
    picture = draw(network, TIES, "zh")
    root = ElementTree.fromstring(picture.svg)
    groups = [found for found in root.iter(f"{SVG}g") if found.find(f"{SVG}title") is not None]
    assert len(groups) == len(network["nodes"])
    for group, label, box in zip(groups[1:], picture.labels[1:], picture.layout.items, strict=True):
        lines = [found for found in group.findall(f"{SVG}text") if found.get("stroke")]
        assert [line.text or "" for line in lines] == [written_back(text) for text in (label.name, label.tie) if text]
        for line in lines:
            size, x, y = float(line.get("font-size", 0)), float(line.get("x", 0)), float(line.get("y", 0))
            width = measured(line.text or "", size)
            assert box.x - 0.2 <= x - width / 2
            assert x + width / 2 <= box.x + box.width + 0.2
            assert box.y - 1.2 <= y - size * 0.88
            assert y + size * 0.12 <= box.y + box.height + 1.2
            assert size >= (12 if line is lines[0] and network["nodes"][groups.index(group)]["depth"] == 1 else 10)


def written_back(text: str) -> str:
    """A text as a reader of the XML finds it."""
    found = ElementTree.fromstring(f"<a>{written(text)}</a>").text
    return found or ""


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(100))
def test_everybody_is_joined_to_the_one_before_him(network: Json) -> None:
    picture = draw(network, TIES, "zh")
    root = ElementTree.fromstring(picture.svg)
    marks: dict[str, tuple[float, ...]] = {}
    for node, group in zip(
        network["nodes"], [g for g in root.iter(f"{SVG}g") if g.find(f"{SVG}title") is not None], strict=True
    ):
        shape = group[1]
        if node["depth"] == 0:
            marks[node["id"]] = picture.layout.root.middle
        elif node["party_type"] == "organization":
            assert shape.tag == f"{SVG}rect"
            marks[node["id"]] = tuple(
                float(shape.get(a, 0)) + float(shape.get(b, 0)) / 2 for a, b in (("x", "width"), ("y", "height"))
            )
        else:
            assert shape.tag == f"{SVG}circle"
            marks[node["id"]] = float(shape.get("cx", 0)), float(shape.get("cy", 0))
        if node["depth"]:
            assert (shape.get("stroke-dasharray") is not None) is node["is_shadow"]
            assert (shape.get("fill") == PAPER) is node["is_shadow"]
    curves = [
        re.findall(r"-?[\d.]+", path.get("d", "")) for path in root.iter(f"{SVG}path") if "Q" in path.get("d", "")
    ]
    drawn = [tuple(map(float, [*curve[:2], *curve[-2:]])) for curve in curves]
    wanted = [(*marks[node["parent_id"]], *marks[node["id"]]) for node in network["nodes"][1:]]
    assert len(drawn) == len(wanted)
    for one, other in zip(drawn, wanted, strict=True):
        assert one == pytest.approx(other, abs=0.2)


@given(names, st.sampled_from([6.0, 7.0, 12.0]))
def test_shortened_text_fits_and_is_writable(name: str, ems: float) -> None:
    short = shortened(name, ems)
    assert measured(short, 1) <= ems + 1e-9
    ElementTree.fromstring(f'<a b="{written(short)}">{written(short)}</a>')


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("江城衡岳纺织有限责任公司", "江城衡岳纺织"), ("远岫集团股份有限公司", "远岫"), ("有限公司", "有限公司"),
        ("Hankou Textiles Co., Ltd.", "Hankou Textiles"), ("江城第一中学", "江城第一中学"),
    ],
)  # fmt: skip
def test_company_is_called_without_its_legal_form(name: str, said: str) -> None:
    assert spoken(name, is_company=True) == said
    assert spoken(name, is_company=False) == name


@pytest.mark.parametrize(("text", "plain"), [("王永庆 Li", True), ("﷽", False), ("𠮷", False), ("", True)])
def test_text_of_unknown_width_is_forced_into_its_place(text: str, plain: bool) -> None:
    assert is_plain(text) is plain
    network = _alone(text or "x")
    assert ("textLength" in draw(network, TIES, "zh").svg) is not plain


def _alone(name: str, **more: Any) -> Json:
    node = {
        "id": str(_SPACE), "name": name, "party_type": "individual", "gender": None, "is_shadow": False, "hidden": 0,
        "depth": 0, "parent_id": None, "via": None, "via_type": None,
    }  # fmt: skip
    return {"depth": 2, "nodes": [node], "edges": [], "omitted": 0, "truncated": False, "hidden": 0, **more}


def test_nobody_known_is_six_closed_doors() -> None:
    picture = draw(_alone("王永庆"), TIES, "zh")
    assert texts(picture).count("未知") == 6
    assert "还没有任何关系" in texts(picture)
    assert "亲属未知、朋友未知、客户未知、供应商未知、合作伙伴未知、战略盟友未知" in picture.svg


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"omitted": 7, "truncated": True}, "另有 7 个未画出"),
        ({"truncated": True}, "还有更多"),
        ({"hidden": 3}, "另有 3 个您无权查看"),
    ],
)
def test_what_is_not_drawn_is_said(more: Json, said: str) -> None:
    assert any(said in text for text in texts(draw(_alone("王永庆", **more), TIES, "zh")))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_title_and_legend_end_before_the_sheet_does(language: str) -> None:
    picture = draw(_alone("W王" * 50, omitted=1_234_567, hidden=9_900, truncated=True), TIES, language)
    texts_ = ElementTree.fromstring(picture.svg).iter(f"{SVG}text")
    lines = [text for text in texts_ if not text.get("text-anchor")]
    assert len(lines) == 9
    for line in lines:
        assert float(line.get("x", 0)) + measured(line.text or "", float(line.get("font-size", 0))) <= WIDTH
        assert 0 < float(line.get("y", 0)) < picture.height


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_text_stands_out_from_what_is_behind_it() -> None:
    pairs = [(COLOURS[door], ground) for door in DIRECTIONS for ground in (PAPER, TINTS[door])]
    pairs += [(ink, ground) for ink in (INK, GREY) for ground in (PAPER, UNKNOWN)]
    pairs += [(INK, TINTS[door]) for door in DIRECTIONS] + [("#3c4554", "#e3e6eb")]
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []


def test_box_that_fits_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        lay_out([Item(-1, 0, 500, 20)], (60, 30), [(60, 20)] * 6, left=8, top=50, width=374)


def test_relation_is_called_by_gender() -> None:
    mother = {**_alone("王")["nodes"][0], "id": "m", "gender": "female", "depth": 1, "parent_id": str(_SPACE)}
    network = _alone("李雷")
    network["nodes"].append({**mother, "name": "韩梅", "via": "relative", "via_type": "parent"})
    network["edges"].append({"from_id": str(_SPACE), "to_id": "m", "strength": 0.9})
    assert {"韩梅", "母亲", "亲属 1"} <= set(texts(draw(network, TIES, "zh")))
    assert {"韩梅", "mother", "Relatives 1"} <= set(texts(draw(network, TIES, "en")))


# --- the endpoint ----------------------------------------------------------------------------------------------------


def place(customer: UUID | str) -> str:
    return f"/v1/customers/{customer}/network.svg"


async def test_picture_is_svg_that_runs_nothing(world: World) -> None:
    root = await create_customer(world.agent, name="<b>&\"'王")
    await relate(world.agent, root, await create_customer(world.agent, name="李雷"), "ally")
    answer = await world.agent.get(place(root["id"]), headers={"Accept-Language": "zh-CN"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.headers["content-language"], answer.headers["vary"]) == ("zh-CN", "Accept-Language")
    found = ElementTree.fromstring(answer.content)
    assert (found.tag, found.get("lang"), found.get("viewBox", "").split()[2]) == (f"{SVG}svg", "zh-CN", "390")
    tags = {element.tag.removeprefix(SVG) for element in found.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "circle", "polygon", "path", "g", "text", "clipPath"}
    used = {name for element in found.iter() for name in element.attrib}
    assert not {name for name in used if name.startswith("on") or "href" in name or name == "style"}
    said = ["".join(text.itertext()) for text in found.iter(f"{SVG}text")]
    assert {"<b>&\"'王", "李雷", "战略盟友", "战略盟友 1"} <= set(said)


async def test_picture_speaks_the_language_of_the_caller(world: World) -> None:
    (root,) = await people(world, 1)
    answer = await world.agent.get(place(root), headers={"Accept-Language": "en"})
    assert answer.headers["content-language"] == "en"
    assert "no relationship yet" in answer.text
    assert 'lang="en"' in answer.text


async def test_picture_follows_the_query_of_the_network(world: World) -> None:
    nodes = await people(world, 8)
    await link(world, [tie(nodes[0], other) for other in nodes[1:5]])
    await link(world, [tie(nodes[1], other, "ally") for other in nodes[5:]])
    for query, drawn in (("", 8), ("?depth=1", 5), ("?direction=friend", 5), ("?limit=3", 3), ("?min_strength=0.9", 1)):
        answer = await world.agent.get(place(nodes[0]) + query)
        assert len(re.findall("<g><title>", answer.text)) == drawn, query


@pytest.mark.parametrize("query", ["limit=101", "limit=0", "depth=4", "colour=red"])
async def test_parameter_out_of_bounds_is_422(world: World, query: str) -> None:
    (root,) = await people(world, 1)
    answer = await world.agent.get(f"{place(root)}?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_invisible_neighbour_is_counted_and_never_named(world: World) -> None:
    mine = await create_customer(world.agent, name="我的")
    hidden = await create_customer(world.mate, name="同事的客户")
    await relate(world.manager, mine, hidden)
    answer = await world.agent.get(place(mine["id"]), headers={"Accept-Language": "zh"})
    assert "同事" not in answer.text
    assert hidden["id"] not in answer.text
    assert ">+1<" in answer.text
    assert "同事的客户" in (await world.manager.get(place(mine["id"]))).text


async def test_foreign_root_is_404_and_deleted_one_410(world: World, other_world: World) -> None:
    mine = await create_customer(world.agent)
    for client in (world.mate, world.stranger, other_world.admin):
        assert (await client.get(place(mine["id"]))).status_code == 404
    await world.agent.delete(f"/v1/customers/{mine['id']}", headers=if_match(mine))
    assert (await world.agent.get(place(mine["id"]))).status_code == 410


async def test_auditor_sees_the_direction_of_a_delicate_tie(world: World) -> None:
    doctor, patient = await create_customer(world.agent, name="许医"), await create_customer(world.agent, name="病某")
    await relate(world.agent, doctor, patient, "client", type="patient")
    assert "patient" in (await world.agent.get(place(doctor["id"]))).text
    seen = (await world.auditor.get(place(doctor["id"]))).text
    assert "patient" not in seen
    assert ">client<" in seen


def test_words_of_both_languages_are_complete() -> None:
    assert network_drawing._WORDS["zh"].keys() == network_drawing._WORDS["en"].keys()
