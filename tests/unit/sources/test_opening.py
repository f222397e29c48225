"""The sources of a policy start at its folder and want what it names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ctrain.sources import FileSources
from tests.parquet_rows import build_data, build_labels, build_rows, ids_of, write_parquet


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
