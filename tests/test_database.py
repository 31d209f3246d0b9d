"""The database denies by itself: what the catalogue says, and what it does when asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from app import reads
from app.config import Settings
from tests.factories import World, create_customer

APP = "renmai_app"
# Tables without an organisation, each with the reason why it may be so.
SHARED = {
    "orgs": "its own id is the organisation",
    "signing_keys": "keys of the whole service, sealed",
    "form_versions": "published forms are the same for everybody",
    "schema_version": "the migration tool's",
    "guess_counts": "keyed hashes; an address guesses at every organisation",
    "audit_keys": "keys that sign the anchors of all trails, sealed",
}
# Tables of the queue, in a schema of its own: jobs belong to the service, and their arguments are ids of organisations.
QUEUE = {
    "procrastinate_jobs": "DELETE INSERT SELECT UPDATE",
    "procrastinate_periodic_defers": "DELETE INSERT SELECT UPDATE",
    "procrastinate_workers": "DELETE INSERT SELECT UPDATE",
    "procrastinate_events": "INSERT SELECT",
}
# Tenant tables that do not point at their organisation, each with the reason.
UNREFERENCED = {
    "dpop_proofs": "a row per request, for minutes: the check would lock the organisation's row each time",
    "audit_events": "a row per look: as above, and the service can write none outside its organisation",
}


@asynccontextmanager
async def as_app(settings: Settings, org_id: UUID | None) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the service's role, in a transaction bound to `org_id`."""
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url)
    try:
        async with connection.transaction():
            if org_id is not None:
                await connection.execute(f"SET LOCAL app.org_id = '{org_id}'")
            yield connection
    finally:
        await connection.close()


async def column(db: asyncpg.Connection, sql: str, *args: Any) -> list[Any]:
    return [row[0] for row in await db.fetch(sql, *args)]


async def tenant_tables(db: asyncpg.Connection) -> list[str]:
    return await column(
        db,
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' "
        "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1",
    )


# --- the catalogue ---------------------------------------------------------------------------------------------


async def test_every_table_has_an_organisation_or_a_reason(owner_db: asyncpg.Connection) -> None:
    tables = await column(owner_db, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert set(tables) - set(await tenant_tables(owner_db)) == set(SHARED)
    assert len(tables) >= 15
    others = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('public', 'pg_catalog', 'information_schema')"
    assert set(await column(owner_db, others)) == set(QUEUE)


async def test_every_tenant_table_has_the_wall(owner_db: asyncpg.Connection) -> None:
    walls = await owner_db.fetch(
        "SELECT c.relname, c.relrowsecurity, p.polpermissive, p.polcmd::text AS command, p.polroles, "
        "pg_get_expr(p.polqual, c.oid) AS using, pg_get_expr(p.polwithcheck, c.oid) AS checks "
        "FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid "
        "WHERE c.relname = ANY($1)",
        [*await tenant_tables(owner_db), "orgs"],
    )
    # Beside it stands one that only narrows it further.
    narrowed = [wall for wall in walls if wall["polpermissive"] is False]
    assert [(wall["relname"], wall["using"], wall["checks"]) for wall in narrowed] == [
        ("customers", "((restricted_at IS NULL) OR sees_restricted())", "true")
    ]
    walls = [wall for wall in walls if wall["polpermissive"] is not False]
    for wall in walls:
        name = "id" if wall["relname"] == "orgs" else "org_id"
        rule = f"({name} = app_org())"
        assert wall["relrowsecurity"], wall["relname"]
        assert (wall["using"], wall["checks"], wall["command"]) == (rule, rule, "*"), wall["relname"]
        assert wall["polroles"] == [0], "the policy is for everybody"
    assert len({wall["relname"] for wall in walls}) == len(walls), "a second permissive policy would widen the first"


async def test_app_role_is_small_and_owns_nothing(owner_db: asyncpg.Connection) -> None:
    role = await owner_db.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", APP)
    for power in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication"):
        assert role[power] is False, power
    owned = "SELECT count(*) FROM pg_shdepend WHERE refobjid = $1 AND deptype = 'o'"
    assert await owner_db.fetchval(owned, role["oid"]) == 0
    member = "SELECT count(*) FROM pg_auth_members WHERE member = $1"
    assert await owner_db.fetchval(member, role["oid"]) == 0
    for schema in ("public", "procrastinate"):
        assert not await owner_db.fetchval("SELECT has_schema_privilege($1, $2, 'CREATE')", APP, schema)


async def test_app_role_has_exactly_these_grants(owner_db: asyncpg.Connection) -> None:
    rows = await owner_db.fetch(
        "SELECT table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type) AS granted "
        "FROM information_schema.role_table_grants WHERE grantee = $1 GROUP BY 1",
        APP,
    )
    granted = {row["table_name"]: row["granted"] for row in rows}
    special = {
        "orgs": "SELECT", "schema_version": "SELECT", "form_versions": "SELECT", "signing_keys": "INSERT SELECT",
        "org_keys": "INSERT SELECT", "person_keys": "INSERT SELECT", "blind_keys": "INSERT SELECT",
        "audit_events": "INSERT SELECT", "needs_analyses": "INSERT SELECT",
        "needs_analysis_confirmations": "INSERT SELECT",
        "departures": "INSERT SELECT", "introduction_steps": "INSERT SELECT", "team_members": "DELETE INSERT SELECT",
        "recommendation_dismissals": "DELETE INSERT SELECT UPDATE",
        "idempotency_keys": "DELETE INSERT SELECT UPDATE", "dpop_proofs": "DELETE INSERT SELECT UPDATE",
        "network_scores": "DELETE INSERT SELECT UPDATE", **QUEUE,
        "tolerance_assessments": "INSERT SELECT", "proposals": "INSERT SELECT",
        "fact_definition_versions": "INSERT SELECT",
        "audit_seals": "SELECT", "audit_anchors": "SELECT", "audit_keys": "",
        "erasures": "INSERT SELECT",
        "org_form_versions": "INSERT SELECT",  # UPDATE of the columns that withdraw one only
        "consents": "INSERT SELECT", "consent_texts": "INSERT SELECT", "consent_events": "INSERT SELECT",
        "consent_uses": "INSERT SELECT",
    }  # fmt: skip
    for table in {*await tenant_tables(owner_db), *SHARED, *QUEUE}:
        assert granted.pop(table, "") == special.get(table, "INSERT SELECT UPDATE"), table
    assert granted == {}
    public = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC' AND table_schema = $1"
    assert [await owner_db.fetchval(public, schema) for schema in ("public", "procrastinate")] == [0, 0]


async def test_keys_and_unique_indexes_start_with_the_organisation(owner_db: asyncpg.Connection) -> None:
    rows = await owner_db.fetch(
        "SELECT i.indexrelid::regclass::text AS name, a.attname FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indrelid "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
        "WHERE c.relname = ANY($1) AND (i.indisprimary OR i.indisunique)",
        await tenant_tables(owner_db),
    )
    assert len(rows) >= 15
    assert [row["name"] for row in rows if row["attname"] != "org_id"] == []


async def test_every_tenant_table_has_a_primary_key(owner_db: asyncpg.Connection) -> None:
    keyed = await column(owner_db, "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
                                   "WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace")  # fmt: skip
    assert set(await tenant_tables(owner_db)) <= set(keyed)


async def test_foreign_keys_between_tenant_tables_carry_the_organisation(owner_db: asyncpg.Connection) -> None:
    tables = await tenant_tables(owner_db)
    rows = await owner_db.fetch(
        "SELECT f.conname, f.conrelid::regclass::text AS source, f.confrelid::regclass::text AS target, "
        "f.confdeltype::text AS on_delete, "
        "(SELECT array_agg(attname::text ORDER BY x.n) FROM unnest(f.conkey) WITH ORDINALITY x (k, n) "
        " JOIN pg_attribute ON attrelid = f.conrelid AND attnum = x.k) AS columns "
        "FROM pg_constraint f WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace"
    )
    assert len(rows) >= 20
    for row in rows:
        assert row["columns"][0] == "org_id", row["conname"]
        assert row["on_delete"] == "a", f"{row['conname']}: nothing is deleted behind the service's back"
        if row["target"] in tables:
            assert len(row["columns"]) == 2, row["conname"]
    # Every row belongs to an organisation that exists.
    assert {row["source"] for row in rows if row["target"] == "orgs"} == set(tables) - UNREFERENCED.keys()


async def test_security_definer_functions_are_fixed_and_closed(owner_db: asyncpg.Connection) -> None:
    rows = await owner_db.fetch(
        "SELECT p.oid, p.proname, p.proconfig, p.proargnames, p.prosrc, "
        "has_function_privilege('public', p.oid, 'EXECUTE') AS is_public "
        "FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner "
        "WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef"
    )
    assert {"org_by_code", "org_by_key", "match_customers"} <= {row["proname"] for row in rows}
    for row in rows:
        assert "search_path=public, pg_temp" in (row["proconfig"] or []), row["proname"]
        assert not row["is_public"], row["proname"]
        if "p_org" in (row["proargnames"] or []):
            assert "p_org IS DISTINCT FROM app_org()" in row["prosrc"], row["proname"]
        else:
            assert row["proname"] in {"org_by_code", "org_by_key", "org_ids"}, row["proname"]


async def test_synced_tables_have_what_sync_needs(owner_db: asyncpg.Connection) -> None:
    for table in await tenant_tables(owner_db):
        names = set(await column(owner_db, "SELECT column_name::text FROM information_schema.columns "
                                           "WHERE table_name = $1", table))  # fmt: skip
        if "row_seq" in names:
            assert {"id", "created_at", "updated_at", "version", "deleted_at"} <= names, table


# --- asked without, or with another, organisation --------------------------------------------------------------


async def test_without_an_organisation_there_are_no_rows(world: World, settings: Settings) -> None:
    await create_customer(world.agent)
    async with as_app(settings, None) as connection:
        for table in [*await tenant_tables(world.db), "orgs"]:
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_bound_to_another_organisation_there_are_none_of_ours(
    world: World, other_world: World, settings: Settings
) -> None:
    await create_customer(world.agent)
    filled = 0
    async with as_app(settings, other_world.org_id) as connection:
        for table in await tenant_tables(world.db):
            ours = f"SELECT count(*) FROM {table} WHERE org_id = $1"
            filled += await world.db.fetchval(ours, world.org_id) > 0
            assert await connection.fetchval(ours, world.org_id) == 0, table
        assert await column(connection, "SELECT id FROM orgs") == [other_world.org_id]
    assert filled >= 6  # the test would be worth nothing over empty tables


async def test_insert_for_another_organisation_is_refused(world: World, other_world: World, settings: Settings) -> None:
    for bound in (None, other_world.org_id):
        async with as_app(settings, bound) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await connection.execute(
                    "INSERT INTO teams (org_id, id, name) VALUES ($1, $2, '别家')", world.org_id, uuid7()
                )


async def test_update_cannot_reach_or_move_into_another_organisation(
    world: World, other_world: World, settings: Settings
) -> None:
    async with as_app(settings, other_world.org_id) as connection:
        assert await connection.execute("UPDATE users SET name = 'x' WHERE org_id = $1", world.org_id) == "UPDATE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(
                "UPDATE teams SET org_id = $1 WHERE org_id = $2 AND parent_id IS NOT NULL",
                world.org_id,
                other_world.org_id,
            )


@pytest.mark.parametrize("statement", [
    "UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events",
    "UPDATE needs_analyses SET summary_enc = NULL", "DELETE FROM needs_analyses", "DELETE FROM customers",
    "UPDATE orgs SET name = 'x'", "UPDATE signing_keys SET retired_at = now()",
    "UPDATE form_versions SET status = 'withdrawn'",
    "UPDATE org_form_versions SET definition = '{}'", "DELETE FROM org_form_versions", "DELETE FROM form_responses",
    "DELETE FROM org_keys", "DELETE FROM person_keys", "DELETE FROM erasures", "DELETE FROM rights_requests",
    "SET ROLE renmai_owner", "ALTER TABLE customers DISABLE ROW LEVEL SECURITY",
])  # fmt: skip
async def test_app_role_may_not(world: World, settings: Settings, statement: str) -> None:
    async with as_app(settings, world.org_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_owner_cannot_rewrite_the_audit_trail_either(world: World) -> None:
    await create_customer(world.agent)
    for statement in ("UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append only"):
            await world.db.execute(statement)


async def test_search_function_refuses_another_organisation(
    world: World, other_world: World, settings: Settings
) -> None:
    ask = "SELECT match_customers($1, NULL, '%', '%', NULL, NULL)"
    for bound in (None, other_world.org_id):
        async with as_app(settings, bound) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="not bound"):
                await connection.fetch(ask, world.org_id)
    made = await create_customer(world.agent)
    async with as_app(settings, world.org_id) as connection:
        assert await column(connection, ask, world.org_id) == [UUID(made["id"])]
        other = "SELECT match_customers($1, ARRAY[$2]::uuid[], '%', '%', NULL, NULL)"
        assert await column(connection, other, world.org_id, world.users["mate"]) == []


async def test_before_an_organisation_is_known_only_ids_are_told(world: World, settings: Settings) -> None:
    async with as_app(settings, None) as connection:
        assert await connection.fetchval("SELECT org_by_code($1)", world.code) == world.org_id
        assert await connection.fetchval("SELECT org_by_code($1)", "no-such-code") is None
        assert await connection.fetchval("SELECT org_by_key($1)", world.partner_key.split("_")[2]) == world.org_id


async def test_org_wide_search_uses_the_trigram_index(world: World) -> None:
    """Row-level security would keep the index from being used; the function must not scan the whole book."""
    body: str = await world.db.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'match_customers'")
    query = body.split("RETURN QUERY", 2)[1].split(";")[0]
    for name, value in (("p_org", str(world.org_id)), ("p_first", "%kehu3711%"), ("p_second", "%客户3711%")):
        query = query.replace(name, f"'{value}'")
    undo = world.db.transaction()
    await undo.start()
    try:
        await world.db.execute(
            "INSERT INTO customers (org_id, id, owner_id, party_type, stage, name, name_key, search_text, occupation, "
            "created_digest) SELECT $1, gen_random_uuid(), $2, 'individual', 'contact', '客户', 'kh', "
            "'|客户' || n || '|kehu' || n, repeat(md5(n::text), 30), '\\x00' FROM generate_series(1, 6000) n",
            world.org_id,
            world.users["mate"],
        )
        await world.db.execute("SELECT gin_clean_pending_list('customers_search'); ANALYZE customers")
        plan = "\n".join(await column(world.db, f"EXPLAIN {query}"))
    finally:
        await undo.rollback()
    assert "customers_search" in plan, plan
    assert "Seq Scan" not in plan, plan


async def test_nothing_stays_bound_on_a_pooled_connection(world: World) -> None:
    """After a commit, after a rollback, and on the read road: the next one to come finds no organisation."""
    await create_customer(world.agent)
    await world.agent.post("/v1/customers", json={"party_type": "individual", "name": " "})
    await world.agent.get("/v1/customers")

    async def bound(connection: asyncpg.Connection) -> tuple[Any, ...]:
        return (
            await connection.fetchval("SELECT app_org()"),
            await connection.fetchval("SELECT count(*) FROM customers"),
            connection.is_in_transaction(),
        )

    assert await reads.with_connection(bound) == (None, 0, False)


async def test_chain_function_refuses_another_organisation(
    world: World, other_world: World, settings: Settings
) -> None:
    made = await create_customer(world.agent)
    ask = "SELECT supply_chain($1, NULL, $2, $2, true, 1, 50, false) ->> 'items'"
    for bound in (None, other_world.org_id):
        async with as_app(settings, bound) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="not bound"):
                await connection.fetch(ask, world.org_id, UUID(made["id"]))
    async with as_app(settings, world.org_id) as connection:
        assert await connection.fetchval(ask, world.org_id, UUID(made["id"])) == "[]"


async def test_erasing_function_refuses_another_organisation(
    world: World, other_world: World, settings: Settings
) -> None:
    made = await create_customer(world.agent)
    for ask in (
        "SELECT erase_persons($1, ARRAY[$2::uuid])",
        "SELECT restriction_of($1, NULL, ARRAY[$2::uuid])",
        "SELECT restricted_customers($1) WHERE $2::uuid IS NOT NULL",
    ):
        for bound in (None, other_world.org_id):
            async with as_app(settings, bound) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="not bound"):
                    await connection.fetch(ask, world.org_id, UUID(made["id"]))
    assert (await world.agent.get(f"/v1/customers/{made['id']}")).status_code == 200


async def test_erasing_elsewhere_needs_more_than_the_word(world: World, settings: Settings) -> None:
    """The setting lets rows go that nobody may change; it gives nobody the right to delete them."""
    async with as_app(settings, world.org_id) as connection:
        await connection.execute("SET LOCAL app.erasing = 'on'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await connection.execute("DELETE FROM needs_analyses")
