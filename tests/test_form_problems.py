"""All that is wrong with a definition at once: what publishing would say first, and what it would say next."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import forms
from app.domain.forms import FormError
from tests.library_forms import RAW
from tests.small_forms import YES_NO, calc, item, raw_form, when


def _told(raw: Any) -> list[tuple[str, str]]:
    return [(one.pointer, one.code) for one in forms.problems(raw)]


@pytest.mark.parametrize("key", RAW)
def test_shipped_forms_have_none(key: str) -> None:
    assert forms.problems(RAW[key]) == []


def test_items_are_told_one_by_one_and_expressions_once_they_are_right() -> None:
    broken = [item("a", "choice"), item("b", min="x"), item("a"), item("c", **calc(["answer", "nothing"]))]
    assert _told(raw_form(*broken)) == [
        ("/items/0", "options_invalid"),
        ("/items/1", "bounds_invalid"),
        ("/items/2", "link_id_duplicate"),
    ]
    better = [item("a", "choice", options=YES_NO), item("b"), item("c", **calc(["answer", "nothing"])),
              item("d", **calc(["nothing", 1]))]  # fmt: skip
    assert [code for _, code in _told(raw_form(*better))] == ["expr_link", "expr_op"]


def test_conditions_and_shape_are_told_together_with_their_like() -> None:
    items = [item("a"), item("b", enable_when=[when("zz", "=", 1)]), item("c", enable_when=[when("a", "=", "x")])]
    assert _told(raw_form(*items)) == [
        ("/items/1/enable_when/0", "enable_when_target"),
        ("/items/2/enable_when/0", "enable_when_value"),
    ]
    shapeless = raw_form(item("a", colour="red"), item("b"), title={"zh": "标题"})
    assert sorted(_told(shapeless)) == [("/items/0/colour", "key_unknown"), ("/title/en", "key_missing")]


def test_a_circle_is_told_last() -> None:
    items = [item("a", **calc(["answer", "b"])), item("b", **calc(["answer", "a"]))]
    assert [code for _, code in _told(raw_form(*items))] == ["calculated_cycle"]


def test_there_are_at_most_a_hundred() -> None:
    assert len(forms.problems(raw_form(*(item(f"a{n}", min="x") for n in range(300))))) == 100


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from _places(part, (*path, key))


_PLACES = [(key, path) for key in ("household.budget", "service.satisfaction") for path in _places(RAW[key]) if path]
_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-3, 10**20), st.floats(), st.text(max_size=8), st.just([]))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_PLACES), _VALUES)
def test_whatever_is_broken_the_first_problem_is_what_publishing_says(
    place: tuple[str, tuple[Any, ...]], value: Any
) -> None:
    key, path = place
    raw = copy.deepcopy(RAW[key])
    holder: Any = raw
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    found = forms.problems(raw)
    first = _refusal(raw)
    assert (first is None) is (found == [])
    assert first is None or first in [(one.pointer, one.code) for one in found]


def _refusal(raw: Any) -> tuple[str, str] | None:
    try:
        forms.load_definition(raw)
    except FormError as error:
        return error.pointer, error.code
    return None
