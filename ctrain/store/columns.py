"""Column types that give back exactly what was stored: instants, floats and JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.types import TypeDecorator

from ctrain.store.canonical import canonical_text, parsed
from ctrain.store.texts import storable

if TYPE_CHECKING:
    from sqlalchemy import Dialect

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""A key the database counts up by itself; SQLite counts only columns of the type INTEGER."""

_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""In the order of its characters, as SQLite has it: neither sorted by the language of a server nor
indexed by rules that change with its operating system."""


class Words(TypeDecorator[str]):
    """Text, made storable: what cannot be stored must not make a write fail."""

    impl = _TEXT
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return text that both databases take."""
        return None if value is None else storable(value)


class Instant(TypeDecorator[datetime]):
    """An aware datetime as whole microseconds since 1970, UTC; naive ones are refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return microseconds, or None."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a stored instant needs a time zone, got {value!r}")
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return an aware UTC datetime, or None."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


class ExactFloat(TypeDecorator[float]):
    """A float by its ``repr``: SQLite would store NaN as NULL, which means something else."""

    impl = _TEXT
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the shortest text that gives the same float back."""
        return None if value is None else repr(float(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> float | None:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the float, or None."""
        return None if value is None else float(value)


class CanonicalJson(TypeDecorator[Any]):
    """JSON as canonical text, so that equal values are equal text and can be hashed."""

    impl = _TEXT
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str:  # noqa: ARG002 - signature of SQLAlchemy
        """Return canonical JSON."""
        return canonical_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - signature of SQLAlchemy
        """Return the value."""
        return None if value is None else parsed(value)
