"""The daemon as a process: it stops when asked, watches alone, and does not wait for one that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ctrain.clocks import StreamClockFile
from tests.e2e.mlflow_server import MlflowServer
from tests.e2e.state import rows_of
from tests.e2e.story import (
    REPOSITORY,
    Daemon,
    environment,
    home_of,
    living,
    no_process_left,
    scratch_of,
    settle,
)
from tests.e2e.stream import HOUR, START, write_policy
from tests.support.warm import pid_of


@dataclass(frozen=True, slots=True)
class Lease:
    """Who held the lease of the policy, and under which token."""

    pid: int | None
    token: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Three daemons on one home: the first is stopped, the second killed, a rival of the third refused."""

    exit_code: int
    left_behind: int
    leases: dict[str, Lease]
    pids: dict[str, int]
    rival: subprocess.CompletedProcess[str]


def _lease(home: Path) -> Lease:
    (row,) = rows_of(home, "SELECT holder, token FROM leases WHERE name LIKE 'policy:%'")
    return Lease(int(row["holder"].split(":")[1]) if row["holder"] else None, row["token"])


def _rival(folder: Path, uri: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ctrain", "run", str(folder / "policy.yaml"), "--home", str(home_of(folder))],
        cwd=REPOSITORY,
        env=environment(uri, scratch_of(folder)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def seen(server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("daemons") / "quiet"
    write_policy(folder, "quiet")
    clock = StreamClockFile(home_of(folder))
    leases: dict[str, Lease] = {}
    pids: dict[str, int] = {}

    def start(name: str, hour: int) -> Daemon:
        clock.set(START + HOUR * hour)
        daemon = Daemon(folder, server.uri)
        assert settle(daemon, START + HOUR * hour)
        leases[name], pids[name] = _lease(home_of(folder)), pid_of(daemon.process)
        return daemon

    daemon = start("first", 0)
    try:
        exit_code = daemon.stop()
        assert no_process_left(folder)
        left_behind = len(living(folder))
        leases["stopped"] = _lease(home_of(folder))
        daemon = start("second", 1)
        os.kill(pid_of(daemon.process), signal.SIGKILL)
        daemon.process.wait()
        daemon = start("third", 2)
        rival = _rival(folder, server.uri)
        leases["rival"] = _lease(home_of(folder))
        assert daemon.stop() == 0
    finally:
        daemon.end()
    return Seen(exit_code, left_behind, leases, pids, rival)


def test_sigterm_ends_the_daemon_in_order(seen: Seen) -> None:
    assert (seen.exit_code, seen.left_behind) == (0, 0)
    assert seen.leases["first"].pid == seen.pids["first"]
    assert seen.leases["stopped"].pid is None


def test_next_daemon_takes_over_at_once(seen: Seen) -> None:
    assert seen.leases["second"] == Lease(seen.pids["second"], token=2)


def test_killed_daemon_is_not_waited_for(seen: Seen) -> None:
    assert seen.leases["third"] == Lease(seen.pids["third"], token=3)


def test_second_daemon_on_the_same_home_is_refused(seen: Seen) -> None:
    assert seen.rival.returncode == 1
    assert f":{seen.pids['third']}:" in seen.rival.stderr
    assert "another daemon (" in seen.rival.stderr
    assert "watches this database; stop it" in seen.rival.stderr
    assert seen.leases["rival"] == seen.leases["third"]
