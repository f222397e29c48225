"""Policies of runs that cannot be used any more: what they say refers to something that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.errors import CtrainError, PermanentError

if TYPE_CHECKING:
    from ctrain.domain import Run, RunId
    from ctrain.engine.watch import Watch
    from ctrain.ports import Telemetry


def usable(watch: Watch, run: Run) -> Watch:
    """The watch under the policy of the run; under the one in force where that cannot be used any more."""
    try:
        return watch.for_run(run)
    except PermanentError as error:
        tell_unusable(watch.telemetry, run, error, watch.unusable)
        return watch


def tell_unusable(telemetry: Telemetry, run: Run, error: CtrainError, told: set[RunId]) -> None:
    """Log it once for a run: ``told`` remembers those that were."""
    if run.id not in told:
        telemetry.log(
            "snapshot_unreadable",
            policy=run.policy,
            run=run.id,
            phase=run.phase.value,
            message=str(error),
        )
    told.add(run.id)
