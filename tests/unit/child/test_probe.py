from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ctrain.child.models import LoadedModel
from ctrain.child.probe import probe_model

JOB = {"task": "regression", "output": "value"}


class Pyfunc:
    def __init__(self, noise: float) -> None:
        self.noise, self.random = noise, np.random.default_rng(3)
        self.sizes: list[int] = []

    def predict(self, frame: pd.DataFrame) -> Any:
        self.sizes.append(len(frame))
        return frame["x"].to_numpy() + self.noise * self.random.normal(size=len(frame))


def loaded(folder: Path, noise: float = 0.0) -> LoadedModel:
    (folder / "inside").mkdir()
    (folder / "inside" / "model.bin").write_bytes(b"x" * 700)
    (folder / "MLmodel").write_bytes(b"x" * 34)
    return LoadedModel(folder, Pyfunc(noise), None, (("x", "double", True),), ("python_function",), "digest")


def test_rows_are_predicted_one_by_one_and_in_batches(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    found = probe_model(model, pd.DataFrame({"x": np.arange(1500.0)}), JOB)
    assert model.pyfunc.sizes.count(1) == 200 + 5
    assert model.pyfunc.sizes.count(1000) == 20 + 5 + 2
    assert (found["size_bytes"], found["batch_rows"], found["predictions"]) == (734, 1000, 200)
    assert found["deterministic"] is True
    assert found["signature"] == [["x", "double"]]


def test_a_model_that_throws_dice_is_found_out(tmp_path: Path) -> None:
    found = probe_model(loaded(tmp_path, noise=1e-9), pd.DataFrame({"x": np.arange(10.0)}), JOB)
    assert found["deterministic"] is False


def test_without_a_row_nothing_can_be_measured(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of the rows"):
        probe_model(loaded(tmp_path), pd.DataFrame({"x": []}), JOB)
