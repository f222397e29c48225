"""The server of API and console beside a daemon: a child on its socket, replaced when it ends or hangs.

Requests of strangers are parsed there and not in the daemon. The socket is the daemon's, so nobody is turned
away while a child is replaced; the child ends when its standard input does, which the daemon holds.
"""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ctrain.errors import InputError
from ctrain.web.rules import rules_for
from ctrain.web.server import bind, serve, serve_privately, shown_address

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from ctrain.ports import Telemetry, Timer
    from ctrain.web import Exposition, Health
    from ctrain.web.certificates import Certificate
    from ctrain.web.server import PrivateServer

STOP_SECONDS = 6.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A child that lived for so long is replaced at once."""
ASKED_EVERY_SECONDS = 15.0
PATIENCE_SECONDS = 10.0
MOST_FAILURES = 4
"""A child that gave no answer so often in a row hangs."""
MOST_FAILURES_AT_START = 12
"""The same before its first answer: a busy machine takes its time to start one."""


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
        self._telemetry, self._timer = telemetry, timer
        self._command = _command(console, bound.fileno(), private.name)
        self._tls = console.certificate is not None
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, name="ctrain-console", daemon=True)
        self._keeper.start()

    @property
    def address(self) -> str:
        return shown_address(self._bound)

    @property
    def pid(self) -> int | None:
        """Of the child that lives now."""
        with self._lock:
            return self._child.pid if self._child is not None else None

    def close(self) -> None:
        """End the child, and free the port."""
        with self._lock:
            self._stopping.set()
            child = self._child
        if child is not None:
            end(child)
        self._keeper.join()
        self._private.close()
        self._bound.close()

    def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            begun = self._timer.monotonic()
            ended = self._live_once()
            if self._stopping.is_set():
                return
            if self._timer.monotonic() - begun > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._telemetry.count("console_restarts_total")
            self._telemetry.log("console_failed", outcome=ended, again_in_seconds=pause)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _live_once(self) -> str:
        """Start a child and return how it ended."""
        with self._lock:
            if self._stopping.is_set():
                return "stopped"
            try:
                self._child = start(self._command, os.environ, self._bound.fileno())
            except OSError as error:
                return f"it cannot be started: {error}"
            child = self._child
        ended = threading.Event()
        asking = (child, ended)
        threading.Thread(target=self._ask, args=asking, name="ctrain-console-asked", daemon=True).start()
        code = child.wait()
        ended.set()
        if child.stdin is not None:
            child.stdin.close()
        return f"exit code {code}"

    def _ask(self, child: subprocess.Popen[bytes], ended: threading.Event) -> None:
        """Ask the child now and then whether it is there, and end it when it does not answer."""
        address = self._bound.getsockname()[:2]
        failures, most = 0, MOST_FAILURES_AT_START
        while not ended.wait(ASKED_EVERY_SECONDS):
            if answers(address, tls=self._tls):
                failures, most = 0, MOST_FAILURES
                continue
            failures += 1
            if failures >= most:
                self._telemetry.log("console_hangs", unanswered=failures)
                end(child)
                return


def start(command: Sequence[str], environ: Mapping[str, str], number: int) -> subprocess.Popen[bytes]:
    """A child that has the socket of this number, in a session of its own: Ctrl-C is for the daemon."""
    return subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=dict(environ),
        pass_fds=(number,),
        start_new_session=True,
    )


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


def end(child: subprocess.Popen[bytes]) -> None:
    """Let the child finish what it answers, but not for long."""
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _command(console: Console, number: int, private: str) -> list[str]:
    command = [sys.executable, "-m", "ctrain", "serve", "--home", str(console.home)]
    command += ["--socket", str(number), "--daemon", private]
    if console.certificate is not None:
        command += ["--tls-cert", str(console.certificate.chain), "--tls-key", str(console.certificate.key)]
    return command
