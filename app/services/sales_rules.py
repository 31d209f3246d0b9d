"""Sales rules: one document of an organisation, part of its settings."""

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, etags
from app.access import Actor
from app.errors import Invalid, Issue, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.organizations import OrganizationSettings
from app.models.sales_rules import SalesRules, SalesRulesPublic


async def read(session: AsyncSession, actor: Actor, organization_id: UUID) -> Document:
    """The rules of the caller's organisation.

    Raises:
        NotFound: any other.
    """
    return _document(await _settings(session, actor, organization_id))


async def replace(
    session: AsyncSession, actor: Actor, organization_id: UUID, version: int, data: SalesRules
) -> Document:
    """Put these rules in the place of the present ones; they count for every opinion from now on.

    Raises:
        NotFound, PreconditionFailed.
        Invalid: `band_reversed`: a lower end above the higher one; `repeated`: a level and category named twice.
    """
    _check(data)
    row = await _settings(session, actor, organization_id, lock=True)
    etags.check(row.version, version)
    row.sales_rules = data.model_dump(mode="json")
    row.updated_at = utc_now()
    await session.flush()
    counts = {"authorisations": len(data.authorisations), "premium_bands": len(data.premium_bands)}
    access.record(session, actor, "sales_rules.replaced", "organization", row.id, **counts)
    return _document(row)


async def current(session: AsyncSession, actor: Actor) -> SalesRules:
    """The rules in force."""
    return SalesRules.model_validate((await _settings(session, actor, actor.org_id)).sales_rules)


def max_level(rules: SalesRules, qualification_level: int | None, category: str) -> int | None:
    """The highest product level an agent of this qualification may sell in a category; None: not graded.

    A line for the category goes before one for every category.
    """
    found = {
        one.category: one.max_level
        for one in rules.authorisations
        if one.qualification_level == qualification_level and one.category in (None, category)
    }
    return found.get(category, found.get(None))  # type: ignore[call-overload, no-any-return]  # codes are literals


def _check(data: SalesRules) -> None:
    issues = []
    for index, band in enumerate(data.premium_bands):
        for low, high in (("low_fen", "high_fen"), ("age_from", "age_to")):
            if getattr(band, low) > getattr(band, high):
                issues.append(Issue("band_reversed", pointer=f"/premium_bands/{index}/{low}"))
    seen = set()
    for index, one in enumerate(data.authorisations):
        key = (one.qualification_level, one.category)
        if key in seen:
            issues.append(Issue("repeated", pointer=f"/authorisations/{index}"))
        seen.add(key)
    if issues:
        raise Invalid(issues=issues)


async def _settings(
    session: AsyncSession, actor: Actor, organization_id: UUID, *, lock: bool = False
) -> OrganizationSettings:
    statement = select(OrganizationSettings).where(
        col(OrganizationSettings.org_id) == actor.org_id, col(OrganizationSettings.id) == organization_id
    )
    row = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if row is None:
        raise NotFound
    return row


def _document(row: OrganizationSettings) -> Document:
    rules = SalesRules.model_validate(row.sales_rules)
    body = SalesRulesPublic(**dict(rules), version=row.version)
    return Document(body.model_dump_json().encode(), row.version, row.id)
