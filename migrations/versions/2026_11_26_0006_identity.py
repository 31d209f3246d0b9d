"""Identity: settings of an organisation, service teams, second factors, invitations, departures, counted guesses."""

from migrations.steps import BASE, app_role, protect, sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _organisations()
    _people()
    _guesses()


def _organisations() -> None:
    sql(
        # One row an organisation, with its id; `organizations.create` inserts it.
        f"""CREATE TABLE org_settings ({BASE.rstrip()},
            password_form text NOT NULL DEFAULT 'length' CHECK (password_form IN ('length', 'mlps')),
            is_dpop_required boolean NOT NULL DEFAULT false,
            is_second_factor_required boolean NOT NULL DEFAULT false,
            are_cross_agent_paths_allowed boolean NOT NULL DEFAULT false,
            session_idle_days integer NOT NULL DEFAULT 7 CHECK (session_idle_days BETWEEN 1 AND 7),
            session_absolute_days integer NOT NULL DEFAULT 30 CHECK (session_absolute_days BETWEEN 1 AND 30),
            CHECK (id = org_id))""",
        "INSERT INTO org_settings (org_id, id) SELECT id, id FROM orgs",
        # Sales teams are the tree managers look down; service teams share the customers that are given to them.
        """ALTER TABLE teams ADD COLUMN kind text NOT NULL DEFAULT 'sales' CHECK (kind IN ('sales', 'service')),
           ADD CHECK (kind = 'sales' OR parent_id IS NULL)""",
        """CREATE TABLE team_members (
            org_id uuid NOT NULL REFERENCES orgs (id),
            team_id uuid NOT NULL,
            user_id uuid NOT NULL,
            joined_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (org_id, team_id, user_id),
            FOREIGN KEY (org_id, team_id) REFERENCES teams (org_id, id),
            FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id))""",
        "CREATE INDEX team_members_user ON team_members (org_id, user_id)",
        """ALTER TABLE customers ADD COLUMN service_team_id uuid,
           ADD FOREIGN KEY (org_id, service_team_id) REFERENCES teams (org_id, id)""",
        # A page of several holders' customers takes the first rows of each holder, in the order of the page.
        """CREATE INDEX customers_service_team ON customers (org_id, service_team_id, created_at DESC, id DESC)
           WHERE service_team_id IS NOT NULL""",
        # Notes on deleted relationships are redacted, too, when a customer is handed over.
        "CREATE INDEX relationships_left_deleted ON relationships (org_id, left_id) WHERE deleted_at IS NOT NULL",
        "CREATE INDEX relationships_right_deleted ON relationships (org_id, right_id) WHERE deleted_at IS NOT NULL",
    )
    protect("org_settings")
    protect("team_members", "SELECT, INSERT, DELETE")


def _people() -> None:
    sql(
        """ALTER TABLE users ADD COLUMN password_changed_at timestamptz NOT NULL DEFAULT now(),
           ADD COLUMN departed_on date""",
        "ALTER TABLE sessions ADD COLUMN dpop_jkt text",
        # For the sweep. Of the creation, which never changes: an index of `used_at` would be written at every exchange.
        "CREATE INDEX refresh_tokens_age ON refresh_tokens (org_id, created_at)",
        f"""CREATE TABLE second_factors ({BASE.rstrip()},
            user_id uuid NOT NULL,
            secret_enc bytea NOT NULL,
            confirmed_at timestamptz,
            last_step bigint NOT NULL DEFAULT 0,
            FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id))""",
        "CREATE UNIQUE INDEX second_factors_user ON second_factors (org_id, user_id) WHERE deleted_at IS NULL",
        """CREATE TABLE recovery_codes (
            org_id uuid NOT NULL REFERENCES orgs (id),
            second_factor_id uuid NOT NULL,
            code_hash bytea NOT NULL,
            used_at timestamptz,
            PRIMARY KEY (org_id, second_factor_id, code_hash),
            FOREIGN KEY (org_id, second_factor_id) REFERENCES second_factors (org_id, id))""",
        # `invited_by` is null where the operator invited: he is nobody's user.
        f"""CREATE TABLE invitations ({BASE.rstrip()},
            purpose text NOT NULL CHECK (purpose IN ('new_account', 'reset_password')),
            username text NOT NULL,
            name text NOT NULL,
            role text NOT NULL CHECK (role IN ('agent', 'manager', 'admin', 'auditor')),
            team_id uuid,
            user_id uuid,
            invited_by uuid,
            token_hash bytea NOT NULL,
            expires_at timestamptz NOT NULL,
            accepted_at timestamptz,
            CHECK ((purpose = 'reset_password') = (user_id IS NOT NULL) OR accepted_at IS NOT NULL),
            UNIQUE (org_id, token_hash),
            FOREIGN KEY (org_id, team_id) REFERENCES teams (org_id, id),
            FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id),
            FOREIGN KEY (org_id, invited_by) REFERENCES users (org_id, id))""",
        f"""CREATE TABLE departures ({BASE.rstrip()},
            user_id uuid NOT NULL,
            left_on date NOT NULL,
            recorded_by uuid NOT NULL,
            result jsonb NOT NULL,
            UNIQUE (org_id, user_id),
            FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id),
            FOREIGN KEY (org_id, recorded_by) REFERENCES users (org_id, id))""",
    )
    protect("second_factors")
    protect("recovery_codes", "SELECT, INSERT, UPDATE")
    protect("invitations")
    protect("departures", "SELECT, INSERT")


def _guesses() -> None:
    sql(
        # UNLOGGED: written at every guess, worth a quarter of an hour. After a crash everybody begins anew.
        """CREATE UNLOGGED TABLE guess_counts (
            bucket bytea PRIMARY KEY,
            used integer NOT NULL,
            until timestamptz NOT NULL)""",
        "CREATE INDEX guess_counts_age ON guess_counts (until)",
        f"GRANT SELECT, INSERT, UPDATE ON guess_counts TO {app_role()}",
    )
