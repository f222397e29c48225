"""Durable state: SQLAlchemy Core and Alembic on SQLite."""

from ctrain.store.opening import attach_store, is_current, open_store
from ctrain.store.sql_store import SqlStore, SqlTransaction

__all__ = ["SqlStore", "SqlTransaction", "attach_store", "is_current", "open_store"]
