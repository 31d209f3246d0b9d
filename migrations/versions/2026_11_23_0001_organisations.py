"""Organisations, teams, users, sessions, keys."""

from migrations.steps import BASE, app_role, protect, sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql(
        """CREATE FUNCTION app_org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
           $$ SELECT nullif(current_setting('app.org_id', true), '')::uuid $$""",
        """CREATE FUNCTION iso(t timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
           $$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$""",
        """CREATE TABLE orgs (
            id uuid PRIMARY KEY,
            code text NOT NULL UNIQUE CHECK (code ~ '^[a-z][a-z0-9-]{1,31}$'),
            name text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now())""",
        f"""CREATE TABLE teams ({BASE.rstrip()},
            name text NOT NULL,
            parent_id uuid,
            FOREIGN KEY (org_id, parent_id) REFERENCES teams (org_id, id))""",
        f"""CREATE TABLE users ({BASE.rstrip()},
            username text NOT NULL CHECK (username ~ '^[a-z0-9][a-z0-9._-]{{1,31}}$'),
            name text NOT NULL,
            role text NOT NULL CHECK (role IN ('agent', 'manager', 'admin', 'auditor')),
            team_id uuid,
            password_hash text NOT NULL,
            disabled_at timestamptz,
            UNIQUE (org_id, username),
            FOREIGN KEY (org_id, team_id) REFERENCES teams (org_id, id))""",
        "CREATE INDEX users_team ON users (org_id, team_id)",
        f"""CREATE TABLE sessions ({BASE.rstrip()},
            user_id uuid NOT NULL,
            device_id text NOT NULL,
            device_name text NOT NULL,
            platform text NOT NULL,
            auth_at timestamptz NOT NULL DEFAULT now(),
            last_used_at timestamptz NOT NULL DEFAULT now(),
            idle_expires_at timestamptz NOT NULL,
            absolute_expires_at timestamptz NOT NULL,
            revoked_at timestamptz,
            revoked_reason text,
            FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id))""",
        "CREATE INDEX sessions_user ON sessions (org_id, user_id, last_used_at DESC) WHERE revoked_at IS NULL",
        """CREATE TABLE refresh_tokens (
            org_id uuid NOT NULL REFERENCES orgs (id),
            token_hash bytea NOT NULL,
            session_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            used_at timestamptz,
            successor_hash bytea,
            successor_sealed bytea,
            PRIMARY KEY (org_id, token_hash),
            FOREIGN KEY (org_id, session_id) REFERENCES sessions (org_id, id))""",
        "CREATE INDEX refresh_tokens_session ON refresh_tokens (org_id, session_id)",
        f"""CREATE TABLE api_keys ({BASE.rstrip()},
            key_id text NOT NULL,
            partner_name text NOT NULL,
            key_hash bytea NOT NULL,
            scopes text[] NOT NULL,
            expires_at timestamptz NOT NULL,
            last_used_at timestamptz,
            revoked_at timestamptz,
            CHECK (expires_at <= created_at + interval '366 days'),
            UNIQUE (org_id, key_id))""",
        "CREATE INDEX api_keys_key_id ON api_keys (key_id)",
        """CREATE TABLE org_keys (
            org_id uuid NOT NULL REFERENCES orgs (id),
            version integer NOT NULL,
            wrapped bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (org_id, version))""",
        """CREATE TABLE signing_keys (
            kid text PRIMARY KEY,
            sealed_pem bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            retired_at timestamptz)""",
        f"GRANT SELECT, INSERT ON signing_keys TO {app_role()}",
        f"GRANT SELECT ON schema_version TO {app_role()}",
    )
    protect("orgs", "SELECT", column="id")
    for table in ("teams", "users", "sessions", "refresh_tokens", "api_keys"):
        protect(table)
    protect("org_keys", "SELECT, INSERT")
    # The two questions that must be asked before an organisation is known. They answer with ids only.
    sql(
        """CREATE FUNCTION org_by_code(p_code text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
           SET search_path = public, pg_temp AS $$ SELECT id FROM orgs WHERE code = p_code $$""",
        """CREATE FUNCTION org_by_key(p_key_id text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
           SET search_path = public, pg_temp AS $$ SELECT org_id FROM api_keys WHERE key_id = p_key_id $$""",
        "REVOKE ALL ON FUNCTION org_by_code(text), org_by_key(text) FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION org_by_code(text), org_by_key(text) TO {app_role()}",
    )
