"""A policy's state from any database in a file of its own, for commands that try something out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ctrain.domain import PolicyName
from ctrain.errors import InputError
from ctrain.store import schema
from ctrain.store.database import READ_ONLY
from ctrain.store.upgrade import current_revision, upgrade

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Select, Table

ROWS_AT_ONCE = 500
LEFT_OUT = frozenset(
    {
        "outbox", "leases", "homes", "phase_moves", "tokens", "kept_answers", "pushed_batches",
        "reloads", "reload_outcomes",
    }
)  # fmt: skip
"""Nobody is told of what happens in a copy, and nobody holds it."""


def pick_policy(source: Engine, target: Engine, policy: PolicyName) -> None:
    """Copy all that is known of the policy into a new database; disposes of both engines.

    Its events come without those of others between them: they tell what happened, and prove nothing.

    Raises
    ------
    InputError
        when the schema of the source is not the newest.
    """
    try:
        upgrade(target)
        with source.execution_options(**{READ_ONLY: True}).begin() as read, target.begin() as written:
            _copy(read, written, policy)
    finally:
        source.dispose()
        target.dispose()


def _copy(source: Connection, target: Connection, policy: PolicyName) -> None:
    if current_revision(source) != schema.HEAD:
        raise InputError("the database has another schema than this ctrain: run `ctrain db upgrade`")
    for table in schema.metadata.sorted_tables:
        if table.name not in LEFT_OUT:
            rows = source.execution_options(yield_per=ROWS_AT_ONCE).execute(_of(table, policy)).mappings()
            for some in rows.partitions():
                target.execute(table.insert(), [dict(row) for row in some])


def _of(table: Table, policy: PolicyName) -> Select[Any]:
    """The rows of the policy, in their order where they are numbered."""
    query = select(table).order_by(*table.primary_key)
    if table is schema.comparison_points:
        runs = select(schema.runs.c.id).where(schema.runs.c.policy == policy)
        return query.where(table.c.run_id.in_(runs))
    return query.where(table.c["name" if table is schema.policies else "policy"] == policy)
