"""What the daemon tells the service manager that started it, by systemd's notification protocol.

See sd_notify(3): lines of ``NAME=value`` in one datagram to the socket that ``NOTIFY_SOCKET`` names.
Without that variable, or when nobody listens, nothing is said and nothing fails.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctrain.ports import Timer

SEND_SECONDS = 1.0
"""A service manager that does not read is not waited for."""


class ServiceState:
    """Tells systemd how the daemon is: starting, ready, reloading, alive, stopping."""

    def __init__(self, environ: Mapping[str, str], timer: Timer) -> None:
        self._address = _socket_address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog = _watchdog(environ)
        self._timer = timer
        self._reloading = False

    @property
    def sign_of_life_every(self) -> timedelta | None:
        """How often to call ``alive``: twice in the time that is allowed; None: nobody waits for it."""
        return self._watchdog / 2 if self._address and self._watchdog else None

    def ready(self, status: str) -> None:
        """The daemon has started; ``status`` is what ``systemctl status`` shows."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Policies are about to be read; ``reloaded`` follows."""
        self._reloading = True
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._timer.monotonic() * 1e6)}")

    def reloaded(self, status: str) -> None:
        """They have been read; nothing is said unless it was said that they would be."""
        if self._reloading:
            self._reloading = False
            self.ready(status)

    def alive(self) -> None:
        """The daemon does what it is there for."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=finishing the ticks under way")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(SEND_SECONDS)
            channel.sendto("\n".join(lines).encode(), self._address)


def _socket_address(name: str) -> str | None:
    """A path, or an abstract name for ``@name``; None for what is no socket of this machine."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog(environ: Mapping[str, str]) -> timedelta | None:
    """Within which time a sign of life is expected of this very process."""
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (microseconds.isascii() and microseconds.isdecimal()) or int(microseconds) == 0:
        return None
    return timedelta(microseconds=int(microseconds)) if pid in ("", str(os.getpid())) else None
