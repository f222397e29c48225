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
from ctrain.engine.advance.serving import measured_serving, serving_metrics
from ctrain.engine.advance.told_metrics import holdout_metrics, probe_metrics
from ctrain.engine.advance.training_rows import write_all_rows
from ctrain.engine.child_scores import score_rows
from ctrain.engine.digests import known_version
from ctrain.engine.moves import MOVED, WAITING, Step, found_in, keep, move, with_details
from ctrain.engine.scored import judged_rows
from ctrain.engine.watch import score_column
from ctrain.errors import PermanentError, TransientError
from ctrain.lifecycle.gates import judge_gates
from ctrain.lifecycle.model_card import render_candidate_card
from ctrain.lifecycle.transitions import RunEvent
from ctrain.policy.models import AbsoluteGate, ServingGate
from ctrain.stats.metrics import evaluate

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
        "reused": training.get("reused"),
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
    again = {name: found[name] for name in ("rows", "data_digest", "code_digest")}
    evidence = {**found_in(run, "evaluation"), "refit": again}
    event = watch.event("refit_begun", told, run_id=run.id, evidence=evidence)
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


def judge_refit(watch: Watch, run: Run, rows: pa.Table) -> Step | Run:
    """The run, with what serving its refit costs, unless that keeps it waiting or ends it.

    The refit must answer the held-out rows within the bounds that ask for no champion. It has been trained
    on these rows, so that it keeps the bounds proves little; missing them shows that it is broken. What
    serving costs is measured anew.
    """
    version, task = run.challenger_version, watch.policy.model.task
    assert version is not None
    model = known_version(watch, version)
    outcome = score_rows(watch, f"{run.id}/holdout-{version}", model, rows)
    if outcome.state == "pending":
        return WAITING
    if outcome.state == "failed":
        move(watch, run, RunEvent.FAIL, outcome.message)
        return MOVED
    serving = measured_serving(watch, run, rows)
    if isinstance(serving, Step):
        return serving
    judged = judged_rows(task, rows, {version: outcome.table[score_column(version)]})
    assert judged.labels is not None
    assert judged.scores is not None
    if serving:
        run = with_details(run, "evaluation", {"refit_serving": serving})
    metrics = evaluate(task, judged.labels, judged.scores[version]) | serving_metrics(serving)
    bounds = [gate for gate in watch.policy.gates if isinstance(gate, AbsoluteGate | ServingGate)]
    report = judge_gates(bounds, metrics, None, n=0)
    if report.passed:
        return run
    failed = "; ".join(result.reason for result in report.results if not result.passed)
    tell_refit(watch, run, "which was rejected")
    move(watch, run, RunEvent.REJECT, f"the refit fails on rows that it was trained on: {failed}")
    return MOVED


def tell_refit(watch: Watch, run: Run, became: str) -> None:
    """Say in MLflow that the metrics of the gates are the candidate's, and what became of its refit.

    The store knows it already, so no run waits for MLflow here.
    """
    candidate = candidate_of(run)
    assert candidate is not None
    try:
        _tell_candidate(watch, candidate, run, became)
        _tell_run(watch, candidate, run)
    except (TransientError, PermanentError) as error:
        watch.telemetry.log("refit_not_told", policy=watch.name, run=run.id, message=str(error))


def _tell_candidate(watch: Watch, candidate: Run, run: Run, became: str) -> None:
    assert candidate.challenger_version is not None
    model = watch.policy.model.name
    watch.registry.annotate_version(
        model,
        candidate.challenger_version,
        tags={"ctrain.refitted_as": str(run.challenger_version)},
        description=render_candidate_card(run, model, became),
    )


def _tell_run(watch: Watch, candidate: Run, run: Run) -> None:
    if run.mlflow_run_id is None:
        return
    told = f"passed by version {candidate.challenger_version}, which had not seen the holdout"
    found = found_in(run, "evaluation")
    metrics = holdout_metrics(found) | probe_metrics(found.get("refit_serving", {}))
    watch.registry.annotate_run(run.mlflow_run_id, tags={"ctrain.gates": told}, metrics=metrics)
