"""Commands about keys: rotate one layer, see what lies under which version, destroy what nothing lies under."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from app import key_rows, keyring, rotation
from app.config import Settings, get_settings
from app.crypto import Algorithm
from app.key_rows import Layer
from app.operating import CommandError, as_owner, database
from app.rotation import Work

keys_app = typer.Typer(no_args_is_help=True, help="Versions of keys")
_PATIENCE_SECONDS = 600.0  # one statement over all rows of a large table
_T = TypeVar("_T")

KekOption = Annotated[bool, typer.Option("--kek", help="The key-encryption key")]
OrgOption = Annotated[str | None, typer.Option("--org", help="The key of the organisation with this code")]
BlindOption = Annotated[str | None, typer.Option("--blind", help="The key of the blind indexes of this organisation")]
PersonsOption = Annotated[str | None, typer.Option("--persons", help="The keys of all persons of this organisation")]
SigningOption = Annotated[bool, typer.Option("--signing", help="The key that signs access tokens")]


def rotate_keys(
    is_kek: KekOption = False,
    org: OrgOption = None,
    blind: BlindOption = None,
    persons: PersonsOption = None,
    is_signing: SigningOption = False,
) -> None:
    """Make a new version of one key and move everything to it, while the service runs. Needs the owner role.

    Without an option: the key that signs access tokens, whose tokens stay good until they expire (10 minutes at most).
    The new key-encryption key is a new line in RENMAI_KEK_FILE. `renmai keys retire` ends a rotation.
    """
    layer, code = _one(is_kek, org, blind, persons, is_signing)

    async def run(work: Work) -> str:
        if layer is None:
            kid = await keyring.rotate_signing_keys(work.connection, work.ring)
            return f"Key {kid} signs from now on; running processes take it up in 10 to 70 seconds."
        if layer == "kek":
            moved = await rotation.rotate_kek(work)
            return f"{moved} keys are wrapped anew, under version {await work.ring.wrapper.current()}."
        org_id = await _organisation(work, code)
        if layer == "person":
            moved = await rotation.rotate_persons(work, org_id)
        else:
            moved = await rotation.rotate_organisation(work, layer, org_id)
        return f"{moved} rows were moved to the new version."

    typer.echo(_with_work(run))


@keys_app.command("status")
def status() -> None:
    """How many rows lie on each version of each layer, counted in the rows themselves. Needs the owner role."""

    async def run(work: Work) -> list[str]:
        names = {row["id"]: row["code"] for row in await work.connection.fetch("SELECT id, code FROM orgs")}
        found = await key_rows.count_wrapped(work.connection, await work.ring.wrapper.current())
        for org_id in names:
            found += await key_rows.count(work.connection, org_id)
        lines = [
            (
                one.layer,
                "" if one.org_id is None else names[one.org_id],
                one.place,
                f"version {one.version}{'' if one.algorithm in (None, Algorithm.aes_256_gcm) else ' sm4'}",
                "current" if one.is_current else "old",
                str(one.rows),
            )
            for one in found
        ]
        return ["\t".join(line) for line in sorted(lines)]

    for line in _with_work(run):
        typer.echo(line)


@keys_app.command("retire")
def retire(
    is_kek: KekOption = False, org: OrgOption = None, blind: BlindOption = None, persons: PersonsOption = None
) -> None:
    """Destroy the old versions of one key. Refused while a single row lies under one. Needs the owner role."""
    layer, code = _one(is_kek, org, blind, persons, False)
    if layer is None:
        raise CommandError("name the key: --kek, --org, --blind or --persons")

    async def run(work: Work) -> int:
        return await rotation.retire(work, layer, None if layer == "kek" else await _organisation(work, code))

    gone = _with_work(run)
    if layer == "kek" and not gone:
        typer.echo("Nothing lies under an old version. One from RENMAI_KEK or the master key is yours to destroy.")
    else:
        typer.echo(f"{gone} old {'version is' if gone == 1 else 'versions are'} destroyed.")


def _one(
    is_kek: bool, org: str | None, blind: str | None, persons: str | None, is_signing: bool
) -> tuple[Layer | None, str]:
    """The one layer that was named, and the code of the organisation; None for the signing key."""
    named: list[tuple[Layer | None, str]] = [("kek", "")] if is_kek else []
    codes: tuple[tuple[Layer, str | None], ...] = (("org", org), ("blind", blind), ("person", persons))
    named += [(layer, code) for layer, code in codes if code is not None]
    named += [(None, "")] if is_signing else []
    if len(named) > 1:
        raise CommandError("name one key only")
    return named[0] if named else (None, "")


async def _organisation(work: Work, code: str) -> UUID:
    org_id: UUID | None = await work.connection.fetchval("SELECT id FROM orgs WHERE code = $1", code)
    if org_id is None:
        raise CommandError(f"there is no organisation {code!r}")
    return org_id


def _with_work(do: Callable[[Work], Awaitable[_T]]) -> _T:
    async def run(settings: Settings) -> _T:
        async with as_owner(settings, _PATIENCE_SECONDS) as connection:
            return await do(Work(connection, keyring.derive(settings)))

    with database(get_settings()) as ready:
        return asyncio.run(run(ready))
