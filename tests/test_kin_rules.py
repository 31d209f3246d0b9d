"""Kinship follows from parents, spouses and siblings: against all labelled paths of networkx."""

from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import kin, relation_catalogue
from app.domain.kin import Family, KinTie

RULES = dict(kin._RULES)
PEOPLE = 12


@st.composite
def families(draw: st.DrawFn) -> tuple[list[KinTie[int]], dict[int, str | None]]:
    """Any ties between a dozen people, some of them absurd: agents enter what they hear."""
    pairs = st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, PEOPLE - 1)).filter(lambda pair: pair[0] != pair[1])
    kinds = st.sampled_from(("parent", "parent", "parent", "spouse", "sibling", "elder_sibling", "friend"))
    ties = [KinTie(*pair, kind) for pair, kind in draw(st.lists(st.tuples(pairs, kinds), max_size=22))]
    genders = st.sampled_from(("male", "female", None, "unknown"))
    return ties, {one: draw(genders) for one in range(PEOPLE)}


def graph(ties: list[KinTie[int]]) -> "nx.MultiDiGraph[int]":
    made: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    made.add_nodes_from(range(PEOPLE))
    for tie in ties:
        if tie.type == "parent":
            made.add_edge(tie.left, tie.right, key="P")
            made.add_edge(tie.right, tie.left, key="C")
        elif tie.type != "friend":
            for one, other in ((tie.left, tie.right), (tie.right, tie.left)):
                made.add_edge(one, other, key="S" if tie.type == "spouse" else "B")
    for child, parent in [(tie.left, tie.right) for tie in ties if tie.type == "parent"]:
        for other in [tie.left for tie in ties if tie.type == "parent" and tie.right == parent and tie.left != child]:
            made.add_edge(child, other, key="B")
    return made


@given(families(), st.integers(0, PEOPLE - 1), st.sets(st.integers(0, PEOPLE - 1), max_size=3))
def test_kin_are_those_of_all_labelled_paths(
    drawn: tuple[list[KinTie[int]], dict[int, str | None]], root: int, known: set[int]
) -> None:
    ties, genders = drawn
    order = list(RULES)
    best: dict[int, int] = {}
    everybody = graph(ties)
    for other in set(range(PEOPLE)) - {root} - known:
        paths: Any = nx.all_simple_edge_paths(everybody, root, other, cutoff=3)
        for path in paths:
            steps = "".join(key for _, _, key in path)
            if steps in RULES:
                best[other] = min(best.get(other, 99), order.index(steps))
    found = Family(ties, genders).infer(root, known=known)
    generic = {one.id: one.type.removeprefix("maternal_").removeprefix("paternal_") for one in found}
    assert generic == {other: RULES[order[place]] for other, place in best.items()}
    assert len(found) == len(generic)
    for one in found:
        assert root not in one.through
        assert one.id not in one.through


def test_every_type_that_is_inferred_is_in_the_catalogue() -> None:
    codes = {kind.code for kind in relation_catalogue.built_in()} | {
        kind.inverse_code for kind in relation_catalogue.built_in()
    }
    inferred = {kind for kind in RULES.values() if kind != "cousin"}
    assert inferred | {"maternal_grandparent", "maternal_grandchild", "paternal_cousin", "maternal_cousin"} <= codes
    assert codes >= kin.BASIS


@pytest.mark.parametrize(
    ("middle", "up", "down"),
    [("male", "grandparent", "grandchild"), ("female", "maternal_grandparent", "maternal_grandchild"),
     (None, "grandparent", "grandchild")],
)  # fmt: skip
def test_side_of_a_grandparent_is_that_of_the_parent(middle: str | None, up: str, down: str) -> None:
    family = Family([KinTie("child", "parent", "parent"), KinTie("parent", "old", "parent")], {"parent": middle})
    (old,) = family.infer("child", known=["parent"])
    (young,) = family.infer("old", known=["parent"])
    assert (old.id, old.type, old.through) == ("old", up, ("parent",))
    assert (young.id, young.type, young.through) == ("child", down, ("parent",))


@pytest.mark.parametrize(
    ("genders", "expected"),
    [(("male", "male"), "paternal_cousin"), (("male", "female"), "maternal_cousin"),
     (("female", "male"), "maternal_cousin"), (("female", "female"), "maternal_cousin")],
)  # fmt: skip
def test_cousin_is_tang_only_through_two_men(genders: tuple[str, str], expected: str) -> None:
    ties = [
        KinTie("me", "mine", "parent"), KinTie("cousin", "theirs", "parent"), KinTie("mine", "old", "parent"),
        KinTie("theirs", "old", "parent"),
    ]  # fmt: skip
    found = {one.id: one for one in Family(ties, {"mine": genders[0], "theirs": genders[1]}).infer("me")}
    assert found["cousin"].type == expected
    assert found["cousin"].through == ("mine", "theirs")
