"""Panes, references, detector states and the state of triggers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, select

from ctrain.domain import Json, MonitorName, PolicyName, TriggerName, TriggerState, Version
from ctrain.store import schema
from ctrain.store.access import TableAccess, values_of
from ctrain.store.prepared import Prepared

_DETECTOR = Prepared(
    select(schema.detectors.c.state).where(
        *(schema.detectors.c[name] == bindparam(name) for name in ("policy", "monitor", "version"))
    )
)
_TRIGGER_STATE = Prepared(
    select(*(column for column in schema.trigger_states.c if column.name != "policy")).where(
        *(schema.trigger_states.c[name] == bindparam(name) for name in ("policy", "trigger"))
    )
)
_PANES, _ARRIVALS = schema.panes, schema.arrivals
_OF_PANES = (
    *(_PANES.c[name] == bindparam(name) for name in ("policy", "grid", "level")),
    _PANES.c.start >= bindparam("first"),
    _PANES.c.start < bindparam("end"),
)
_PROFILES = Prepared(select(_PANES.c.start, _PANES.c.profile).where(*_OF_PANES).order_by(_PANES.c.start))
_PANE_ROWS = Prepared(select(_PANES.c.start, _PANES.c.rows).where(*_OF_PANES).order_by(_PANES.c.start))
_ARRIVED = Prepared(
    select(_ARRIVALS.c.start, _ARRIVALS.c.counts)
    .where(_ARRIVALS.c.policy == bindparam("policy"))
    .where(_ARRIVALS.c.start >= bindparam("first"), _ARRIVALS.c.start < bindparam("end"))
    .order_by(_ARRIVALS.c.start)
)


class ObservationAccess(TableAccess):
    """Implements ``ports.ObservationTables``, apart from verdicts."""

    def save_pane(
        self, policy: PolicyName, grid: str, start: datetime, profile: bytes, rows: int, level: int = 0
    ) -> None:
        """Keep the profile of 2^level panes on this grid; one that was kept before is replaced."""
        key = {"policy": policy, "grid": grid, "level": level, "start": start}
        self._put(schema.panes, {**key, "profile": profile, "rows": rows})

    def save_panes(self, policy: PolicyName, panes: Sequence[tuple[str, datetime, int, bytes, int]]) -> None:
        """Keep profiles of panes, each by grid, start and level, with its rows; older ones are replaced."""
        names = ("grid", "start", "level", "profile", "rows")
        if panes:
            rows = [{"policy": policy, **dict(zip(names, one, strict=True))} for one in panes]
            self._put_all(schema.panes, rows)

    def panes(
        self, policy: PolicyName, grid: str, start: datetime, end: datetime, level: int = 0
    ) -> dict[datetime, bytes]:
        """Profiles of a level that start in ``[start, end)``, by their start, in order."""
        rows = self._all(_PROFILES, policy=policy, grid=grid, level=level, first=start, end=end)
        return {row["start"]: row["profile"] for row in rows}

    def pane_rows(self, policy: PolicyName, grid: str, start: datetime, end: datetime) -> dict[datetime, int]:
        """Rows of the panes that start in ``[start, end)``, by their start, in order."""
        rows = self._all(_PANE_ROWS, policy=policy, grid=grid, level=0, first=start, end=end)
        return {row["start"]: row["rows"] for row in rows}

    def drop_panes(self, policy: PolicyName, before: datetime) -> int:
        """Delete profiles of every grid and level that start before ``before``; return how many."""
        return self._changed(
            schema.panes.delete().where(schema.panes.c.policy == policy, schema.panes.c.start < before)
        )

    def save_arrivals(self, policy: PolicyName, counts: Mapping[datetime, Json]) -> None:
        """Replace what is known of how the rows of these panes arrived."""
        rows = [{"policy": policy, "start": start, "counts": one} for start, one in counts.items()]
        if rows:
            self._put_all(_ARRIVALS, rows)

    def arrivals(self, policy: PolicyName, start: datetime, end: datetime) -> dict[datetime, Json]:
        """How the rows of panes that start in ``[start, end)`` arrived, by their start, in order."""
        rows = self._all(_ARRIVED, policy=policy, first=start, end=end)
        return {row["start"]: row["counts"] for row in rows}

    def drop_arrivals(self, policy: PolicyName, before: datetime) -> int:
        """Delete those of panes that start before ``before``; return how many."""
        table = schema.arrivals
        return self._changed(table.delete().where(table.c.policy == policy, table.c.start < before))

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
        row = self._first(_DETECTOR, policy=policy, monitor=monitor, version=version)
        return None if row is None else row["state"]

    def trigger_state(self, policy: PolicyName, trigger: TriggerName) -> TriggerState:
        """The state as saved last; an empty one for a trigger that was never looked at."""
        row = self._first(_TRIGGER_STATE, policy=policy, trigger=trigger)
        return TriggerState(trigger) if row is None else TriggerState(**row)

    def save_trigger_state(self, policy: PolicyName, state: TriggerState) -> None:
        """Replace the state of the trigger."""
        self._put(schema.trigger_states, {"policy": policy, **values_of(state)})
