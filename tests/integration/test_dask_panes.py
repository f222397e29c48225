"""Panes of a large window, counted by a real cluster from the segments of a row log: the same as here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pytest

from ctrain.app import cluster_panes
from ctrain.app.cluster_panes import PATIENCE, REST, ClusterPanes, RowPlace
from ctrain.engine import panes
from ctrain.engine.panes import CountedGrid, count_panes
from ctrain.engine.profile_memory import ProfileMemory
from ctrain.launchers.dask_cluster import DaskClusters
from ctrain.stats.grid import build_grid
from tests.parquet_rows import START
from tests.row_logs import POLICY, RowLogHarness
from tests.support.clusters import Cluster
from tests.support.training import ShiftedTimer
from tests.unit.engine.test_pane_tree import MemoryStore
from tests.waiting import wait_until

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

DAYS, ROWS = 6, 12_000
END = START + timedelta(days=DAYS)


class HandTimer(ShiftedTimer):
    def monotonic(self) -> float:
        return super().monotonic() + self.ahead.total_seconds()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.started(workers=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> RowLogHarness:
    """Rows of six days in two writes, the second with late ones, and a day without any."""
    harness = RowLogHarness(tmp_path_factory.mktemp("rows"))
    rng = np.random.default_rng(3)
    hours = np.sort(rng.uniform(0, 24 * DAYS, ROWS))
    hours = hours[(hours < 72) | (hours >= 96)]
    for part, chosen in enumerate((hours < 60, hours >= 50)):
        at = [START + timedelta(hours=float(hour)) for hour in hours[chosen]]
        harness.rows(rows_at(at, part), watermark=START + timedelta(hours=55 * part))
    return harness


def rows_at(at: list[datetime], part: int) -> pa.Table:
    rng = np.random.default_rng(part)
    return pa.table(
        {
            "flight_id": pa.array([f"{part}-{one}" for one in range(len(at))]),
            "scheduled_at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "score": pa.array(rng.random(len(at))),
            "version": pa.array(["1"] * len(at)),
            "distance": pa.array(rng.normal(1000, 300, len(at))),
            "carrier": pa.array(rng.choice(["UA", "AA", "DL"], len(at))),
        }
    )


def watch_of(logged: RowLogHarness, counter: ClusterPanes | None) -> Watch:
    """What counting panes needs of a watch, with a store of its own for the panes."""
    stand_in = SimpleNamespace(
        name=POLICY,
        store=MemoryStore(),
        panes=None,
        policy=SimpleNamespace(data=logged.data),
        profile_memory=ProfileMemory(),
        row_log=logged.log,
        pane_counter=counter,
        fence=lambda _: None,
    )
    return cast("Watch", stand_in)


def counter_of(logged: RowLogHarness, clusters: DaskClusters, address: str, scratch: Path) -> ClusterPanes:
    place = RowPlace(logged.folder, scratch, POLICY, logged.data, logged.task)
    return ClusterPanes(clusters.at(address), logged.store, place, clusters_timer)


clusters_timer = HandTimer()


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskClusters]:
    monkeypatch.setattr(cluster_panes, "FEWEST_ROWS", 1000)
    monkeypatch.setattr(panes, "ROWS_AT_ONCE", 3000)
    clusters = DaskClusters(clusters_timer, os.environ)
    yield clusters
    clusters.close()


@pytest.fixture
def counted(logged: RowLogHarness) -> CountedGrid:
    features = logged.data.features
    rows = logged.log.read(START, END)
    return CountedGrid(build_grid(rows, list(features.numeric), list(features.categorical)), START)


def kept(watch: Watch, counted: CountedGrid) -> dict[datetime, bytes]:
    tree = panes.pane_tree(watch)
    hours = [START + timedelta(hours=hour) for hour in range(24 * DAYS)]
    pane = watch.policy.data.pane
    return {at: tree.merged(counted.grid.name, at, at + pane).to_bytes() for at in hours}


def test_a_cluster_counts_the_same_panes(
    logged: RowLogHarness, cluster: Cluster, clusters: DaskClusters, counted: CountedGrid, tmp_path: Path
) -> None:
    here = watch_of(logged, None)
    assert count_panes(here, [counted], END)
    there = watch_of(logged, counter_of(logged, clusters, cluster.address, tmp_path / "panes"))
    assert not count_panes(there, [counted], END)
    wait_until(lambda: count_panes(there, [counted], END), 60.0, "all panes")
    assert kept(there, counted) == kept(here, counted)
    assert [path.name for path in (tmp_path / "panes").iterdir()] == [f"{counted.grid.name}.json"]


def test_without_an_answer_the_panes_are_counted_here(
    logged: RowLogHarness, clusters: DaskClusters, counted: CountedGrid, tmp_path: Path
) -> None:
    counter = counter_of(logged, clusters, "tcp://127.0.0.1:9", tmp_path / "panes")
    clusters.at("tcp://127.0.0.1:9").close()
    watch = watch_of(logged, counter)
    assert not count_panes(watch, [counted], END)
    clusters_timer.ahead += PATIENCE + timedelta(seconds=1)
    assert count_panes(watch, [counted], END)
    stretches = [(START, END)]
    assert counter.count(counted.grid, watch.policy.data.pane, stretches) is None
    clusters_timer.ahead += REST
    assert counter.count(counted.grid, watch.policy.data.pane, stretches) == []


def test_segments_that_are_gone_are_told_and_the_panes_counted_here(
    logged: RowLogHarness, cluster: Cluster, clusters: DaskClusters, counted: CountedGrid, tmp_path: Path
) -> None:
    elsewhere = RowPlace(tmp_path / "no rows", tmp_path / "panes", POLICY, logged.data, logged.task)
    counter = ClusterPanes(clusters.at(cluster.address), logged.store, elsewhere, clusters_timer)
    watch = watch_of(logged, counter)
    assert not count_panes(watch, [counted], END)
    wait_until(lambda: count_panes(watch, [counted], END), 60.0, "all panes")
    here = watch_of(logged, None)
    assert count_panes(here, [counted], END)
    assert kept(watch, counted) == kept(here, counted)


def test_a_small_window_is_counted_here(
    logged: RowLogHarness,
    clusters: DaskClusters,
    counted: CountedGrid,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_panes, "FEWEST_ROWS", 10**6)
    watch = watch_of(logged, counter_of(logged, clusters, "tcp://127.0.0.1:9", tmp_path))
    assert count_panes(watch, [counted], END)
    assert clusters.at("tcp://127.0.0.1:9").agent_pid is None
