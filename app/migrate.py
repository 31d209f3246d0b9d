"""Bringing a database to the current schema: alembic steps, then the repeatable functions, then published forms."""

from importlib import resources
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import orjson
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from uuid_utils.compat import uuid7

from app.domain import erasing, forms, relation_catalogue

SEALER = "renmai_sealer"
_LOCK = 7_236_624  # an arbitrary number: one migration at a time per database


class Keys(Protocol):
    """What a step needs to seal what a former version kept in clear."""

    @property
    def wrapper(self) -> Any: ...


async def upgrade(owner_dsn: str, *, app_role: str, keys: Keys, sealer_role: str = SEALER) -> None:
    """Run everything that is missing, as the owner role. Safe to call at every start and from many processes.

    Args:
        keys: the keyring; some steps seal rows.
        sealer_role: who seals the trail, if there is such a role; it must be a plain identifier.
    """
    keeper = await asyncpg.connect(owner_dsn)
    try:
        await keeper.execute("SELECT pg_advisory_lock($1)", _LOCK)
        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(owner_dsn), poolclass=NullPool
        )
        async with engine.connect() as connection:
            await connection.run_sync(_run_steps, app_role, keys)
            await connection.commit()
        await engine.dispose()
        await _install_functions(keeper, app_role, sealer_role)
        await _publish_forms(keeper)
        for org_id in [row["id"] for row in await keeper.fetch("SELECT id FROM orgs")]:
            await seed_relation_types(keeper, org_id)
    finally:
        await keeper.close()


async def seed_relation_types(connection: asyncpg.Connection, org_id: UUID) -> None:
    """Give an organisation the built-in relation types it does not have yet; its own changes to them stay."""
    rows = [{"id": str(uuid7()), **row} for row in relation_catalogue.rows()]
    await connection.execute("SELECT seed_relation_types($1, $2)", org_id, orjson.dumps(rows).decode())


def _run_steps(connection: Connection, app_role: str, keys: Keys) -> None:
    config = Config()
    config.set_main_option("script_location", "migrations:.")
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, app_role=app_role, keys=keys)
    command.upgrade(config, "head")


# What stands more than once in the network's function: whether a tie is let through as read from its left or its right
# end, or from either; and a tie as it is answered.
_LEFT = "(r.direction = ANY(v_left_ways) AND (v_left_types IS NULL OR r.type = ANY(v_left_types)))"
_RIGHT = "(r.direction = ANY(v_right_ways) AND (v_right_types IS NULL OR r.type = ANY(v_right_types)))"
_NETWORK = {
    "{left}": f"(v_is_open OR r.strength >= v_least AND {_LEFT})",
    "{right}": f"(v_is_open OR r.strength >= v_least AND {_RIGHT})",
    "{either}": f"(v_is_open OR r.strength >= v_least AND ({_LEFT} OR {_RIGHT}))",
    "{tie}": """'{"id":"' || edge || '","from_id":"' || left_id || '","to_id":"' || right_id ||
        '","direction":"' || direction ||
        '","type":"' || CASE WHEN type = ANY(v_veiled) THEN direction ELSE type END ||
        '","strength":' || trim_scale(strength) || ',"role":' ||
        CASE WHEN right_role IS NULL OR type = ANY(v_veiled) THEN 'null' ELSE to_json(right_role)::text END || '}'""",
}
_BEGUN = "(r.since IS NULL OR r.since <= p_on)"
# A function that is installed several times, each under its own name and with its own text for every slot.
_VARIANTS: dict[str, tuple[dict[str, str], ...]] = {
    "ego_network.sql": (
        {
            "{name}": "ego_network",
            "{scope}": "r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling",
            "{begun}": "true",
            "{valid}": "true",
            "{ended}": "false",
            **_NETWORK,
        },
        {
            "{name}": "ego_network_on",
            "{scope}": "r.deleted_at IS NULL AND NOT r.is_dangling",
            "{begun}": _BEGUN,
            "{valid}": f"{_BEGUN} AND (r.until IS NULL OR r.until >= p_on)",
            "{ended}": "true",
            **_NETWORK,
        },
    ),
}


# The sealer is a role of its own where there is one: it reads events and adds seals, and that is all it may.
_SEALER_MAY = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{sealer_role}') THEN
        GRANT EXECUTE ON FUNCTION org_ids(), app_org() TO {sealer_role};
        GRANT SELECT ON orgs TO {sealer_role};
        GRANT SELECT ON audit_events TO {sealer_role};
        GRANT SELECT, INSERT ON audit_seals TO {sealer_role};
        GRANT SELECT, INSERT ON audit_anchors TO {sealer_role};
        GRANT SELECT, INSERT ON audit_keys TO {sealer_role};
    END IF;
END
$$;
"""


async def _install_functions(connection: asyncpg.Connection, app_role: str, sealer_role: str) -> None:
    """Functions are replaced whole at every run: the file is the truth, whatever was there before."""
    folder = resources.files("app").joinpath("sql", "functions")
    common = {"{app_role}": app_role, "{steps}": await _erasing(connection)}
    async with connection.transaction():
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if entry.name.endswith(".sql"):
                text = entry.read_text(encoding="utf-8")
                for slots in _VARIANTS.get(entry.name, ({},)):
                    await connection.execute(_filled(text, {**slots, **common}))
        may = _filled(_SEALER_MAY, {"{sealer_role}": sealer_role})
        await connection.execute(may)


# Triggers that refuse every change let rows go that are deleted with the person they are about.
_LET_GO = """
DO $$ DECLARE v_trigger record; BEGIN
    FOR v_trigger IN
        SELECT t.tgname, t.tgrelid::regclass AS of_table, pg_get_triggerdef(t.oid) AS text FROM pg_trigger t
        WHERE t.tgfoid = 'refuse_change'::regproc AND t.tgrelid = ANY(ARRAY[{tables}]::regclass[]) AND t.tgtype & 8 > 0
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', v_trigger.tgname, v_trigger.of_table);
        EXECUTE replace(v_trigger.text, 'refuse_change()', 'keep_until_erased()');
    END LOOP;
END $$
"""


async def _erasing(connection: asyncpg.Connection) -> str:
    """What erasing persons does follows from the inventory and from what points at what."""
    columns: dict[str, set[str]] = {}
    for row in await connection.fetch(
        "SELECT table_name::text AS t, column_name::text AS c FROM information_schema.columns "
        "WHERE table_schema = 'public'"
    ):
        columns.setdefault(row["t"], set()).add(row["c"])
    keys = await connection.fetch(
        "SELECT conrelid::regclass::text AS a, confrelid::regclass::text AS b FROM pg_constraint "
        "WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    )
    there = ", ".join(f"'{name}'" for name in erasing.guarded() if name in columns)
    let_go = _filled(_LET_GO, {"{tables}": there})
    await connection.execute(let_go)
    return erasing.steps(columns, [(row["a"], row["b"]) for row in keys])


def _filled(text: str, slots: dict[str, str]) -> str:
    for slot, value in slots.items():
        text = text.replace(slot, value)
    return text


async def _publish_forms(connection: asyncpg.Connection) -> None:
    """A published version is immutable: it is inserted once, and a changed text under an old number is refused."""
    for raw in forms.published_forms():
        digest = forms.content_hash(raw)
        maps = [
            {key: value for key, value in one.items() if key != "form_key"}
            for one in forms.published_maps()
            if (one["form_key"], one["to"]) == (raw["form_key"], raw["version"])
        ]
        await connection.execute(
            "INSERT INTO form_versions (form_key, version, status, content_hash, definition, migrations) "
            "VALUES ($1, $2, 'published', $3, $4::jsonb, $5::jsonb) ON CONFLICT (form_key, version) DO NOTHING",
            raw["form_key"],
            raw["version"],
            digest,
            orjson.dumps(raw).decode(),
            orjson.dumps(maps).decode(),
        )
        stored = await connection.fetchval(
            "SELECT content_hash FROM form_versions WHERE form_key = $1 AND version = $2",
            raw["form_key"],
            raw["version"],
        )
        if stored != digest:
            raise RuntimeError(f"{raw['form_key']} {raw['version']} was published with another text; raise its version")
