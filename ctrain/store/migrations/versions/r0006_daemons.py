"""Several daemons: the home that belongs to the database, and under which token an alias move ended.

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import instant, text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No home is known yet: the next daemon's becomes it. Moves that have ended say nothing of tokens."""
    op.create_table("homes", text("id", key=True), text("path"), instant("since"))
    op.add_column("alias_intents", sa.Column("closing_token", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("alias_intents", "closing_token")
    op.drop_table("homes")
