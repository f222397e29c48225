"""Many policies on one page: the monitor that speaks for a policy, and its troubles by an index.

Revision 0009, after 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TROUBLES = (
    "kind IN ('registry_unreadable', 'registry_readable', 'tick_failed', 'tick_recovered', "
    "'policy_refused', 'policy_accepted')"
)


def upgrade() -> None:
    """The next daemon that watches a policy says which monitor speaks for it."""
    op.add_column("policies", text("main_monitor", nullable=True))
    op.create_index(
        "ix_events_troubles",
        "events",
        ["policy", "kind", "id"],
        sqlite_where=sa.text(TROUBLES),
        postgresql_where=sa.text(TROUBLES),
    )


def downgrade() -> None:
    op.drop_index("ix_events_troubles", "events")
    op.drop_column("policies", "main_monitor")
