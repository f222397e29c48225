"""The outbox of notifications: by policy and channel, claimed, and with what went wrong.

Revision 0005, after 0004. Nothing was ever written to the table that it replaces.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import instant, number, row_number, text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the outbox anew."""
    op.drop_index(op.f("ix_outbox_delivered_at_next_attempt_at"), "outbox")
    op.drop_table("outbox")
    op.create_table(
        "outbox",
        number("id"),
        sa.Column("event_id", row_number(), nullable=False),
        text("policy"),
        text("channel"),
        text("kind"),
        text("subject"),
        text("fingerprint"),
        text("payload"),
        text("idempotency_key"),
        text("status"),
        instant("waiting_since"),
        instant("next_attempt_at"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        text("message_key", nullable=True),
        text("claimed_by", nullable=True),
        instant("claimed_until", nullable=True),
        instant("finished_at", nullable=True),
        text("last_error"),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'suppressed', 'dead')", name="status"),
        sa.UniqueConstraint("idempotency_key"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "outbox", ["status", "next_attempt_at"])
    op.create_index(None, "outbox", ["policy", "channel", "id"])


def downgrade() -> None:
    """Forget what has not been told: nobody would."""
    op.drop_index(op.f("ix_outbox_policy_channel_id"), "outbox")
    op.drop_index(op.f("ix_outbox_status_next_attempt_at"), "outbox")
    op.drop_table("outbox")
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
