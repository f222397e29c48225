"""Durable state: SQLAlchemy Core and Alembic on SQLite."""

from ctrain.store.opening import is_current, open_store
from ctrain.store.sql_store import SqlStore, SqlTransaction

__all__ = ["SqlStore", "SqlTransaction", "is_current", "open_store"]
