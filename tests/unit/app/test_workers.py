"""Daemons beside a daemon: how they are started, and how they are as one."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ctrain.app import workers as module
from ctrain.app.kept_child import start_child
from ctrain.app.workers import Worker, Workers, check_workers, open_workers
from ctrain.clocks import RealTimer, StreamClockFile
from ctrain.errors import InputError
from ctrain.settings import Settings
from ctrain.web import Health
from ctrain.web.server import serve_privately
from tests.support.fakes import QuietTelemetry
from tests.waiting import wait_until


def states(how: Health) -> tuple[bool, bool, bool]:
    return how.healthy, how.ready, how.alive


class Told:
    def expose(self, accept: str = "") -> tuple[bytes, str]:
        return b"# HELP ctrain_daemons D\n# TYPE ctrain_daemons gauge\nctrain_daemons 1\n", accept


class How:
    def __init__(self, *, well: bool) -> None:
        self.healthy = self.ready = self.alive = well


def test_a_home_on_stream_time_and_a_local_cluster_have_one_daemon(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path, {})
    check_workers(2, settings, 0)
    check_workers(1, settings, 2)
    with pytest.raises(InputError, match="--local-cluster serves one daemon"):
        check_workers(2, settings, 2)
    StreamClockFile(tmp_path).set(datetime(2026, 1, 1, tzinfo=UTC))
    check_workers(1, settings, 0)
    with pytest.raises(InputError, match="time of a stream has one daemon"):
        check_workers(2, settings, 0)


def test_without_workers_a_daemon_speaks_for_itself() -> None:
    told, how = Told(), How(well=True)
    assert Workers().together(told, how) == (told, how)


def test_the_service_manager_is_the_first_daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("CTRAIN_TICK_SECONDS", "7")
    started: list[tuple[list[str], dict[str, str]]] = []

    def start(command: list[str], environ: dict[str, str]) -> None:
        started.append((command, environ))
        raise OSError("not here")

    monkeypatch.setattr(module, "start_child", start)
    telemetry = QuietTelemetry()
    paths = [Path("policies")]
    workers = open_workers(3, paths, Settings.load(tmp_path, {}), telemetry, RealTimer())
    workers.start()
    wait_until(lambda: len(started) >= 2, 30, "both were tried")
    workers.close()
    names = set()
    for command, environ in started:
        assert command[1:5] == ["-m", "ctrain", "run", str(Path("policies").absolute())]
        assert "NOTIFY_SOCKET" not in environ
        assert environ["CTRAIN_TICK_SECONDS"] == "7"
        assert command[command.index("--home") + 1] == str(tmp_path)
        assert command[command.index("--workers") + 1] == "3", "each keeps a third in memory"
        names.add(command[-1])
    assert len(names) == len(started)


@pytest.mark.parametrize("well", [True, False])
def test_a_worker_counts_once_it_has_answered(monkeypatch: pytest.MonkeyPatch, *, well: bool) -> None:
    """A real process that only waits; this one answers in its name, later on."""
    names: list[str] = []
    real = start_child

    def start(command: list[str], environ: dict[str, str]) -> object:
        names.append(command[-1])
        return real([sys.executable, "-ISc", "input()"], environ)

    monkeypatch.setattr(module, "start_child", start)
    workers = Workers([Worker("1", ["x"], {}, QuietTelemetry(), RealTimer())])
    told, how = workers.together(Told(), How(well=True))
    workers.start()
    wait_until(lambda: names, 30, "it was started")
    assert states(how) == (True, True, True)
    assert told.expose()[0].count(b"worker=") == 1
    server = serve_privately(Told(), How(well=well), names[0])
    wait_until(lambda: workers.told(""), 30, "it is known by this name")
    assert states(how) == (well, well, True)
    assert b'ctrain_daemons{worker="1"} 1\n' in told.expose()[0]
    server.close()
    assert states(how) == (False, False, True)  # it was there, and does not answer any more
    workers.close()
    assert states(how) == (True, True, True)
