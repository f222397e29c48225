"""The server of API and console beside a daemon: a child on its socket, replaced when it ends or hangs.

Requests of strangers are parsed there and not in the daemon. The socket is the daemon's, so nobody is turned
away while a child is replaced.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ctrain.app.kept_child import Care, KeptChild, start_child
from ctrain.errors import InputError
from ctrain.web.rules import rules_for
from ctrain.web.server import bind, serve, serve_privately, shown_address

if TYPE_CHECKING:
    import socket
    import subprocess
    from pathlib import Path

    from ctrain.ports import Telemetry, Timer
    from ctrain.web import Exposition, Health
    from ctrain.web.certificates import Certificate
    from ctrain.web.server import PrivateServer

STOP_SECONDS = 6.0
"""A child finishes what it answers, but not for long."""
PATIENCE_SECONDS = 10.0
MOST_FAILURES_AT_START = 12
"""A busy machine takes its time to start a child."""


@dataclass(frozen=True, slots=True)
class Console:
    """How a daemon serves API and console."""

    home: Path
    certificate: Certificate | None = None


class Serving(Protocol):
    """What answers on the daemon's address."""

    @property
    def address(self) -> str:
        """``host:port`` as it is bound."""

    def close(self) -> None:
        """Answer no more; returns once the port is free."""


def open_server(
    listen: str,
    console: Console | None,
    exposition: Exposition,
    health: Health,
    telemetry: Telemetry,
    timer: Timer,
) -> Serving:
    """What answers on ``listen``: the daemon itself without a console, else a child of it.

    ``@NAME`` is a socket for processes of the same user alone.

    Raises
    ------
    InputError
        when the address is not one, or cannot be bound.
    """
    if listen.startswith("@"):
        return serve_privately(exposition, health, listen.removeprefix("@"))
    if console is None:
        return serve(listen, exposition, health)
    bound = bind(listen)
    try:
        rules_for(bound.getsockname()[0], os.environ)  # told at once: the child would fail for ever
    except InputError:
        bound.close()
        raise
    return WebChild(bound, console, serve_privately(exposition, health), telemetry, timer)


class WebChild:
    """A ``ctrain serve`` that is kept running until closed."""

    def __init__(
        self,
        bound: socket.socket,
        console: Console,
        private: PrivateServer,
        telemetry: Telemetry,
        timer: Timer,
    ) -> None:
        self._bound, self._private = bound, private
        self._command = _command(console, bound.fileno(), private.name)
        self._address, self._tls = bound.getsockname()[:2], console.certificate is not None
        care = Care("console", STOP_SECONDS, MOST_FAILURES_AT_START)
        self._kept = KeptChild(care, self._begin, self._answers, telemetry, timer)
        self._kept.start()

    @property
    def address(self) -> str:
        return shown_address(self._bound)

    @property
    def pid(self) -> int | None:
        """Of the child that lives now."""
        return self._kept.pid

    def close(self) -> None:
        """End the child, and free the port."""
        self._kept.close()
        self._private.close()
        self._bound.close()

    def _begin(self) -> subprocess.Popen[bytes]:
        return start_child(self._command, os.environ, [self._bound.fileno()])

    def _answers(self) -> bool:
        return answers(self._address, tls=self._tls)


def answers(address: tuple[str, int], *, tls: bool) -> bool:
    """True when a server there answers at all, whatever it says."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE_SECONDS)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is our own, and told nothing
        connection = http.client.HTTPSConnection(*address, timeout=PATIENCE_SECONDS, context=context)
    try:
        connection.request("GET", "/-/alive")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _command(console: Console, number: int, private: str) -> list[str]:
    command = [sys.executable, "-m", "ctrain", "serve", "--home", str(console.home)]
    command += ["--socket", str(number), "--daemon", private]
    if console.certificate is not None:
        command += ["--tls-cert", str(console.certificate.chain), "--tls-key", str(console.certificate.key)]
    return command
