"""Profiles of stretches of panes, and what was wrong with rows as they arrived.

Revision 0003, after 0002. ``pane_profiles`` takes the place of ``panes``: a profile of level L is that
of 2^L panes, so that a long window is the merge of a few stretches.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ctrain.store.migrations.columns import count, instant, text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep the profiles of panes as level 0."""
    op.create_table(
        "pane_profiles",
        text("policy", key=True),
        text("grid", key=True),
        sa.Column("level", sa.BigInteger(), nullable=False, primary_key=True, autoincrement=False),
        instant("start", key=True),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        count("rows"),
    )
    op.execute(
        "INSERT INTO pane_profiles (policy, grid, level, start, profile, rows) "
        "SELECT policy, grid, 0, start, profile, rows FROM panes"
    )
    op.drop_table("panes")
    op.create_table("pane_arrivals", text("policy", key=True), instant("start", key=True), text("counts"))


def downgrade() -> None:
    """Keep the profiles of single panes; those of stretches can be merged again."""
    op.create_table(
        "panes",
        text("policy", key=True),
        text("grid", key=True),
        instant("start", key=True),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        count("rows"),
    )
    op.execute(
        "INSERT INTO panes (policy, grid, start, profile, rows) "
        "SELECT policy, grid, start, profile, rows FROM pane_profiles WHERE level = 0"
    )
    op.drop_table("pane_arrivals")
    op.drop_table("pane_profiles")
