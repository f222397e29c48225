"""What comes from outside: batches that were pushed, and reloads that were asked for.

Revision 0008, after 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import count, instant, number, row_number, text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was pushed, and nobody has asked."""
    op.create_table(
        "pushed_batches",
        text("policy", key=True),
        text("kind", key=True),
        text("id", key=True),
        text("digest"),
        count("rows"),
        instant("received_at"),
        sa.CheckConstraint("kind IN ('rows', 'labels')", name="kind"),
    )
    op.create_index(None, "pushed_batches", ["policy", "kind", "received_at"])
    op.create_table(
        "reloads", number("number"), text("actor"), instant("asked_at"), sqlite_autoincrement=True
    )
    op.create_table(
        "reload_outcomes",
        sa.Column("number", row_number(), primary_key=True, autoincrement=False),
        text("daemon", key=True),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        text("message"),
        instant("at"),
        sa.ForeignKeyConstraint(["number"], ["reloads.number"]),
    )


def downgrade() -> None:
    """A batch that is sent again counts again, but for the rows whose ids are known."""
    op.drop_table("reload_outcomes")
    op.drop_table("reloads")
    op.drop_table("pushed_batches")
