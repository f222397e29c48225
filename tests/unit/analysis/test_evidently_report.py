"""What rows say is text on Evidently's page, too, whose scripts hold it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ctrain.analysis.evidently_report import write_html

HOSTILE = "</script><script>alert('{}')</script><!--"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Evidently builds on
def test_values_and_names_of_columns_are_no_scripts(tmp_path: Path) -> None:
    value, name = HOSTILE.format("value"), HOSTILE.format("name")
    rng = np.random.default_rng(7)
    before, now = (
        pa.table(
            {"carrier": pa.array(["AA", value] * 100), name: pa.array(rng.normal(mean, 1, 200).tolist())}
        )
        for mean in (0, 1)
    )
    page = tmp_path / "report.html"
    kinds = {"carrier": "categorical", name: "numeric"}
    write_html(page, "clicks: what drifted", ["inputs"], True, before, now, kinds, list(kinds))
    written = page.read_text()
    for word in ("value", "name"):
        assert f"alert('{word}')" in written
        assert f"<script>alert('{word}')" not in written
