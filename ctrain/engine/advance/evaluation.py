"""EVALUATING: judge the challenger by the gates on rows that it has not seen.

Everything the later phases need is fixed here, before a single live row is compared: the clip of
regression errors, the length of the shadow's blocks, the reference of the inputs and the baselines
of the change detectors, all keyed by the challenger's version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import ModelVersion, Run, Task, Version
from ctrain.engine.advance.approval import ask_for_approval
from ctrain.engine.advance.holdout import (
    MIN_COMMON_ROWS,
    Holdout,
    blocks_found,
    error_scale_of,
    names_no_label,
    not_trained_on,
)
from ctrain.engine.advance.refit import begin_refit, candidate_of, judge_refit, tell_refit
from ctrain.engine.advance.serving import measured_serving, serving_metrics
from ctrain.engine.advance.told_metrics import holdout_metrics, probe_metrics
from ctrain.engine.advance.training import train
from ctrain.engine.advance.training_job import refitting
from ctrain.engine.advance.training_rows import read_holdout
from ctrain.engine.assess.estimated_performance import first_calibrations
from ctrain.engine.champions import cut_off
from ctrain.engine.child_scores import score_rows
from ctrain.engine.digests import ensure_digest, known_version, record_refusal, tag_refusal
from ctrain.engine.group_gaps import GroupGap, gap_metrics, gap_words, group_gaps, told_groups
from ctrain.engine.moves import IDLE, MOVED, WAITING, Step, found_in, keep, move, with_details
from ctrain.engine.predictions import as_predictions
from ctrain.engine.references import save_reference_of_run
from ctrain.engine.scored import judged_rows
from ctrain.engine.watch import score_column
from ctrain.engine.watched_values import Rows, first_memories
from ctrain.lifecycle.gates import GateReport, judge_gates
from ctrain.lifecycle.transitions import RunEvent
from ctrain.stats.calibration_error import calibration_error
from ctrain.stats.metrics import evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

Floats = npt.NDArray[np.float64]


def evaluate_challenger(watch: Watch, run: Run) -> Step:
    """EVALUATING -> SHADOWING, PROMOTING (a first champion) or REJECTED.

    A first champion that has passed waits here for the end of a blackout, where it can be cancelled.
    """
    if refitting(run):
        return train(watch, run)
    if "passed" in found_in(run, "evaluation") and watch.blackout_until() is not None:
        return IDLE
    candidate = candidate_of(run)
    holdout = _score_holdout(watch, candidate or run)
    if isinstance(holdout, Step):
        return holdout
    if candidate is not None:
        return _take_refit(watch, run, holdout)
    serving = measured_serving(watch, run, holdout.rows)
    if isinstance(serving, Step):
        return serving
    report, found = _evaluated(watch, holdout, serving)
    run = with_details(run, "evaluation", found)
    _annotate(watch, run, report)
    return _conclude(watch, run, holdout, report)


def _evaluated(watch: Watch, holdout: Holdout, serving: dict[str, Any]) -> tuple[GateReport, dict[str, Any]]:
    """What the gates say, and what the run keeps of its evaluation."""
    gaps = group_gaps(watch.policy, holdout.rows, holdout.labels, holdout.challenger)
    challenger = _metrics(watch.policy.model.task, holdout.labels, holdout.challenger) | gap_metrics(gaps)
    champion = paired = None
    groups = {"challenger": gaps}
    if holdout.champion is not None:
        champion, groups["champion"] = _on_fair_rows(watch, holdout, holdout.champion)
        paired, groups["paired"] = _on_fair_rows(watch, holdout, holdout.challenger)
    judged = challenger | serving_metrics(serving)
    report = _judge(watch, holdout, judged, paired, champion, gap_words(gaps))
    found: dict[str, Any] = {"challenger": challenger, "champion": champion, "paired": paired}
    found |= {**_fixed(watch, holdout), "gates": report.to_json()}
    found |= {"groups": told_groups(groups)} if gaps else {}
    found |= {"serving": serving} if serving else {}
    return report, found


def _on_fair_rows(
    watch: Watch, holdout: Holdout, scores: Floats
) -> tuple[dict[str, float], tuple[GroupGap, ...]]:
    """A model's metrics and gaps between groups on the rows that neither model was trained on."""
    import pyarrow as pa

    fair = holdout.fair
    rows, labels, scores = holdout.rows.filter(pa.array(fair)), holdout.labels[fair], scores[fair]
    gaps = group_gaps(watch.policy, rows, labels, scores)
    return _metrics(watch.policy.model.task, labels, scores) | gap_metrics(gaps), gaps


def _metrics(task: Task, labels: Floats, scores: Floats) -> dict[str, float]:
    """What gates may ask for, and beside it how well probabilities are calibrated."""
    calibration = calibration_error(task, labels, scores)
    metrics = evaluate(task, labels, scores)
    return metrics if calibration is None else {**metrics, "calibration_error": calibration}


def _conclude(watch: Watch, run: Run, holdout: Holdout, report: GateReport) -> Step:
    if not report.passed:
        failed = "; ".join(result.reason for result in report.results if not result.passed)
        move(watch, run, RunEvent.REJECT, f"gates: {failed}", evidence=found_in(run, "evaluation"))
        return MOVED
    passed = "; ".join(report.reasons)
    if watch.policy.train.refit:
        return begin_refit(watch, run, holdout.rows, passed)
    return _go_on(watch, run, holdout, f"gates passed: {passed}")


def _take_refit(watch: Watch, run: Run, holdout: Holdout) -> Step:
    """The refit goes on with what is known of the candidate, unless it is broken."""
    judged = judge_refit(watch, run, holdout.rows)
    if isinstance(judged, Step):
        return judged
    run = judged
    tell_refit(watch, run, "which took its place")
    before = found_in(run, "training")["candidate"]["version"]
    reason = f"version {run.challenger_version} goes on, fitted on all rows as version {before}"
    return _go_on(watch, run, holdout, reason)


def _go_on(watch: Watch, run: Run, holdout: Holdout, reason: str) -> Step:
    """To the shadow, or for a first champion to its promotion."""
    predictions = as_predictions(holdout.rows, holdout.challenger, holdout.classes)
    reference = save_reference_of_run(watch, run, predictions)
    rows = Rows(holdout.rows, holdout.labels, holdout.challenger)
    memories = first_memories(watch.policy, rows)
    memories |= first_calibrations(watch.policy, holdout.labels, holdout.challenger, holdout.classes)
    version = run.challenger_version
    assert version is not None

    def keyed_by_version(tx: Transaction) -> None:
        reference(tx)
        for monitor, memory in memories.items():
            tx.save_detector(watch.name, monitor, version, memory)

    event = RunEvent.PASS_FIRST if run.champion_version is None else RunEvent.PASS
    if run.champion_version is None and watch.policy.promotion.approval == "manual":
        return ask_for_approval(watch, run, reason, found_in(run, "evaluation"), keyed_by_version)
    if run.champion_version is None and watch.blackout_until() is not None:
        keep(watch, with_details(run, "evaluation", {"passed": reason}))
        return MOVED
    if run.champion_version is not None:
        model = watch.policy.model
        watch.registry.set_alias(model.name, model.aliases.challenger, version)
    move(
        watch,
        run,
        event,
        reason,
        evidence=found_in(run, "evaluation"),
        also=keyed_by_version,
    )
    return MOVED


def _score_holdout(watch: Watch, run: Run) -> Holdout | Step:
    rows = read_holdout(watch, run)
    if rows is None:
        move(watch, run, RunEvent.FAIL, "the held-out rows of this run are gone from its folder")
        return MOVED
    columns: dict[Version, Any] = {}
    versions = [version for version in (run.challenger_version, run.champion_version) if version is not None]
    models = {version: known_version(watch, version) for version in versions}
    for version in versions:
        changed = tag_refusal(watch, version)
        if changed:
            move(watch, run, RunEvent.FAIL, changed)
            return MOVED
        outcome = score_rows(watch, f"{run.id}/holdout-{version}", models[version], rows)
        if outcome.state == "pending":
            return WAITING
        if outcome.state == "failed":
            record_refusal(watch, version, outcome.message)
            move(watch, run, RunEvent.FAIL, outcome.message)
            return MOVED
        columns[version] = outcome.table[score_column(version)]
    unnamed = _names_no_label(watch, rows, [models[version] for version in versions], columns)
    if unnamed:
        move(watch, run, RunEvent.FAIL, unnamed)
        return MOVED
    if run.champion_version is not None:
        ensure_digest(watch, run.champion_version)
    judged = judged_rows(watch.policy.model.task, rows, columns)
    assert run.challenger_version is not None
    assert judged.labels is not None
    assert judged.scores is not None
    champion = models[run.champion_version] if run.champion_version else None
    return Holdout(
        rows=rows,
        labels=judged.labels,
        challenger=judged.scores[run.challenger_version],
        champion=judged.scores[run.champion_version] if run.champion_version else None,
        fair=not_trained_on(rows, champion),
        classes=judged.classes,
    )


def _names_no_label(
    watch: Watch, rows: pa.Table, models: Sequence[ModelVersion], columns: Mapping[Version, Any]
) -> str:
    """Why one of the models cannot be judged by names: a challenger, or a champion from elsewhere."""
    if watch.policy.model.task is not Task.MULTICLASS:
        return ""
    challenger, *champions = models
    judged = [challenger, *(one for one in champions if cut_off(one) is None)]
    return next(filter(None, (names_no_label(rows, one, columns[one.version]) for one in judged)), "")


def _judge(
    watch: Watch,
    holdout: Holdout,
    challenger: dict[str, float],
    paired: dict[str, float] | None,
    champion: dict[str, float] | None,
    words: dict[str, str],
) -> GateReport:
    """Absolute gates on the whole holdout, paired ones on rows that neither model was trained on."""
    note = ""
    fair = int(holdout.fair.sum())
    if champion is not None and fair < MIN_COMMON_ROWS:
        champion, paired = {}, {}
        note = f"only {fair} held-out rows are later than the champion's training"
    return judge_gates(
        watch.policy.gates,
        challenger,
        champion,
        n=fair,
        note=note,
        challenger_paired=paired,
        words=words,
    )


def _fixed(watch: Watch, holdout: Holdout) -> dict[str, Any]:
    """What the comparison on live rows may not choose once it has begun."""
    scale = error_scale_of(watch, holdout)
    return {
        "fair_rows": int(holdout.fair.sum()),
        "scale": scale,
        **blocks_found(watch, holdout, scale),
    }


def _annotate(watch: Watch, run: Run, report: GateReport) -> None:
    """Show in MLflow what the gates saw."""
    if run.mlflow_run_id is None:
        return
    found = found_in(run, "evaluation")
    metrics = holdout_metrics(found) | probe_metrics(found.get("serving", {}))
    watch.registry.annotate_run(
        run.mlflow_run_id,
        metrics=metrics,
        tags={"ctrain.gates": "passed" if report.passed else "failed"},
        artifacts={"gates.txt": "\n".join(report.reasons)},
    )
