"""The first days of the demo with the real daemon: lock-step, counts, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ctrain.demo.home import POLICY_NAME
from ctrain.domain import PolicyName
from ctrain.store import open_store
from tests.waiting import wait_until

pytestmark = pytest.mark.cold  # as a user starts it
FLIGHTS_OF_THREE_DAYS = 2_556
"""Due to leave before 4 January in UTC, counted with awk."""
LABELS_OF_TWO_DAYS = 1_616


def _demo(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "ctrain", "demo", "--home", str(home), *arguments]


def _daemons_of(home: Path) -> list[int]:
    found = []
    for child in psutil.process_iter(["cmdline"]):
        words = child.info["cmdline"] or []
        if str(home) in words and "run" in words:
            found.append(child.pid)
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "demo"


def test_every_row_that_production_lands_is_read_once(home: Path) -> None:
    done = subprocess.run(
        _demo(home, "--until", "2013-01-04", "--json"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr  # three days are no story
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["labels"]) == (FLIGHTS_OF_THREE_DAYS, LABELS_OF_TWO_DAYS)
    assert summary["unmet"]
    with open_store(f"sqlite:///{home / 'state.db'}").read() as tx:
        state = tx.ingest_state(PolicyName(POLICY_NAME))
    assert (state.rows_total, state.labels_total) == (FLIGHTS_OF_THREE_DAYS, LABELS_OF_TWO_DAYS)
    assert (state.duplicates_total, state.late_total, dict(state.rejected_total)) == (0, 0, {})
    assert not _daemons_of(home)


@pytest.mark.slow
def test_control_c_stops_the_daemon_too(home: Path) -> None:
    demo = subprocess.Popen(
        _demo(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # a test run in the background ignores Ctrl-C, and hands that down
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads yet
    )
    try:
        wait_until(lambda: any((home / "stream" / "predictions").glob("*.parquet")), 180, "the first flights")
        assert _daemons_of(home)
        os.kill(demo.pid, signal.SIGINT)
        assert demo.wait(60) == 130
    finally:
        demo.kill()
        demo.wait()
    assert not _daemons_of(home)
