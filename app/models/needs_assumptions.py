"""Assumptions of a household analysis on the wire: one member for each, with its bounds."""

from typing import Annotated, Any, get_args

from pydantic import Field as Bound
from pydantic import WithJsonSchema

from app.domain import annuities
from app.domain.household_facts import DECIMAL, SETTINGS, SetBy, Setting


def _value(setting: Setting) -> dict[str, Any]:
    told = {"description": " · ".join(setting.label)}
    if setting.kind in annuities.COUNTS:
        low, high = annuities.COUNTS[setting.kind]
        size = "int64" if high > 2**31 - 1 else "int32"
        return {"type": "integer", "format": size, "minimum": low, "maximum": high, **told}
    first, last = annuities.RATES[setting.kind]
    told["description"] += f"; a decimal text: {first} to {last}"
    return {"type": "string", "maxLength": 20, "pattern": f"^{DECIMAL.pattern}$", **told}


def _override(setting: Setting) -> dict[str, Any]:
    who = {"type": "string", "enum": list(get_args(SetBy)), "description": "Who set it"}
    return {
        "type": "object",
        "properties": {"value": _value(setting), "set_by": who},
        "required": ["value", "set_by"],
        "additionalProperties": False,
    }


def _object(members: dict[str, Any], said: str) -> dict[str, Any]:
    return {"type": "object", "properties": members, "additionalProperties": False, "description": said}


# Taken as they come: the domain checks every value and never repeats a name that is none of its own.
AssumptionsGiven = Annotated[
    dict[str, Any],
    Bound(max_length=len(SETTINGS)),
    WithJsonSchema(
        _object(
            {name: _override(one) for name, one in SETTINGS.items()},
            "Assumptions by name, instead of what was answered or is customary, each with who set it",
        )
    ),
]
ValuesGiven = Annotated[
    dict[str, Any],
    Bound(max_length=len(SETTINGS)),
    WithJsonSchema(_object({name: _value(one) for name, one in SETTINGS.items()}, "Assumptions by name")),
]
