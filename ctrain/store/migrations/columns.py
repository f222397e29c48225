"""Columns as the revisions spell them: plain types of the database, apart from the code that reads them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op


def text(name: str, *, nullable: bool = False, key: bool = False) -> sa.Column[str]:
    """A text column; also JSON, and floats by their ``repr``."""
    words = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, words, nullable=nullable, primary_key=key)


def instant(name: str, *, nullable: bool = False, key: bool = False) -> sa.Column[int]:
    """A column of microseconds since 1970, UTC."""
    return sa.Column(name, sa.BigInteger(), nullable=nullable, primary_key=key)


def count(name: str) -> sa.Column[int]:
    """A column of whole numbers."""
    return sa.Column(name, sa.BigInteger(), nullable=False)


def number(name: str) -> sa.Column[int]:
    """A primary key that the database counts up."""
    return sa.Column(name, row_number(), primary_key=True, autoincrement=True)


def row_number() -> sa.types.TypeEngine[int]:
    """The type of such a key, and of what refers to one."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def on_postgres() -> bool:
    """True where a constraint can be replaced in place, and names of constraints are the schema's."""
    return op.get_context().dialect.name == "postgresql"


def create_partial_unique(name: str, table: str, columns: Sequence[str], where: str) -> None:
    """Create an index that allows one row per ``columns`` among those that satisfy ``where``."""
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=True, sqlite_where=condition, postgresql_where=condition)
