"""What changed between two analyses of one household: every gap before and after, and which inputs moved. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.domain.household_facts import Facts

MOST_INPUTS = 50
_FIGURES = ("need_fen", "existing_fen", "gap_fen")


def diff(
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    facts: tuple[Facts | None, Facts],
    assumptions: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """The change from one analysis to the next.

    Args:
        before, after: results of both; they are paired by insured and peril.
        facts: the answers of both (None: the former rests on another form). Only their link_ids are told.
        assumptions: of both, as they are stored.

    Returns:
        `results` with every figure before and after (null where there was, or is, none), and the inputs of the
        method that moved; `assumptions` that moved, with their values; `answers` that moved, by link_id.
    """
    old, new = ({(one["insured"], one["peril"]): one for one in side} for side in (before, after))
    return {
        "results": [_pair(old.get(key), new.get(key), key) for key in dict.fromkeys((*old, *new))],
        "assumptions": list(_assumptions(*assumptions)),
        "answers": _answers(*facts),
    }


def _pair(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, key: tuple[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {"insured": key[0], "peril": key[1]}
    for name in _FIGURES:
        told[name] = {"before": None if old is None else old[name], "after": None if new is None else new[name]}
    is_moved = any(told[name]["before"] != told[name]["after"] for name in _FIGURES)
    inputs = list[str]()
    if old is not None and new is not None:
        flat, changed = dict(_flat(old["inputs"])), dict(_flat(new["inputs"]))
        inputs = sorted(name for name in flat.keys() | changed.keys() if flat.get(name) != changed.get(name))
    told["change"] = "added" if old is None else "removed" if new is None else "changed" if is_moved else "same"
    return told | {"inputs": inputs[:MOST_INPUTS]}


def _flat(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of an input by its dotted path."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(part, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for n, part in enumerate(value):
            yield from _flat(part, f"{at}.{n}")
    else:
        yield at, value


def _assumptions(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    old, new = ({one["key"]: one for one in side} for side in (before, after))
    for key in dict.fromkeys((*old, *new)):
        values = [side[key]["value"] if key in side else None for side in (old, new)]
        if values[0] != values[1]:
            yield {"key": key, "before": values[0], "after": values[1]}


def _answers(before: Facts | None, after: Facts) -> list[str]:
    if before is None:
        return []
    keys = before.values.keys() | after.values.keys()
    return sorted(key for key in keys if before.values.get(key) != after.values.get(key))
