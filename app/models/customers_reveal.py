"""What an agent asks to see in clear of a customer, and what he is shown."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.models.base import EACH_ONCE, Line50, Wire
from app.models.customers import ContactKind
from app.models.dossiers import FactRevealed
from app.models.fact_definitions import FACT_FIELD


class RevealPurpose(StrEnum):
    """Why a number must be seen in clear. A word from a list: free text would carry persons into the audit trail."""

    application = "application"
    underwriting = "underwriting"
    servicing = "servicing"
    claim = "claim"
    identity_check = "identity_check"
    correction = "correction"


RevealField = Annotated[
    str,
    StringConstraints(max_length=90, pattern=f"^(id_number|phones|emails|{FACT_FIELD})$"),
    Bound(description="A member of the profile, or a fact: `dossier.<dossier>.<fact_key>`"),
]


class CustomerReveal(Wire):
    """What is to be shown, and what for."""

    fields: Annotated[
        list[RevealField], Bound(min_length=1, max_length=50, json_schema_extra={"uniqueItems": True}), EACH_ONCE
    ]
    purpose: RevealPurpose


class PhoneRevealed(Wire):
    """A phone number in E.164, in full."""

    number: str = Bound(max_length=40)
    kind: ContactKind
    label: Line50 | None


class EmailRevealed(Wire):
    """An e-mail address in full."""

    address: str = Bound(max_length=254)
    kind: ContactKind


class CustomerRevealed(Wire):
    """The fields asked for, in clear, and no others; null or empty where the customer has none."""

    id_number: str | None = Bound(default=None, max_length=18)
    phones: list[PhoneRevealed] = Bound(default_factory=list, max_length=10)
    emails: list[EmailRevealed] = Bound(default_factory=list, max_length=10)
    facts: list[FactRevealed] = Bound(
        default_factory=list, max_length=2000, description="The current facts behind the fields of dossiers"
    )
