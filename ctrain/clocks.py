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

from ctrain.errors import InputError, TransientError

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


class StreamClock:
    """The present as the replayer wrote it last."""

    def __init__(self, home: Path) -> None:
        self._path = home / CLOCK_FILE

    def now(self) -> datetime:
        return _read_instant(self._path)

    def acknowledge(self, now: datetime) -> None:
        """Tell the replayer that everything that can be done at ``now`` is done."""
        _write_instant(self._path.with_name(ACK_FILE), now)


class StreamClockFile:
    """The replayer's side of a stream clock."""

    def __init__(self, home: Path) -> None:
        self._path = home / CLOCK_FILE
        self._ack = home / ACK_FILE

    def set(self, now: datetime) -> None:
        """Move the present of the home to ``now`` (aware)."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _write_instant(self._path, now)

    def wait_until_quiet(self, now: datetime, timeout_seconds: float, alive: Callable[[], bool]) -> None:
        """Return when the daemon has done all that can be done at ``now``.

        Raises
        ------
        TransientError
            when the daemon ends or does not get there within ``timeout_seconds`` of real time.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self._acknowledged(now):
            if not alive():
                raise TransientError("the daemon stopped; its log says why")
            if time.monotonic() > deadline:
                raise TransientError(
                    f"the daemon is not done with {now.isoformat()} after {timeout_seconds} s"
                )
            time.sleep(0.005)

    def acknowledged_at(self) -> datetime | None:
        """The last instant at which the daemon had done all that it could."""
        return _read_instant(self._ack) if self._ack.exists() else None

    def _acknowledged(self, now: datetime) -> bool:
        acknowledged_at = self.acknowledged_at()
        return acknowledged_at is not None and acknowledged_at >= now


def open_clock(home: Path) -> SystemClock | StreamClock:
    """The clock that the home is on."""
    return StreamClock(home) if (home / CLOCK_FILE).exists() else SystemClock()


def _read_instant(path: Path) -> datetime:
    try:
        now = datetime.fromisoformat(json.loads(path.read_text())["now"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f'{path}: expected {{"kind": "stream", "now": "<ISO time>"}}: {error}') from error
    if now.tzinfo is None:
        raise InputError(f"{path}: the time has no zone")
    return now.astimezone(UTC)


def _write_instant(path: Path, now: datetime) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps({"kind": "stream", "now": now.astimezone(UTC).isoformat()}))
    os.replace(partial, path)


def wait_for(condition: Callable[[], bool], timeout_seconds: float, pause_seconds: float = 0.05) -> bool:
    """Look at ``condition`` until it holds; False when ``timeout_seconds`` of real time have passed."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True
