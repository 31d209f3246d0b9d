"""What the value of a fact may be."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import fact_types
from app.domain.fact_definitions import shipped
from app.domain.fact_types import Member, Option, Shape, ValueKind, Words
from app.error_words import MESSAGES

W = Words("中", "en")
PARTY = "01890000-0000-7000-8000-000000000001"
CHOICE = Shape(ValueKind.choice, options=(Option("a", W), Option("b", W)))
ROW = Shape(
    ValueKind.record,
    members=(
        Member("who", W, True, Shape(ValueKind.party)),
        Member("kind", W, False, CHOICE),
        Member("on", W, False, Shape(ValueKind.partial_date)),
    ),
)
ROWS = Shape(ValueKind.list, item=ROW, max_items=2)


def found(shape: Shape, value: Any) -> list[tuple[str, str]]:
    return list(fact_types.check(shape, value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "沙茶面\n不要香菜"), ("money", 0), ("money", 10**15), ("number", -3), ("date", "2028-02-29"),
        ("partial_date", {"year": 2027}), ("partial_date", {"year": 2027, "month": 3}),
        ("partial_date", {"year": 2028, "month": 2, "day": 29}), ("party", PARTY),
    ],
)  # fmt: skip
def test_good_values_pass(kind: str, value: Any) -> None:
    assert found(Shape(ValueKind(kind)), value) == []


@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        ("text", 7, ("", "type")), ("text", None, ("", "type")), ("text", " \n　", ("", "too_short")),
        ("text", "长" * 2001, ("", "too_long")), ("text", "响\u0007铃", ("", "pattern")),
        ("money", -1, ("", "out_of_range")), ("money", 1.0, ("", "type")), ("money", True, ("", "type")),
        ("money", 10**15 + 1, ("", "out_of_range")), ("number", 2**53, ("", "out_of_range")),
        ("date", "2026-02-29", ("", "date_invalid")), ("date", "20260101", ("", "pattern")),
        ("date", "1899-01-01", ("", "out_of_range")), ("date", 20260101, ("", "type")),
        ("partial_date", {"month": 3}, ("/year", "missing")), ("partial_date", {"year": 2027, "day": 3},
        ("/month", "missing")), ("partial_date", {"year": 2027, "month": 2, "day": 29}, ("", "date_invalid")),
        ("partial_date", {"year": 2027, "month": 13}, ("/month", "out_of_range")),
        ("partial_date", {"year": "2027"}, ("/year", "type")), ("partial_date", "2027", ("", "type")),
        ("partial_date", {"year": 2027, "week": 3}, ("", "unknown")),
        ("party", PARTY.upper().replace("1890", "189A"), ("", "pattern")), ("party", 3, ("", "type")),
        ("record", [], ("", "type")), ("list", {}, ("", "type")),
    ],
)  # fmt: skip
def test_every_broken_rule_has_its_place(kind: str, value: Any, place: tuple[str, str]) -> None:
    assert found(Shape(ValueKind(kind), item=CHOICE), value) == [place]


def test_places_within_lists_and_records() -> None:
    assert found(ROWS, [{"who": PARTY}]) == []
    assert found(ROWS, [{"who": PARTY, "kind": "c"}, {"kind": "a", "on": {"year": 1}}]) == [
        ("/0/kind", "choice"), ("/1/who", "missing"), ("/1/on/year", "out_of_range"),
    ]  # fmt: skip
    assert found(ROWS, []) == [("", "too_short")]
    assert found(ROWS, [{"who": PARTY}] * 3) == [("", "too_long")]
    # The name of a member nobody knows is the client's own text.
    assert found(ROW, {"who": PARTY, "身份证": "x"}) == [("", "unknown")]


def test_parties_are_found_with_their_places() -> None:
    value = [{"who": PARTY}, {"who": PARTY.replace("1", "2")}]
    assert [at for at, _ in fact_types.parties(ROWS, value)] == ["/0/who", "/1/who"]
    assert next(fact_types.parties(ROWS, value))[1] == UUID(PARTY)
    assert list(fact_types.parties(Shape(ValueKind.text), PARTY)) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_SHAPES = sorted({one.key for one in shipped().all()})


@given(st.sampled_from(_SHAPES), _JSON)
def test_any_json_is_judged_and_never_repeated(key: str, value: Any) -> None:
    definition = shipped().current(key)
    assert definition is not None
    for at, code in fact_types.check(definition.shape, value):
        assert all(step == "" or step.isdigit() or step.isascii() for step in at.split("/"))
        assert code in MESSAGES


@given(st.dates(date(1900, 1, 1), date(2200, 12, 31)))
def test_every_day_of_the_calendar_is_a_date_and_a_partial_date(day: date) -> None:
    assert found(Shape(ValueKind.date), day.isoformat()) == []
    assert found(Shape(ValueKind.partial_date), {"year": day.year, "month": day.month, "day": day.day}) == []
