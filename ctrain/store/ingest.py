"""Cursors, counts and the manifest of the row log."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select

from ctrain.domain import IngestState, PolicyName, Segment, SegmentKind
from ctrain.store import schema
from ctrain.store.access import TableAccess, values_of
from ctrain.store.prepared import Prepared

_STATE = [column for column in schema.ingest_states.c if column.name != "policy"]
_STATE_OF = Prepared(select(*_STATE).where(schema.ingest_states.c.policy == bindparam("policy")))
_ADD = Prepared(schema.segments.insert())
_REMOVE = schema.segments.delete().where(
    schema.segments.c.policy == bindparam("of_policy"), schema.segments.c.id == bindparam("of_id")
)


class IngestAccess(TableAccess):
    """Implements ``ports.IngestTables``."""

    def ingest_state(self, policy: PolicyName) -> IngestState:
        """The state as last saved; a fresh one for a policy that has not read anything."""
        row = self._first(_STATE_OF, policy=policy)
        return IngestState() if row is None else IngestState(**row)

    def save_ingest_state(self, policy: PolicyName, state: IngestState) -> None:
        """Replace the state of the policy."""
        self._put(schema.ingest_states, {"policy": policy, **values_of(state)})

    def add_segments(self, segments: Iterable[Segment]) -> None:
        """Add to the manifest; a segment that is in it already is a StateConflict."""
        rows = [{**values_of(segment), "kind": segment.kind.value} for segment in segments]
        if rows:
            _ADD.run(self._connection, rows)

    def remove_segments(self, policy: PolicyName, ids: Iterable[str]) -> None:
        """Take segments out of the manifest; ids that are not in it are passed over."""
        keys = [{"of_policy": policy, "of_id": id_} for id_ in ids]
        if keys:
            self._connection.execute(_REMOVE, keys)

    def segments(self, policy: PolicyName, kind: SegmentKind | None = None) -> list[Segment]:
        """The manifest in order of commit."""
        query = select(schema.segments).where(schema.segments.c.policy == policy)
        if kind is not None:
            query = query.where(schema.segments.c.kind == kind.value)
        rows = self._all(query.order_by(schema.segments.c.sequence, schema.segments.c.id))
        return [Segment(**{**row, "kind": SegmentKind(row["kind"])}) for row in rows]
