"""The sources of a policy start at its folder and want what it names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ctrain.sources.opening import FileSources
from tests.parquet_rows import build_data, build_labels, build_rows, ids_of, write_parquet
from tests.text_rows import write_text


def policy(**changes: Any) -> Any:
    return SimpleNamespace(data=build_data(**changes), model=SimpleNamespace(task="binary"))


@pytest.mark.parametrize("absolute", [False, True])
def test_paths_start_at_the_folder_of_the_policy(tmp_path: Path, absolute: bool) -> None:
    write_parquet(tmp_path / "data/rows/a.parquet", build_rows(["1"]))
    path = str(tmp_path / "data/rows") if absolute else "../data/rows"
    source = FileSources().open_rows(policy(source={"type": "files", "path": path}), tmp_path / "policies")
    (tmp_path / "policies").mkdir()
    assert ids_of(source.read({}, 10)) == ["1"]


def test_labels_have_a_source_of_their_own_or_none(tmp_path: Path) -> None:
    write_parquet(tmp_path / "labels/a.parquet", build_labels({"1": 1.0}))
    sources = FileSources()
    source = sources.open_labels(policy(), tmp_path)
    assert source is not None
    assert ids_of(source.read({}, 10)) == ["1"]
    together = policy(labels={"label": "delayed", "matures_after": "1d"})
    assert sources.open_labels(together, tmp_path) is None


def test_formats_and_types_are_those_of_the_policy(tmp_path: Path) -> None:
    spec = {"type": "files", "path": "rows/*.log", "format": "csv", "types": {"version": "text"}}
    header = "flight_id,scheduled_at,score,v,distance,carrier\n"
    write_text(tmp_path / "rows/a.csv", header)
    (tmp_path / "rows/app.log").write_text(header + "1,2013-03-01T00:00:00Z,0.5,1.0,7,2.0\n")
    source = FileSources().open_rows(policy(source=spec, columns={"version": "v"}), tmp_path)
    (batch,) = source.read({}, 10).batches
    assert (batch.table["v"].to_pylist(), batch.table["carrier"].to_pylist()) == (["1.0"], ["2"])
    labels = {"type": "files", "path": "labels", "format": "jsonl"}
    together = policy(labels={"source": labels, "label": "delayed", "matures_after": "1d"})
    write_text(tmp_path / "labels/a.jsonl", '{"flight_id": 7, "delayed": true}\n')
    opened = FileSources().open_labels(together, tmp_path)
    assert opened is not None
    (batch,) = opened.read({}, 10).batches
    assert batch.table.to_pydict() == {"flight_id": ["7"], "delayed": [True]}
