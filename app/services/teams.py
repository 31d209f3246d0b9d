"""Teams: the tree of sales teams, and service teams with their members."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, audit, etags, keyring, paging
from app.access import Actor
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.customers import Customer
from app.models.teams import Team, TeamCreate, TeamKind, TeamMember, TeamPublic, TeamQuery, TeamUpdate
from app.models.users import User
from app.paging import Page, Position


async def read(session: AsyncSession, actor: Actor, team_id: UUID) -> Document:
    """One team of the organisation.

    Raises:
        NotFound: absent. Gone: deleted in the last 30 days.
    """
    return await _document(session, await _team(session, actor, team_id))


async def search(session: AsyncSession, actor: Actor, query: TeamQuery) -> Page:
    """A page of teams, the oldest first.

    Raises:
        Malformed: the cursor is not one this query made.
    """
    key = keyring.current().cursors
    bound = paging.binding("teams", actor.org_id, actor.id, query.kind)
    position = paging.decode(key, bound, query.cursor)
    statement = select(Team).where(Team.org_id == actor.org_id, col(Team.deleted_at).is_(None))
    if query.kind is not None:
        statement = statement.where(Team.kind == query.kind)
    if position is not None:
        statement = statement.where(Team.id > position.id)
    rows = (await session.exec(statement.order_by(col(Team.id)).limit(query.limit + 1))).all()
    items = await _public(session, actor.org_id, rows)
    return paging.listed(key, bound, items, query.limit, lambda item: Position("", item.id))


async def create(session: AsyncSession, actor: Actor, data: TeamCreate) -> Document:
    """A new team.

    Raises:
        Invalid: the team above is unknown, or is none that can have teams below.
    """
    if data.parent_id is not None:
        await _check_new_parent(session, actor, data.parent_id, data.kind)
    team = Team(org_id=actor.org_id, id=uuid7(), name=data.name, kind=data.kind, parent_id=data.parent_id)
    session.add(team)
    access.record(session, actor, "team.created", "team", team.id, kind=data.kind.value)
    return await _document(session, team)


async def update(session: AsyncSession, actor: Actor, team_id: UUID, version: int, data: TeamUpdate) -> Document:
    """Rename a team, or move it in the tree: what its managers see changes within a second.

    Raises:
        NotFound, Gone, PreconditionFailed.
        Invalid: the team above is unknown, or stands below this one.
    """
    moves = "parent_id" in data.model_fields_set
    # The whole tree first, in one order: two moves at once must neither make a ring nor wait for each other in one.
    above = await _tree(session, actor) if moves else {}
    team = await _team(session, actor, team_id, lock=True)
    etags.check(team.version, version)
    if moves:
        if data.parent_id is not None:
            _check_parent(above, data.parent_id, team.kind, below=team.id)
        team.parent_id = data.parent_id
    if "name" in data.model_fields_set:
        team.name = data.name
    team.updated_at = utc_now()
    access.record(session, actor, "team.updated", "team", team.id, fields=sorted(data.model_fields_set))
    return await _document(session, team)


async def delete(session: AsyncSession, actor: Actor, team_id: UUID, version: int) -> None:
    """Delete a team nobody needs any more.

    Raises:
        NotFound, Gone, PreconditionFailed.
        Conflict: `team_in_use`: somebody or something belongs to it.
    """
    team = await _team(session, actor, team_id, lock=True)
    etags.check(team.version, version)
    for model, column in (
        (User, User.team_id), (Team, Team.parent_id), (Customer, Customer.service_team_id)
    ):  # fmt: skip
        used = select(model.id).where(model.org_id == actor.org_id, column == team.id, col(model.deleted_at).is_(None))
        if (await session.exec(used.limit(1))).first() is not None:
            raise Conflict("team_in_use")
    members = await _members(session, actor.org_id, [team.id])
    for member in members:
        await session.delete(member)
    team.deleted_at = team.updated_at = utc_now()
    access.record(session, actor, "team.deleted", "team", team.id, members=len(members))


async def add_member(session: AsyncSession, actor: Actor, team_id: UUID, user_id: UUID) -> Document:
    """Let a user serve in a service team; he sees its customers within a second. Twice is once.

    Raises:
        NotFound: the team or the user. Gone: the team.
        Conflict: `team_kind`: people belong to a sales team by their own `team_id`; `user_departed`.
    """
    team = await _team(session, actor, team_id, lock=True)
    if team.kind != TeamKind.service:
        raise Conflict("team_kind")
    user = await access.user(session, actor, user_id, lock=True)
    if user.departed_on is not None:
        raise Conflict("user_departed")
    known = {member.user_id for member in await _members(session, actor.org_id, [team.id])}
    if user.id not in known:
        if len(known) >= 200:
            raise Conflict("team_in_use")
        session.add(TeamMember(org_id=actor.org_id, team_id=team.id, user_id=user.id))
        team.updated_at = utc_now()
        access.record(session, actor, "team.member_added", "team", team.id, user_id=str(user.id))
    return await _document(session, team)


async def remove_member(session: AsyncSession, actor: Actor, team_id: UUID, user_id: UUID) -> None:
    """Take a user out of a service team; its customers are out of his sight within a second.

    Raises:
        NotFound: the team, or he does not serve in it. Gone: the team.
    """
    team = await _team(session, actor, team_id, lock=True)
    found = [one for one in await _members(session, actor.org_id, [team.id]) if one.user_id == user_id]
    if not found:
        raise NotFound
    await session.delete(found[0])
    team.updated_at = utc_now()
    access.record(session, actor, "team.member_removed", "team", team.id, user_id=str(user_id))


async def check_service_team(session: AsyncSession, actor: Actor, team_id: UUID) -> None:
    """Refuse a service team the caller may not give customers to: an agent only to those he serves in.

    Raises:
        Invalid: unknown, no service team, or not his.
    """
    statement = select(Team.id).where(
        Team.org_id == actor.org_id, Team.id == team_id, Team.kind == TeamKind.service, col(Team.deleted_at).is_(None)
    )
    found = (await session.exec(statement.with_for_update(key_share=True, read=True))).first()
    if found is None or (actor.owners is not None and team_id not in actor.owners):
        raise Invalid.at("/service_team_id", "not_found")


async def _team(session: AsyncSession, actor: Actor, team_id: UUID, *, lock: bool = False) -> Team:
    statement = select(Team).where(Team.org_id == actor.org_id, Team.id == team_id)
    team = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if team is None:
        raise NotFound
    access.check_alive(team)
    return team


async def _tree(session: AsyncSession, actor: Actor) -> dict[UUID, UUID | None]:
    """Every living sales team with the one above it, all of them locked."""
    statement = select(Team).where(
        Team.org_id == actor.org_id, Team.kind == TeamKind.sales, col(Team.deleted_at).is_(None)
    )
    rows = (await session.exec(statement.order_by(col(Team.id)).with_for_update())).all()
    return {team.id: team.parent_id for team in rows}


def _check_parent(
    above: Mapping[UUID, UUID | None], parent_id: UUID, kind: TeamKind, *, below: UUID | None = None
) -> None:
    """The team above must be a living sales team, and neither `below` itself nor one that stands below it.

    Raises:
        Invalid: at `/parent_id`.
    """
    step: UUID | None = parent_id
    while step is not None and step != below:
        step = above.get(step)
    if kind != TeamKind.sales or parent_id not in above or (below is not None and step == below):
        raise Invalid.at("/parent_id", "not_found")


async def _check_new_parent(session: AsyncSession, actor: Actor, parent_id: UUID, kind: TeamKind) -> None:
    """A new team stands above nobody, so only the team above matters.

    Raises:
        Invalid: at `/parent_id`.
    """
    statement = select(Team.id).where(
        Team.org_id == actor.org_id,
        Team.id == parent_id,
        Team.kind == TeamKind.sales,
        col(Team.deleted_at).is_(None),
    )
    found = (await session.exec(statement.with_for_update(key_share=True, read=True))).first()
    if kind != TeamKind.sales or found is None:
        raise Invalid.at("/parent_id", "not_found")


async def _members(session: AsyncSession, org_id: UUID, team_ids: Sequence[UUID]) -> Sequence[TeamMember]:
    statement = select(TeamMember).where(TeamMember.org_id == org_id, col(TeamMember.team_id).in_(team_ids))
    return (await session.exec(statement.order_by(col(TeamMember.user_id)))).all()


async def _public(session: AsyncSession, org_id: UUID, teams: Sequence[Team]) -> list[TeamPublic]:
    members: dict[UUID, list[UUID]] = {team.id: [] for team in teams}
    for member in await _members(session, org_id, list(members)):
        members[member.team_id].append(member.user_id)
    return [
        TeamPublic.model_validate(team, from_attributes=True, update={"member_ids": members[team.id]}) for team in teams
    ]


async def _document(session: AsyncSession, team: Team) -> Document:
    await session.flush()
    body = (await _public(session, team.org_id, [team]))[0]
    return Document(body.model_dump_json().encode(), team.version, team.id)


# --- made by the operator --------------------------------------------------------------------------------------


async def make(
    session: AsyncSession,
    org_id: UUID,
    name: str,
    parent_id: UUID | None = None,
    *,
    team_id: UUID | None = None,
    kind: TeamKind = TeamKind.sales,
) -> Team:
    """A new team, below `parent_id` or at the top; a service team stands below none."""
    made = Team(org_id=org_id, id=team_id or uuid7(), name=name, parent_id=parent_id, kind=kind)
    session.add(made)
    await session.flush()
    audit.record(session, "team.created", "team", made.id)
    return made


async def named(session: AsyncSession, org_id: UUID, name: str, kind: TeamKind | None = None) -> list[UUID]:
    """The ids of the living teams with this name (of one kind); two branches may each have a 一部."""
    statement = select(Team.id).where(
        col(Team.org_id) == org_id, col(Team.name) == name, col(Team.deleted_at).is_(None)
    )
    if kind is not None:
        statement = statement.where(Team.kind == kind)
    return list((await session.exec(statement)).all())
