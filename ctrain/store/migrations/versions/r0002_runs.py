"""Runs, decisions and the audited history, with the triggers that guard them.

Revision 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import (
    count,
    create_partial_unique,
    instant,
    number,
    on_postgres,
    row_number,
    text,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "runs",
    "phase_moves",
    "comparison_points",
    "decisions",
    "occurrences",
    "events",
    "alias_intents",
    "requests",
    "leases",
    "outbox",
)

ACTIVE = (
    "'QUEUED', 'TRAINING', 'EVALUATING', 'SHADOWING', 'AWAITING_APPROVAL', 'PROMOTING', 'PROBATION', "
    "'ROLLING_BACK', 'ROLLBACK_FAILED'"
)
PHASES = (
    "'QUEUED', 'TRAINING', 'EVALUATING', 'SHADOWING', 'AWAITING_APPROVAL', 'PROMOTING', 'PROBATION', "
    "'ROLLING_BACK', 'ACCEPTED', 'REJECTED', 'FAILED', 'CANCELLED', 'EXPIRED', 'SUPERSEDED', "
    "'ROLLED_BACK', 'ROLLBACK_FAILED'"
)
PHASE_MOVES = {
    "QUEUED": ("TRAINING", "FAILED", "CANCELLED"),
    "TRAINING": ("EVALUATING", "REJECTED", "FAILED", "CANCELLED"),
    "EVALUATING": ("SHADOWING", "AWAITING_APPROVAL", "PROMOTING", "REJECTED", "FAILED", "CANCELLED"),
    "SHADOWING": ("AWAITING_APPROVAL", "PROMOTING", "REJECTED", "FAILED", "CANCELLED", "SUPERSEDED"),
    "AWAITING_APPROVAL": ("PROMOTING", "REJECTED", "FAILED", "CANCELLED", "EXPIRED", "SUPERSEDED"),
    "PROMOTING": ("PROBATION", "ACCEPTED", "FAILED", "SUPERSEDED"),
    "PROBATION": ("ACCEPTED", "ROLLING_BACK", "SUPERSEDED"),
    "ROLLING_BACK": ("ROLLED_BACK", "ROLLBACK_FAILED", "SUPERSEDED"),
    "ROLLBACK_FAILED": ("ROLLING_BACK", "SUPERSEDED"),
}
GUARDS = {
    "sqlite": (
        """
        CREATE TRIGGER runs_legal_phase BEFORE UPDATE OF phase ON runs
        WHEN NEW.phase <> OLD.phase AND NOT EXISTS (
            SELECT 1 FROM phase_moves WHERE from_phase = OLD.phase AND to_phase = NEW.phase
        )
        BEGIN
            SELECT RAISE(ABORT, 'illegal phase change of a run');
        END
        """,
        """
        CREATE TRIGGER events_never_updated BEFORE UPDATE ON events
        BEGIN
            SELECT RAISE(ABORT, 'events are append-only: UPDATE refused');
        END
        """,
        """
        CREATE TRIGGER events_never_deleted BEFORE DELETE ON events
        BEGIN
            SELECT RAISE(ABORT, 'events are append-only: DELETE refused');
        END
        """,
    ),
    "postgresql": (
        """
        CREATE FUNCTION ctrain_refuse_illegal_phase() RETURNS trigger
        LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
            IF NOT EXISTS (
                SELECT 1 FROM phase_moves WHERE from_phase = OLD.phase AND to_phase = NEW.phase
            ) THEN
                RAISE EXCEPTION 'illegal phase change of a run' USING ERRCODE = 'CT001';
            END IF;
            RETURN NEW;
        END
        $$
        """,
        """
        CREATE TRIGGER runs_legal_phase BEFORE UPDATE ON runs FOR EACH ROW
        WHEN (NEW.phase <> OLD.phase) EXECUTE FUNCTION ctrain_refuse_illegal_phase()
        """,
        """
        CREATE FUNCTION ctrain_refuse_event_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION USING
                MESSAGE = 'events are append-only: ' || TG_OP || ' refused', ERRCODE = 'CT002';
        END
        $$
        """,
        """
        CREATE TRIGGER events_never_updated BEFORE UPDATE ON events
        FOR EACH ROW EXECUTE FUNCTION ctrain_refuse_event_change()
        """,
        """
        CREATE TRIGGER events_never_deleted BEFORE DELETE ON events
        FOR EACH ROW EXECUTE FUNCTION ctrain_refuse_event_change()
        """,
        """
        CREATE TRIGGER events_never_emptied BEFORE TRUNCATE ON events
        FOR EACH STATEMENT EXECUTE FUNCTION ctrain_refuse_event_change()
        """,
    ),
}
"""Triggers by dialect; a dialect that is not here cannot hold the promises and is refused."""


def upgrade() -> None:
    """Create what happens to a policy, and let the database itself refuse illegal changes."""
    op.create_table(
        "runs",
        number("number"),
        text("id"),
        text("policy"),
        text("phase"),
        text("trigger"),
        text("reason"),
        text("actor"),
        text("policy_hash"),
        text("policy_text"),
        text("policy_path"),
        instant("created_at"),
        instant("phase_since"),
        text("champion_version", nullable=True),
        text("challenger_version", nullable=True),
        text("mlflow_run_id", nullable=True),
        instant("ended_at", nullable=True),
        text("outcome_reason"),
        text("details"),
        sa.CheckConstraint(f"phase IN ({PHASES})", name="phase"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "runs", ["policy", "number"])
    create_partial_unique("uq_runs_active", "runs", ["policy"], f"phase IN ({ACTIVE})")
    op.create_table(
        "phase_moves",
        text("from_phase", key=True),
        text("to_phase", key=True),
    )
    op.create_table(
        "comparison_points",
        number("id"),
        text("run_id"),
        text("phase"),
        instant("at"),
        text("point"),
        sa.CheckConstraint(f"phase IN ({PHASES})", name="phase"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
    )
    op.create_index(None, "comparison_points", ["run_id", "id"])
    op.create_table(
        "decisions",
        number("id"),
        text("policy"),
        text("trigger"),
        text("policy_hash"),
        text("outcome"),
        text("suppression", nullable=True),
        instant("occurrence_at", nullable=True),
        text("first_reason"),
        text("first_evidence"),
        text("reason"),
        text("evidence"),
        text("run_id", nullable=True),
        instant("first_seen_at"),
        instant("last_seen_at"),
        count("seen_count"),
        sa.CheckConstraint("outcome IN ('fired', 'suppressed', 'not_met')", name="outcome"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "decisions", ["policy", "last_seen_at"])
    op.create_index(None, "decisions", ["policy", "trigger", "id"])
    op.create_table(
        "occurrences",
        text("policy", key=True),
        text("trigger", key=True),
        instant("at", key=True),
    )
    op.create_table(
        "events",
        number("id"),
        text("policy"),
        text("kind"),
        instant("at"),
        text("actor"),
        text("message"),
        text("run_id", nullable=True),
        text("policy_hash"),
        text("evidence"),
        text("prev_hash"),
        text("hash"),
        sa.UniqueConstraint("prev_hash"),
        sa.UniqueConstraint("hash"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "events", ["policy", "id"])
    op.create_index(None, "events", ["run_id", "id"])
    op.create_table(
        "alias_intents",
        number("number"),
        text("id"),
        text("policy"),
        text("model"),
        text("kind"),
        text("expected_champion", nullable=True),
        text("expected_previous", nullable=True),
        text("new_champion"),
        text("new_previous", nullable=True),
        count("fencing_token"),
        instant("created_at"),
        text("run_id", nullable=True),
        text("actor"),
        text("outcome"),
        sa.CheckConstraint("kind IN ('promotion', 'rollback', 'adoption')", name="kind"),
        sa.CheckConstraint("outcome IN ('', 'done', 'superseded', 'reverted')", name="outcome"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "alias_intents", ["policy", "number"])
    create_partial_unique("uq_alias_intents_open", "alias_intents", ["policy"], "outcome = ''")
    op.create_table(
        "requests",
        number("id"),
        text("policy"),
        text("kind"),
        text("actor"),
        instant("created_at"),
        text("arguments"),
        text("answer"),
        sa.CheckConstraint("kind IN ('trigger', 'cancel', 'rollback')", name="kind"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "requests", ["policy", "answer"])
    op.create_table(
        "leases",
        text("name", key=True),
        text("holder", nullable=True),
        count("token"),
        instant("heartbeat_at"),
        instant("expires_at"),
    )
    op.create_table(
        "outbox",
        number("id"),
        sa.Column("event_id", row_number(), nullable=False),
        text("kind"),
        text("payload"),
        text("idempotency_key"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        instant("next_attempt_at", nullable=True),
        instant("delivered_at", nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"]),
        sa.UniqueConstraint("idempotency_key"),
    )
    op.create_index(None, "outbox", ["delivered_at", "next_attempt_at"])
    moves = [{"from_phase": start, "to_phase": end} for start, ends in PHASE_MOVES.items() for end in ends]
    op.bulk_insert(sa.table("phase_moves", sa.column("from_phase"), sa.column("to_phase")), moves)
    for statement in GUARDS[op.get_context().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables, their triggers and what they hold."""
    for table in reversed(TABLES):
        op.drop_table(table)
    if on_postgres():  # its triggers go with their tables, but not the functions that they call
        op.execute("DROP FUNCTION ctrain_refuse_illegal_phase()")
        op.execute("DROP FUNCTION ctrain_refuse_event_change()")
