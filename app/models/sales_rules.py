"""Sales rules of an organisation: who may sell what, which warnings are on, what cover costs there."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic import Field as Bound
from pydantic_core import PydanticCustomError

from app.domain.product_catalogue import Category
from app.models.base import WHOLE, Fen, Version, Wire
from app.models.products import Level
from app.models.users import QualificationLevel

_DECIMAL = r"^(0|[1-9][0-9]{0,3})(\.[0-9]{1,6})?$"


def _only_decimal(value: Any) -> Any:
    """A share is text, so that nothing on its way makes a binary fraction of it."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not re.fullmatch(_DECIMAL, value):
        raise PydanticCustomError("string_pattern_mismatch", "not a decimal")
    return Decimal(value)


Factor = Annotated[
    Decimal,
    BeforeValidator(_only_decimal),
    PlainSerializer(lambda value: format(value, "f"), return_type=str),
    WithJsonSchema({"type": "string", "maxLength": 11, "pattern": _DECIMAL, "examples": ["0.20"]}),
]
Years = Annotated[int, Bound(ge=1, le=100, json_schema_extra={"format": "int32"}), WHOLE]
Age = Annotated[int, Bound(ge=0, le=150, json_schema_extra={"format": "int32"}), WHOLE]


class SalesThresholds(Wire):
    """Warnings beyond what the rules demand; null is off, and all are off until somebody sets them.

    Earlier rules had 4 incomes, 0.20 of the income, 60 years, 1.5 times the budget, 65 and 60 years of age.
    """

    single_premium_incomes: Factor | None = Bound(default=None, description="A single premium above so many incomes")
    yearly_premium_share: Factor | None = Bound(default=None, description="Premiums above this share of the income")
    payment_end_age: Age | None = Bound(default=None, description="Age and payment years together reach this")
    budget_share: Factor | None = Bound(default=None, description="Premiums reach this share of the budget")
    age_over: Age | None = Bound(default=None, description="The policyholder is older")
    regular_pay_age_over: Age | None = Bound(default=None, description="A policyholder who pays regularly is older")


class SalesAuthorisation(Wire):
    """Up to which product level agents of one qualification level may sell in a category; null: in every one."""

    qualification_level: QualificationLevel
    category: Category | None = None
    max_level: Level


class PremiumBand(Wire):
    """What a year of cover costs at an age, as this organisation knows it: each 10,000 yuan insured, or a policy."""

    category: Category
    age_from: Age
    age_to: Age
    payment_years: Years
    per: Literal["wan", "policy"] = "wan"
    low_fen: Fen
    high_fen: Fen


class SalesRules(Wire):
    """All of it; what is left out is empty or off."""

    thresholds: SalesThresholds = Bound(default_factory=SalesThresholds)
    authorisations: list[SalesAuthorisation] = Bound(default_factory=list, max_length=100)
    premium_bands: list[PremiumBand] = Bound(default_factory=list, max_length=500)


class SalesRulesPublic(SalesRules):
    """The rules in force, and the version of the organisation's settings they are part of."""

    version: Version
