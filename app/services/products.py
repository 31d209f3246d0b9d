"""Products: the categories that are built in, and the organisation's own list."""

from functools import cache
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags
from app.access import Actor
from app.domain.product_catalogue import BRANCHES, CATEGORIES, DESIGNS
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.forms import Label
from app.models.products import (
    DesignLevel,
    Product,
    ProductCategoryList,
    ProductCategoryPublic,
    ProductCreate,
    ProductList,
    ProductPublic,
    ProductUpdate,
)

MAX_PRODUCTS = 500


@cache
def categories() -> bytes:
    """The built-in categories with their levels, as JSON."""
    items = [
        ProductCategoryPublic(
            code=one.code,
            branch=one.branch,
            label=Label(zh=one.zh, en=one.en),
            branch_label=_label(BRANCHES[one.branch]),
            perils=list(one.perils),
            pays_at_death=one.pays_at_death,
            is_indemnity=one.is_indemnity,
            designs=[
                DesignLevel(design=design, label=_label(DESIGNS[design]), level=one.level(design))
                for design in one.designs
            ],
        )
        for one in CATEGORIES.values()
    ]
    return ProductCategoryList(items=items).model_dump_json().encode()


def _label(words: tuple[str, str]) -> Label:
    return Label(zh=words[0], en=words[1])


async def listed(session: AsyncSession, actor: Actor) -> bytes:
    """All products of the organisation, as JSON."""
    rows = (await session.exec(select(Product).where(Product.org_id == actor.org_id).order_by(Product.code))).all()
    return ProductList(items=[_public(row) for row in rows]).model_dump_json().encode()


async def read(session: AsyncSession, actor: Actor, product_id: UUID) -> Document:
    """One product.

    Raises:
        NotFound: absent.
    """
    return _document(await _find(session, actor, product_id))


async def create(session: AsyncSession, actor: Actor, data: ProductCreate) -> Document:
    """A product of the organisation's list.

    Raises:
        Invalid: `design_mismatch`: the category is not sold in this design.
        Conflict: `product_exists`: the code is in use; `too_many_products`; `id_taken`.
    """
    category = CATEGORIES[data.category]
    if data.design not in category.designs:
        raise Invalid.at("/design", "design_mismatch")
    held = select(func.count()).select_from(Product).where(col(Product.org_id) == actor.org_id)
    if (await session.exec(held)).one() >= MAX_PRODUCTS:
        raise Conflict("too_many_products")
    row = Product(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        code=data.code,
        name=data.name,
        insurer=data.insurer,
        category=data.category,
        design=data.design,
        level=data.level or category.level(data.design),
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        is_key = db.constraint_of(error) == "products_pkey"
        raise Conflict("id_taken" if is_key else "product_exists") from None
    access.record(session, actor, "product.created", "product", row.id)
    return _document(row)


async def update(session: AsyncSession, actor: Actor, product_id: UUID, version: int, data: ProductUpdate) -> Document:
    """Change the members that were sent. Proposals that name the product keep what it was.

    Raises:
        NotFound, PreconditionFailed.
    """
    row = await _find(session, actor, product_id, lock=True)
    etags.check(row.version, version)
    changes = data.model_dump(exclude_unset=True)
    for member, value in changes.items():
        setattr(row, member, value)
    row.updated_at = utc_now()
    await session.flush()
    access.record(session, actor, "product.updated", "product", row.id, fields=sorted(changes))
    return _document(row)


async def sold(session: AsyncSession, actor: Actor, ids: set[UUID]) -> dict[UUID, Product]:
    """Those of these products that are on the list and still sold."""
    statement = select(Product).where(
        col(Product.org_id) == actor.org_id, col(Product.id).in_(ids), col(Product.is_active)
    )
    return {row.id: row for row in (await session.exec(statement)).all()}


async def _find(session: AsyncSession, actor: Actor, product_id: UUID, *, lock: bool = False) -> Product:
    statement = select(Product).where(col(Product.org_id) == actor.org_id, col(Product.id) == product_id)
    row = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if row is None:
        raise NotFound
    return row


def _public(row: Product) -> ProductPublic:
    return ProductPublic.model_validate(row, from_attributes=True)


def _document(row: Product) -> Document:
    return Document(_public(row).model_dump_json().encode(), row.version, row.id)
