"""The best of several training functions, judged in the order of time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ctrain.child.fitting import fit
from ctrain.child.selection import best_candidate
from ctrain.child.validation import time_folds, validation_loss
from tests.support.lines import line_job, line_rows, write_lines

FUNCTIONS = """
def fit_line(rows, context):
    weights = np.ones(len(rows)) if context.sample_weight is None else context.sample_weight.to_numpy()
    x, y = rows["x"].to_numpy(), rows[context.label].to_numpy()
    return Line((weights * x * y).sum() / (weights * x * x).sum())


def flat(rows, context):
    return Line(0.0)


def given(rows, context):
    return Line(context.params["slope"])


def silent(rows, context):
    return Line(np.nan)


def fails(rows, context):
    raise KeyError("no such column")
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return write_lines(tmp_path, FUNCTIONS)


def job_of(code: Path, *candidates: str, **params: Any) -> dict[str, Any]:
    return line_job(code, params=params, candidates=list(candidates))


def test_the_best_on_the_newest_rows_is_fitted_on_all_of_them(code: Path) -> None:
    told: dict[str, Any] = {}
    rows = line_rows(2.0)
    model = fit(job_of(code, "lines:flat", "lines:fit_line"), rows, code, told.update)
    assert model.slope == pytest.approx(2.0)
    selection = told["selection"]
    assert (selection["chosen"], selection["metric"]) == ("lines:fit_line", "squared_error")
    newest = rows["y"].iloc[-40:]
    assert selection["losses"] == pytest.approx(
        {"lines:flat": float((newest**2).mean()), "lines:fit_line": 0.0}
    )


def test_what_is_best_on_older_rows_does_not_count(code: Path) -> None:
    rows = line_rows(2.0, then=-2.0)
    rows = pd.concat([rows, rows.iloc[-20:]], ignore_index=True)  # the newest fifth is of the new kind
    told: dict[str, Any] = {}
    fit(job_of(code, "lines:fit_line", "lines:flat"), rows, code, told.update)
    assert told["selection"]["chosen"] == "lines:flat"


def test_a_candidate_that_fails_or_has_no_answer_is_out(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: dict[str, Any] = {}
    names = ("lines:fails", "lines:silent", "lines:flat")
    fit(job_of(code, *names), line_rows(1.0), code, told.update)
    assert list(told["selection"]["losses"]) == ["lines:flat"]
    assert "the candidate lines:fails fails:" in capsys.readouterr().out


def test_when_all_fail_the_training_fails(code: Path) -> None:
    with pytest.raises(KeyError, match="no such column"):
        fit(job_of(code, "lines:fails", "lines:fails"), line_rows(1.0), code)
    functions = {"a": lambda rows, context: None, "b": lambda rows, context: 1 / 0}
    with pytest.raises(ZeroDivisionError):
        best_candidate(functions, job_of(code), line_rows(1.0), None)


def test_the_first_of_equals_is_taken_and_one_alone_is_not_judged(code: Path) -> None:
    told: dict[str, Any] = {}
    fit(job_of(code, "lines:flat", "lines:given", slope=0.0), line_rows(1.0), code, told.update)
    assert told["selection"]["chosen"] == "lines:flat"
    silent = fit({**job_of(code), "entrypoint": "lines:silent"}, line_rows(1.0), code, told.update)
    assert np.isnan(silent.slope)


def test_weights_go_with_their_rows(code: Path) -> None:
    seen: list[tuple[list[int], list[float]]] = []

    def look(rows: pd.DataFrame, context: Any) -> Any:
        seen.append((rows.index.tolist(), context.sample_weight.tolist()))
        return type("Zero", (), {"predict": lambda self, rows: np.zeros(len(rows))})()

    rows = line_rows(1.0, n=10)
    weights = pd.Series(np.arange(10.0))
    validation_loss(look, job_of(Path()), rows, weights, folds=2)
    assert [len(index) for index, _ in seen] == [8, 9]
    assert all(index == values for index, values in seen)


@pytest.mark.parametrize(("rows", "folds"), [(100, 1), (100, 3), (57, 4), (10, 5), (12, 1)])
def test_folds_are_the_newest_rows_each_after_what_it_is_predicted_from(rows: int, folds: int) -> None:
    found = list(time_folds(rows, folds))
    assert len(found) == folds
    assert found[-1][1].stop == rows
    assert all(older == slice(0, newer.start) and newer.stop > newer.start for older, newer in found)
    assert found[0][1].start >= 0.5 * rows
    assert all(one[1].stop == following[1].start for one, following in pairwise(found))
