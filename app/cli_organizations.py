"""`renmai org`, `renmai team`, `renmai apikey`: organisations, their teams, and the keys of their partner banks."""

import asyncio
import re
from typing import Annotated
from uuid import UUID

import typer
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import db, runtime
from app.apikeys import Environment
from app.config import Settings, get_settings
from app.errors import NotFound
from app.models.organizations import OrganizationSettings, OrganizationUpdate, PasswordForm
from app.models.teams import TeamKind
from app.operating import (
    LINE,
    CommandError,
    OrgOption,
    as_app,
    database,
    in_org,
    known,
    matching,
    owner_url,
    sales_team,
    taken,
)
from app.services import api_keys, organizations, teams

org_app = typer.Typer(no_args_is_help=True, help="Organisations")
team_app = typer.Typer(no_args_is_help=True, help="Teams of an organisation")
key_app = typer.Typer(no_args_is_help=True, help="Keys of partner banks")

_ORG_CODE = re.compile(r"[a-z][a-z0-9-]{1,31}")


@org_app.command("create")
def create_org(
    code: Annotated[str, typer.Option(help="What users type at login: lower-case letters, digits, hyphens")],
    name: Annotated[str, typer.Option(help="Full name")],
) -> None:
    """Make an organisation. Needs the owner role."""
    matching(_ORG_CODE, code, "the code")
    matching(LINE, name, "the name")
    org_id = uuid7()

    async def run(settings: Settings) -> None:
        async with runtime.opened(settings, owner_url(settings)), db.transaction(org_id) as session:
            await organizations.create(session, code, name)

    with database(get_settings()) as ready, taken(f"the code {code!r}"):
        asyncio.run(run(ready))
    typer.echo(f"Organisation {code} ({org_id}) is made.")


@org_app.command("settings")
def org_settings(
    org: OrgOption,
    password_form: Annotated[PasswordForm | None, typer.Option(help="What a password must look like")] = None,
    dpop: Annotated[bool | None, typer.Option("--dpop-required/--no-dpop-required", help="Device keys only")] = None,
    second_factor: Annotated[
        bool | None,
        typer.Option("--second-factor-required/--no-second-factor-required", help="Nothing else before enrolling"),
    ] = None,
    cross_agent_paths: Annotated[
        bool | None,
        typer.Option("--cross-agent-paths/--no-cross-agent-paths", help="Paths through customers of other agents"),
    ] = None,
    idle_days: Annotated[
        int | None, typer.Option("--session-idle-days", min=1, max=7, help="A session unused so long ends")
    ] = None,
    absolute_days: Annotated[
        int | None, typer.Option("--session-absolute-days", min=1, max=30, help="Every session ends after so long")
    ] = None,
) -> None:
    """Change the settings that are given and show them all; they count within a second. The way back for an
    administrator who asked for device keys and has none."""
    given = {
        "password_form": password_form,
        "is_dpop_required": dpop,
        "is_second_factor_required": second_factor,
        "are_cross_agent_paths_allowed": cross_agent_paths,
        "session_idle_days": idle_days,
        "session_absolute_days": absolute_days,
    }
    data = OrganizationUpdate.model_validate({member: value for member, value in given.items() if value is not None})

    async def work(session: AsyncSession, org_id: UUID) -> OrganizationSettings:
        return await organizations.adjust(session, org_id, data)

    row = in_org(org, work)
    for member in given:
        value = getattr(row, member)
        typer.echo(f"{member}: {str(value).lower() if isinstance(value, bool) else value}")


@team_app.command("create")
def create_team(
    org: OrgOption,
    name: Annotated[str, typer.Option(help="Name of the team")],
    parent: Annotated[str | None, typer.Option(help="Name of the sales team above")] = None,
    kind: Annotated[
        TeamKind, typer.Option(help="Who belongs to it: the people of a branch, or who serves together")
    ] = (TeamKind.sales),
) -> None:
    """Make a team; managers see the customers of their sales team and of those below."""
    matching(LINE, name, "the name")
    if kind == TeamKind.service and parent is not None:
        raise CommandError("a service team stands below no other")

    async def work(session: AsyncSession, org_id: UUID) -> UUID:
        if await teams.named(session, org_id, name):
            raise CommandError(f"there is a team {name!r} already")
        above = None if parent is None else await sales_team(session, org_id, parent)
        return (await teams.make(session, org_id, name, above, kind=kind)).id

    typer.echo(f"Team {name} ({in_org(org, work)}) is made.")


@key_app.command("create")
def create_key(
    org: OrgOption,
    partner: Annotated[str, typer.Option(help="Name of the partner bank")],
    days: Annotated[int, typer.Option(min=1, max=api_keys.MAX_DAYS, help="Life of the key")] = api_keys.MAX_DAYS,
    test: Annotated[bool, typer.Option("--test", help="A key for trying out, marked as such")] = False,
) -> None:
    """Make a partner's key and print it. It is shown this once: only a hash is stored."""
    matching(LINE, partner, "the partner's name")

    async def work(session: AsyncSession, org_id: UUID) -> str:
        environment: Environment = "test" if test else "live"
        return (await api_keys.create(session, org_id, partner_name=partner, environment=environment, days=days))[1]

    text = in_org(org, work)
    typer.echo(f"The key of {partner}, good for {days} days. It is not shown again:", err=True)
    typer.echo(text)


@key_app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Option(help="The 16 characters after rmk_live_ or rmk_test_")]) -> None:
    """End a partner's key; the next request with it is refused."""

    async def run() -> None:
        org_id = await api_keys.org_of(key_id)
        if org_id is None:
            raise NotFound
        async with db.transaction(org_id) as session:
            await api_keys.revoke(session, org_id, key_id)

    with known(f"key {key_id!r}"):
        as_app(run)
    typer.echo(f"Key {key_id} is revoked.")
