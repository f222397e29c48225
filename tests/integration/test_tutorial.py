"""The tutorial, word for word in an empty folder: its script, its commands, and what it says they print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctrain.cli import app
from tests.support.pages import Shown, blocks, shown_commands
from tests.support.reference import HANDBOOK
from tests.support.warm import real_with_warm_children
from tests.waiting import wait_until

PAGE = HANDBOOK / "tutorial.md"
DAEMON = "ctrain run returns"
CHILDREN_S = {"evidently", "matplotlib", "mlflow", "pandas", "river", "scipy", "sklearn"}
"""Each of these would stay in a daemon's memory for ever, a tenth of it or more."""


def test_the_tutorial_prints_what_it_says_and_its_daemon_stays_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "CTRAIN_DATABASE_URL", "CTRAIN_HOME", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (script,) = blocks(PAGE, "python")
    (tmp_path / "make_orders.py").write_text(script)
    commands = shown_commands(PAGE)
    start = [one.command for one in commands].index(DAEMON)
    for one in commands[:start]:
        check(one)
    with daemon(tmp_path) as running:
        for one in commands[start + 1 :]:
            check(one)
        loaded = packages_of(running)
    assert "pyarrow" in loaded
    assert not loaded & CHILDREN_S


def packages_of(process: subprocess.Popen[bytes]) -> set[str]:
    """The installed packages whose compiled code a process holds."""
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    return set(re.findall(r"site-packages/([A-Za-z_]+)", maps))


def check(shown: Shown) -> None:
    """Run a command of the page; those of ctrain in this process, which has imported what they need."""
    words = shlex.split(shown.command)
    if words[0] == "ctrain":
        done = CliRunner().invoke(app, words[1:])
        code, output = done.exit_code, done.output
    else:
        words[0] = sys.executable if words[0] == "python" else words[0]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        code, output = ended.returncode, ended.stdout + ended.stderr
    assert (shown.command, code) == (shown.command, 0), output
    assert shown.is_printed(output), f"$ {shown.command}\n{output}\n--- the page says\n{shown.output}"


@contextmanager
def daemon(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon of the second terminal, on a port that nobody else has."""
    log = folder / "run.log"
    command = real_with_warm_children([*shlex.split(DAEMON), "--listen", "127.0.0.1:0"])
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as child:
        try:
            wait_until(lambda: '"started"' in log.read_text() or child.poll() is not None, 120, "start")
            assert child.poll() is None, log.read_text()
            yield child
        finally:
            child.terminate()
            child.wait(60)
    assert child.returncode == 0, log.read_text()
