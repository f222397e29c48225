"""What a killed program leaves behind is removed by the next one, and what is in use is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from ctrain.app.throwaway import LOCK, throwaway_folder

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
