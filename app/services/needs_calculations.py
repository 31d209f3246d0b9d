"""Calculations of needs analysis: a method run on what the caller says, and nothing kept."""

from collections.abc import Iterator
from typing import Any, get_args

import orjson

from app.domain.annuities import NeedsError
from app.domain.needs_inputs import members
from app.domain.needs_methods import METHODS, MethodResult, Source, calculate
from app.errors import Invalid, Issue
from app.models.base import Wire
from app.models.needs_calculations import NeedsCalculation

_SOURCES = get_args(Source)


def run(data: NeedsCalculation) -> bytes:
    """The answer to one request.

    Raises:
        Invalid: a value outside its bounds or against another, a key of `assumptions` that is no input, or a result
            past 2^53 - 1 fen.
    """
    try:
        result = _calculated(data)
    except NeedsError as error:
        code = error.code
        if code.endswith("_out_of_range") and code != "result_out_of_range":
            code = "out_of_range"
        is_input = hasattr(data, error.field.partition(".")[0])
        raise Invalid.at("/" + error.field.replace(".", "/") if is_input else "", code) from None
    return orjson.dumps(result.to_json() | {"currency": data.currency})


def _calculated(data: NeedsCalculation) -> MethodResult:
    inputs = _input(METHODS[data.method].inputs, data)
    sources: dict[str, Source] = dict.fromkeys((path for path, _, _ in inputs.leaves()), "method_default")
    sources.update((path, "agent") for path in _said(data) if path in sources)  # the method itself is no input
    for path, source in data.assumptions.items():
        if path not in sources:
            raise Invalid(issues=[Issue("assumption_unknown", pointer="/assumptions")])
        if source not in _SOURCES:
            raise Invalid(issues=[Issue("choice", pointer=f"/assumptions/{path}")])
        sources[path] = source
    return calculate(data.method, inputs, sources, rounding=data.rounding)


def _input(kind: Any, data: Wire) -> Any:
    """The input of a method, or a part of it, from what was sent; what was not sent is left to its default."""
    given: dict[str, Any] = {}
    for member in members(kind):
        if member.name not in data.model_fields_set:
            continue
        value = getattr(data, member.name)
        given[member.name] = tuple(_input(member.part, part) for part in value) if member.part else value
    return kind(**given)


def _said(data: Wire, prefix: str = "") -> Iterator[str]:
    """The dotted paths of what was sent."""
    for name in data.model_fields_set:
        value = getattr(data, name)
        if isinstance(value, list):
            for index, part in enumerate(value):
                yield from _said(part, f"{prefix}{name}.{index}.")
        else:
            yield f"{prefix}{name}"
