"""What all tables share: the metadata with its naming of constraints, and the kinds of columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import BigInteger, Column, MetaData

from ctrain.store.columns import CanonicalJson, Instant, RowNumber, Words

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def one_of(column: str, values: Iterable[str]) -> str:
    """The SQL condition that ``column`` is one of ``values``."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


def text_column(name: str, *, nullable: bool = False, key: bool = False) -> Column[str]:
    """A column of text; ``key`` makes it part of the primary key."""
    return Column(name, Words, nullable=nullable, primary_key=key)


def instant_column(name: str, *, nullable: bool = False, key: bool = False) -> Column[datetime]:
    """A column of aware instants."""
    return Column(name, Instant, nullable=nullable, primary_key=key)


def json_column(name: str) -> Column[object]:
    """A column of canonical JSON."""
    return Column(name, CanonicalJson, nullable=False)


def count_column(name: str, *, key: bool = False) -> Column[int]:
    """A column of whole numbers."""
    return Column(name, BigInteger, nullable=False, primary_key=key, autoincrement=False)


def numbered_column(name: str = "id") -> Column[int]:
    """A primary key that the database counts up, in order of insertion."""
    return Column(name, RowNumber, primary_key=True, autoincrement=True)
