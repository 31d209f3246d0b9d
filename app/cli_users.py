"""`renmai user`: the accounts of an organisation, from the first administrator on."""

import os
import re
from typing import Annotated
from uuid import UUID

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from app.models.users import Role
from app.operating import LINE, OrgOption, in_org, known, matching, sales_team, taken
from app.services import users, users_operator

user_app = typer.Typer(no_args_is_help=True, help="Users of an organisation")

_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")


@user_app.command("create")
def create_user(
    org: OrgOption,
    username: Annotated[str, typer.Option(help="What the user types at login")],
    name: Annotated[str, typer.Option(help="Full name")],
    role: Annotated[Role, typer.Option(help="What the user may do")],
    team: Annotated[str | None, typer.Option(help="Name of the team")] = None,
) -> None:
    """Make a user. The password is asked for, or taken from RENMAI_NEW_PASSWORD."""
    matching(_USERNAME, username, "the user name")
    matching(LINE, name, "the name")
    password = os.environ.get("RENMAI_NEW_PASSWORD") or typer.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )

    async def work(session: AsyncSession, org_id: UUID) -> UUID:
        team_id = None if team is None else await sales_team(session, org_id, team)
        made = await users.create(
            session, org_id, org_code=org, username=username, name=name, role=role, team_id=team_id, password=password
        )
        return made.id

    with taken(f"the user name {username!r}"):
        user_id = in_org(org, work)
    typer.echo(f"User {username} ({user_id}) is made.")


@user_app.command("disable")
def disable_user(org: OrgOption, username: Annotated[str, typer.Option(help="Who must not get in any more")]) -> None:
    """Shut a user out at once; his customers stay."""

    async def work(session: AsyncSession, org_id: UUID) -> None:
        await users_operator.disable(session, org_id, username)

    with known(f"user {username!r}"):
        in_org(org, work)
    typer.echo(f"User {username} is disabled.")
