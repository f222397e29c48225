"""Parts of a training child that need neither MLflow nor a process."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.child.context import sample_weight


def test_weights_are_a_series_with_the_index_of_the_rows(tmp_path: Path) -> None:
    assert sample_weight(tmp_path) is None
    pq.write_table(pa.table({"weight": [0.5, 1.5]}), tmp_path / "weights.parquet")
    weights = sample_weight(tmp_path)
    assert (weights.tolist(), weights.index.tolist()) == ([0.5, 1.5], [0, 1])
