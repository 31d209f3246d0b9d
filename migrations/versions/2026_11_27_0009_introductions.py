"""Introductions and tasks."""

from migrations.steps import BASE, protect, sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _introductions()
    _tasks()


def _introductions() -> None:
    sql(
        # `reached` is how far it came: what a declined one had been before, and goes back to.
        f"""CREATE TABLE introductions ({BASE.rstrip()},
            introducer_id uuid NOT NULL,
            target_id uuid NOT NULL,
            agent_id uuid NOT NULL,
            relationship_id uuid,
            status text NOT NULL
                CHECK (status IN ('asked', 'agreed', 'introduced', 'met', 'analysis', 'policy', 'declined')),
            reached text NOT NULL CHECK (reached IN ('asked', 'agreed', 'introduced', 'met', 'analysis', 'policy')),
            reason text CHECK (reason IN ('introducer_declined', 'target_declined', 'has_agent', 'no_need', 'not_now',
                                          'no_contact', 'asked_not_to')),
            asked_on date NOT NULL,
            status_on date NOT NULL,
            introduced_on date,
            note text,
            created_digest bytea NOT NULL,
            CHECK (introducer_id <> target_id),
            CHECK (status = reached OR status = 'declined' AND reached <> 'policy'),
            CHECK ((reason IS NOT NULL) = (status = 'declined')),
            CHECK ((introduced_on IS NULL) = (reached IN ('asked', 'agreed'))),
            FOREIGN KEY (org_id, introducer_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, target_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, agent_id) REFERENCES users (org_id, id),
            FOREIGN KEY (org_id, relationship_id) REFERENCES relationships (org_id, id))""",
        """CREATE UNIQUE INDEX introductions_open ON introductions (org_id, introducer_id, target_id, agent_id)
           WHERE deleted_at IS NULL AND status NOT IN ('policy', 'declined')""",
        """CREATE INDEX introductions_created ON introductions (org_id, created_at DESC, id DESC)
           WHERE deleted_at IS NULL""",
        "CREATE INDEX introductions_introducer ON introductions (org_id, introducer_id) INCLUDE (target_id, status)",
        "CREATE INDEX introductions_target ON introductions (org_id, target_id)",
        "CREATE INDEX introductions_agent ON introductions (org_id, agent_id)",
        # Append-only: what happened when, and who wrote it down.
        """CREATE TABLE introduction_steps (
            org_id uuid NOT NULL REFERENCES orgs (id),
            id uuid NOT NULL,
            introduction_id uuid NOT NULL,
            status text NOT NULL
                CHECK (status IN ('asked', 'agreed', 'introduced', 'met', 'analysis', 'policy', 'declined')),
            reason text,
            happened_on date NOT NULL,
            recorded_by uuid NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (org_id, id),
            FOREIGN KEY (org_id, introduction_id) REFERENCES introductions (org_id, id),
            FOREIGN KEY (org_id, recorded_by) REFERENCES users (org_id, id))""",
        """CREATE INDEX introduction_steps_of ON introduction_steps
           (org_id, introduction_id, recorded_at DESC, id DESC)""",
    )
    protect("introductions")
    protect("introduction_steps", "SELECT, INSERT")


def _tasks() -> None:
    sql(
        # The subject may be of any kind, so nothing points at it; `milestone` is how far the subject had come.
        f"""CREATE TABLE tasks ({BASE.rstrip()},
            owner_id uuid NOT NULL,
            customer_id uuid NOT NULL,
            kind text NOT NULL CHECK (kind IN ('thank_introducer', 'answer_colleague')),
            subject_type text NOT NULL CHECK (subject_type IN ('introduction', 'user')),
            subject_id uuid NOT NULL,
            milestone text CHECK (milestone IN ('introduced', 'policy')),
            due_on date NOT NULL,
            done_at timestamptz,
            done_by uuid,
            CHECK ((done_at IS NULL) = (done_by IS NULL)),
            FOREIGN KEY (org_id, owner_id) REFERENCES users (org_id, id),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, done_by) REFERENCES users (org_id, id))""",
        """CREATE UNIQUE INDEX tasks_open ON tasks (org_id, subject_id, customer_id, kind, milestone) NULLS NOT DISTINCT
           WHERE deleted_at IS NULL AND done_at IS NULL""",
        "CREATE INDEX tasks_owner ON tasks (org_id, owner_id, due_on, id) WHERE deleted_at IS NULL",
        "CREATE INDEX tasks_customer ON tasks (org_id, customer_id)",
    )
    protect("tasks")
