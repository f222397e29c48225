"""Tables of what comes from outside: batches that were pushed, reloads that were asked for."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Table

from ctrain.domain.pushes import PushKind
from ctrain.store.columns import RowNumber
from ctrain.store.schema.base import (
    count_column,
    instant_column,
    metadata,
    numbered_column,
    one_of,
    text_column,
)

pushed_batches = Table(
    "pushed_batches",
    metadata,
    text_column("policy", key=True),
    text_column("kind", key=True),
    text_column("id", key=True),
    text_column("digest"),
    count_column("rows"),
    instant_column("received_at"),
    CheckConstraint(one_of("kind", PushKind), name="kind"),
    Index(None, "policy", "kind", "received_at"),
)

reloads = Table(
    "reloads",
    metadata,
    numbered_column("number"),
    text_column("actor"),
    instant_column("asked_at"),
    sqlite_autoincrement=True,
)

reload_outcomes = Table(
    "reload_outcomes",
    metadata,
    Column("number", RowNumber, ForeignKey("reloads.number"), primary_key=True, autoincrement=False),
    text_column("daemon", key=True),
    Column("succeeded", Boolean, nullable=False),
    text_column("message"),
    instant_column("at"),
)
