"""`renmai user`: the accounts of an organisation, from the first administrator on."""

import os
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from app.models.invitations import Invitation, InvitationCreate
from app.models.sessions import LoginSession
from app.models.users import Role, User
from app.operating import LINE, CommandError, OrgOption, in_org, known, matching, sales_team, taken
from app.services import users_operator

user_app = typer.Typer(no_args_is_help=True, help="Users of an organisation")

_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")
_T = TypeVar("_T")

UserOption = Annotated[str, typer.Option("--username", help="What the user types at login")]
NameOption = Annotated[str, typer.Option("--name", help="Full name")]
RoleOption = Annotated[Role, typer.Option("--role", help="What the user may do")]
TeamOption = Annotated[str | None, typer.Option("--team", help="Name of the sales team")]


def _of(org: str, username: str, work: Callable[[AsyncSession, UUID], Awaitable[_T]]) -> _T:
    """Do something with a user who must be there."""
    with known(f"user {username!r}"):
        return in_org(org, work)


def _new_password() -> str:
    """Asked for twice, or taken from the environment: an argument could be read by everybody on the machine."""
    given = os.environ.get("RENMAI_NEW_PASSWORD")
    return given or str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _row(*cells: object) -> None:
    typer.echo("\t".join(str(cell) for cell in cells))


@user_app.command("create")
def create_user(
    org: OrgOption, username: UserOption, name: NameOption, role: RoleOption, team: TeamOption = None
) -> None:
    """Make a user. The password is asked for, or taken from RENMAI_NEW_PASSWORD."""
    matching(_USERNAME, username, "the user name")
    matching(LINE, name, "the name")
    password = _new_password()

    async def work(session: AsyncSession, org_id: UUID) -> UUID:
        team_id = None if team is None else await sales_team(session, org_id, team)
        made = await users_operator.create(
            session, org_id, username=username, name=name, role=role, team_id=team_id, password=password
        )
        return made.id

    with taken(f"the user name {username!r}"):
        user_id = in_org(org, work)
    typer.echo(f"User {username} ({user_id}) is made.")


@user_app.command("invite")
def invite_user(
    org: OrgOption, username: UserOption, name: NameOption, role: RoleOption, team: TeamOption = None
) -> None:
    """Invite somebody, who chooses the password himself. The token is shown this once: only a hash is stored."""
    matching(_USERNAME, username, "the user name")
    matching(LINE, name, "the name")

    async def work(session: AsyncSession, org_id: UUID) -> tuple[Invitation, str]:
        team_id = None if team is None else await sales_team(session, org_id, team)
        data = InvitationCreate(username=username, name=name, role=role, team_id=team_id)
        return await users_operator.invite(session, org_id, data)

    _show(username, *in_org(org, work))


@user_app.command("reset-password")
def reset_password(org: OrgOption, username: UserOption) -> None:
    """Print a token with which the user chooses a new password; the old one stays good until he has."""

    async def work(session: AsyncSession, org_id: UUID) -> tuple[Invitation, str]:
        return await users_operator.reset_password(session, org_id, username)

    _show(username, *_of(org, username, work))


def _show(username: str, row: Invitation, token: str) -> None:
    typer.echo(f"For {username}, once, until {row.expires_at:%Y-%m-%d %H:%M} UTC. It is not shown again:", err=True)
    typer.echo(token)


@user_app.command("list")
def list_users(org: OrgOption) -> None:
    """Print everybody, one a line with tabs between: user name, role, state, name."""

    async def work(session: AsyncSession, org_id: UUID) -> list[User]:
        return list(await users_operator.everybody(session, org_id))

    for user in in_org(org, work):
        state = "departed" if user.departed_on else "disabled" if user.disabled_at else "active"
        _row(user.username, user.role, state, user.name)


@user_app.command("disable")
def disable_user(org: OrgOption, username: UserOption) -> None:
    """Shut a user out at once; his customers stay."""

    async def work(session: AsyncSession, org_id: UUID) -> None:
        await users_operator.disable(session, org_id, username)

    _of(org, username, work)
    typer.echo(f"User {username} is disabled.")


@user_app.command("enable")
def enable_user(org: OrgOption, username: UserOption) -> None:
    """Let a user in again who was shut out; he signs in anew."""

    async def work(session: AsyncSession, org_id: UUID) -> None:
        await users_operator.enable(session, org_id, username)

    _of(org, username, work)
    typer.echo(f"User {username} is enabled.")


@user_app.command("role")
def give_role(org: OrgOption, username: UserOption, role: RoleOption) -> None:
    """Make a user something else; it counts within a second, on every device."""

    async def work(session: AsyncSession, org_id: UUID) -> None:
        await users_operator.give_role(session, org_id, username, role)

    _of(org, username, work)
    typer.echo(f"User {username} is {role.value} from now on.")


@user_app.command("move")
def move_user(
    org: OrgOption, username: UserOption, team: Annotated[str, typer.Option("--team", help="Name of the sales team")]
) -> None:
    """Put a user into another sales team; what he and his managers see changes within a second."""

    async def work(session: AsyncSession, org_id: UUID) -> None:
        await users_operator.move(session, org_id, username, await sales_team(session, org_id, team))

    _of(org, username, work)
    typer.echo(f"User {username} is in {team} from now on.")


@user_app.command("password")
def set_password(org: OrgOption, username: UserOption) -> None:
    """Give a user another password, asked for or taken from RENMAI_NEW_PASSWORD; all his sessions end."""
    password = _new_password()

    async def work(session: AsyncSession, org_id: UUID) -> int:
        return await users_operator.set_password(session, org_id, username, password)

    ended = _of(org, username, work)
    typer.echo(f"User {username} has another password; sessions ended: {ended}.")


@user_app.command("reset-second-factor")
def reset_second_factor(org: OrgOption, username: UserOption) -> None:
    """Take away the second factor of somebody who lost it; all his sessions end."""

    async def work(session: AsyncSession, org_id: UUID) -> bool:
        return await users_operator.reset_second_factor(session, org_id, username)

    if not _of(org, username, work):
        raise CommandError(f"user {username!r} has no second factor")
    typer.echo(f"User {username} has no second factor any more.")


@user_app.command("sessions")
def list_sessions(org: OrgOption, username: UserOption) -> None:
    """Print the live sessions, one a line with tabs between: id, platform, last use (UTC), device."""

    async def work(session: AsyncSession, org_id: UUID) -> list[LoginSession]:
        return list(await users_operator.living_sessions(session, org_id, username))

    for one in _of(org, username, work):
        _row(one.id, one.platform, f"{one.last_used_at:%Y-%m-%dT%H:%M:%SZ}", one.device_name)


@user_app.command("end-sessions")
def end_sessions(org: OrgOption, username: UserOption) -> None:
    """Sign a user out on every device; his account stays open."""

    async def work(session: AsyncSession, org_id: UUID) -> int:
        return await users_operator.end_sessions(session, org_id, username)

    typer.echo(f"Sessions of {username} ended: {_of(org, username, work)}.")
