"""Runs: created when none is active, changed only by whoever knows their present phase."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, text

from ctrain.domain import Json, Phase, PolicyName, Run, RunId
from ctrain.errors import StateConflict
from ctrain.store import schema
from ctrain.store.access import Row, TableAccess, values_of
from ctrain.store.faults import duplicate_means
from ctrain.store.prepared import Prepared

_RUNS = schema.runs
_FIELDS = [column for column in _RUNS.c if column.name != "number"]
_ACTIVE = Prepared(select(*_FIELDS).where(_RUNS.c.policy == bindparam("policy"), text(schema.ACTIVE)))
_NEWEST = select(*_FIELDS).order_by(_RUNS.c.number.desc()).limit(bindparam("limit"))
_NEWEST_OF_POLICY = Prepared(_NEWEST.where(_RUNS.c.policy == bindparam("policy")))


class RunAccess(TableAccess):
    """Implements ``ports.RunTables``."""

    def create_run(self, run: Run) -> None:
        """Add the run.

        Raises
        ------
        StateConflict
            when the policy has an active run, or the id is taken.
        """
        taken = f"{run.policy}: run {run.id} cannot start: another run is active, or the id is taken"
        with duplicate_means(taken), self._attempt():
            self._insert(_RUNS, _stored(run))

    def run(self, run_id: RunId) -> Run | None:
        """The run, or None when there is none of this id."""
        row = self._first(select(*_FIELDS).where(_RUNS.c.id == run_id))
        return None if row is None else run_of(row)

    def active_run(self, policy: PolicyName) -> Run | None:
        """The run of the policy that has not ended, if any; a failed rollback has not ended."""
        row = self._first(_ACTIVE, policy=policy)
        return None if row is None else run_of(row)

    def runs(self, policy: PolicyName | None = None, limit: int = 50) -> list[Run]:
        """Runs in the order they were created, newest first."""
        if policy is None:
            return [run_of(row) for row in self._all(_NEWEST, limit=limit)]
        return [run_of(row) for row in self._all(_NEWEST_OF_POLICY, limit=limit, policy=policy)]

    def save_run(self, run: Run, *, expected: Phase) -> None:
        """Write all fields of the run if it stands in ``expected``.

        Raises
        ------
        StateConflict
            when it stands in another phase: someone else won.
        IllegalTransition
            when no run may go from ``expected`` to its new phase.
        """
        update = _RUNS.update().where(_RUNS.c.id == run.id, _RUNS.c.phase == expected.value)
        with self._attempt():
            changed = self._changed(update.values(**_stored(run)))
        if changed == 1:
            return
        found = self.run(run.id)
        stands = "does not exist" if found is None else f"stands in {found.phase.value}"
        raise StateConflict(f"{run.policy}: run {run.id} {stands}, expected {expected.value}")

    def add_comparison_point(self, run_id: RunId, phase: Phase, at: datetime, point: Json) -> None:
        """Append a look at challenger and champion."""
        values = {"run_id": run_id, "phase": phase.value, "at": at, "point": point}
        self._insert(schema.comparison_points, values)

    def comparison_points(self, run_id: RunId) -> list[tuple[Phase, datetime, Json]]:
        """The looks of a run in the order they were added."""
        points = schema.comparison_points
        query = select(points).where(points.c.run_id == run_id).order_by(points.c.id)
        return [(Phase(row["phase"]), row["at"], row["point"]) for row in self._all(query)]


def _stored(run: Run) -> dict[str, Any]:
    return {**values_of(run), "phase": run.phase.value}


def run_of(row: Row) -> Run:
    return Run(**{**row, "phase": Phase(row["phase"])})
