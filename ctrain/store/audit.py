"""The audited history as it lies in the table: page by page, however odd what stands there is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, func, select, type_coerce

from ctrain.domain import PolicyName, RunId
from ctrain.domain.audit import UNREADABLE, Link
from ctrain.store import schema
from ctrain.store.access import Row, TableAccess
from ctrain.store.columns import EPOCH, MICROSECOND

_EVENTS = schema.events
_GROWING = (schema.events, schema.comparison_points, schema.decisions, schema.requests)
_TEXTS = ("policy", "kind", "actor", "message", "policy_hash")
_AS_STORED = select(
    _EVENTS.c.id,
    *(_EVENTS.c[name] for name in (*_TEXTS, "run_id", "prev_hash", "hash")),
    type_coerce(_EVENTS.c.at, BigInteger).label("at"),
    type_coerce(_EVENTS.c.evidence, Text).label("evidence"),
).order_by(_EVENTS.c.id)


class AuditAccess(TableAccess):
    """Implements ``ports.AuditTables``."""

    def links(
        self,
        after: int = 0,
        limit: int = 1000,
        *,
        policy: PolicyName | None = None,
        run_id: RunId | None = None,
        kinds: tuple[str, ...] = (),
        until: int | None = None,
    ) -> list[Link]:
        """The events after number ``after``, oldest first; ``until`` is the last number that is wanted."""
        query = _AS_STORED.where(_EVENTS.c.id > after).limit(limit)
        if policy is not None:
            query = query.where(_EVENTS.c.policy == policy)
        if run_id is not None:
            query = query.where(_EVENTS.c.run_id == run_id)
        if kinds:
            query = query.where(_EVENTS.c.kind.in_(kinds))
        if until is not None:
            query = query.where(_EVENTS.c.id <= until)
        return [_link(row) for row in self._all(query)]

    def newest_link(self) -> Link | None:
        """The newest event of all policies."""
        row = self._first(_AS_STORED.order_by(None).order_by(_EVENTS.c.id.desc()).limit(1))
        return None if row is None else _link(row)

    def newest_links(
        self,
        limit: int,
        *,
        before: int | None = None,
        policy: PolicyName | None = None,
        run_id: RunId | None = None,
        kinds: tuple[str, ...] = (),
    ) -> list[Link]:
        """The events with a number below ``before``, newest first."""
        query = _AS_STORED.order_by(None).order_by(_EVENTS.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(_EVENTS.c.id < before)
        if policy is not None:
            query = query.where(_EVENTS.c.policy == policy)
        if run_id is not None:
            query = query.where(_EVENTS.c.run_id == run_id)
        if kinds:
            query = query.where(_EVENTS.c.kind.in_(kinds))
        return [_link(row) for row in self._all(query)]

    def newest_numbers(self) -> tuple[int, ...]:
        """Of the newest event, look at a comparison, decision and request; 0 where there is none."""
        newest = {table.name: select(func.max(table.c.id)).scalar_subquery() for table in _GROWING}
        row = self._first(select(*(query.label(name) for name, query in newest.items())))
        return () if row is None else tuple(row[name] or 0 for name in newest)

    def policies_since(self, numbers: tuple[int, ...]) -> frozenset[PolicyName]:
        """What is newer than ``newest_numbers`` were then is about these policies."""
        found: set[PolicyName] = set()
        for table, number in zip(_GROWING, numbers, strict=True):
            runs = schema.runs
            of_run = table is schema.comparison_points
            policy = runs.c.policy if of_run else table.c.policy
            query = select(policy.label("policy")).where(table.c.id > number).distinct()
            if of_run:
                query = query.join_from(table, runs, runs.c.id == table.c.run_id)
            found.update(PolicyName(row["policy"]) for row in self._all(query))
        return frozenset(found)

    def count_links(self, after: int = 0) -> int:
        """How many events have a number above ``after``."""
        row = self._first(select(func.count().label("events")).where(_EVENTS.c.id > after))
        return 0 if row is None else int(row["events"])

    def links_between(self, start: datetime | None, end: datetime | None) -> tuple[int, int] | None:
        """Numbers of the first event at or after ``start`` and of the last one before ``end``; None: none."""
        query = select(func.min(_EVENTS.c.id).label("first"), func.max(_EVENTS.c.id).label("last"))
        if start is not None:
            query = query.where(_EVENTS.c.at >= start)
        if end is not None:
            query = query.where(_EVENTS.c.at < end)
        row = self._first(query)
        return None if row is None or row["first"] is None else (int(row["first"]), int(row["last"]))


def _link(row: Row) -> Link:
    try:
        content: Mapping[str, Any] = _content(row)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        content = {UNREADABLE: f"{type(error).__name__}: {error}"}
    return Link(int(row["id"]), str(row["prev_hash"]), str(row["hash"]), content)


def _content(row: Row) -> dict[str, Any]:
    """What an event's hash is made of."""
    texts = {name: row[name] for name in (*_TEXTS, "run_id")}
    for name, value in texts.items():
        if not isinstance(value, str) and not (name == "run_id" and value is None):
            raise TypeError(f"{name} is no text")
    instant = EPOCH + row["at"] * MICROSECOND
    evidence = json.loads(row["evidence"], parse_constant=_refuse)
    return {**texts, "at": instant.isoformat(), "evidence": evidence}


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
