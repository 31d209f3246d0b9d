"""Products: the built-in categories, and the list an organisation keeps of what it may sell. None comes with Renmai."""

from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlmodel import Field

from app.domain.product_catalogue import Branch, Category, Design, Peril
from app.models.base import WHOLE, Id, Line100, TenantRow, Version, Wire, absent
from app.models.forms import Label

ProductCode = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"),
    Bound(examples=["TL-2026"]),
]
Level = Annotated[int, Bound(ge=1, le=5, json_schema_extra={"format": "int32"}), WHOLE]
Strict = Annotated[bool, Bound(strict=True)]


class Product(TenantRow, table=True):
    """A product the organisation may sell. What it is (code, category, design) does not change."""

    __tablename__ = "products"

    code: str
    name: str
    insurer: str
    category: str
    design: str
    level: int
    is_active: bool = Field(default=True)


class ProductCreate(Wire):
    """A product of the organisation's list."""

    id: Id | None = Bound(default=None, description="Made by the client (UUIDv7)")
    code: ProductCode
    name: Line100
    insurer: Line100
    category: Category
    design: Design = "ordinary"
    level: Level | None = Bound(default=None, description="P1 to P5; left out: the level of its category and design")


class ProductUpdate(Wire):
    """A merge patch: name, level, and whether it is still sold."""

    name: Line100 = absent()
    level: Level = absent()
    is_active: Strict = absent("False retires it: proposals that name it keep it, new ones cannot")


class ProductPublic(Wire):
    """A product, with its level P1 to P5."""

    id: UUID
    code: ProductCode
    name: Line100
    insurer: Line100
    category: Category
    design: Design
    level: Level
    is_active: bool
    version: Version


class ProductList(Wire):
    """All products of the organisation, retired ones included, by code."""

    items: list[ProductPublic] = Bound(max_length=500)


class DesignLevel(Wire):
    """A design type of a category, and the level it has unless a product says otherwise."""

    design: Design
    label: Label
    level: Level


class ProductCategoryPublic(Wire):
    """A category of life insurance: what it answers, and how it may be designed."""

    code: Category
    branch: Branch
    label: Label
    branch_label: Label
    perils: list[Peril] = Bound(max_length=6)
    pays_at_death: bool
    is_indemnity: bool
    designs: list[DesignLevel] = Bound(max_length=4)


class ProductCategoryList(Wire):
    """The categories, the same for every organisation."""

    items: list[ProductCategoryPublic] = Bound(max_length=20)
