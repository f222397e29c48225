"""The child that analyses: answers that survive it, failures, time and what it may see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.analysis import AnalystChildren
from ctrain.clocks import RealTimer
from ctrain.domain import AnalysisJob, AnalysisStatus
from tests.waiting import wait_until


@pytest.fixture
def analyst(tmp_path: Path) -> Iterator[AnalystChildren]:
    made = AnalystChildren(tmp_path, RealTimer(), environ={**os.environ, "SOME_TOKEN": "t"})
    yield made
    made.close()


def job(folder: Path, key: str = "one", **changes: object) -> AnalysisJob:
    random = np.random.default_rng(1)
    moments = pa.array(np.arange(400) * 1_000_000, pa.timestamp("us", "UTC"))
    for name, shift in (("reference", 0.0), ("current", 2.0)):
        table = pa.table({"event_at": moments, "x": pa.array(random.normal(size=400) + shift)})
        pq.write_table(table, folder / f"{name}.parquet")
    request = {
        "reference": str(folder / "reference.parquet"),
        "current": str(folder / "current.parquet"),
        "features": {"numeric": ["x"]},
        "period_microseconds": 400_000_000,
        "seed": 3,
        **changes,
    }
    return AnalysisJob(key, "separation", request)


def ended(analyst: AnalystChildren, key: str = "one") -> AnalysisStatus:
    return wait_until(
        lambda: status if (status := analyst.poll(key)).state in {"done", "failed"} else None, 60, key
    )


def test_a_job_is_answered_and_its_answer_outlives_the_analyst(
    analyst: AnalystChildren, tmp_path: Path
) -> None:
    asked = job(tmp_path)
    assert analyst.poll("one").state == "absent"
    analyst.submit(asked)
    assert analyst.poll("one").state == "running"
    found = ended(analyst)
    assert found.state == "done", found.message
    assert found.answer["auc"] > 0.9
    other = AnalystChildren(tmp_path, RealTimer())
    assert other.poll("one") == found
    other.submit(asked)
    assert other.child_pid is None


def test_failures_are_told_and_forgotten_and_the_child_goes_on(
    analyst: AnalystChildren, tmp_path: Path
) -> None:
    analyst.submit(job(tmp_path, "bad", reference="/nowhere.parquet"))
    analyst.submit(job(tmp_path, "good"))
    failed = ended(analyst, "bad")
    assert failed.state == "failed"
    assert failed.message.startswith("FileNotFoundError: ")
    pid = analyst.child_pid
    assert ended(analyst, "good").state == "done"
    assert analyst.child_pid == pid
    analyst.forget("bad")
    assert analyst.poll("bad").state == "absent"
    assert pid is not None
    seen = psutil.Process(pid).environ()
    assert "SOME_TOKEN" not in seen
    assert seen["OMP_NUM_THREADS"] == "1"
    assert psutil.Process(pid).nice() == 10 + psutil.Process().nice()


def test_a_job_that_takes_too_long_fails_and_a_killed_child_does_not_stop_the_next(
    analyst: AnalystChildren, tmp_path: Path
) -> None:
    slow = job(tmp_path, "slow")
    analyst.submit(replace(slow, timeout=timedelta(milliseconds=50)))
    assert "did its time or its memory run out" in ended(analyst, "slow").message
    analyst.submit(replace(slow, key="killed"))
    pid = wait_until(lambda: analyst.child_pid, what="a child")
    psutil.Process(pid).kill()
    assert ended(analyst, "killed").message.startswith("the child died")
    analyst.submit(job(tmp_path, "after"))
    assert ended(analyst, "after").state == "done"
