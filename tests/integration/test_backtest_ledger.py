"""Rows of history are judged by scores that were given before, and scored where there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.backtest.history import History, load_history
from ctrain.backtest.ledger import Judged, Ledger
from ctrain.backtest.replay import Reign
from ctrain.domain import ModelVersion, ScoreJob, Version
from ctrain.policy.files import LoadedPolicy
from ctrain.rows.workspace import FolderWorkspace
from tests.support.backtests import HOUR, START, SlopeScorer, SlopeTrainer, make_rows, write_history

if TYPE_CHECKING:
    from ctrain.ports import RowLog

HOURS, PER_HOUR = 30, 20
ONE = ModelVersion("clicks", Version("1"), "one", "digest")


@dataclass
class Scored:
    """A row log that has scores of some rows, in an order of its own."""

    table: pa.Table

    def read(self, start: datetime, end: datetime, *, scores_of: list[Version]) -> pa.Table:
        events = np.array(self.table["event_at"].to_numpy(), dtype="datetime64[us]")
        edges = [np.datetime64(edge.replace(tzinfo=None), "us") for edge in (start, end)]
        inside = self.table.filter(pa.array((edges[0] <= events) & (events < edges[1])))
        return inside.rename_columns(["row_id", "event_at", f"score:{scores_of[0]}"])


@dataclass
class NotingScorer(SlopeScorer):
    asked: list[int] = field(default_factory=list)
    """Rows of each job."""

    def submit(self, job: ScoreJob) -> None:
        self.asked.append(pq.read_metadata(job.rows_path).num_rows)
        super().submit(job)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedPolicy:
    rows = make_rows(HOURS, HOURS, per_hour=PER_HOUR)
    return write_history(tmp_path_factory.mktemp("ledger"), rows)


@pytest.fixture(scope="module")
def history(loaded: LoadedPolicy) -> History:
    return load_history(loaded.policy, loaded.folder)


def judged(
    loaded: LoadedPolicy, history: History, folder: Path, known: pa.Table | None
) -> tuple[Judged, list[int]]:
    """The losses under a model that always says 0.3, and how many rows it was asked for."""
    trainer = SlopeTrainer()
    trainer.models["one"] = lambda rows: np.full(rows.num_rows, 0.3)
    scorer = NotingScorer(trainer)
    ledger = Ledger(history, loaded.policy, scorer, FolderWorkspace(folder))
    row_log = cast("RowLog", Scored(known)) if known is not None else None
    end = START + 20 * HOUR
    return ledger.judge([Reign(START + 10 * HOUR, ONE)], START + 10 * HOUR, end, row_log), scorer.asked


def given(history: History, scores: Any) -> pa.Table:
    table = history.known.select(["row_id", "event_at"]).append_column(
        "score", pa.array(scores, pa.float64())
    )
    return table.take(np.random.default_rng(1).permutation(table.num_rows))


def test_without_a_row_log_every_row_is_scored(
    loaded: LoadedPolicy, history: History, tmp_path: Path
) -> None:
    found, asked = judged(loaded, history, tmp_path, None)
    labels = history.known["label"].to_numpy()[10 * PER_HOUR : 20 * PER_HOUR]
    assert found.losses == pytest.approx((0.3 - labels) ** 2)
    assert asked == [10 * PER_HOUR]


def test_scores_that_are_known_are_taken_and_the_others_are_asked_for(
    loaded: LoadedPolicy, history: History, tmp_path: Path
) -> None:
    scores = [None if place % 4 == 0 else 0.8 for place in range(HOURS * PER_HOUR)]
    scores[10 * PER_HOUR + 1] = float("nan")
    found, asked = judged(loaded, history, tmp_path, given(history, scores))
    said = np.array([0.3 if score is None else score for score in scores])
    labels = history.known["label"].to_numpy()
    expected = ((said - labels) ** 2)[10 * PER_HOUR : 20 * PER_HOUR]
    assert found.losses == pytest.approx(expected, nan_ok=True)
    assert found.rows == 10 * PER_HOUR - 1
    assert asked == [10 * PER_HOUR // 4]


def test_nothing_is_asked_where_all_scores_are_known(
    loaded: LoadedPolicy, history: History, tmp_path: Path
) -> None:
    found, asked = judged(loaded, history, tmp_path, given(history, np.full(HOURS * PER_HOUR, 0.8)))
    assert found.rows == 10 * PER_HOUR
    assert asked == []
