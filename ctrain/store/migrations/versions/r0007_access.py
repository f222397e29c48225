"""Callers over HTTP: tokens, and answers that are given again to the same idempotency key.

Revision 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import count, instant, text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has a token yet."""
    op.create_table(
        "tokens",
        text("id", key=True),
        text("name"),
        text("role"),
        text("digest"),
        instant("created_at"),
        text("created_by"),
        instant("expires_at", nullable=True),
        instant("revoked_at", nullable=True),
        instant("last_used_at", nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'approver', 'writer')", name="role"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "kept_answers",
        text("caller", key=True),
        text("key", key=True),
        text("fingerprint"),
        count("request_id"),
        instant("kept_at"),
    )
    op.create_index(None, "kept_answers", ["kept_at"])


def downgrade() -> None:
    """Tokens are made anew afterwards; what was asked twice is done twice."""
    op.drop_table("kept_answers")
    op.drop_table("tokens")
