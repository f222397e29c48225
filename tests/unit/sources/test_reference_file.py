"""The file of a reference: its rows as the row log has them, whatever the format and the names."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from ctrain.errors import InputError
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Policy
from ctrain.ports import ReferenceRows
from ctrain.sources.reference_file import ReferenceTable
from tests.support.world import POLICY

TEXT = POLICY.replace("pane: 1h", "pane: 1h\n  columns: {x: distance, kind: product.kind}")
ROWS: list[dict[str, Any]] = [
    {"at": "2024-01-01T00:00:00+00:00", "distance": 1, "z": 0.5, "product.kind": "a", "score": 0.2},
    {"at": "2024-01-01T02:00:00+00:00", "distance": 2, "z": None, "product.kind": "b", "score": 0.9},
]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return parse_policy(TEXT, Path("clicks.yaml"), {}).policy


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(path: Path, policy: Policy) -> ReferenceRows:
    found = ReferenceTable(path, policy).read()
    assert isinstance(found, ReferenceRows)
    return found


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_every_format_gives_the_rows_of_the_row_log(tmp_path: Path, policy: Policy, suffix: str) -> None:
    found = rows_of(write(tmp_path / f"rows.{suffix}", ROWS), policy)
    assert found.timed
    assert found.origin == f"rows.{suffix}"
    assert found.table["event_at"].to_pylist() == [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (0, 2)]
    assert found.table["x"].to_pylist() == [1.0, 2.0]
    assert found.table["z"].to_pylist() == [0.5, None]
    assert found.table["kind"].to_pylist() == ["a", "b"]
    assert found.table["prediction"].to_pylist() == [0.2, 0.9]


def test_neither_ids_nor_times_nor_scores_are_needed(tmp_path: Path, policy: Policy) -> None:
    rows = [{name: one[name] for name in ("distance", "z", "product.kind")} for one in ROWS]
    found = rows_of(write(tmp_path / "rows.parquet", rows), policy)
    assert not found.timed
    assert found.table.num_rows == 2
    assert found.table["prediction"].null_count == 2


def test_rows_without_a_time_are_left_out_where_others_have_one(tmp_path: Path, policy: Policy) -> None:
    rows = [ROWS[0], {**ROWS[1], "at": None}]
    assert rows_of(write(tmp_path / "rows.parquet", rows), policy).table["x"].to_pylist() == [1.0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"distance": 1, "z": 2.0}], "the reference lacks the feature kind"),
        ([{**ROWS[0], "at": None}], "the reference has no rows that can be used"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    tmp_path: Path, policy: Policy, rows: list[dict[str, Any]], message: str
) -> None:
    path = write(tmp_path / "rows.parquet", rows)
    with pytest.raises(InputError, match=message):
        ReferenceTable(path, policy).read()


def test_its_digest_follows_the_content(tmp_path: Path, policy: Policy) -> None:
    path = write(tmp_path / "rows.parquet", ROWS)
    file = ReferenceTable(path, policy)
    first = file.digest()
    os.utime(path, ns=(1, 1))
    assert file.digest() == first
    write(path, ROWS[:1])
    assert file.digest() != first
    path.unlink()
    with pytest.raises(InputError, match="cannot be read: No such file"):
        file.digest()
