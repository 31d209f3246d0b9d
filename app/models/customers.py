"""Customers: persons and organisations, from first contact to loyal customer."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from app.models.base import (
    LINE,
    WHOLE,
    Block2000,
    Id,
    Line20,
    Line50,
    Line100,
    Line200,
    TenantRow,
    Version,
    Wire,
    absent,
    utc_now,
)


class PartyType(StrEnum):
    """个人 or 法人."""

    individual = "individual"
    organization = "organization"


class Stage(StrEnum):
    """How far the relation has come: 接触 → 准客户 → 客户 → 投资者."""

    contact = "contact"
    prospect = "prospect"
    customer = "customer"
    investor = "investor"


class Gender(StrEnum):
    """GB/T 2261.1."""

    unknown = "unknown"
    male = "male"
    female = "female"
    unstated = "unstated"


class Tier(StrEnum):
    """What the customer is worth: most valuable, most growable, low contribution, below zero (MVC, MGC, LVC, BZ)."""

    mvc = "mvc"
    mgc = "mgc"
    lvc = "lvc"
    bz = "bz"


class ContactKind(StrEnum):
    """Where a phone, e-mail or address belongs."""

    mobile = "mobile"
    home = "home"
    work = "work"
    other = "other"


class Customer(TenantRow, table=True):
    """A party an agent knows. `search_text`, `name_key` and `masked` are derived by the service at every write.

    `private_enc` holds phones, e-mails, addresses and note, sealed like the ID number under the key of the customer;
    `phones_bi` has a blind index of each phone.

    `is_shadow`: known only through a customer (`known_through_id`), kept until `keep_until`; no customer operation
    reaches it, and the table refuses everything but a name.
    """

    __tablename__ = "customers"
    __collection__: ClassVar[str | None] = "customers"

    owner_id: UUID
    service_team_id: UUID | None = None
    is_shadow: bool = False
    known_through_id: UUID | None = None
    keep_until: date | None = None
    tier: Tier | None = Field(default=None, sa_column=Column(Text))
    party_type: PartyType = Field(sa_column=Column(Text, nullable=False))
    stage: Stage = Field(sa_column=Column(Text, nullable=False))
    stage_changed_at: datetime = Field(default_factory=utc_now)
    name: str
    name_key: str
    search_text: str
    gender: Gender | None = Field(default=None, sa_column=Column(Text))
    birthday: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    occupation: str | None = None
    private_enc: bytes | None = None
    phones_bi: list[bytes] | None = Field(default=None, sa_column=Column(ARRAY(LargeBinary)))
    phones_bi_ver: int | None = None
    masked: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    tags: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    id_type: str | None = None
    id_number_enc: bytes | None = None
    id_number_bi: bytes | None = None
    id_number_bi_ver: int | None = None
    id_number_masked: str | None = None
    created_digest: bytes
    restricted_at: datetime | None = None
    restricted_until: date | None = None
    restriction: str | None = None
    erased_at: datetime | None = None


# The pattern is only told: what is wrong with a name is said by `domain.names`, with codes of its own.
PersonName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    Bound(json_schema_extra={"format": "name", "pattern": LINE}),
]
PhoneNumber = Annotated[
    str,
    StringConstraints(min_length=5, max_length=30, pattern=r"^[+＋(（]?[0-9０-９][0-9０-９ ()（）－-]*$"),
    Bound(json_schema_extra={"format": "phone"}, examples=["13800138000"]),
]
ResidentIdNumber = Annotated[
    str,
    StringConstraints(min_length=18, max_length=18, pattern=r"^[0-9]{17}[0-9Xx]$"),
    Bound(json_schema_extra={"format": "resident-id"}),
]
Uscc = Annotated[
    str,
    StringConstraints(min_length=18, max_length=18, pattern=r"^[0-9A-HJ-NPQRTUWXY]{18}$"),
    Bound(json_schema_extra={"format": "uscc"}),
]
IdNumber = Annotated[
    str,
    StringConstraints(min_length=18, max_length=18, pattern=r"^[0-9A-Za-z]{18}$"),
    Bound(json_schema_extra={"format": "id-number"}),
]
Year = Annotated[int, Bound(ge=1850, le=2150, json_schema_extra={"format": "int32"}), WHOLE]
Month = Annotated[int, Bound(ge=1, le=12, json_schema_extra={"format": "int32"}), WHOLE]
Day = Annotated[int, Bound(ge=1, le=31, json_schema_extra={"format": "int32"}), WHOLE]
Tags = Annotated[list[Line20], Bound(max_length=30)]


class Birthday(Wire):
    """A date of which parts may be unknown, solar or lunar (农历); `leap_month` marks a 闰月."""

    year: Year | None = None
    month: Month | None = None
    day: Day | None = None
    calendar: Literal["solar", "lunar"] = "solar"
    leap_month: bool = Bound(default=False, strict=True)


class Phone(Wire):
    """A phone number; stored and answered in E.164."""

    number: PhoneNumber
    kind: ContactKind = ContactKind.mobile
    label: Line50 | None = None


_ADDRESS = (
    r"[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
_MASKED_ADDRESS = r"[A-Za-z0-9!#$%&'*+/=?^_{|}~.-]{0,3}\*{3}@"


class Email(Wire):
    """An e-mail address."""

    address: Annotated[
        str,
        StringConstraints(
            min_length=3,
            max_length=254,
            pattern=f"^{_ADDRESS}$",
        ),
    ]
    kind: ContactKind = ContactKind.home


class Address(Wire):
    """A postal address; `detail` is the part below the county (road, number, building, room)."""

    kind: ContactKind = ContactKind.home
    province: Line50 | None = None
    city: Line50 | None = None
    county: Line50 | None = None
    detail: Line200 | None = None
    postcode: Annotated[str, StringConstraints(max_length=6, pattern=r"^[0-9]{6}$")] | None = None


_KEPT = "As it is answered, masked, it keeps the one stored value with this mask"


class PhoneChange(Phone):
    """A phone number in a change; one that is sent back masked stays what it is."""

    number: Annotated[
        str,
        StringConstraints(
            min_length=4,
            max_length=30,
            pattern=r"^([+＋(（]?[0-9０-９][0-9０-９ ()（）－-]*|(1[0-9]{2})?\*{4}[0-9]{0,4})$",
        ),
        Bound(json_schema_extra={"format": "phone"}, description=_KEPT, examples=["13800138000", "138****8000"]),
    ]


class EmailChange(Email):
    """An e-mail address in a change; one that is sent back masked stays what it is."""

    address: Annotated[
        str,
        StringConstraints(min_length=3, max_length=254, pattern=f"^({_ADDRESS}|{_MASKED_ADDRESS})$"),
        Bound(description=_KEPT, examples=["con***@"]),
    ]


Phones = Annotated[list[Phone], Bound(max_length=10)]
Emails = Annotated[list[Email], Bound(max_length=10)]
PhoneChanges = Annotated[list[PhoneChange], Bound(max_length=10)]
EmailChanges = Annotated[list[EmailChange], Bound(max_length=10)]
Addresses = Annotated[list[Address], Bound(max_length=10)]


class _NewCustomer(Wire):
    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    stage: Stage = Stage.contact
    name: PersonName
    occupation: Line100 | None = None
    phones: Phones = Bound(default_factory=list)
    emails: Emails = Bound(default_factory=list)
    addresses: Addresses = Bound(default_factory=list)
    tags: Tags = Bound(default_factory=list)
    note: Block2000 | None = None


class IndividualCreate(_NewCustomer):
    """A person."""

    party_type: Literal["individual"]
    gender: Gender | None = None
    birthday: Birthday | None = None
    id_number: ResidentIdNumber | None = Bound(default=None, description="居民身份证 GB 11643; stored encrypted")


class OrganizationCreate(_NewCustomer):
    """A company, institution or group; `occupation` is its line of business."""

    party_type: Literal["organization"]
    id_number: Uscc | None = Bound(default=None, description="统一社会信用代码 GB 32100; stored encrypted")


CustomerCreate = Annotated[IndividualCreate | OrganizationCreate, Bound(discriminator="party_type")]


class CustomerUpdate(Wire):
    """A merge patch: what is absent stays; null clears where null is allowed. Lists are replaced whole.

    A phone or e-mail that is sent back masked, as it was answered, keeps the stored value with this mask. It must be
    sent in full when several have it (`mask_ambiguous`) or none (`mask_unknown`).
    """

    stage: Stage = absent()
    name: PersonName = absent()
    gender: Gender | None = None
    birthday: Birthday | None = None
    occupation: Line100 | None = None
    phones: PhoneChanges = absent()
    emails: EmailChanges = absent()
    addresses: Addresses = absent()
    tags: Tags = absent()
    note: Block2000 | None = None
    id_number: IdNumber | None = None
    tier: Tier | None = Bound(default=None, description="MVC, MGC, LVC or BZ, as the agent sees it")
    service_team_id: Id | None = Bound(default=None, description="A service team that looks after the customer too")


class CustomerTransfer(Wire):
    """Who serves the customer from now on; the notes of the former agent are not handed over."""

    to_user_id: Id


class PhonePublic(Wire):
    """A phone number, masked: `138****8000`, or stars and the last four digits; auditors read no label."""

    number: str = Bound(max_length=40)
    kind: ContactKind
    label: Line50 | None


class EmailPublic(Wire):
    """An e-mail address, masked: `con***@`."""

    address: str = Bound(max_length=254)
    kind: ContactKind


class CustomerPublic(Wire):
    """The full profile; ID number, phones and e-mails masked. In full they are revealed, each look on record."""

    id: UUID
    party_type: PartyType
    stage: Stage
    stage_changed_at: datetime
    name: Line100
    gender: Gender | None
    birthday: Birthday | None
    occupation: Line100 | None
    phones: list[PhonePublic] = Bound(max_length=10)
    emails: list[EmailPublic] = Bound(max_length=10)
    addresses: list[Address] = Bound(max_length=10)
    tags: Tags
    note: Block2000 | None
    id_type: Literal["resident_id", "uscc"] | None
    id_number_masked: str | None = Bound(max_length=18)
    owner_id: UUID
    service_team_id: UUID | None
    tier: Tier | None
    known_through_id: UUID | None = Bound(description="Through whom the agent came to know of him")
    version: Version
    created_at: datetime
    updated_at: datetime


class CustomerSummary(Wire):
    """A line of a list."""

    id: UUID
    party_type: PartyType
    stage: Stage
    name: Line100
    gender: Gender | None
    occupation: Line100 | None
    phone_masked: str | None = Bound(max_length=40)
    tags: Tags
    owner_id: UUID
    version: Version
    created_at: datetime
    updated_at: datetime


class CustomerPage(Wire):
    """A page of customers; `next_cursor` is null on the last one."""

    items: list[CustomerSummary] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
