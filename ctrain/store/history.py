"""The audited history: an event can be appended, never changed, and each vouches for all before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from sqlalchemy import func, select, text

from ctrain.domain import Event, PolicyName, RunId
from ctrain.store import schema
from ctrain.store.access import TableAccess, values_of
from ctrain.store.canonical import canonical_text, parsed
from ctrain.store.schema.actions import TROUBLES
from ctrain.store.texts import storable_fields

_EVENTS = schema.events
_CHAIN = {"id", "prev_hash", "hash"}
_FIELDS = [column for column in _EVENTS.c if column.name not in _CHAIN]
BEGINNING = "0" * 64
"""What the first event of a database has as the hash of its predecessor."""


class HistoryAccess(TableAccess):
    """Implements the events of ``ports.PolicyTables``."""

    def append_event(self, event: Event) -> int:
        """Append the event with the hash of its predecessor and its own; return its number."""
        values = storable_fields(values_of(event))
        values["evidence"] = parsed(canonical_text(values["evidence"]))
        last = self._first(select(_EVENTS.c.hash).order_by(_EVENTS.c.id.desc()).limit(1))
        previous = BEGINNING if last is None else last["hash"]
        return self._insert(_EVENTS, {**values, "prev_hash": previous, "hash": event_hash(previous, values)})

    def events(
        self, policy: PolicyName | None = None, run_id: RunId | None = None, limit: int = 100
    ) -> list[Event]:
        """Events of a policy, of a run, or all, newest first."""
        query = select(*_FIELDS).order_by(_EVENTS.c.id.desc()).limit(limit)
        if policy is not None:
            query = query.where(_EVENTS.c.policy == policy)
        if run_id is not None:
            query = query.where(_EVENTS.c.run_id == run_id)
        return [Event(**row) for row in self._all(query)]

    def trouble(self, policy: PolicyName, begun: str, ended: str) -> Event | None:
        """The event with which a trouble of the policy began that has not ended, however long ago."""
        newest = select(func.max(_EVENTS.c.id)).where(
            _EVENTS.c.policy == policy,
            _EVENTS.c.kind.in_((begun, ended)),
            text(TROUBLES),  # as the index has it
        )
        row = self._first(select(*_FIELDS).where(_EVENTS.c.id == newest.scalar_subquery()))
        return Event(**row) if row is not None and row["kind"] == begun else None


def event_hash(previous: str, content: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over the predecessor's hash and the canonical content of an event."""
    text = canonical_text({**content, "at": content["at"].astimezone(UTC).isoformat()})
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
