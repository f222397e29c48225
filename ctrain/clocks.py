"""The only rooms that read time: the system's clock, and a clock that follows a replayed stream.

A home with a ``clock.json`` is on stream time: the replayer writes the present there, the daemon
and the commands read it, and the daemon answers in ``clock.ack.json`` once nothing is left to do at
that instant. So the replay and the daemon go in lock-step and a year passes in minutes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ctrain.errors import InputError, TransientError
from ctrain.turns import waiting

CLOCK_FILE = "clock.json"
ACK_FILE = "clock.ack.json"


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RealTimer:
    """Real time, also where policies follow a stream: timeouts, backoff and leases are real."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Setting(NamedTuple):
    """An instant, and how often it has been set once more: data may have come since."""

    now: datetime
    again: int = 0


class StreamClock:
    """The present as the replayer wrote it last."""

    def __init__(self, home: Path) -> None:
        self._path = home / CLOCK_FILE

    def now(self) -> datetime:
        return self.setting().now

    def setting(self) -> Setting:
        """The present as it was set last."""
        return _read_setting(self._path)

    def acknowledge(self, now: datetime, again: int = 0) -> None:
        """Tell the replayer that everything that can be done at ``now`` is done."""
        _write_setting(self._path.with_name(ACK_FILE), Setting(now, again))


class StreamClockFile:
    """The replayer's side of a stream clock."""

    def __init__(self, home: Path) -> None:
        self._path = home / CLOCK_FILE
        self._ack = home / ACK_FILE

    def set(self, now: datetime) -> None:
        """Move the present of the home to ``now`` (aware); the same instant once more is done anew."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        before = self._current()
        again = before.again + 1 if before is not None and before.now == now else 0
        _write_setting(self._path, Setting(now, again))

    def wait_until_quiet(self, now: datetime, timeout_seconds: float, alive: Callable[[], bool]) -> None:
        """Return when the daemon has done all that can be done at ``now``.

        Raises
        ------
        TransientError
            when the daemon ends or does not get there within ``timeout_seconds`` of real time.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self.acknowledged(now):
            if not alive():
                raise TransientError("the daemon stopped; its log says why")
            if time.monotonic() > deadline:
                raise TransientError(
                    f"the daemon is not done with {now.isoformat()} after {timeout_seconds} s"
                )
            time.sleep(0.005)

    def acknowledged_at(self) -> datetime | None:
        """The last instant at which the daemon had done all that it could."""
        return _read_setting(self._ack).now if self._ack.exists() else None

    def acknowledged(self, now: datetime) -> bool:
        """Whether the daemon has done all that it can at ``now``, as often as that was set."""
        current = self._current()
        wanted = current if current is not None and current.now == now else Setting(now)
        return self._ack.exists() and _read_setting(self._ack) >= wanted

    def _current(self) -> Setting | None:
        return _read_setting(self._path) if self._path.exists() else None


def open_clock(home: Path) -> SystemClock | StreamClock:
    """The clock that the home is on."""
    return StreamClock(home) if (home / CLOCK_FILE).exists() else SystemClock()


def _read_setting(path: Path) -> Setting:
    try:
        written = json.loads(path.read_text())
        now, again = datetime.fromisoformat(written["now"]), int(written.get("again", 0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f'{path}: expected {{"kind": "stream", "now": "<ISO time>"}}: {error}') from error
    if now.tzinfo is None:
        raise InputError(f"{path}: the time has no zone")
    return Setting(now.astimezone(UTC), again)


def _write_setting(path: Path, setting: Setting) -> None:
    partial = path.with_name(path.name + ".partial")
    now = setting.now.astimezone(UTC).isoformat()
    partial.write_text(json.dumps({"kind": "stream", "now": now, "again": setting.again}))
    os.replace(partial, path)


def wait_for(condition: Callable[[], bool], timeout_seconds: float, pause_seconds: float = 0.05) -> bool:
    """Look at ``condition`` until it holds; False when ``timeout_seconds`` of real time have passed."""
    with waiting():
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(pause_seconds)
        return True
