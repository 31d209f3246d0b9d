"""Fact definitions: the product's, what an organisation adds, and what it changes of either.

The product's are data of the release. An organisation's own are stored, version by version; a version is never changed,
because facts name it. What may be changed of any definition (when to ask again, in which order, whether a phone may
keep it) holds for all facts at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import orjson
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags, reads
from app.access import Actor
from app.domain import fact_definitions as rules
from app.domain.fact_definitions import OWN, Catalogue, DossierName, FactDefinition, Override
from app.domain.fact_types import ValueKind
from app.errors import Conflict, Invalid, NotFound
from app.models.base import utc_now
from app.models.fact_definitions import (
    FactDefinitionCreate,
    FactDefinitionReplace,
    FactDefinitionRow,
    FactDefinitionUpdate,
    FactDefinitionVersion,
)

MAX_OWN: Final = 100
MAX_VERSIONS: Final = 200
_UNTOUCHED: Final = 1  # the version of a definition of the product's the organisation has not changed


@dataclass(frozen=True, slots=True)
class Known:
    """All definitions of an organisation, the text of each version, and what is stored about each key."""

    catalogue: Catalogue
    texts: dict[tuple[str, int], dict[str, Any]]
    rows: dict[str, dict[str, Any]]


def known_of(found: asyncpg.Record) -> Known:
    """From the members `rows` and `versions` of a statement's row."""
    if found["rows"] == "[]":
        return _UNCHANGED
    rows: list[dict[str, Any]] = orjson.loads(found["rows"])
    bodies: list[dict[str, Any]] = orjson.loads(found["versions"])
    overrides = {
        row["fact_key"]: Override(
            row["review_days"], row["is_offline_allowed"], row["asking_order"], row["is_asked"], row["is_withdrawn"]
        )
        for row in rows
    }
    catalogue = Catalogue([rules.definition_of(body) for body in bodies], overrides)
    texts = {(body["key"], body["version"]): body for body in bodies}
    return Known(catalogue, texts, {row["fact_key"]: row for row in rows})


_UNCHANGED: Final = Known(rules.shipped(), {}, {})


async def of_actor(actor: Actor) -> Known:
    """The definitions on the read road."""
    return known_of(_there(await reads.row(actor.org_id, None, "list_fact_definitions")))


async def of_session(session: AsyncSession) -> Known:
    """The definitions inside a transaction, as it was flushed last: who asks may be in the middle of a change."""
    sql = reads.statement("list_fact_definitions", None)
    return known_of(_there(await db.raw(session).fetchrow(sql, session.info["org_id"], None)))


async def read_all(actor: Actor, dossier: DossierName | None) -> bytes:
    """All definitions as JSON, dossier by dossier, in the order of asking."""
    known = await of_actor(actor)
    found = known.catalogue.all() if dossier is None else known.catalogue.of(dossier)
    return orjson.dumps({"items": [_public(known, one) for one in found]})


async def read(actor: Actor, key: str, definition_version: int | None) -> tuple[bytes, int]:
    """One definition as JSON and its version: as it is now, or as an older version was written.

    Raises:
        NotFound: no such key or version.
    """
    return _document(await of_actor(actor), key, definition_version)


async def create(session: AsyncSession, actor: Actor, data: FactDefinitionCreate) -> tuple[bytes, int]:
    """An own definition.

    Raises:
        Invalid: it contradicts itself.
        Conflict: `fact_definition_exists`; `too_many_fact_definitions`.
    """
    _check(data)
    await _queue_up(session)
    rows = (await session.exec(select(FactDefinitionRow).where(_of(actor)))).all()
    if any(row.fact_key == data.fact_key for row in rows):
        raise Conflict("fact_definition_exists")
    if sum(row.is_own for row in rows) >= MAX_OWN:
        raise Conflict("too_many_fact_definitions")
    row = FactDefinitionRow(org_id=actor.org_id, id=uuid7(), fact_key=data.fact_key, is_own=True, definition_version=1)
    session.add(row)
    await session.flush()
    _add_version(session, actor, row, data.dossier, data)
    await session.flush()
    access.record(session, actor, "fact_definition.created", "fact_definition", row.id, fact_key=row.fact_key)
    return _document(await of_session(session), row.fact_key, None)


async def replace(
    session: AsyncSession, actor: Actor, key: str, version: int, data: FactDefinitionReplace
) -> tuple[bytes, int]:
    """A new version of an own definition; what the organisation had changed beside it is in it or is gone.

    Raises:
        NotFound, PreconditionFailed. Invalid: it contradicts itself.
        Conflict: `fact_definition_built_in`, `fact_definition_withdrawn`, `too_many_fact_definitions`: versions.
    """
    row = await _own(session, actor, key, version)
    _check(data)
    if row.withdrawn_at is not None:
        raise Conflict("fact_definition_withdrawn")
    if row.definition_version >= MAX_VERSIONS:
        raise Conflict("too_many_fact_definitions")
    before = await of_session(session)
    dossier = DossierName(before.texts[key, row.definition_version]["dossier"])
    row.definition_version += 1
    row.review_days = row.is_offline_allowed = row.asking_order = row.is_asked = None
    row.updated_at = utc_now()
    _add_version(session, actor, row, dossier, data)
    access.record(
        session, actor, "fact_definition.replaced", "fact_definition", row.id,
        fact_key=key, definition_version=row.definition_version,
    )  # fmt: skip
    return await _settled(session, before, key)


async def update(
    session: AsyncSession, actor: Actor, key: str, version: int, data: FactDefinitionUpdate
) -> tuple[bytes, int]:
    """Change when it is asked again, in which order, and whether phones may keep it. Null: as the definition says.

    Raises:
        NotFound, PreconditionFailed.
    """
    await _queue_up(session)
    before = await of_session(session)
    if before.catalogue.current(key) is None:
        raise NotFound
    row = await _row(session, actor, key)
    etags.check(_UNTOUCHED if row is None else row.version, version)
    if row is None:
        row = FactDefinitionRow(
            org_id=actor.org_id, id=uuid7(), fact_key=key, is_own=False, definition_version=0, version=_UNTOUCHED + 1
        )
    changes = data.model_dump(exclude_unset=True)
    for member, value in changes.items():
        setattr(row, "asking_order" if member == "order" else member, value)
    row.updated_at = utc_now()
    session.add(row)
    access.record(
        session, actor, "fact_definition.updated", "fact_definition", row.id, fact_key=key, fields=sorted(changes)
    )
    return await _settled(session, before, key)


async def withdraw(session: AsyncSession, actor: Actor, key: str) -> tuple[bytes, int]:
    """Record nothing new under an own definition; what is on record stays and keeps its meaning. Once is enough.

    Raises:
        NotFound. Conflict: `fact_definition_built_in`.
    """
    row = await _own(session, actor, key, None)
    if row.withdrawn_at is None:
        row.withdrawn_at = row.updated_at = utc_now()
        access.record(session, actor, "fact_definition.withdrawn", "fact_definition", row.id, fact_key=key)
        await session.flush()
    return _document(await of_session(session), key, None)


def _there(found: asyncpg.Record | None) -> asyncpg.Record:
    if found is None:  # the statement answers one row always
        raise NotFound
    return found


def _public(known: Known, one: FactDefinition) -> dict[str, Any]:
    stored = known.rows.get(one.key)
    text = known.texts.get((one.key, one.version)) or rules.shipped_text()[one.key, one.version]
    changed = ("review_days", "is_offline_allowed", "asking_order", "is_asked")
    return {
        "fact_key": one.key,
        "dossier": one.dossier,
        "definition_version": one.version,
        **{name: text[name] for name in ("label", "question", "shape")},
        "sensitivity": one.sensitivity,
        "group": one.group,
        "purpose": one.purpose,
        "legal_basis": one.legal_basis,
        "retention": one.retention,
        "review_days": one.review_days,
        "order": one.order,
        "is_offline_allowed": one.is_offline_allowed,
        "bases": list(one.bases),
        "is_masked": one.is_masked,
        "is_own": one.key.startswith(OWN),
        "is_changed": stored is not None and any(stored[name] is not None for name in changed),
        "is_withdrawn": one.is_withdrawn,
        "version": _UNTOUCHED if stored is None else stored["version"],
    }


def _document(known: Known, key: str, definition_version: int | None) -> tuple[bytes, int]:
    current = known.catalogue.current(key)
    wanted = current if definition_version is None else known.catalogue.as_written(key, definition_version)
    if current is None or wanted is None:
        raise NotFound
    public = _public(known, wanted)
    return orjson.dumps(public), public["version"]


def _of(actor: Actor) -> Any:
    return col(FactDefinitionRow.org_id) == actor.org_id


async def _queue_up(session: AsyncSession) -> None:
    """One change of the catalogue at a time: the row that would be locked may not be there yet."""
    await db.raw(session).execute(
        "SELECT true FROM org_settings WHERE org_id = $1 FOR NO KEY UPDATE", session.info["org_id"]
    )


async def _row(session: AsyncSession, actor: Actor, key: str) -> FactDefinitionRow | None:
    statement = select(FactDefinitionRow).where(_of(actor), col(FactDefinitionRow.fact_key) == key)
    return (await session.exec(statement.with_for_update())).first()


async def _own(session: AsyncSession, actor: Actor, key: str, version: int | None) -> FactDefinitionRow:
    await _queue_up(session)
    row = await _row(session, actor, key)
    if row is None or not row.is_own:
        if (await of_session(session)).catalogue.current(key) is None:
            raise NotFound
        raise Conflict("fact_definition_built_in")
    if version is not None:
        etags.check(row.version, version)
    return row


def _add_version(
    session: AsyncSession, actor: Actor, row: FactDefinitionRow, dossier: DossierName, data: FactDefinitionReplace
) -> None:
    said = data.model_dump(mode="json", exclude_unset=True, exclude={"fact_key", "dossier", "id"})
    body = {"bases": [], **said, "key": row.fact_key, "dossier": dossier.value, "version": row.definition_version}
    session.add(
        FactDefinitionVersion(
            org_id=actor.org_id,
            id=uuid7(),
            fact_key=row.fact_key,
            definition_version=row.definition_version,
            body=body,
            recorded_by=actor.id,
        )
    )


def _check(data: FactDefinitionReplace) -> None:
    """What the wire classes cannot say.

    Raises:
        Invalid.
    """
    found = rules.check_own(data.sensitivity, data.group, has_bases=bool(data.bases))
    if found is not None:
        raise Invalid.at(*found)
    shape = data.shape.model_dump(exclude_unset=True)
    problem = _shape_problem(shape, "/shape")
    if problem is not None:
        raise Invalid.at(*problem)


_NEEDS: Final = {ValueKind.choice: ("options",), ValueKind.list: ("item",)}
_TAKES: Final = {
    ValueKind.text: {"max_length"},
    ValueKind.choice: {"options"},
    ValueKind.number: {"min", "max"},
    ValueKind.list: {"item", "max_items"},
}


def _shape_problem(shape: dict[str, Any], at: str) -> tuple[str, str] | None:
    kind = ValueKind(shape["kind"])
    for name in _NEEDS.get(kind, ()):
        if name not in shape:
            return f"{at}/{name}", "missing"
    surplus = set(shape) - {"kind"} - _TAKES.get(kind, set())
    if surplus:
        return f"{at}/{min(surplus)}", "shape_mismatch"
    if shape.get("min", 0) > shape.get("max", shape.get("min", 0)):
        return f"{at}/max", "band_reversed"
    codes: Sequence[str] = [option["code"] for option in shape.get("options", ())]
    if len(set(codes)) != len(codes):
        return f"{at}/options", "repeated"
    return _shape_problem(shape["item"], f"{at}/item") if "item" in shape else None


_TELL = """
INSERT INTO feed AS f (org_id, scope, collection, id, removed)
SELECT $1, h.scope, 'dossier_facts', d.id, $3 OR c.deleted_at IS NOT NULL
FROM dossier_facts d
JOIN customers c ON c.org_id = $1 AND c.id = d.customer_id
CROSS JOIN LATERAL (VALUES (c.owner_id), (c.service_team_id)) AS h (scope)
WHERE d.org_id = $1 AND d.fact_key = $2 AND d.deleted_at IS NULL AND h.scope IS NOT NULL
ORDER BY 2, 4
ON CONFLICT (org_id, scope, collection, id) DO UPDATE SET seq = excluded.seq, removed = excluded.removed
"""


async def _settled(session: AsyncSession, before: Known, key: str) -> tuple[bytes, int]:
    """The changed definition; phones forget its facts when they may not keep them any more, and get them when they may.

    There may be facts of the key of every customer, so the database writes the feed from what it has.
    """
    await session.flush()
    after = await of_session(session)
    was, now = before.catalogue.current(key), after.catalogue.current(key)
    if was is not None and now is not None and was.is_offline_allowed is not now.is_offline_allowed:
        await db.raw(session).execute(_TELL, session.info["org_id"], key, not now.is_offline_allowed)
    return _document(after, key, None)
