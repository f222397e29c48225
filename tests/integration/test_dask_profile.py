"""``ctrain profile --on``: a real cluster of separate processes makes the same bytes as this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from ctrain.app import cluster_profile, scanning
from ctrain.app.cluster import opened_on
from ctrain.app.profiling import profile_files
from ctrain.app.scanning import TableFiles
from ctrain.cli import app
from ctrain.errors import CtrainError, InputError
from tests.support.clusters import Cluster, kill
from tests.waiting import wait_until

PART, ROWS = 20_000, 70_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.started(workers=2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files: all kinds of columns, one of which the second file lacks, and values that hurt sums."""
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(5)
    spread = np.exp(rng.normal(0, 4, ROWS))
    spread[::997] = np.nan
    spread[7::5_000] = np.inf
    instants = np.datetime64("2024-01-01", "us") + np.arange(ROWS) * np.timedelta64(1, "s")
    table = pa.table(
        {
            "at": pa.array(instants, pa.timestamp("us", "UTC")),
            "spread": pa.array(spread),
            "tiny": pa.array(rng.normal(1e6, 1e-3, ROWS)),
            "count": pa.array(rng.integers(0, 2000, ROWS), pa.int32()),
            "carrier": pa.array(rng.integers(0, 400, ROWS).astype(str)),
            "flag": pa.array(rng.random(ROWS) < 0.2, mask=rng.random(ROWS) < 0.05),
        }
    )
    pq.write_table(table.slice(0, 45_000), folder / "1.parquet", row_group_size=9_000)
    pq.write_table(table.slice(45_000).drop_columns(["tiny"]), folder / "2.parquet", row_group_size=9_000)
    return folder


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "PART_ROWS", PART)


@pytest.fixture
def here(folder: Path) -> bytes:
    return profile_files(TableFiles.find([folder]), event_time="at").to_bytes()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["profile", *map(str, arguments)])


def test_a_cluster_makes_the_same_bytes(folder: Path, here: bytes, cluster: Cluster, tmp_path: Path) -> None:
    assert len(TableFiles.find([folder]).parts) == 3
    there = tmp_path / "there"
    result = run(folder, "-o", there, "--event-time", "at", "--on", cluster.address, "--json")
    assert result.exit_code == 0, result.output
    assert there.read_bytes() == here


def test_parts_of_any_size_come_to_the_same_counts_and_nearly_the_same_moments(
    folder: Path, here: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctrain.stats.stored_profile import StoredProfile

    monkeypatch.setattr(scanning, "PART_ROWS", 10**6)
    other = profile_files(TableFiles.find([folder]), event_time="at")
    one = StoredProfile.from_bytes(here)
    assert (other.grid, other.left_out, other.event_times) == (one.grid, one.left_out, one.event_times)
    for name, column in one.profile.columns.items():
        beside = other.profile.columns[name]
        assert (beside.cells.tolist(), beside.counts.tolist()) == (
            column.cells.tolist(),
            column.counts.tolist(),
        )
        assert (beside.nulls, beside.minimum, beside.maximum) == (
            column.nulls,
            column.minimum,
            column.maximum,
        )
        assert beside.mean == pytest.approx(column.mean, rel=1e-12)
        assert beside.squares == pytest.approx(column.squares, rel=1e-9)


def test_what_a_lost_worker_had_read_is_read_again(
    folder: Path, here: bytes, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_profile, "COLUMNS_TOGETHER", 1)
    found: list[bytes] = []
    with opened_on(TableFiles.find([folder]), cluster.address) as files:
        assert isinstance(files, cluster_profile.ClusterFiles)
        client = files.client
        assert client is not None
        working = threading.Thread(
            target=lambda: found.append(profile_files(files, event_time="at").to_bytes())
        )
        working.start()
        wait_until(lambda: sum(map(len, client.has_what().values())) > 2, 30.0, "the first findings")
        kill(cluster.workers[0])
        working.join(60.0)
    assert found == [here]
    cluster.start_worker()


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (InputError("rows.parquet: not a file"), InputError, "rows.parquet: not a file"),
        (TimeoutError("late"), CtrainError, "the scheduler was lost"),
    ],
)
def test_what_goes_wrong_is_told_in_our_words(
    cluster: Cluster, error: Exception, kind: type[Exception], message: str
) -> None:
    with cluster_profile.cluster_at(cluster.address) as client:  # noqa: SIM117 - one after the other
        with pytest.raises(kind, match=message), cluster_profile.told_apart(client):
            raise error


def test_a_file_that_workers_do_not_see_or_see_otherwise_is_told(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": [1.0, 2.0]}), path)
    with opened_on(TableFiles.find([path]), cluster.address) as files:
        assert (len(files.parts), files.schema.names) == (1, ["x"])
        path.write_bytes(path.read_bytes() + b"more")
        with pytest.raises(InputError, match="a worker sees another file, or it changed"):
            profile_files(files)
        path.unlink()
        with pytest.raises(InputError, match="a worker does not see it: No such file"):
            profile_files(files)


@pytest.mark.parametrize(
    ("name", "address", "message"),
    [
        ("rows.csv", None, "only Parquet files are read by a cluster"),
        ("rows.parquet", "nonsense://here", "got 'nonsense://here'"),
        ("rows.parquet", "nowhere", "expected tcp://HOST:PORT or tls://HOST:PORT"),
        ("rows.parquet", "tcp://here:port", "got 'tcp://here:port'"),
    ],
)
def test_what_cannot_be_done_is_told(
    cluster: Cluster, tmp_path: Path, name: str, address: str | None, message: str
) -> None:
    (tmp_path / "rows.csv").write_text("x\n1\n")
    pq.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / "rows.parquet")
    result = run(tmp_path / name, "-o", tmp_path / "p", "--on", address or cluster.address)
    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert not (tmp_path / "p").exists()


def test_a_scheduler_that_is_lost_ends_the_command(folder: Path) -> None:
    told: list[Any] = []

    def ask(files: TableFiles) -> None:
        try:
            profile_files(files)
        except CtrainError as error:
            told.append(str(error))

    with Cluster.started(workers=0) as alone, opened_on(TableFiles.find([folder]), alone.address) as files:
        assert isinstance(files, cluster_profile.ClusterFiles)
        client = files.client
        assert client is not None
        working = threading.Thread(target=ask, args=(files,))
        working.start()
        wait_until(lambda: client.futures, 30.0, "the first task")
        assert alone.scheduler is not None
        kill(alone.scheduler)
        working.join(60.0)
    assert len(told) == 1
    assert "the scheduler was lost" in told[0]
