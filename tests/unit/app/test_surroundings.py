"""What `ctrain validate` notices around a policy: code, interpreters, columns and rows that it lacks here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.app.surroundings import missing_around
from ctrain.policy.files import load_policy

POLICY = """
version: 1
policy: clicks
model: {name: clicks, task: binary, metric: brier%(python)s}
data:
  source: {type: files, path: "rows"}
  labels: {source: {type: files, path: "labels/*.csv"}, label: bought, matures_after: 1d}
  id: click_id
  event_time: {column: clicked_at, timezone: UTC}
  features: {numeric: [price, age]}
  columns: {age: person.age}
  pane: 1h
  allowed_lateness: 1h
monitors: {inputs: {type: drift, window: 1d}}
triggers: {drifted: {any: [inputs]}}
train: {entrypoint: "%(entrypoint)s", window: {last: 30d}, timeout: 1h}
shadow: {margin: 0.01, min_duration: 7d, max_duration: 28d}
probation: {duration: 14d}
"""
RIGHT = {"entrypoint": "code:train", "python": ""}


def found(folder: Path, **changes: str) -> list[str]:
    path = folder / "clicks.yaml"
    path.write_text(POLICY % {**RIGHT, **changes})
    return missing_around(load_policy(path, {}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text("import this_is_not_installed\n\n\ndef train(rows, context): ...\n")
    for name in ("rows", "labels"):
        (tmp_path / name).mkdir()
    columns: dict[str, list[Any]] = {
        "click_id": ["a"],
        "clicked_at": ["2026-01-01"],
        "price": [1.0],
        "person": [{"age": 3}],
    }
    pq.write_table(pa.table(columns), tmp_path / "rows" / "a.parquet")
    (tmp_path / "labels" / "a.csv").write_text("click_id,bought\na,1\n")
    return tmp_path


def test_where_nothing_is_missing_nothing_is_said_and_no_code_is_run(folder: Path) -> None:
    assert found(folder, python=f", python: {sys.executable}") == []


def test_files_that_have_not_come_yet_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("def train(rows, context): ...\n")
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "notice"),
    [
        (
            {"entrypoint": "gone:train"},
            "train.entrypoint: there is no gone.py beside the policy: training will fail",
        ),
        (
            {"entrypoint": "code:trian"},
            "train.entrypoint: code.py has no function 'trian'; did you mean train?: training will fail",
        ),
        ({"python": ", python: /no/python"}, "model.python: /no/python is no program that can be run here"),
    ],
)
def test_code_that_is_missing(folder: Path, changes: dict[str, str], notice: str) -> None:
    assert found(folder, **changes) == [notice]


def test_a_function_may_come_from_where_only_running_tells(folder: Path) -> None:
    (folder / "code.py").write_text("from somewhere import *\n")
    assert found(folder, entrypoint="code:anything") == []
    (folder / "code.py").write_text("if True:\n    def train(rows, context): ...\n")
    assert found(folder) == []
    (folder / "code.py").write_text("from elsewhere import fit as train\n")
    assert found(folder) == []


def test_columns_that_the_newest_file_lacks(folder: Path) -> None:
    pq.write_table(pa.table({"clickid": ["a"], "price": [1.0]}), folder / "rows" / "b.parquet")
    (folder / "labels" / "a.csv").write_text("click_id,bougth\na,1\n")
    assert found(folder) == [
        "data.labels.label: a.csv has no column 'bought'; did you mean bougth?",
        "data.id: b.parquet has no column 'click_id'; did you mean clickid?",
        "data.event_time.column: b.parquet has no column 'clicked_at'; did you mean clickid?",
        "data.features (age): b.parquet has no column 'person'",
    ]


def test_columns_with_dots_in_their_names_and_any_delimiter_are_seen(folder: Path) -> None:
    columns: dict[str, list[Any]] = {
        "click_id": ["a"],
        "clicked_at": ["x"],
        "price": [1.0],
        "person.age": [3],
    }
    pq.write_table(pa.table(columns), folder / "rows" / "a.parquet")
    (folder / "labels" / "a.csv").write_text('\ufeff"click_id"; bought\na;1\n')
    assert found(folder) == []


def test_a_file_that_cannot_be_read_is_left_to_the_daemon(folder: Path) -> None:
    (folder / "rows" / "c.parquet").write_text("nonsense")
    (folder / "labels" / "a.csv").write_text('"click_id"?,bought\na,1\n')
    assert found(folder) == []


def land(folder: Path, rows_a_day: int, days: range) -> None:
    for day in days:
        columns: dict[str, list[Any]] = {
            "click_id": [f"{day}-{number}" for number in range(rows_a_day)],
            "clicked_at": [f"2026-01-{day:02} {number % 24:02}:00" for number in range(rows_a_day)],
            "price": [1.0] * rows_a_day,
            "person": [{"age": 3}] * rows_a_day,
        }
        pq.write_table(pa.table(columns), folder / "rows" / f"{day:02}.parquet")


def test_rows_that_come_too_seldom_for_a_shadow(folder: Path) -> None:
    land(folder, 30, range(2, 6))
    notice = (
        "shadow.min_rows: 1000 rows cannot be reached: about 24 a day, as the files have them, are 659 in 27d"
    )
    assert found(folder) == [notice]
    land(folder, 50, range(2, 6))
    assert found(folder) == []


def test_a_few_rows_and_rows_of_one_instant_tell_no_rate(folder: Path) -> None:
    land(folder, 20, range(2, 6))
    assert found(folder) == []
    for path in (folder / "rows").iterdir():
        path.unlink()
    at_once: dict[str, list[Any]] = {
        "click_id": [str(number) for number in range(500)],
        "clicked_at": ["2026-01-01"] * 500,
        "price": [1.0] * 500,
        "person": [{"age": 3}] * 500,
    }
    pq.write_table(pa.table(at_once), folder / "rows" / "b.parquet")
    assert found(folder) == []
