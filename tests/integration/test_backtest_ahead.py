"""Scores of rows to come are asked for early, and shown when the engine asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.backtest.ahead import AheadScorer
from ctrain.domain import ModelVersion, ScoreJob, ScoreStatus, Task, Version
from tests.support.backtests import START

ROWS = 100
HISTORY = pa.table(
    {
        "row_id": [str(number) for number in range(ROWS)],
        "event_at": pa.array(
            [START + timedelta(minutes=number) for number in range(ROWS)], pa.timestamp("us", "UTC")
        ),
        "x": pa.array(np.arange(ROWS) / ROWS),
        "label": pa.nulls(ROWS, pa.float64()),
    }
)


@dataclass
class Doubles:
    """Says twice ``x``; refuses whatever holds a row of ``refuses`` or a later one."""

    refuses: int = ROWS
    shown: list[int] = field(default_factory=list)
    """Rows of each job."""
    states: dict[str, ScoreStatus] = field(default_factory=dict)

    def submit(self, job: ScoreJob) -> None:
        rows = pq.read_table(job.rows_path)
        self.shown.append(rows.num_rows)
        refused = max(int(str(one)) for one in rows["row_id"].to_pylist()) >= self.refuses
        self.states[job.key] = ScoreStatus("failed", "no") if refused else ScoreStatus("done")
        scores = pa.array(2 * rows["x"].to_numpy())
        pq.write_table(rows.select(["row_id"]).append_column("score", scores), job.output_path)

    def poll(self, key: str) -> ScoreStatus:
        return self.states.get(key, ScoreStatus("absent"))

    def forget(self, key: str) -> None:
        self.states.pop(key, None)


def ask(scorer: AheadScorer, folder: Path, first: int, end: int, key: str = "scores-a-1") -> ScoreStatus:
    """Ask as the engine does; what is answered must be right."""
    rows = HISTORY.slice(first, end - first).drop_columns(["label"])
    rows_path, output_path = str(folder / "rows.parquet"), str(folder / "scores.parquet")
    pq.write_table(rows, rows_path)
    model = ModelVersion("m", Version("1"), "somewhere", None)
    job = ScoreJob(key, model, rows_path, output_path, ("x",), Task.BINARY, "auto", "")
    assert scorer.poll(key).state == "absent"
    scorer.submit(job)
    status = scorer.poll(key)
    if status.state == "done":
        answer = pq.read_table(output_path)
        found = dict(zip(answer["row_id"].to_pylist(), answer["score"].to_pylist(), strict=True))
        assert [found[one] for one in rows["row_id"].to_pylist()] == (2 * rows["x"].to_numpy()).tolist()
    scorer.forget(key)
    return status


def test_requests_grow_as_a_version_goes_on(tmp_path: Path) -> None:
    child = Doubles()
    scorer = AheadScorer(child, HISTORY)
    for row in range(ROWS):
        assert ask(scorer, tmp_path, row, row + 1).state == "done"
    assert child.shown == [1, 2, 4, 8, 16, 32, 37], "nothing is scored twice"


def test_rows_that_were_not_reached_are_scored(tmp_path: Path) -> None:
    child = Doubles()
    scorer = AheadScorer(child, HISTORY)
    for first, end in ((20, 30), (30, 40), (45, 55), (10, 20)):
        assert ask(scorer, tmp_path, first, end).state == "done"
    assert child.shown == [10, 20, 40, 80]


def test_scores_that_are_not_kept_are_asked_for_alone(tmp_path: Path) -> None:
    child = Doubles()
    scorer = AheadScorer(child, HISTORY)
    for _ in range(2):
        assert ask(scorer, tmp_path, 0, 10, key="a-1/holdout-1").state == "done"
    assert child.shown == [10, 10]


def test_a_large_request_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctrain.backtest.ahead.LARGE", 10)
    child = Doubles()
    scorer = AheadScorer(child, HISTORY)
    for first, end in ((0, 10), (10, 20), (20, 25), (25, 30)):
        assert ask(scorer, tmp_path, first, end).state == "done"
    assert child.shown == [10, 10, 5, 10]


@pytest.mark.parametrize(("refuses", "state"), [(25, "done"), (15, "failed")])
def test_a_row_to_come_lets_none_before_it_fail(tmp_path: Path, refuses: int, state: str) -> None:
    child = Doubles(refuses)
    scorer = AheadScorer(child, HISTORY)
    assert ask(scorer, tmp_path, 0, 10).state == "done"
    assert ask(scorer, tmp_path, 10, 20).state == state
    assert child.shown == [10, 20, 10]
