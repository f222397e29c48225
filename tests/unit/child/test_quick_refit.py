"""The look before a training: what it sees, what it leaves behind, and that its failure fails nothing."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.child.fitting import fit
from ctrain.child.importance import losses_of_rows
from ctrain.child.isolation import answered_apart
from ctrain.child.quick_refit import JUDGED, PAST, NotLearnable
from ctrain.domain import Task
from ctrain.engine.scored import judged_rows
from ctrain.stats.losses import row_losses
from tests.support.lines import line_job, write_lines

FUNCTIONS = """
import os
import threading

SEEN = []


def fit_line(rows, context):
    SEEN.append((len(rows), set(rows["x"])))
    x, y = rows["x"].to_numpy(), rows[context.label].to_numpy()
    return Line((x * y).sum() / (x * x).sum())


def flat(rows, context):
    return Line(0.0)


def given(rows, context):
    return Line(context.params["slope"])


def weighed(rows, context):
    assert list(context.sample_weight.index) == list(rows.index)
    return Line(context.sample_weight.mean())


def fails_when_quick(rows, context):
    if len(rows) < 1000:
        raise KeyError("no such column")
    return fit_line(rows, context)


def logs_when_quick(rows, context):
    return "models:/lines/1" if len(rows) < 1000 else fit_line(rows, context)


def dies_when_quick(rows, context):
    if len(rows) < 1000:
        os._exit(7)
    return fit_line(rows, context)


def hangs_when_quick(rows, context):
    if len(rows) < 1000:
        threading.Event().wait()
    return fit_line(rows, context)
"""
N = 4000
TRUE_SLOPE = 1.0


def rows_of(slope: float, n: int = N, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    return pd.DataFrame({"x": x, "y": slope * x + random.normal(size=n)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Beside the code rows of the present truth that judge, and rows of the same truth long ago."""
    write_lines(tmp_path, FUNCTIONS)
    judged(tmp_path, champion=TRUE_SLOPE)
    pq.write_table(pa.Table.from_pandas(rows_of(TRUE_SLOPE, seed=3)), tmp_path / PAST)
    return tmp_path


def judged(folder: Path, champion: float) -> None:
    rows = rows_of(TRUE_SLOPE, 1000, seed=2)
    losses = (champion * rows["x"] - rows["y"]) ** 2
    pq.write_table(pa.Table.from_pandas(rows.assign(**{"\0": losses})), folder / JUDGED)


def job_of(folder: Path, *functions: str, require: bool = False, **changes: Any) -> dict[str, Any]:
    told = {
        "candidates": functions,
        "timeout_seconds": 400.0,
        "learnable": {"rows": 800, "require": require, "bound": 0.0, "output": "auto"},
    }
    return line_job(folder, **{**told, **changes})


def looked(job: dict[str, Any], rows: pd.DataFrame, folder: Path) -> tuple[dict[str, Any], Any]:
    told: dict[str, Any] = {}
    model = fit(job, rows, folder, told.update)
    return told["learnable"], model


def test_what_the_champion_does_not_know_can_be_learned(folder: Path) -> None:
    judged(folder, champion=-1.0)
    found, model = looked(job_of(folder, "lines:fit_line"), rows_of(TRUE_SLOPE), folder)
    assert found["verdict"] == "learnable"
    assert (found["rows"], found["judged"], found["metric"]) == (800, 1000, "squared_error")
    assert found["difference"]["mean"] == pytest.approx(-4, rel=0.2)
    assert model.slope == pytest.approx(TRUE_SLOPE, abs=0.05)


def test_where_nothing_has_changed_nothing_is_decided(folder: Path) -> None:
    found, _ = looked(job_of(folder, "lines:fit_line", require=True), rows_of(TRUE_SLOPE), folder)
    assert found["verdict"] == "inconclusive"
    assert found["reason"].endswith("): too little to decide")
    assert "minus that of equally quick fits on its own rows" in found["reason"]


def shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(y=np.random.default_rng(4).permutation(rows["y"]))


def test_shuffled_labels_are_reported(folder: Path) -> None:
    found, model = looked(job_of(folder, "lines:fit_line"), shuffled(rows_of(TRUE_SLOPE)), folder)
    assert found["verdict"] == "not_learnable"
    assert model.slope == pytest.approx(0, abs=0.05)


def test_shuffled_labels_are_not_trained_on_where_that_is_asked_for(folder: Path) -> None:
    told: dict[str, Any] = {}
    with pytest.raises(NotLearnable, match="not learnable: mean loss of quick refits minus the champion's"):
        fit(
            job_of(folder, "lines:fit_line", require=True),
            shuffled(rows_of(TRUE_SLOPE)),
            folder,
            told.update,
        )
    assert told["learnable"]["verdict"] == "not_learnable"
    assert importlib.import_module("lines").SEEN == []


def test_candidates_are_refused_together_or_not_at_all(folder: Path) -> None:
    slope = {"slope": TRUE_SLOPE}
    both = job_of(folder, "lines:fit_line", "lines:given", require=True, params=slope)
    found, _ = looked(both, shuffled(rows_of(TRUE_SLOPE)), folder)
    assert (found["verdict"], found["function"]) == ("inconclusive", "lines:given")
    one_fails = job_of(folder, "lines:fit_line", "lines:fails_when_quick")
    assert looked(one_fails, shuffled(rows_of(TRUE_SLOPE)), folder)[0]["verdict"] == "not_learnable"


@pytest.mark.parametrize(
    ("function", "timeout", "reason"),
    [
        ("fails_when_quick", 400.0, "KeyError: 'no such column'"),
        (
            "logs_when_quick",
            400.0,
            "TypeError: the training function logs its models itself: none is fitted quickly",
        ),
        ("dies_when_quick", 400.0, "it ended with 7"),
        ("hangs_when_quick", 2.0, "it was stopped after 0.5 s"),
    ],
)
def test_a_look_that_fails_leaves_the_training_alone(
    folder: Path, function: str, timeout: float, reason: str
) -> None:
    job = job_of(folder, f"lines:{function}", require=True, timeout_seconds=timeout)
    found, model = looked(job, rows_of(TRUE_SLOPE), folder)
    assert (found["verdict"], found["reason"]) == ("inconclusive", f"the look failed: {reason}")
    assert model.slope == pytest.approx(TRUE_SLOPE, abs=0.05)


def test_broken_files_leave_the_training_alone(folder: Path) -> None:
    (folder / JUDGED).write_text("no table")
    found, model = looked(job_of(folder, "lines:fit_line", require=True), rows_of(TRUE_SLOPE), folder)
    assert found["reason"].startswith("the look failed: ")
    assert model.slope == pytest.approx(TRUE_SLOPE, abs=0.05)


def test_nothing_of_it_reaches_the_training(folder: Path) -> None:
    rows = rows_of(TRUE_SLOPE)
    looked(job_of(folder, "lines:fit_line"), rows, folder)
    seen = importlib.import_module("lines").SEEN
    assert [(n, values == set(rows["x"])) for n, values in seen] == [(N, True)]


@pytest.mark.parametrize(("n", "rows"), [(1599, 0), (1600, 400), (3000, 748), (4000, 800)])
def test_at_most_a_quarter_of_the_rows_is_looked_at(folder: Path, n: int, rows: int) -> None:
    found, _ = looked(job_of(folder, "lines:fit_line"), rows_of(TRUE_SLOPE, n), folder)
    assert found["rows"] in (rows, rows + 2)
    if not rows:
        assert found["reason"].startswith("1599 rows to train on are too few")


def test_without_the_champions_rows_nothing_is_refused(folder: Path) -> None:
    (folder / PAST).unlink()
    found, _ = looked(job_of(folder, "lines:fit_line", require=True), shuffled(rows_of(TRUE_SLOPE)), folder)
    assert (found["verdict"], found["against_past"]) == ("inconclusive", None)
    few = rows_of(TRUE_SLOPE, 399, seed=3)
    pq.write_table(pa.Table.from_pandas(few), folder / PAST)
    found, _ = looked(job_of(folder, "lines:fit_line", require=True), shuffled(rows_of(TRUE_SLOPE)), folder)
    assert (found["rows"], found["against_past"]) == (800, None)


def test_weights_go_with_their_rows(folder: Path) -> None:
    rows, past = rows_of(TRUE_SLOPE), rows_of(TRUE_SLOPE, seed=3)
    pq.write_table(pa.table({"weight": pa.array(np.full(len(rows), 0.5))}), folder / "weights.parquet")
    pq.write_table(pa.Table.from_pandas(past.assign(**{"\0": 1.0})), folder / PAST)
    found, _ = looked(job_of(folder, "lines:weighed"), rows, folder)
    square = float((rows_of(TRUE_SLOPE, 1000, seed=2)["x"] ** 2).mean())
    assert found["against_past"]["mean"] == pytest.approx(0.25 * square, abs=0.15)


def searched(**start: Any) -> dict[str, Any]:
    space = {"slope": {"values": [0.0, TRUE_SLOPE]}}
    given = {"sampler": "grid", "trials": 2, "folds": 1, "timeout_seconds": None}
    return {**given, "start": start, "space": space}


def test_parameters_that_the_champion_was_tuned_to_are_taken(folder: Path) -> None:
    job = job_of(folder, "lines:given", tune=searched(slope=TRUE_SLOPE))
    found = looked(job, rows_of(TRUE_SLOPE), folder)[0]
    assert found["difference"]["mean"] == pytest.approx(0)
    assert "left out" not in found["reason"]


def test_those_that_no_training_could_be_given_are_left_out_and_told(folder: Path) -> None:
    job = job_of(folder, "lines:given", tune=searched(slope=9.0, gone=1), params={"slope": TRUE_SLOPE})
    found = looked(job, rows_of(TRUE_SLOPE), folder)[0]
    assert found["difference"]["mean"] == pytest.approx(0)
    note = "; left out of the champion's parameters, as train.tune has no such value: slope 9.0, gone 1"
    assert found["reason"].endswith(note)


def test_a_look_that_fails_for_what_was_left_out_says_so(folder: Path) -> None:
    job = job_of(folder, "lines:given", tune=searched(slope=9.0))
    found, model = looked(job, rows_of(TRUE_SLOPE), folder)
    assert found["verdict"] == "inconclusive"
    assert found["reason"].startswith("the look failed: KeyError: 'slope'; left out of the champion's")
    assert model.slope == TRUE_SLOPE


def test_an_answer_is_whole_whatever_its_length() -> None:
    assert answered_apart(lambda: {"text": "x" * 300_000}, 60.0) == {"text": "x" * 300_000}
    with pytest.raises(RuntimeError, match="TypeError: Object of type object"):
        answered_apart(lambda: {"no": object()}, 60.0)


class Classifier:
    """Answers what it was made with."""

    def __init__(self, probabilities: np.ndarray, classes: list[Any]) -> None:
        self.probabilities, self.classes_ = probabilities, np.array(classes)

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.probabilities[rows["x"].to_numpy().astype(int)])

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.probabilities[rows["x"].to_numpy().astype(int), 0])


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        *(
            (task, metric)
            for task in ("binary", "multiclass")
            for metric in ("brier", "log_loss", "zero_one")
        ),
        *(("regression", metric) for metric in ("absolute_error", "squared_error")),
    ],
)
def test_losses_are_those_that_the_champion_is_judged_by(task: str, metric: str) -> None:
    """ctrain.stats.losses, also where a label is of a class that the model does not know."""
    random = np.random.default_rng(6)
    multiclass = task == "multiclass"
    given = random.dirichlet(np.ones(3 if multiclass else 2), 50)
    labels = list(random.choice(["a", "b", "c", "d"], 50)) if multiclass else random.integers(0, 2, 50) * 1.0
    model = Classifier(given, ["a", "b", "c"] if multiclass else [0, 1])
    rows = pd.DataFrame({"x": np.arange(50.0), "y": pd.Series(labels, dtype=object if multiclass else float)})
    context = {"task": task, "label": "y", "features": {"numeric": ["x"]}}
    column: Any
    if multiclass:
        fields = [pa.array(given[:, at]) for at in range(3)]
        column = pa.chunked_array([pa.StructArray.from_arrays(fields, names=["a", "b", "c"])])
    else:
        column = pa.chunked_array([given[:, 0 if task == "regression" else 1]])
    scored = judged_rows(Task(task), pa.table({"label": labels}), {"1": column})  # type: ignore[dict-item]  # a version
    assert scored.scores is not None
    assert scored.labels is not None
    expected = row_losses(Task(task), metric, scored.labels, scored.scores["1"])  # type: ignore[index]  # a version
    assert losses_of_rows(model, rows, context, metric, "auto") == pytest.approx(expected)


def test_a_row_without_an_answer_is_an_error() -> None:
    model = Classifier(np.full((5, 2), np.nan), [0, 1])
    rows = pd.DataFrame({"x": np.arange(5.0), "y": 1.0})
    context = {"task": "regression", "label": "y", "features": {"numeric": ["x"]}}
    with pytest.raises(ValueError, match="no answer to some of the rows"):
        losses_of_rows(model, rows, context, "squared_error", "auto")
