"""Refit: after the gates the model is fitted once more, on the held-out rows too, and goes on instead.

The gates judge the candidate, which has not seen the holdout; the shadow judges the refit, on rows that
are later than either has seen. What is known of the candidate on the holdout (baselines of losses, the
reference of the predictions) stands for the refit, which has been trained on these rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ctrain.domain import Run, Version
from ctrain.engine.advance.reuse import known_training, tell_reused
from ctrain.engine.advance.training_rows import write_all_rows
from ctrain.engine.moves import MOVED, Step, found_in, keep, move, with_details
from ctrain.lifecycle.transitions import RunEvent

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


def begin_refit(watch: Watch, run: Run, holdout: pa.Table, passed: str) -> Step:
    """Train once more, on all rows of the run; it stays EVALUATING meanwhile."""
    rows = write_all_rows(watch, run, holdout)
    if rows is None:
        move(watch, run, RunEvent.FAIL, "the rows that this run was trained on are gone from its folder")
        return MOVED
    training = found_in(run, "training")
    attempt = int(training["attempt"]) + 1
    candidate = {
        "version": run.challenger_version,
        "mlflow_run_id": run.mlflow_run_id,
        "result": training["result"],
        "rows": training["rows"],
        "fingerprint": training["fingerprint"],
    }
    found = {
        **known_training(watch, run, refit=True),
        "candidate": candidate,
        "refitting": True,
        "rows": rows,
        "attempt": attempt,
        "first_attempt": attempt,
    }
    told = f"gates passed: {passed}; version {run.challenger_version} is fitted again on all {rows} rows"
    event = watch.event("refit_begun", told, run_id=run.id, evidence=found_in(run, "evaluation"))
    reused = tell_reused(watch, run, found)

    def tell(tx: Transaction) -> None:
        tx.append_event(event)
        reused(tx)

    keep(watch, with_details(run, "training", found), also=tell)
    return MOVED


def candidate_of(run: Run) -> Run | None:
    """The run with the version that the gates judged, once it has been fitted again; else None."""
    candidate = found_in(run, "training").get("candidate")
    if candidate is None:
        return None
    return replace(
        run, challenger_version=Version(candidate["version"]), mlflow_run_id=candidate["mlflow_run_id"]
    )


def tell_refit(watch: Watch, run: Run) -> None:
    """Say in MLflow that the metrics of the gates are the candidate's, and which version followed it."""
    candidate = candidate_of(run)
    assert candidate is not None
    assert candidate.challenger_version is not None
    version = str(run.challenger_version)
    watch.registry.annotate_version(
        watch.policy.model.name,
        candidate.challenger_version,
        tags={"ctrain.refitted_as": version},
        description=f"Passed the gates of run {run.id}; fitted again on all rows as version {version}.",
    )
    if run.mlflow_run_id is not None:
        told = f"passed by version {candidate.challenger_version}, which had not seen the holdout"
        metrics = found_in(run, "evaluation").get("challenger") or {}
        watch.registry.annotate_run(
            run.mlflow_run_id,
            tags={"ctrain.gates": told},
            metrics={f"holdout.{name}": value for name, value in metrics.items()},
        )
