"""Relation types: what two parties can be to each other. Built-in ones can be tuned and retired, own ones added."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app import access, db, etags
from app.access import Actor
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.relation_types import (
    Direction,
    RelationLabel,
    RelationType,
    RelationTypeCreate,
    RelationTypeList,
    RelationTypePublic,
    RelationTypeUpdate,
)
from app.models.relationships import Relationship
from app.services import relationships_strengths

MAX_TYPES = 500


@dataclass(frozen=True, slots=True)
class Tie:
    """A relation type as read from one of its ends; `is_forward`: the other one is its `code`."""

    type: RelationType
    is_forward: bool

    def ends(self, here: UUID, other: UUID) -> tuple[UUID, UUID]:
        """Left and right of the one row that says it."""
        if self.type.code == self.type.inverse_code:
            return min(here, other), max(here, other)
        return (here, other) if self.is_forward else (other, here)


async def listed(session: AsyncSession, actor: Actor) -> bytes:
    """All types of the organisation, as JSON."""
    statement = (
        select(RelationType)
        .where(col(RelationType.org_id) == actor.org_id, col(RelationType.deleted_at).is_(None))
        .order_by(col(RelationType.is_builtin).desc(), RelationType.direction, RelationType.code)
    )
    rows = (await session.exec(statement)).all()
    return RelationTypeList(items=[public(row) for row in rows]).model_dump_json().encode()


async def read(session: AsyncSession, actor: Actor, relation_type_id: UUID) -> Document:
    """One type.

    Raises:
        NotFound: absent, or deleted.
    """
    return _document(await _find(session, actor, relation_type_id))


async def create(session: AsyncSession, actor: Actor, data: RelationTypeCreate) -> Document:
    """A type of the organisation's own.

    Raises:
        Invalid: `missing`: an asymmetric direction or label without its inverse; `relation_type_symmetric`: an inverse
            label of its own on a symmetric type.
        Conflict: `relation_type_exists`: one of the codes is in use; `too_many_relation_types`; `id_taken`.
    """
    row = _row(actor, data)
    codes = (row.code, row.inverse_code)
    taken = select(RelationType).where(
        col(RelationType.org_id) == actor.org_id,
        or_(col(RelationType.code).in_(codes), col(RelationType.inverse_code).in_(codes)),
    )
    if (await session.exec(taken)).first() is not None:
        raise Conflict("relation_type_exists")
    living = select(RelationType.id).where(RelationType.org_id == actor.org_id, col(RelationType.deleted_at).is_(None))
    if len((await session.exec(living)).all()) >= MAX_TYPES:
        raise Conflict("too_many_relation_types")
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        is_key = db.constraint_of(error) == "relation_types_pkey"
        raise Conflict("id_taken" if is_key else "relation_type_exists") from None
    access.record(session, actor, "relation_type.created", "relation_type", row.id, code=row.code)
    return _document(row)


async def update(
    session: AsyncSession, actor: Actor, relation_type_id: UUID, version: int, data: RelationTypeUpdate
) -> Document:
    """Change the members that were sent; ties of the type are reckoned anew, too many of them a little later.

    Raises:
        NotFound, PreconditionFailed.
        Conflict: `relation_type_generic`: a direction sent alone stands for this type, so it is never retired.
        Invalid: `relation_type_symmetric`: an inverse label of its own.
    """
    row = await _find(session, actor, relation_type_id, lock=True)
    etags.check(row.version, version)
    changes = data.model_dump(exclude_unset=True)
    if changes.get("is_active") is False and row.is_builtin and row.code == row.direction:
        raise Conflict("relation_type_generic")
    for member, value in changes.items():
        if member in ("label", "inverse_label"):
            value = {key: text for key, text in value.items() if text is not None}
        elif member in ("default_strength", "introduction_weight"):
            value = _exact(value)
        setattr(row, member, value)
    if row.code == row.inverse_code:
        if "inverse_label" in changes and row.inverse_label != row.label:
            raise Invalid.at("/inverse_label", "relation_type_symmetric")
        row.inverse_label = row.label
    row.updated_at = utc_now()
    await session.flush()
    if not changes.keys().isdisjoint(("default_strength", "introduction_weight")):
        await relationships_strengths.reckon_type(session, row.code, china_today())
    access.record(session, actor, "relation_type.updated", "relation_type", row.id, fields=sorted(changes))
    return _document(row)


async def delete(session: AsyncSession, actor: Actor, relation_type_id: UUID, version: int) -> None:
    """Delete an own type no relationship ever had; one that has some is retired (`is_active` false) instead.

    Nothing can refer to it, so it is not restored but made anew: its codes are free again.

    Raises:
        NotFound, PreconditionFailed.
        Conflict: `relation_type_built_in`, `relation_type_in_use`.
    """
    row = await _find(session, actor, relation_type_id, lock=True)
    etags.check(row.version, version)
    if row.is_builtin:
        raise Conflict("relation_type_built_in")
    used = select(Relationship.id).where(col(Relationship.org_id) == actor.org_id, col(Relationship.type) == row.code)
    if (await session.exec(used.limit(1))).first() is not None:
        raise Conflict("relation_type_in_use")
    access.record(session, actor, "relation_type.deleted", "relation_type", row.id, code=row.code)
    row.deleted_at = row.updated_at = utc_now()
    row.is_active = False
    row.code = row.inverse_code = f"deleted_{row.id.hex}"  # forty signs, as long as a code may be


async def resolve(
    session: AsyncSession,
    actor: Actor,
    direction: Direction | None,
    code: str | None,
    here: Customer,
    other: Customer,
) -> Tie:
    """The type that was meant, checked against both parties.

    Raises:
        Invalid: `missing` (neither direction nor type), `relation_type_unknown` (or retired), `direction_mismatch`,
            `party_kind_mismatch` (a company has no parents).
    """
    wanted = _wanted(direction, code)
    statement = _active(actor).where(or_(col(RelationType.code) == wanted, col(RelationType.inverse_code) == wanted))
    # Held until the end: it is not retired or deleted under a tie that is being made.
    found = (await session.exec(statement.with_for_update(read=True, key_share=True))).first()
    if found is None:
        raise Invalid.at("/type", "relation_type_unknown")
    return _fitting(Tie(found, is_forward=found.code == wanted), direction, here, other)


async def active(session: AsyncSession, actor: Actor) -> dict[str, Tie]:
    """Every type a new tie can have, under both its codes, for `choose`; held until the end."""
    statement = _active(actor).order_by(col(RelationType.id)).with_for_update(read=True, key_share=True)
    rows = (await session.exec(statement)).all()
    found = {row.inverse_code: Tie(row, is_forward=False) for row in rows}
    return {**found, **{row.code: Tie(row, is_forward=True) for row in rows}}


def choose(ties: dict[str, Tie], direction: Direction | None, code: str | None, here: Customer, other: Customer) -> Tie:
    """`resolve`, among the `active` ones.

    Raises:
        Invalid: as `resolve`.
    """
    found = ties.get(_wanted(direction, code))
    if found is None:
        raise Invalid.at("/type", "relation_type_unknown")
    return _fitting(found, direction, here, other)


def _active(actor: Actor) -> SelectOfScalar[RelationType]:
    return select(RelationType).where(
        col(RelationType.org_id) == actor.org_id, col(RelationType.deleted_at).is_(None), col(RelationType.is_active)
    )


def _wanted(direction: Direction | None, code: str | None) -> str:
    """The code that was meant: a direction alone stands for the type of its name."""
    if code is None and direction is None:
        raise Invalid.at("/type", "missing")
    return code or str(direction)


def _fitting(tie: Tie, direction: Direction | None, here: Customer, other: Customer) -> Tie:
    """The type, if direction and both parties are such as it wants."""
    if direction is not None and direction != _seen(tie.type, is_forward=tie.is_forward):
        raise Invalid.at("/direction", "direction_mismatch")
    left, right = (here, other) if tie.is_forward else (other, here)
    for kind, party in ((tie.type.left_kind, left), (tie.type.right_kind, right)):
        if kind is not None and party.party_type != kind:
            raise Invalid.at("/type", "party_kind_mismatch")
    return tie


async def by_code(session: AsyncSession, org_id: UUID) -> dict[str, Tie]:
    """Every type of the organisation under both its codes."""
    rows = (await session.exec(select(RelationType).where(col(RelationType.org_id) == org_id))).all()
    found = {row.inverse_code: Tie(row, is_forward=False) for row in rows}
    return {**found, **{row.code: Tie(row, is_forward=True) for row in rows}}


def public(row: RelationType) -> RelationTypePublic:
    """The row as it is answered."""
    return RelationTypePublic(
        **{member: getattr(row, member) for member in _SAME},
        inverse_direction=_seen(row, is_forward=False),
        label=RelationLabel(**row.label),
        inverse_label=RelationLabel(**row.inverse_label),
        customer_kind=row.left_kind,
        other_kind=row.right_kind,
        is_symmetric=row.code == row.inverse_code,
        default_strength=float(row.default_strength),
        introduction_weight=float(row.introduction_weight),
    )


_SAME = (
    "id", "code", "inverse_code", "direction", "family_degree", "gb_code", "inverse_gb_code", "sensitivity",
    "is_builtin", "is_active", "version",
)  # fmt: skip


def _seen(row: RelationType, *, is_forward: bool) -> Direction:
    """The direction as read from one end."""
    is_turned = row.direction == Direction.client and not is_forward
    return Direction.supplier if is_turned else Direction(row.direction)


def _row(actor: Actor, data: RelationTypeCreate) -> RelationType:
    """What was sent in its one form: a type whose other end is a supplier is turned round."""
    is_symmetric = data.inverse_code in (None, data.code)
    if is_symmetric and data.inverse_label not in (None, data.label):
        raise Invalid.at("/inverse_label", "relation_type_symmetric")
    if is_symmetric and data.direction in (Direction.client, Direction.supplier):
        raise Invalid.at("/inverse_code", "missing")
    if not is_symmetric and data.inverse_label is None:
        raise Invalid.at("/inverse_label", "missing")
    if is_symmetric and data.customer_kind != data.other_kind:
        raise Invalid.at("/other_kind", "party_kind_mismatch")
    label = data.label.model_dump(exclude_none=True)
    inverse = label if is_symmetric or data.inverse_label is None else data.inverse_label.model_dump(exclude_none=True)
    ends: list[Any] = [
        (data.code, label, data.customer_kind),
        (data.inverse_code or data.code, inverse, data.other_kind),
    ]
    is_turned = data.direction == Direction.supplier
    (code, label, left), (inverse_code, inverse, right) = reversed(ends) if is_turned else ends
    return RelationType(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        code=code,
        inverse_code=inverse_code,
        direction=Direction.client if is_turned else data.direction,
        label=label,
        inverse_label=inverse,
        left_kind=left,
        right_kind=right,
        family_degree=data.family_degree,
        default_strength=_exact(data.default_strength),
        introduction_weight=_exact(data.introduction_weight),
        sensitivity=data.sensitivity,
    )


def _exact(value: float) -> Decimal:
    return Decimal(f"{value:.3f}")


async def _find(session: AsyncSession, actor: Actor, relation_type_id: UUID, *, lock: bool = False) -> RelationType:
    statement = select(RelationType).where(
        col(RelationType.org_id) == actor.org_id,
        col(RelationType.id) == relation_type_id,
        col(RelationType.deleted_at).is_(None),
    )
    row = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if row is None:
        raise NotFound
    return row


def _document(row: RelationType) -> Document:
    return Document(public(row).model_dump_json().encode(), row.version, row.id)
