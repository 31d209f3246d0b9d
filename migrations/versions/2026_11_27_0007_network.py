"""The penetration network: relation types, evidence on relationships, shadow contacts, coverage, dismissals."""

from alembic import op
from uuid_utils.compat import uuid7

from migrations.steps import BASE, protect, sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What relationships of the former release can say; the whole catalogue follows with the functions (app/migrate.py).
_FORMER = (
    ("relative", "relative", "亲属", "relative", True, 0.9),
    ("friend", "friend", "朋友", "friend", True, 0.9),
    ("client", "supplier", "客户", "client", False, 0.8),
    ("partner", "partner", "合作伙伴", "partner", True, 0.85),
    ("ally", "ally", "战略盟友", "ally", True, 0.9),
)


def upgrade() -> None:
    _customers()
    _relation_types()
    _relationships()
    _interactions()
    _coverage()
    _recommendations()


def _customers() -> None:
    sql(
        # A shadow contact is somebody known only through a customer: the table itself keeps more from being written.
        """ALTER TABLE customers
           ADD COLUMN is_shadow boolean NOT NULL DEFAULT false,
           ADD COLUMN known_through_id uuid,
           ADD COLUMN keep_until date,
           ADD COLUMN tier text CHECK (tier IN ('mvc', 'mgc', 'lvc', 'bz')),
           ADD FOREIGN KEY (org_id, known_through_id) REFERENCES customers (org_id, id),
           ADD CONSTRAINT customers_shadow CHECK (
               CASE WHEN is_shadow THEN
                   stage = 'contact' AND known_through_id IS NOT NULL AND keep_until IS NOT NULL
                   AND birthday IS NULL AND occupation IS NULL AND note IS NULL AND tier IS NULL
                   AND id_type IS NULL AND id_number_enc IS NULL AND id_number_masked IS NULL
                   AND phones = '[]'::jsonb AND emails = '[]'::jsonb AND addresses = '[]'::jsonb AND tags = '{}'
                   AND service_team_id IS NULL
               ELSE keep_until IS NULL END)""",
        "CREATE INDEX customers_keep_until ON customers (org_id, keep_until) WHERE is_shadow AND deleted_at IS NULL",
        """CREATE INDEX customers_known_through ON customers (org_id, known_through_id)
           WHERE known_through_id IS NOT NULL""",
    )


def _relation_types() -> None:
    sql(
        # One row says what two parties are to each other, from both ends: the right one is `code` of the left one, the
        # left one `inverse_code` of the right one. `direction` is never supplier: that is the inverse of client.
        f"""CREATE TABLE relation_types ({BASE.rstrip()},
            code text NOT NULL CHECK (code ~ '^[a-z][a-z0-9_]{{1,39}}$'),
            inverse_code text NOT NULL CHECK (inverse_code ~ '^[a-z][a-z0-9_]{{1,39}}$'),
            direction text NOT NULL CHECK (direction IN ('relative', 'friend', 'client', 'partner', 'ally')),
            label jsonb NOT NULL,
            inverse_label jsonb NOT NULL,
            left_kind text CHECK (left_kind IN ('individual', 'organization')),
            right_kind text CHECK (right_kind IN ('individual', 'organization')),
            family_degree integer CHECK (family_degree BETWEEN 0 AND 9),
            gb_code text,
            inverse_gb_code text,
            default_strength numeric(4,3) NOT NULL DEFAULT 0.5 CHECK (default_strength BETWEEN 0 AND 1),
            introduction_weight numeric(4,3) NOT NULL DEFAULT 0.8 CHECK (introduction_weight BETWEEN 0 AND 1),
            sensitivity text NOT NULL DEFAULT 'normal' CHECK (sensitivity IN ('normal', 'sensitive')),
            is_builtin boolean NOT NULL DEFAULT false,
            is_active boolean NOT NULL DEFAULT true,
            UNIQUE (org_id, code))""",
        "CREATE UNIQUE INDEX relation_types_inverse ON relation_types (org_id, inverse_code)",
    )
    protect("relation_types")
    for code, inverse, zh, en, is_symmetric, weight in _FORMER:
        gb = "'97'" if code == "relative" else "NULL"
        other = ("供应商", "supplier") if not is_symmetric else (zh, en)
        for org_id in op.get_bind().exec_driver_sql("SELECT id FROM orgs").scalars().all():
            sql(
                f"""INSERT INTO relation_types (org_id, id, code, inverse_code, direction, label, inverse_label,
                    gb_code, inverse_gb_code, introduction_weight, is_builtin)
                    VALUES ('{org_id}', '{uuid7()}', '{code}', '{inverse}', '{code}',
                            jsonb_build_object('zh', '{zh}', 'en', '{en}'),
                            jsonb_build_object('zh', '{other[0]}', 'en', '{other[1]}'), {gb}, {gb}, {weight}, true)"""
            )


def _relationships() -> None:
    sql(
        "ALTER TABLE relationships RENAME COLUMN type TO direction",
        """ALTER TABLE relationships
           ADD COLUMN type text,
           ADD COLUMN declared_strength numeric(4,3) CHECK (declared_strength BETWEEN 0 AND 1),
           ADD COLUMN computed_strength numeric(4,3) CHECK (computed_strength BETWEEN 0 AND 1),
           ADD COLUMN warmth numeric(4,3) CHECK (warmth BETWEEN 0 AND 1),
           ADD COLUMN last_interaction_on date,
           ADD COLUMN source text NOT NULL DEFAULT 'observed'
               CHECK (source IN ('customer', 'observed', 'third_party', 'public', 'document')),
           ADD COLUMN confidence numeric(3,2) NOT NULL DEFAULT 1 CHECK (confidence BETWEEN 0 AND 1),
           ADD COLUMN note_visibility text NOT NULL DEFAULT 'owners'
               CHECK (note_visibility IN ('private', 'owners', 'everyone')),
           ADD COLUMN author_id uuid,
           ADD COLUMN is_dangling boolean NOT NULL DEFAULT false""",
        # The generic type of each direction bears its name. Nothing of an interaction is known yet: recency 0.9.
        """UPDATE relationships r
           SET type = r.direction, declared_strength = r.strength,
               warmth = round(r.strength * t.introduction_weight * 0.9, 3),
               is_dangling = EXISTS (
                   SELECT 1 FROM customers c
                   WHERE c.org_id = r.org_id AND c.id IN (r.left_id, r.right_id) AND c.deleted_at IS NOT NULL)
           FROM relation_types t WHERE t.org_id = r.org_id AND t.code = r.direction""",
        """ALTER TABLE relationships
           ALTER COLUMN type SET NOT NULL,
           ALTER COLUMN warmth SET NOT NULL,
           ADD FOREIGN KEY (org_id, type) REFERENCES relation_types (org_id, code),
           ADD FOREIGN KEY (org_id, author_id) REFERENCES users (org_id, id)""",
        "DROP INDEX relationships_fact",
        "DROP INDEX relationships_left",
        "DROP INDEX relationships_right",
        """CREATE UNIQUE INDEX relationships_fact ON relationships (org_id, left_id, right_id, type, since)
           NULLS NOT DISTINCT WHERE deleted_at IS NULL""",
        # Current ties between two living ends, the strongest first, read from the index alone by the network.
        # `is_dangling` is kept by whoever deletes or restores a customer: no walk has to look at all it meets.
        """CREATE INDEX relationships_left ON relationships (org_id, left_id, strength DESC, id DESC)
           INCLUDE (right_id, direction, type, warmth, right_role)
           WHERE until IS NULL AND deleted_at IS NULL AND NOT is_dangling""",
        """CREATE INDEX relationships_right ON relationships (org_id, right_id, strength DESC, id DESC)
           INCLUDE (left_id, direction, type, warmth)
           WHERE until IS NULL AND deleted_at IS NULL AND NOT is_dangling""",
        "CREATE INDEX relationships_type ON relationships (org_id, type)",
        # Whoever leaves takes his notes along.
        "CREATE INDEX relationships_author ON relationships (org_id, author_id) WHERE note IS NOT NULL",
    )


def _interactions() -> None:
    sql(
        # How strong a contact of each kind makes a tie, and how fast it fades, is data of the organisation.
        """ALTER TABLE org_settings
           ADD COLUMN strength_rule text NOT NULL DEFAULT 'max'
               CHECK (strength_rule IN ('max', 'declared', 'computed')),
           ADD COLUMN strength_half_life_days integer NOT NULL DEFAULT 180
               CHECK (strength_half_life_days BETWEEN 7 AND 3650),
           ADD COLUMN interaction_weights jsonb NOT NULL DEFAULT '{"meeting": 0.5, "meal": 0.6, "call": 0.25,
               "message": 0.1, "event": 0.6, "gift": 0.3, "business": 0.5, "introduction": 0.7}'""",
        f"""CREATE TABLE relationship_interactions ({BASE.rstrip()},
            relationship_id uuid NOT NULL,
            kind text NOT NULL CHECK (kind IN ('meeting', 'meal', 'call', 'message', 'event', 'gift', 'business',
                                               'introduction')),
            occurred_on date NOT NULL,
            recorded_by uuid NOT NULL,
            created_digest bytea NOT NULL,
            FOREIGN KEY (org_id, relationship_id) REFERENCES relationships (org_id, id),
            FOREIGN KEY (org_id, recorded_by) REFERENCES users (org_id, id))""",
        """CREATE INDEX relationship_interactions_of ON relationship_interactions
           (org_id, relationship_id, occurred_on DESC, id DESC)""",
    )
    protect("relationship_interactions")


def _coverage() -> None:
    sql(
        # "Asked: none". A relationship recorded later outweighs it.
        f"""CREATE TABLE coverage_answers ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            direction text NOT NULL
                CHECK (direction IN ('relative', 'friend', 'client', 'supplier', 'partner', 'ally')),
            asked_on date NOT NULL,
            recorded_by uuid NOT NULL,
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, recorded_by) REFERENCES users (org_id, id))""",
        """CREATE UNIQUE INDEX coverage_answers_of ON coverage_answers (org_id, customer_id, direction)
           WHERE deleted_at IS NULL""",
    )
    protect("coverage_answers")


def _recommendations() -> None:
    sql(
        """CREATE TABLE recommendation_dismissals (
            org_id uuid NOT NULL REFERENCES orgs (id),
            user_id uuid NOT NULL,
            customer_id uuid NOT NULL,
            reason text CHECK (reason IN ('known_already', 'not_suitable', 'not_now', 'asked_not_to')),
            dismissed_at timestamptz NOT NULL DEFAULT now(),
            dismissed_until date,
            PRIMARY KEY (org_id, user_id, customer_id),
            FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id))"""
    )
    protect("recommendation_dismissals", "SELECT, INSERT, UPDATE, DELETE")
