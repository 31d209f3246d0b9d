"""The mutations of `make mutants` fit the present source; whether they are killed is shown by `make mutants` itself."""

import re
from pathlib import Path

import pytest

from tests.mutants import Run, Stale, judge, mutated
from tests.mutations import Mutation
from tests.mutations_network import MUTATIONS

REPO = Path(__file__).parents[1]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_promise_69_mutation_changes_one_line_of_the_present_source(mutation: Mutation) -> None:
    source = (REPO / mutation.file).read_text()
    before, after = source.splitlines(), mutated(source, mutation).splitlines()
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_promise_69_mutation_names_tests_of_the_suite(mutation: Mutation) -> None:
    file, _, test = mutation.tests.partition("::")
    assert re.fullmatch(r"tests/test_\w+\.py", file)
    assert f"def {test}" in (REPO / file).read_text()


def test_promise_69_there_are_at_least_twenty_and_each_has_its_name() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 20
    assert len({(mutation.file, mutation.before, mutation.after) for mutation in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("source", ["", "a\na\n", "ab\n"])
def test_mutation_whose_line_is_not_there_once_is_stale(source: str) -> None:
    with pytest.raises(Stale):
        mutated(source, Mutation("m", "f", "a", "b", "t"))


@pytest.mark.parametrize("after", ["a", "b\nc"])
def test_mutation_that_changes_no_line_or_several_is_stale(after: str) -> None:
    with pytest.raises(Stale):
        mutated("a\n", Mutation("m", "f", "a", after, "t"))


def test_mutated_line_keeps_its_indentation() -> None:
    assert mutated("if x:\n    a\n", Mutation("m", "f", "a", "b", "t")) == "if x:\n    b\n"


@pytest.mark.parametrize(
    ("status", "output", "outcome", "killer"),
    [
        (1, "FAILED tests/test_x.py::test_y[a b] - assert 200 == 404\n1 failed", "killed", "test_y[a b]"),
        (1, "ERROR tests/test_x.py::test_y - SyntaxError\n1 error", "BROKEN", ""),
        (0, "7 passed", "SURVIVED", ""),
        (2, "Interrupted: 1 error during collection", "BROKEN", ""),
        (4, "file or directory not found", "BROKEN", ""),
        (5, "no tests ran", "BROKEN", ""),
        (-9, "", "BROKEN", ""),
        (None, "FAILED tests/test_x.py::test_y", "HUNG", ""),
    ],
)
def test_only_a_failed_test_kills(status: int | None, output: str, outcome: str, killer: str) -> None:
    verdict = judge(MUTATIONS[0], Run(status, output, 1.0))
    assert (verdict.outcome, verdict.killer) == (outcome, killer)
