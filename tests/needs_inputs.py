"""Inputs of every method of needs analysis over the whole range it documents, as Hypothesis strategies."""

from dataclasses import MISSING, fields
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from app.domain import annuities
from app.domain.annuities import NeedsError
from app.domain.needs_inputs import Member, members
from app.domain.needs_methods import METHODS

Draw = st.DrawFn


def value_of(member: Member, *, most: int | None = None) -> st.SearchStrategy[Any]:
    """Values of one member, its bounds included. `most`: a smaller bound of money."""
    if member.kind == "choice":
        return st.sampled_from(member.choices)
    if member.kind == "flag":
        return st.booleans()
    if member.kind == "code":
        return st.sampled_from(["living", "education", "anything_else"])
    if member.kind in annuities.COUNTS:
        low, high = annuities.COUNTS[member.kind]
        return st.integers(low, most if most is not None and member.kind == "money" else high)
    first, last = annuities.RATES[member.kind]
    return st.integers(int(first * 10_000), int(last * 10_000)).map(lambda basis: Decimal(basis) / 10_000)


@st.composite
def _given(draw: Draw, part: Any, most: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    needed = {item.name for item in fields(part) if item.default is MISSING}
    for member in members(part):
        if member.name not in needed and not draw(st.booleans()):
            continue
        if member.part is not None:
            listed = draw(st.lists(_given(member.part, most), min_size=member.name in needed, max_size=2))
            found[member.name] = tuple(member.part(**one) for one in listed)
        else:
            found[member.name] = draw(value_of(member, most=most))
    return found


@st.composite
def inputs(draw: Draw, code: str, most: int | None = None) -> Any:
    """An input of a method. Members that do not go together are mended one by one: given where one is missing, else
    left out."""
    kind: Any = METHODS[code].inputs
    told, by_name = draw(_given(kind, most)), {member.name: member for member in members(kind)}
    needed = {item.name for item in fields(kind) if item.default is MISSING}
    for turn in range(20):
        if turn == 10:  # mended in circles
            told = {name: value for name, value in told.items() if name in needed}
        try:
            return kind(**told)
        except NeedsError as refusal:
            name = refusal.field.partition(".")[0]
            if refusal.code == "missing":
                told[name] = draw(value_of(by_name[name], most=most))
            elif name in needed:
                told = draw(_given(kind, most))
            else:
                told.pop(name if name in told else next(other for other in reversed(told) if other not in needed))
    raise AssertionError(f"no input of {code} was found")
