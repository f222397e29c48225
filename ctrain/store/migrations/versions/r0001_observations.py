"""Policies, rows and observations.

Revision 0001, the first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import count, instant, number, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "policies",
    "champions",
    "ingest_states",
    "segments",
    "panes",
    "reference_profiles",
    "detectors",
    "verdicts",
    "trigger_states",
)


def upgrade() -> None:
    """Create what a policy has seen of its rows."""
    op.create_table(
        "policies",
        text("name", key=True),
        text("policy_hash"),
        text("path"),
        text("identity"),
        sa.Column("paused", sa.Boolean(), nullable=False),
        instant("registered_at"),
        instant("updated_at"),
    )
    op.create_table(
        "champions",
        text("policy", key=True),
        text("version"),
        instant("since_at"),
        text("origin"),
        instant("cut_off_at", nullable=True),
    )
    op.create_table(
        "ingest_states",
        text("policy", key=True),
        text("rows_cursor"),
        text("labels_cursor"),
        instant("watermark", nullable=True),
        instant("newest_event_at", nullable=True),
        instant("next_pane_at", nullable=True),
        count("sequence"),
        count("rows_total"),
        count("late_total"),
        count("duplicates_total"),
        count("labels_total"),
        text("rejected_total"),
        instant("last_arrival_at", nullable=True),
    )
    op.create_table(
        "segments",
        text("policy", key=True),
        text("id", key=True),
        text("kind"),
        text("event_date"),
        text("path"),
        count("rows"),
        count("bytes"),
        count("sequence"),
        text("model_version", nullable=True),
        sa.CheckConstraint("kind IN ('rows', 'labels', 'scores')", name="kind"),
        sa.UniqueConstraint("policy", "path"),
    )
    op.create_table(
        "panes",
        text("policy", key=True),
        text("grid", key=True),
        instant("start", key=True),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        count("rows"),
    )
    op.create_table(
        "reference_profiles",
        number("id"),
        text("policy"),
        text("version"),
        text("grid"),
        sa.Column("reference", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("policy", "version", "grid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "detectors",
        text("policy", key=True),
        text("monitor", key=True),
        text("version", key=True),
        text("state"),
    )
    op.create_table(
        "verdicts",
        text("policy", key=True),
        text("monitor", key=True),
        instant("as_of", key=True),
        text("policy_hash"),
        text("status"),
        text("value", nullable=True),
        text("threshold", nullable=True),
        count("n"),
        text("reason"),
        text("features"),
        text("model_version", nullable=True),
        sa.CheckConstraint("status IN ('OK', 'BREACHED', 'INCONCLUSIVE')", name="status"),
    )
    op.create_index(None, "verdicts", ["policy", "as_of"])
    op.create_table(
        "trigger_states",
        text("policy", key=True),
        text("trigger", key=True),
        instant("met_since", nullable=True),
        instant("as_of", nullable=True),
        instant("last_met_at", nullable=True),
    )


def downgrade() -> None:
    """Drop the tables and what they hold."""
    for table in reversed(TABLES):
        op.drop_table(table)
