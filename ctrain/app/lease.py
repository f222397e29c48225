"""The daemon's lease on its database, and whether the one who holds it still lives.

A holder names its machine, process id and start, so that a daemon which was killed does not have to be
waited for: on the machine where it ran everybody can see that it is gone. From any other machine, and
from another container, only the end of the lease tells.
"""

from __future__ import annotations

import hashlib
import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrain.ports import Store, Timer

LEASE = "daemon"
PROC = Path("/proc")


class Lease:
    """The daemon's lease on its database: one daemon at a time, proved by a fencing token."""

    def __init__(self, store: Store, timer: Timer, duration: timedelta, holder: str = "") -> None:
        self._store = store
        self._timer = timer
        self._duration = duration
        self._holder = holder or this_holder()

    def acquire(self) -> int | None:
        """The fencing token, or None while another daemon holds the lease."""
        other = self.other()
        with self._store.write() as tx:
            if other is not None and is_gone(other):
                tx.release_lease(LEASE, other)
            return tx.acquire_lease(LEASE, self._holder, self._timer.now(), self._duration)

    def release(self) -> None:
        with self._store.write() as tx:
            tx.release_lease(LEASE, self._holder)

    def other(self) -> str | None:
        """Who else holds it."""
        with self._store.read() as tx:
            holder = tx.lease_holder(LEASE, self._timer.now())
        return None if holder == self._holder else holder


def this_holder() -> str:
    """The present process as the holder of a lease: ``host:pid:start:machine``."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}:{_machine()}"


def is_gone(holder: str) -> bool:
    """True when the holder was a process of this machine that does not live any more.

    False for one that lives, and for every holder that this machine cannot know anything about.
    """
    _, _, rest = holder.partition(":")
    pid, _, rest = rest.partition(":")
    started, _, machine = rest.partition(":")
    if not pid.isdecimal() or not started or not machine or machine != _machine():
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """The start of a process in ticks since boot; empty when there is none, or only its zombie."""
    try:
        # The name of the program is in brackets and may hold anything, also brackets and spaces.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _machine() -> str:
    """A short name of this boot of this machine and its space of process ids; empty when unknown."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        space = (PROC / "self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:12]
