"""The result of form `needs.life` in the shape of a household's: one insured, one peril. Pure."""

from typing import Any

from app.domain.needs import LifeNeedResult
from app.domain.needs_methods import METHODS
from app.domain.needs_worksheet import words


def life_result(found: LifeNeedResult) -> dict[str, Any]:
    """The one result. Its need is net of the family's own means already, so they stand among the lines of the need;
    migration 0012 makes the same of what was stored before."""
    told: Any = found.to_json()
    gap, existing = found.gap_fen, found.existing_cover_fen
    steps = [one | {"value": None, "unit": "fen", "of": "need"} for one in told["steps"]]
    if existing:
        steps.append(
            {
                "key": "existing_cover", "label": {"zh": "现有保障", "en": "Existing cover"}, "formula": "amount_fen",
                "substituted": str(existing), "numbers": {"amount_fen": existing}, "amount_fen": existing,
                "sign": "add", "value": None, "unit": "fen", "of": "resources",
            }
        )  # fmt: skip
    return {
        "insured": "self",
        "peril": "life",
        "method": found.method_code,
        "method_version": found.method_version,
        "title": words(METHODS["capital_needs"].title),
        "standing": "formula",
        "rounding": "half_up_fen",
        "gross_need_fen": found.need_fen,
        "resources_fen": existing,
        "need_fen": found.need_fen,
        "existing_fen": existing,
        "gap_fen": gap,
        "over_fen": found.over_fen,
        "cover_ratio": found.cover_ratio,
        "rank": 1 if gap else None,
        "priority": "0",
        "covers": [],
        "figures": [],
        "findings": [],
        "inputs": told["inputs"],
        "assumptions": told["assumptions"],
        "steps": steps,
    }
