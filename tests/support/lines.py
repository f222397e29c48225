"""Lines through zero: trainings whose result is known, and what a training child is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LINE = '''
import numpy as np


class Line:
    """What a training function may return: something with predict."""

    def __init__(self, slope):
        self.slope = slope

    def predict(self, rows):
        return rows["x"].to_numpy() * self.slope

'''


def write_lines(folder: Path, functions: str) -> Path:
    """``lines.py`` with training functions that return a ``Line``; the folder it lies in."""
    (folder / "lines.py").write_text(LINE + functions)
    return folder


def line_job(code: Path, *, params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A job of a regression of ``y`` on ``x``, as the child reads it."""
    return {
        "entrypoint": "",
        "code_folder": str(code),
        "context": {
            "policy": "lines",
            "run_id": "lines-1",
            "task": "regression",
            "label": "y",
            "features": {"numeric": ["x"]},
            "window_start": "",
            "window_end": "",
            "seed": 0,
            "params": params or {},
            "sample_weight": None,
        },
        "registration": {"metric": "squared_error"},
        **more,
    }


def line_rows(slope: float, then: float | None = None, n: int = 200) -> pd.DataFrame:
    """``y = slope * x``, and another slope in the newest tenth."""
    x = np.random.default_rng(1).normal(size=n)
    slopes = np.full(n, slope)
    slopes[n - n // 10 :] = slope if then is None else then
    return pd.DataFrame({"x": x, "y": slopes * x})
