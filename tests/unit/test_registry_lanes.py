"""Whom a large artifact keeps waiting, and what is left of one that took too long; no MLflow is asked."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from ctrain.domain import Version
from ctrain.errors import TransientError
from ctrain.registry.client import MlflowRegistry
from tests.waiting import wait_until

CHILD = """#!{python} -ISE
import json, sys, threading
scratch = sys.argv[4]
for line in sys.stdin:
    if json.loads(line)["call"] == "digest":
        open(scratch + "/half", "w").close()
        threading.Event().wait()
    print(json.dumps(dict(result="7")), flush=True)
"""
"""A digest is never done; everything else is at once."""


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = tmp_path / "python"
    program.write_text(CHILD.format(python=sys.executable))
    program.chmod(0o700)
    return str(program)


def test_nobody_else_waits_while_a_large_artifact_is_fetched(python: str, tmp_path: Path) -> None:
    registry = MlflowRegistry("http://mlflow.example", python=python)
    told: list[str] = []

    def fetch() -> None:
        with pytest.raises(TransientError) as caught:
            registry.digest("flights", Version("1"))
        told.append(str(caught.value))

    fetching = threading.Thread(target=fetch)
    fetching.start()
    wait_until(lambda: list(tmp_path.glob("ctrain-registry-*/half")), what="half an artifact")
    assert registry.alias("flights", "champion") == "7"
    assert fetching.is_alive()
    registry.interrupt()
    fetching.join()
    assert told == ["MLflow is not asked any more: the daemon stops"]
    registry.close()
    assert [path.name for path in tmp_path.iterdir()] == ["python"]


def test_an_artifact_that_is_not_there_in_time_leaves_nothing_behind(python: str, tmp_path: Path) -> None:
    registry = MlflowRegistry("http://mlflow.example", python=python, fetching_seconds=0.2)
    with pytest.raises(TransientError, match=r"mlflow\.example did not answer 'digest' within 0\.2 s"):
        registry.digest("flights", Version("1"))
    assert [path.name for path in tmp_path.iterdir()] == ["python"]
    assert registry.alias("flights", "champion") == "7"
    registry.close()
