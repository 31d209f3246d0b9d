"""Kin: relatives that were entered, and those that follow from them."""

from uuid import UUID

from pydantic import Field as Bound

from app.models.base import Line100, Wire
from app.models.customers import Gender, PartyType, Stage
from app.models.forms import Label
from app.models.relation_types import Degree, RelationCode


class KinPerson(Wire):
    """Somebody of the family."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    gender: Gender | None
    is_shadow: bool


class KinItem(Wire):
    """What somebody is to the customer: entered, or `inferred` by way of `through`."""

    person: KinPerson
    type: RelationCode
    label: Label
    family_degree: Degree | None
    inferred: bool
    relationship_id: UUID | None = Bound(description="Of an entered one")
    through: list[KinPerson] = Bound(max_length=4, description="Whom an inferred one follows from, nearest first")


class KinPublic(Wire):
    """The family of a customer, entered relatives first."""

    customer_id: UUID
    items: list[KinItem] = Bound(max_length=1000)
