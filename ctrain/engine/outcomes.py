"""What became of a run, said where people look: in its MLflow run and on its version.

The store knows all of it already, so an unreachable registry delays what is said and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ctrain.domain import Phase, Run
from ctrain.engine.moves import found_in
from ctrain.errors import PermanentError, TransientError
from ctrain.lifecycle.model_card import render_card
from ctrain.stats.sequential import ComparisonState

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

RUNS_LOOKED_AT = 5
PHASES_TOLD = frozenset({Phase.SHADOWING, Phase.AWAITING_APPROVAL, Phase.PROBATION})
"""Phases at whose beginning the model card says more than before."""


def tell_outcomes(watch: Watch) -> None:
    """Annotate the newest runs at the end of a phase, unless this daemon has done so: the card has grown.

    A registry that does not answer is asked again at the next tick; one that no longer knows the run
    or its version is not.
    """
    if not watch.registry_view.readable:
        return
    with watch.store.read() as tx:
        runs = tx.runs(watch.name, limit=RUNS_LOOKED_AT)
    for run in runs:
        worth_telling = run.phase.ended or run.phase in PHASES_TOLD
        if worth_telling and (run.id, run.phase) not in watch.told:
            try:
                _tell(watch, run)
            except TransientError as error:
                watch.telemetry.log("outcome_not_told", policy=watch.name, run=run.id, message=str(error))
                return
            except PermanentError as error:
                watch.telemetry.log("outcome_not_told", policy=watch.name, run=run.id, message=str(error))
            watch.told.add((run.id, run.phase))


def _tell(watch: Watch, run: Run) -> None:
    if not run.phase.ended:
        _tell_progress(watch, run)
        return
    if run.mlflow_run_id is not None:
        watch.registry.annotate_run(
            run.mlflow_run_id,
            tags={"ctrain.outcome": run.phase.value, "ctrain.outcome_reason": run.outcome_reason[:500]},
            metrics=_metrics(run),
            artifacts={"outcome.txt": f"{run.phase.value}: {run.outcome_reason}\n"},
        )
    if run.challenger_version is None:
        return
    model = watch.policy.model
    watch.registry.annotate_version(
        model.name,
        run.challenger_version,
        tags={"ctrain.outcome": run.phase.value, "ctrain.phase": run.phase.value, **_promoted(run)},
        description=render_card(run, model.name, model.metric),
    )
    if watch.registry.alias(model.name, model.aliases.challenger) == run.challenger_version:
        watch.registry.delete_alias(model.name, model.aliases.challenger)


def _promoted(run: Run) -> Mapping[str, str]:
    """When the version became champion, said again: the daemon may have been killed before it was said."""
    since = found_in(run, "probation").get("since")
    return {"ctrain.promoted_at": since} if since else {}


def _tell_progress(watch: Watch, run: Run) -> None:
    """The card of a challenger that goes on; in PROBATION it is the champion."""
    assert run.challenger_version is not None
    model = watch.policy.model
    promoted = {"ctrain.promoted_at": run.phase_since.isoformat()} if run.phase is Phase.PROBATION else {}
    watch.registry.annotate_version(
        model.name,
        run.challenger_version,
        tags={"ctrain.phase": run.phase.value, **promoted},
        description=render_card(run, model.name, model.metric),
    )


def _metrics(run: Run) -> Mapping[str, float]:
    """The comparison on live rows as it stood at the end."""
    metrics: dict[str, float] = {}
    for phase in ("shadow", "probation"):
        found = found_in(run, phase)
        if "state" in found:
            state = ComparisonState.from_json(found["state"])
            metrics[f"{phase}.blocks"] = float(state.blocks)
            metrics[f"{phase}.rows"] = float(state.rows)
            if state.blocks:
                metrics[f"{phase}.difference"] = state.mean
    return metrics
