"""What systemd hears of a daemon, read from a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from ctrain.app.sd_notify import ServiceState
from ctrain.app.ticks import TickLoop
from ctrain.clocks import RealTimer
from tests.support.house import OTHER, House
from tests.waiting import wait_until


class Systemd:
    """Listens where systemd would, and keeps what it hears."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(5)
        self.heard: list[dict[str, str]] = []

    def listen(self) -> dict[str, str]:
        """The next message; TimeoutError when none comes."""
        lines = self.socket.recv(4096).decode().splitlines()
        self.heard.append(dict(line.split("=", 1) for line in lines))
        return self.heard[-1]

    def messages(self) -> Iterator[dict[str, str]]:
        """What comes, a few hundred at most."""
        return (self.listen() for _ in range(300))

    def drain(self) -> list[str]:
        """The first name of everything that was said, until nothing more waits."""
        self.socket.setblocking(False)
        self.heard.clear()
        try:
            while True:
                self.listen()
        except BlockingIOError:
            return [next(iter(message)) for message in self.heard]


@pytest.fixture(params=["a path", "an abstract name"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Systemd, str]]:
    if request.param == "a path":
        address = name = str(tmp_path / "notify")
    else:
        name = f"@ctrain-{os.getpid()}"
        address = "\0" + name[1:]
    listener = Systemd(address)
    yield listener, name
    listener.socket.close()


def test_each_state_is_one_datagram(systemd: tuple[Systemd, str]) -> None:
    listener, name = systemd
    timer = RealTimer()
    state = ServiceState({"NOTIFY_SOCKET": name}, timer)
    state.ready("watching 2 policies")
    assert listener.listen() == {"READY": "1", "STATUS": "watching 2 policies"}
    state.alive()
    assert listener.listen() == {"WATCHDOG": "1"}
    before = timer.monotonic()
    state.reloading()
    told = listener.listen()
    assert told["RELOADING"] == "1"
    assert before - 1e-6 <= int(told["MONOTONIC_USEC"]) / 1e6 <= timer.monotonic()
    state.reloaded("policies read again")
    assert listener.listen() == {"READY": "1", "STATUS": "policies read again"}
    state.reloaded("nobody has asked for it")
    state.stopping()
    assert listener.listen()["STOPPING"] == "1"


@pytest.mark.parametrize("address", ["", "vsock:2:9999", "relative/path", "/nowhere/at/all"])
def test_without_a_listener_nothing_is_said_and_nothing_fails(
    address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    state = ServiceState({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"}, RealTimer())
    state.ready("")
    state.alive()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_signs_of_life_come_twice_in_the_time_that_is_allowed(
    environ: dict[str, str], seconds: int | None
) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert ServiceState({"NOTIFY_SOCKET": "/run/x", **environ}, RealTimer()).sign_of_life_every == expected
    assert ServiceState(environ, RealTimer()).sign_of_life_every is None, "nobody listens"


def test_a_daemon_says_that_it_is_ready_that_it_lives_and_that_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Systemd(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    house = House(tmp_path)
    with closing(listener.socket), house.daemon(house.loaded(OTHER, "views.yaml")) as daemon:
        assert listener.listen() == {
            "READY": "1",
            "STATUS": f"watching 1 policies, listening on {house.listen}",
        }
        assert listener.listen() == listener.listen() == {"WATCHDOG": "1"}
        daemon._read_again()  # what SIGHUP does
        said = [*islice((x for x in listener.messages() if "WATCHDOG" not in x), 2)]
        assert "RELOADING" in said[0]
        assert said[1] == {"READY": "1", "STATUS": "policies read again"}
        looks: list[bool] = []

        def hangs(_: TickLoop) -> bool:
            looks.append(False)
            return False

        monkeypatch.setattr(TickLoop, "alive", property(hangs))
        wait_until(lambda: looks, 5, "it is asked whether a tick hangs")
        listener.drain()
        wait_until(lambda: len(looks) > 3, 5, "it is asked again")
        assert listener.drain() == [], "no sign of life while a tick hangs"
        daemon.stop()
        listener.socket.settimeout(5)
        assert listener.listen() == {"STOPPING": "1", "STATUS": "finishing the ticks under way"}
