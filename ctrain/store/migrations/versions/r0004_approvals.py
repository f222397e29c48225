"""People approve and reject promotions: two more kinds of requests.

Revision 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import instant, number, on_postgres, text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep every request."""
    _replace("'trigger', 'cancel', 'rollback', 'approve', 'reject'")


def downgrade() -> None:
    """Keep the requests of the kinds that were known before."""
    op.execute("DELETE FROM requests WHERE kind IN ('approve', 'reject')")
    _replace("'trigger', 'cancel', 'rollback'")


def _replace(kinds: str) -> None:
    """The same table with another check, which SQLite cannot change in place."""
    if on_postgres():
        op.drop_constraint("kind", "requests", type_="check")
        op.create_check_constraint("kind", "requests", f"kind IN ({kinds})")
        return
    op.drop_index(op.f("ix_requests_policy_answer"), "requests")
    op.rename_table("requests", "requests_before")
    op.create_table(
        "requests",
        number("id"),
        text("policy"),
        text("kind"),
        text("actor"),
        instant("created_at"),
        text("arguments"),
        text("answer"),
        sa.CheckConstraint(f"kind IN ({kinds})", name="kind"),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO requests (id, policy, kind, actor, created_at, arguments, answer) "
        "SELECT id, policy, kind, actor, created_at, arguments, answer FROM requests_before"
    )
    op.drop_table("requests_before")
    op.create_index(None, "requests", ["policy", "answer"])
