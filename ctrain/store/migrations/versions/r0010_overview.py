"""Whether a policy has other verdicts than at the last look, and when its file was removed.

Revision 0010, after 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Where the sequence begins does not matter: whoever looks has seen nothing yet."""
    op.add_column(
        "policies", sa.Column("verdict_sequence", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("policies", instant("removed_at", nullable=True))


def downgrade() -> None:
    op.drop_column("policies", "removed_at")
    op.drop_column("policies", "verdict_sequence")
