"""What a killed program leaves behind is removed by the next one, and what is in use is not."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from ctrain.app.throwaway import LOCK, sweep, throwaway_folder

HOLDS = """
import sys
from ctrain.app.throwaway import throwaway_folder

with throwaway_folder("kept-", sys.argv[1]) as folder:
    (folder / "rows").write_text("many")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    with throwaway_folder("kept-", str(tmp_path)) as folder:
        assert (folder.parent, (folder / LOCK).exists()) == (tmp_path, True)
    assert list(tmp_path.iterdir()) == []


def test_two_that_begin_at_once_leave_each_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one looks for what was left just before the lock is taken."""
    lock = fcntl.flock

    def later(file: TextIO, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        sweep("kept-", tmp_path)
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", later)
    with throwaway_folder("kept-", str(tmp_path)) as folder:
        assert folder.exists()
        sweep("kept-", tmp_path)
        assert folder.exists()


def test_a_killed_program_s_folder_is_removed_by_the_next_one_and_no_other(tmp_path: Path) -> None:
    foreign, fresh = tmp_path / "other-1", tmp_path / "kept-without-lock"
    foreign.mkdir()
    fresh.mkdir()
    (tmp_path / "kept-link").symlink_to(foreign)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        held = Path(program.stdout.readline().strip())
        with throwaway_folder("kept-", str(tmp_path)):
            assert (held / "rows").read_text() == "many"
        os.kill(program.pid, signal.SIGKILL)
    with throwaway_folder("kept-", str(tmp_path)):
        assert not held.exists()
    assert {one.name for one in tmp_path.iterdir()} == {"other-1", "kept-without-lock", "kept-link"}
