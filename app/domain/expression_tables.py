"""Lookup tables of the form expressions, shipped as package data under a name and a version. Pure.

A table never changes: new figures are a new version in a new file, and an old form goes on reading the old one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers by key. `key` and `value` are kinds of the expression language; money is in fen."""

    name: str
    key: Literal["number", "text"]
    value: Literal["number", "money"]
    rows: Mapping[Any, Any]


@cache
def tables() -> Mapping[str, Table]:
    """Every table by `name@version`."""
    return {table.name: table for table in map(_load, _texts())}


def _texts() -> list[bytes]:
    folder = files(__package__).joinpath("tables")
    return [file.read_bytes() for file in sorted(folder.iterdir(), key=lambda one: one.name)
            if file.name.endswith(".json")]  # fmt: skip


def _load(text: bytes) -> Table:
    raw = json.loads(text)
    key = int if raw["key"] == "number" else str
    rows = {key(name): _number(value) for name, value in raw["rows"].items()}
    return Table(f"{raw['table']}@{raw['version']}", raw["key"], raw["value"], rows)


def _number(text: str) -> int | Decimal:
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else value
