"""What a first policy chooses, by what a file told, each with its reason: the values of the template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ctrain.app.drafts.as_parquet import is_parquet
from ctrain.app.drafts.features import Chosen
from ctrain.app.drafts.history import History
from ctrain.app.drafts.labels import Label
from ctrain.app.drafts.pace import LEAST_STEP_ROWS, STEPS_PER_FILE, STEPS_TO_GROW_OLD, Pace, two_digits
from ctrain.app.drafts.wording import number, printable, quoted, scalar
from ctrain.domain import Task
from ctrain.engine.matured import rows_for_holdout
from ctrain.policy.fields import format_duration
from ctrain.stats.sequential import MIN_BLOCKS

SHARE_OF_CONSTANT = 0.05
"""A worsening of so much of a constant's loss is tolerated."""
GATE_MARGINS = 2
"""So many times that much passes the gate: the held-out rows are few."""
MARGIN_OF_NUMBERS = 0.025
"""In 99th percentiles of the champion's errors."""
LEAST_ROWS = 40
"""Fewer say nothing of a distribution or of a loss."""
LEAST_SHADOW_ROWS = 20
"""One to a block: bounds of few rows are wide, and decide nothing that is not plain."""
BASELINE_ROWS = 500
LEAST_COVERAGE = 0.6
"""With a smaller share of labels than this the policy says how few are usual."""
STEPS_TO_LEARN = 1
"""Sooner after a training there is little new to learn, and the budget is better kept."""
LOOKS_PER_STEP = 40
"""Of drift and quality: many enough, and dearer than panes."""
HOLDOUTS = (0.05, 0.1, 0.17)
"""Shares of the rows for the gates: the least with which the file's rows are enough to train."""
LEAST_TRAINING_ROWS = 100
"""What ``train.min_rows`` is where a policy does not say it."""
BUDGET_RUNS, BUDGET_STEPS = 24, 90
"""More than models that grow old ask for: a change finds a training left, even after others in a row."""

_FILED = """\
  # ctrain init has written the file's rows and labels here. Production adds files beside them: rows when
  # they are served, labels when they are known, as Parquet, CSV or JSON lines. Each row counts once."""
_SENT = """\
  # Production sends rows when they are served, labels when they are known, to /v1/policies/{policy}/rows and
  # .../labels. ctrain init has written the file's as batches that are sent once. Each row counts once."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a policy is drafted from."""

    policy: str
    module: str
    history: History
    chosen: Chosen
    pace: Pace
    null_rate: float
    """Of the feature that is missing most often."""
    longest_gap: timedelta | None
    """Between two event times, but for one in a thousand; None: the order of the rows is their time."""
    push: bool = False
    """Rows and labels come over HTTP."""

    @property
    def usable(self) -> float:
        """Labelled rows of the file for a training: those of the newest panes are waited for."""
        return self.history.label.labelled - 2 * self.pace.pane_rows

    @property
    def holdout(self) -> float:
        return next((one for one in HOLDOUTS if self.needed(one) <= self.usable), HOLDOUTS[-1])

    def needed(self, holdout: float) -> int:
        """Labelled rows with which a training starts."""
        return rows_for_holdout(LEAST_TRAINING_ROWS, holdout)


def chosen_values(found: Findings) -> dict[str, str]:
    """Return what stands for each name in the template, but for the features."""
    return {
        **_names(found),
        **_sources(found),
        **_label(found.history.label),
        **_time(found),
        **_losses(found.history.label),
        **_lengths(found.pace),
        **_holdout(found),
        **_quality(found),
    }


def _names(found: Findings) -> dict[str, str]:
    history = found.history
    id_why = "rows must have ids that are never used twice"
    if history.id is None:
        id_why = "(?) the rows were numbered; give each row of production an id of its own"
    return {
        "source": printable(history.source.name),
        "file": f"{found.policy}.yaml",
        "policy": scalar(found.policy),
        "module": found.module,
        "rows": f"{found.pace.rows:,}",
        "id": scalar(history.id_column),
        "id_why": id_why,
    }


def _sources(found: Findings) -> dict[str, str]:
    if found.push:
        return {
            "where": _SENT.format(policy=found.policy),
            **dict.fromkeys(("rows_from", "labels_from"), "{type: push}"),
        }
    files = "*.parquet" if is_parquet(found.history.source) else "*"
    folders = {"rows_from": "rows", "labels_from": "labels"}
    paths = {name: f'{{type: files, path: "data/{folder}/{files}"}}' for name, folder in folders.items()}
    return {"where": _FILED, **paths}


def _label(label: Label) -> dict[str, str]:
    few = ", ".join(f"{share:.1%} {quoted(one)}" for one, share in label.classes[:4])
    more = f" and {len(label.classes) - 4} more" if len(label.classes) > 4 else ""
    if label.task is Task.REGRESSION:
        task_why, label_why = "the label is an amount", f"half of the values are below {label.centre:.4g}"
        metric_why = "a few outliers do not decide it"
    else:
        task_why = f"the label has {len(label.classes)} values"
        if label.task is Task.MULTICLASS and all(_is_number(one) for one, _ in label.classes):
            task_why += "; (?) if they are amounts: --task regression"
        metric_why, label_why = "squared error of the probabilities", f"{few}{more}"
    if label.codes:
        meaning = ", ".join(f"{code} is {quoted(one)}" for one, code in label.codes.items())
        label_why = f"{meaning}: files of labels hold 0 and 1; {few}"
    coverage = ""
    if label.coverage < LEAST_COVERAGE:
        least = f"{0.8 * label.coverage:.2f}"
        coverage = (
            f"    min_coverage: {least}          # only {label.coverage:.1%} of the file's rows have a label"
        )
    return {
        "task": label.task.value,
        "task_why": task_why,
        "metric": label.metric,
        "metric_why": metric_why,
        "label": scalar(label.name),
        "label_why": label_why,
        "coverage": coverage,
    }


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()


def _time(found: Findings) -> dict[str, str]:
    times, pace = found.history.times, found.pace
    zone, freshness = "", ""
    if times.column is None:
        why = "(?) the order of the rows, one a second from 1970: good for a backtest, no time to serve at"
        lateness, lateness_why, from_to = "0s", "rows come in their order", ""
    else:
        usable = times.usable
        first, last = (datetime.fromtimestamp(int(one) / 1e6, UTC) for one in (usable[0], usable[-1]))
        from_to = f" from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        why = "instants with an offset"
        if times.zone is not None:
            zone = f", timezone: {times.zone}"
            why = f"(?) the file's times name no zone and were taken as {times.zone}"
        lateness, lateness_why = format_duration(pace.pane), "(?) how long after its event a row may arrive"
    if found.longest_gap is not None:
        age = max(3 * pace.pane, _whole_panes(2 * found.longest_gap, pace.pane))
        why_age = "twice the longest pause between rows"
        freshness = f"  fresh: {{type: freshness, max_age: {format_duration(age)}}}   # {why_age}"
    return {
        "time": scalar(found.history.time_column),
        "zone": zone,
        "time_why": why,
        "lateness": lateness,
        "lateness_why": lateness_why,
        "from_to": from_to,
        "freshness": freshness,
    }


def _losses(label: Label) -> dict[str, str]:
    small = SHARE_OF_CONSTANT * label.constant_loss
    if label.task is Task.REGRESSION:
        margin = MARGIN_OF_NUMBERS
        margin_why = "the worsening that is tolerated, in 99th percentiles of the champion's errors"
        worst = number(2 * label.constant_loss, 3)
        worst_why = (
            f"always saying {label.centre:.4g} is off by {label.constant_loss:.3g}: twice that is broken"
        )
    else:
        margin = small
        margin_why = (
            f"the worsening that is tolerated; always saying the shares loses {label.constant_loss:.2g}"
        )
        worst = number(1 - 1 / max(2, len(label.classes)), 3)
        worst_why = "twice what a model loses that knows nothing: broken"
    return {
        "margin": number(margin),
        "margin_why": margin_why,
        "probation_margin": number(2 * margin),
        "gate_margin": number(GATE_MARGINS * small),
        "worst": worst,
        "worst_why": worst_why,
    }


def _lengths(pace: Pace) -> dict[str, str]:
    rows = max(LEAST_ROWS, two_digits(pace.step_rows / 2))
    why = "a hundredth of the file"
    if pace.rows < STEPS_PER_FILE * LEAST_STEP_ROWS:
        why = "the fewest that two models can be compared on"
    lengths = {"step": 1, "two_steps": 2, "old_length": STEPS_TO_GROW_OLD, "budget_steps": BUDGET_STEPS}
    return {
        **{name: format_duration(pace.step * steps) for name, steps in lengths.items()},
        "every": format_duration(_whole_panes(pace.step / LOOKS_PER_STEP, pace.pane)),
        "shadow_length": format_duration(MIN_BLOCKS * pace.pane),
        "longer": format_duration(_whole_panes(pace.step * 5 / 8, pace.pane)),
        "window": format_duration(pace.window),
        "step_rows": str(pace.step_rows),
        "step_why": why,
        "some_rows": str(min(rows, BASELINE_ROWS)),
        "new_rows": str(two_digits(STEPS_TO_LEARN * pace.step_rows)),
        "shadow_rows": str(
            min(max(LEAST_SHADOW_ROWS, two_digits(MIN_BLOCKS * pace.pane_rows / 2)), BASELINE_ROWS)
        ),
        "baseline_rows": str(min(BASELINE_ROWS, max(pace.step_rows, 5 * LEAST_ROWS))),
        "run_length": str(pace.run_length),
        "run_length_told": f"{pace.run_length:,}",
        "old_rows": str(pace.old_rows),
        "old_steps": str(STEPS_TO_GROW_OLD),
        "budget_runs": str(BUDGET_RUNS),
        "pane": format_duration(pace.pane),
        "pane_why": f"{pace.pane_rows:.3g} rows on average; monitors look once a pane",
    }


def _holdout(found: Findings) -> dict[str, str]:
    least, enough = HOLDOUTS[0], found.needed(HOLDOUTS[0])
    few = found.holdout > least
    why = f"  # the file's rows are few: {least} from {enough} labelled ones on" if few else ""
    return {"holdout": f"{found.holdout}{why}"}


def _quality(found: Findings) -> dict[str, str]:
    rate = min(0.99, max(0.05, round(found.null_rate + 0.1, 2)))
    if found.null_rate < 0.005:
        return {"null_rate": "0.05", "null_why": "hardly a value is missing in the file"}
    return {
        "null_rate": f"{rate:g}",
        "null_why": f"of one feature {found.null_rate:.1%} are missing in the file",
    }


def _whole_panes(length: timedelta, pane: timedelta) -> timedelta:
    return -(-length // pane) * pane
