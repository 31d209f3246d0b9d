"""What a calculation must mean besides having the right shape: rates within their bounds, members that go together."""

from decimal import Decimal
from random import Random
from typing import Any, TypeAlias

from pydantic import ValidationError

from app.domain import annuities
from app.domain.needs_inputs import members
from app.domain.needs_methods import METHODS
from app.errors import Invalid
from app.models.needs_calculations import REQUESTS, NeedsCalculation
from app.services import needs_calculations

Case: TypeAlias = Any
Body: TypeAlias = dict[str, Any]

_MOST_FEN, _FEW_FEN = 10**10, 10**6
_LONE = {"years": 10, "transitional_rate": "0.012"}  # what is asked for beside something else, and is no amount


def _within(part: Any, drawn: Body) -> Body:
    """The same with every rate inside its bounds, and no amount larger than a family's."""
    told = dict(drawn)
    for member in members(part):
        value = told.get(member.name)
        if value is None:
            continue
        if member.part is not None:
            told[member.name] = [_within(member.part, one) for one in value]
        elif member.kind in annuities.RATES:
            low, high = annuities.RATES[member.kind]
            told[member.name] = str(min(max(Decimal(value), low), high))
        elif member.kind == "money":
            told[member.name] = min(int(value), _MOST_FEN)
    return told


def _mended(told: Body, pointer: str, code: str) -> Body:
    """One step nearer to a body that is accepted."""
    name = pointer.split("/")[1] if pointer else ""
    if code == "missing":
        return told | {name: _LONE.get(name, _FEW_FEN)}
    if code == "result_out_of_range":
        return {key: min(value, _FEW_FEN) if key.endswith("_fen") else value for key, value in told.items()}
    if name == "stages":
        return told | {name: [one | {"in_years": 5, "years": 1} if "in_years" in one else one | {"years": 1}
                              for one in told[name]]}  # fmt: skip
    return {key: value for key, value in told.items() if key != name and not key.endswith("_share")}


def calculation(drawn: Body) -> Body:
    """A calculation the service accepts."""
    told = _within(METHODS[drawn["method"]].inputs, drawn)
    for _ in range(20):
        try:
            data: NeedsCalculation = REQUESTS[told["method"]].model_validate(told)  # type: ignore[assignment]  # its own
            needs_calculations.run(data)
        except Invalid as refusal:
            told = _mended(told, refusal.issues[0].pointer or "", refusal.issues[0].code)
        except ValidationError:
            return told  # not of the shape: the service says so
        else:
            return told
    return {"method": "dime", "income_fen": _FEW_FEN}


def fit_calculation(_case: Case, body: Body, _chance: Random) -> Body:
    """As `calculation`, for the hooks."""
    return calculation(body)
