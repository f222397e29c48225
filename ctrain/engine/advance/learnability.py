"""Before a training: what its child needs for a look at whether there is anything to learn.

The champion is asked for its scores of the held-out rows, which the gates need anyway; those rows judge
that are later than its training. A look that cannot be had is on record as INCONCLUSIVE, with the reason,
and the training goes on without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import ModelVersion, Run, Task
from ctrain.engine.advance.holdout import not_trained_on
from ctrain.engine.advance.training_job import is_refit
from ctrain.engine.advance.training_rows import as_contracted, read_holdout, weights_of
from ctrain.engine.child_scores import score_rows
from ctrain.engine.digests import known_version
from ctrain.engine.matured import labelled_rows
from ctrain.engine.moves import WAITING, Step, found_in, keep, with_details
from ctrain.engine.scored import judged_rows
from ctrain.engine.version_tags import WINDOW_END_TAG, WINDOW_START_TAG, tagged_instant
from ctrain.engine.watch import score_column
from ctrain.errors import PermanentError
from ctrain.policy.models import ChampionGate
from ctrain.stats.losses import LOG_LOSS_CAP, error_scale, row_losses

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy

Floats = npt.NDArray[np.float64]

JUDGED_FILE, PAST_FILE = "judged.parquet", "past.parquet"
FEWEST_JUDGED = 200
INCONCLUSIVE = "inconclusive"


def ready_to_look(watch: Watch, run: Run) -> Run | Step:
    """The run, once there is on record what its child looks at, or why it does not look."""
    train = watch.policy.train
    if train.learnable is None or train.command is not None or run.champion_version is None or is_refit(run):
        return run
    if "learnable" in found_in(run, "training"):
        return run
    try:
        found = _prepared(watch, run)
    except PermanentError as error:
        found = _unknown(f"the look failed: {error}")
    return (
        found if isinstance(found, Step) else keep(watch, with_details(run, "training", {"learnable": found}))
    )


def files_to_look_at(run: Run) -> dict[str, str]:
    """Names of the files that the child reads for its look, and what they are called in the run's folder."""
    if is_refit(run) or "bound" not in found_in(run, "training").get("learnable", {}):
        return {}
    names = [JUDGED_FILE, PAST_FILE] if found_in(run, "training")["learnable"]["past"] else [JUDGED_FILE]
    return {name: name for name in names}


def _unknown(reason: str) -> dict[str, Any]:
    return {"verdict": INCONCLUSIVE, "reason": reason}


def _prepared(watch: Watch, run: Run) -> dict[str, Any] | Step:
    """Write the rows that judge and those of the champion's training; what the child is told of them."""
    assert run.champion_version is not None
    asked, task, metric = watch.policy.train.learnable, watch.policy.model.task, watch.policy.model.metric
    assert asked is not None
    holdout = read_holdout(watch, run)
    if holdout is None:
        return _unknown("the held-out rows of this run are gone from its folder")
    model = known_version(watch, run.champion_version)
    outcome = score_rows(watch, f"{run.id}/holdout-{model.version}", model, holdout)
    if outcome.state == "pending":
        return WAITING
    if outcome.state == "failed":
        return _unknown(outcome.message)
    scored = judged_rows(task, holdout, {model.version: outcome.table[score_column(model.version)]})
    assert scored.labels is not None
    assert scored.scores is not None
    losses = row_losses(task, metric, scored.labels, scored.scores[model.version])
    later = not_trained_on(holdout, model)
    usable = np.flatnonzero(np.isfinite(losses) & later)[-asked.rows :]
    if len(usable) < FEWEST_JUDGED:
        told = f"{len(usable)} held-out rows are later than the champion's training"
        return _unknown(f"{told}, a look needs {FEWEST_JUDGED}")
    judged = _with_last(as_contracted(watch, holdout.take(usable)), losses[usable])
    watch.workspace.write(run.id, JUDGED_FILE, judged)
    bound = allowed_on(watch.policy, scored.labels, scored.scores[model.version], later)
    return {"bound": bound, "past": _write_past(watch, run, model, asked.rows)}


def _with_last(table: pa.Table, values: Floats) -> pa.Table:
    """A last column, whatever the others are called."""
    import pyarrow as pa

    return pa.Table.from_arrays([*table.columns, pa.array(values)], names=[*table.column_names, "\0"])


def _write_past(watch: Watch, run: Run, champion: ModelVersion, most: int) -> int:
    """Rows from all over the champion's training window, as many as are kept, up to ``most``: how many."""
    tags = champion.tags
    start, end = tagged_instant(tags, WINDOW_START_TAG), tagged_instant(tags, WINDOW_END_TAG)
    if start is None or end is None:
        return 0
    rows = labelled_rows(watch, start, end)
    count = min(most, rows.num_rows)
    if not count:
        return 0
    chosen = rows.take(np.arange(count) * rows.num_rows // count)
    table, weights = as_contracted(watch, chosen), watch.policy.train.weights
    if weights is not None:
        table = _with_last(table, weights_of(chosen, weights.half_life)["weight"].to_numpy())
    watch.workspace.write(run.id, PAST_FILE, table)
    return count


def allowed_on(policy: Policy, labels: Floats, scores: Floats, later: npt.NDArray[np.bool_]) -> float:
    """By how much a challenger may be worse, where the champion's errors on ``later`` rows are the unit."""
    scale = error_scale(policy.model.task, policy.model.metric, labels[later], scores[later])
    return allowed_worsening(policy, scale)


def allowed_worsening(policy: Policy, scale: float | None) -> float:
    """By how much the metric of a challenger may be worse, by gates and shadow; below 0: has to be better.

    The shadow's margins are those of bounded losses: ``scale`` is that of a regression's errors.
    """
    metric, shadow = policy.model.metric, policy.shadow
    unit = LOG_LOSS_CAP if metric == "log_loss" else 1.0
    if policy.model.task is Task.REGRESSION:
        unit = scale or 0.0
    gates = [
        gate.not_worse_than_champion_by
        for gate in policy.gates
        if isinstance(gate, ChampionGate) and gate.metric == metric
    ]
    return min([*gates, (-shadow.min_gain or shadow.margin) * unit])
