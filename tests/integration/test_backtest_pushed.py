"""The past of rows that were pushed is read from the row log, and is the past that files would tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.app.backtesting import load_replayed, read_past
from ctrain.app.past_files import AS_WRITTEN, Past
from ctrain.backtest.history import History, load_history
from ctrain.domain import Ingested, IngestState, PolicyName
from ctrain.errors import InputError
from ctrain.policy.files import LoadedPolicy, parse_policy
from ctrain.ports import RowLog, Store
from ctrain.rows import ParquetRowLogs
from ctrain.sources.opening import FileSources
from ctrain.store import open_store

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 3, 1, tzinfo=UTC)
FILES = """
version: 1
policy: clicks
model: {name: clicks, task: binary, metric: brier}
data:
  source: {type: files, path: rows}
  labels: {source: {type: files, path: labels}, id: key, label: y, matures_after: 2h}
  id: id
  event_time: {column: at}
  prediction: score
  model_version: version
  features: {numeric: [x], categorical: [kind], boolean: [vip], date: [since], text: [note]}
  columns: {x: deep.x, score: out.score}
  pane: 1h
  allowed_lateness: 1h
monitors:
  inputs: {type: drift, window: 6h}
triggers:
  drifted: {all: [inputs], for: 2h}
train: {entrypoint: "clicks:train", window: {last: 36h}, timeout: 1h}
shadow: {min_duration: 1d, max_duration: 8d}
probation: {duration: 2d}
"""
PUSHED = FILES.replace("{type: files, path: rows}", "{type: push}").replace(
    "{type: files, path: labels}", "{type: push}"
)


def rows_of(number: int) -> pa.Table:
    hours = range(number)
    return pa.table(
        {
            "id": [f"r{at}" for at in hours],
            "at": pa.array([START + timedelta(hours=at) for at in hours], pa.timestamp("us", "UTC")),
            "out": [{"score": 0.5} for _ in hours],
            "version": ["1"] * number,
            "deep": [{"x": at / 3 if at % 5 else None} for at in hours],
            "kind": ["ab"[at % 2] for at in hours],
            "vip": [at % 3 == 0 for at in hours],
            "since": [date(2020, 1, 1 + at % 28) for at in hours],
            "note": [f"word {at}" for at in hours],
        }
    )


def take_in(folder: Path, store: Store, log: RowLog) -> None:
    """Read the files into the row log, as a daemon does."""
    loaded = parse_policy(FILES, folder / "clicks.yaml", {})
    sources = FileSources()
    labels = sources.open_labels(loaded.policy, loaded.folder)
    assert labels is not None
    steps: list[Callable[[IngestState], Ingested]] = [
        lambda state: log.write_rows(
            sources.open_rows(loaded.policy, loaded.folder).read({}, 1000), state, NOW
        ),
        lambda state: log.write_labels(labels.read({}, 1000), state, NOW),
    ]
    for sequence, step in enumerate(steps):
        ingested = step(IngestState(sequence=sequence))
        with store.write() as tx:
            tx.add_segments(ingested.segments)
            tx.remove_segments(PolicyName("clicks"), ingested.replaced)
        log.adopt(ingested)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rows and labels in files, and in the row log of a home."""
    for name, table in (
        ("rows", rows_of(60)),
        (
            "labels",
            pa.table({"key": [f"r{at}" for at in range(40)], "y": [float(at % 2) for at in range(40)]}),
        ),
    ):
        (tmp_path / name).mkdir()
        pq.write_table(table, tmp_path / name / "a.parquet")
    (tmp_path / "clicks.yaml").write_text(PUSHED)
    home = tmp_path / "home"
    home.mkdir()
    store = open_store(f"sqlite:///{home / 'state.db'}")
    policy = parse_policy(PUSHED, tmp_path / "clicks.yaml", {}).policy
    take_in(
        tmp_path,
        store,
        ParquetRowLogs(home / "rows", store).open(PolicyName("clicks"), policy.data, "binary"),
    )
    return tmp_path


def told(history: History) -> tuple[Any, ...]:
    labels = [one.table.to_pydict() for one in history.labels]
    return (
        history.known.to_pylist(),
        labels,
        [one.appears.tolist() for one in history.rows],
        history.set_aside,
    )


def read(path: Path, environ: dict[str, str], past: Past = AS_WRITTEN) -> tuple[LoadedPolicy, History]:
    loaded = load_replayed(path, environ)
    return loaded, read_past(loaded, environ, past)


@pytest.mark.parametrize(
    "text",
    [
        PUSHED,
        FILES.replace("{type: files, path: labels}", "{type: push}"),
        FILES.replace("{type: files, path: rows}", "{type: push}"),
    ],
    ids=["both", "labels", "rows"],
)
def test_the_row_log_tells_what_files_would(folder: Path, text: str) -> None:
    (folder / "clicks.yaml").write_text(text)
    loaded = parse_policy(FILES, folder / "clicks.yaml", {})
    _, history = read(folder / "clicks.yaml", {"CTRAIN_HOME": str(folder / "home")})
    assert told(history) == told(load_history(loaded.policy, loaded.folder))


def test_a_home_without_these_rows_says_what_to_do(folder: Path) -> None:
    (folder / "clicks.yaml").write_text(PUSHED.replace("policy: clicks", "policy: views"))
    with pytest.raises(
        InputError, match=r"views: its rows are pushed, .* holds none of them: .* by CTRAIN_HOME"
    ):
        read(folder / "clicks.yaml", {"CTRAIN_HOME": str(folder / "home")})
    with pytest.raises(InputError, match="no ctrain home here"):
        read(folder / "clicks.yaml", {"CTRAIN_HOME": str(folder / "nowhere")})


@pytest.mark.parametrize(
    ("text", "past"),
    [
        pytest.param(PUSHED, Past(Path("rows"), Path("labels")), id="pushed"),
        pytest.param(PUSHED, Past(Path("rows")), id="pushed labels"),
        pytest.param(FILES, Past(labels=Path("labels/*.parquet")), id="files"),
        pytest.param(FILES.replace("rows}", "absent}"), Past(Path("rows/a.parquet")), id="one file"),
    ],
)
def test_files_of_the_past_take_the_place_of_a_source(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, past: Past
) -> None:
    """They are named from the working folder, and the policy that is replayed stays as it is written."""
    monkeypatch.chdir(folder)
    path = folder / "policies" / "clicks.yaml"
    path.parent.mkdir()
    path.write_text(text.replace("path: labels", "path: ../labels").replace("path: rows", "path: ../rows"))
    loaded, history = read(path, {"CTRAIN_HOME": str(folder / "home")}, past)
    written = parse_policy(FILES, folder / "clicks.yaml", {})
    assert told(history) == told(load_history(written.policy, written.folder))
    assert loaded.policy == parse_policy(path.read_text(), path, {}).policy


def test_files_of_the_past_that_do_not_fit_are_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    inside = FILES.replace("{source: {type: files, path: labels}, id: key, label: y, ", "{label: y, ")
    (folder / "clicks.yaml").write_text(inside)
    with pytest.raises(InputError, match="--history-labels labels: clicks has its labels in the column y"):
        read(folder / "clicks.yaml", {}, Past(labels=Path("labels")))
    with pytest.raises(InputError, match=r"absent: there is no row to replay"):
        read(folder / "clicks.yaml", {}, Past(Path("absent")))
