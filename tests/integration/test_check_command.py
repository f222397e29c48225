"""``ctrain check`` of data that cannot be read as the policy says."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from tests.support.world import POLICY


def test_files_that_were_set_aside_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "rows").mkdir()
    pq.write_table(pa.table({"idd": ["a"], "x": [1.0]}), tmp_path / "rows" / "first.parquet")
    policy = tmp_path / "clicks.yaml"
    policy.write_text(POLICY)
    words = ["check", str(policy), "--home", str(tmp_path / "home")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.stderr
    assert "set aside: first.parquet: column 'id' is missing; the nearest that exists is 'idd'" in told.stdout
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert [one.partition(";")[0] for one in found["set_aside"]] == ["first.parquet: column 'id' is missing"]
    assert not (tmp_path / "home").exists()


def test_a_name_is_looked_for_in_the_home_and_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CTRAIN_DATABASE_URL", raising=False)
    told = CliRunner().invoke(app, ["check", "clicks", "--home", str(tmp_path / "home")])
    assert told.exit_code == 2
    assert told.stderr == (
        f"clicks: there is no such file; {tmp_path / 'home'}: no ctrain home here; "
        "start `ctrain run` first, or name it with --home\n"
    )
