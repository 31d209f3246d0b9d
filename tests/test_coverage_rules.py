"""The rules of coverage: weights, the next direction, the questions, and the tables the statement looks up."""

from itertools import combinations

import pytest

from app.domain import coverage
from app.domain.coverage import DIRECTIONS, NEXT, QUESTIONS, SCORES, WEIGHTS, State
from app.models.relation_types import Direction

PARTIES = ("individual", "organization")


def test_directions_are_those_of_relationships() -> None:
    assert set(DIRECTIONS) == {direction.value for direction in Direction}
    assert len(DIRECTIONS) == 6


@pytest.mark.parametrize("party_type", PARTIES)
def test_weights_are_positive_and_sum_to_a_hundred(party_type: str) -> None:
    weights = WEIGHTS[party_type]
    assert set(weights) == set(DIRECTIONS)
    assert sum(weights.values()) == 100
    assert min(weights.values()) > 0
    assert coverage.score(party_type, ()) == 0
    assert coverage.score(party_type, DIRECTIONS) == 100


@pytest.mark.parametrize(
    ("party_type", "answered", "points", "wanted"),
    [
        ("individual", (), 0, "relative"),
        ("individual", ("relative",), 25, "friend"),
        ("individual", ("relative", "friend"), 50, "client"),  # as heavy as partner, and before it
        ("individual", ("relative", "friend", "client", "partner"), 80, "supplier"),
        ("individual", ("friend", "ally"), 35, "relative"),
        ("organization", (), 0, "client"),
        ("organization", ("client",), 25, "partner"),
        ("organization", ("client", "partner", "supplier", "ally", "friend"), 95, "relative"),
        ("organization", DIRECTIONS, 100, None),
    ],
)
def test_score_and_next_direction(party_type: str, answered: tuple[str, ...], points: int, wanted: str | None) -> None:
    assert coverage.score(party_type, answered) == points
    assert coverage.next_direction(party_type, answered) == wanted


@pytest.mark.parametrize("party_type", PARTIES)
def test_tables_say_the_same_as_the_rules(party_type: str) -> None:
    assert len(SCORES[party_type]) == len(NEXT[party_type]) == 64
    for size in range(7):
        for places in combinations(range(6), size):
            mask, answered = sum(1 << place for place in places), [DIRECTIONS[place] for place in places]
            assert SCORES[party_type][mask] == coverage.score(party_type, answered)
            assert NEXT[party_type][mask] == coverage.next_direction(party_type, answered)


@pytest.mark.parametrize("party_type", PARTIES)
def test_every_direction_has_a_question_in_both_languages(party_type: str) -> None:
    assert set(QUESTIONS[party_type]) == set(DIRECTIONS)
    for zh, en in QUESTIONS[party_type].values():
        assert zh.endswith(("？", "。"))
        assert en.endswith(("?", "."))
        assert len(zh) <= 60
        assert len(en) <= 200
        assert zh != en
    assert coverage.question(party_type, "ally") == QUESTIONS[party_type]["ally"]


def test_questions_differ_and_promise_nothing() -> None:
    every = [text for questions in QUESTIONS.values() for pair in questions.values() for text in pair]
    assert len(set(every)) == 24
    assert [
        text for text in every if any(word in text for word in ("返佣", "优惠", "必须", "rebate", "discount"))
    ] == []


@pytest.mark.parametrize(
    ("is_filled", "is_asked", "state"),
    [(True, True, State.filled), (True, False, State.filled), (False, True, State.asked_none),
     (False, False, State.unknown)],
)  # fmt: skip
def test_tie_outweighs_the_answer(is_filled: bool, is_asked: bool, state: State) -> None:
    assert coverage.state(is_filled=is_filled, is_asked=is_asked) is state
