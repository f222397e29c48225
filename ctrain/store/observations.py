"""Panes, references, detector states and the state of triggers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from ctrain.domain import Json, MonitorName, PolicyName, TriggerName, TriggerState, Version
from ctrain.store import schema
from ctrain.store.access import TableAccess, values_of


class ObservationAccess(TableAccess):
    """Implements ``ports.ObservationTables``, apart from verdicts."""

    def save_pane(self, policy: PolicyName, grid: str, start: datetime, profile: bytes, rows: int) -> None:
        """Keep the profile of the pane on this grid; one that was kept before is replaced."""
        values = {"policy": policy, "grid": grid, "start": start, "profile": profile, "rows": rows}
        self._put(schema.panes, values)

    def panes(self, policy: PolicyName, grid: str, start: datetime, end: datetime) -> dict[datetime, bytes]:
        """Profiles of panes that start in ``[start, end)``, by their start, in order."""
        query = (
            select(schema.panes.c.start, schema.panes.c.profile)
            .where(schema.panes.c.policy == policy, schema.panes.c.grid == grid)
            .where(schema.panes.c.start >= start, schema.panes.c.start < end)
            .order_by(schema.panes.c.start)
        )
        return {row["start"]: row["profile"] for row in self._all(query)}

    def drop_panes(self, policy: PolicyName, before: datetime) -> int:
        """Delete panes of every grid that start before ``before``; return how many."""
        return self._changed(
            schema.panes.delete().where(schema.panes.c.policy == policy, schema.panes.c.start < before)
        )

    def save_reference(self, policy: PolicyName, version: Version, grid: str, reference: bytes) -> None:
        """Keep the reference; from now on it is the one of this version, whatever its grid."""
        key = {"policy": policy, "version": version, "grid": grid}
        self._changed(schema.reference_profiles.delete().filter_by(**key))
        self._insert(schema.reference_profiles, {**key, "reference": reference})

    def reference(self, policy: PolicyName, version: Version) -> tuple[str, bytes] | None:
        """Grid name and reference of the version, as saved last."""
        query = (
            select(schema.reference_profiles.c.grid, schema.reference_profiles.c.reference)
            .where(
                schema.reference_profiles.c.policy == policy, schema.reference_profiles.c.version == version
            )
            .order_by(schema.reference_profiles.c.id.desc())
            .limit(1)
        )
        row = self._first(query)
        return None if row is None else (row["grid"], row["reference"])

    def save_detector(self, policy: PolicyName, monitor: MonitorName, version: Version, state: Json) -> None:
        """Replace the state of the monitor's detector for this version."""
        key = {"policy": policy, "monitor": monitor, "version": version}
        self._put(schema.detectors, {**key, "state": state})

    def detector(self, policy: PolicyName, monitor: MonitorName, version: Version) -> Json | None:
        """The state as saved last, or None."""
        query = select(schema.detectors.c.state).filter_by(policy=policy, monitor=monitor, version=version)
        row = self._first(query)
        return None if row is None else row["state"]

    def trigger_state(self, policy: PolicyName, trigger: TriggerName) -> TriggerState:
        """The state as saved last; an empty one for a trigger that was never looked at."""
        row = self._first(select(schema.trigger_states).filter_by(policy=policy, trigger=trigger))
        if row is None:
            return TriggerState(trigger)
        return TriggerState(**{name: value for name, value in row.items() if name != "policy"})

    def save_trigger_state(self, policy: PolicyName, state: TriggerState) -> None:
        """Replace the state of the trigger."""
        self._put(schema.trigger_states, {"policy": policy, **values_of(state)})
