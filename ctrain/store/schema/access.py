"""Tables of those who call over HTTP: their tokens, and what they were answered."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table

from ctrain.domain.access import Role
from ctrain.store.columns import Words
from ctrain.store.schema.base import count_column, instant_column, metadata, one_of, text_column

tokens = Table(
    "tokens",
    metadata,
    text_column("id", key=True),
    Column("name", Words, nullable=False, unique=True),
    text_column("role"),
    text_column("digest"),
    instant_column("created_at"),
    text_column("created_by"),
    instant_column("expires_at", nullable=True),
    instant_column("revoked_at", nullable=True),
    instant_column("last_used_at", nullable=True),
    CheckConstraint(one_of("role", Role), name="role"),
)
"""A name is never given twice: what the history says of a token's acts stays true."""

kept_answers = Table(
    "kept_answers",
    metadata,
    text_column("caller", key=True),
    text_column("key", key=True),
    text_column("fingerprint"),
    count_column("request_id"),
    instant_column("kept_at"),
    Index(None, "kept_at"),
)
