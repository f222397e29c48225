"""A small HTTP server beside the daemon: ``/metrics``, ``/-/healthy``, ``/-/ready``, ``/-/alive``.

It binds the one address it is given, answers GET and HEAD, reads no bodies, and serves a bounded
number of connections, each for a bounded time: a stuck client cannot stop the daemon.
"""

from __future__ import annotations

import errno
import os
import socket
import socketserver
import struct
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from ctrain.errors import InputError

CONNECTIONS = 32
BACKLOG = 128
REQUEST_TIMEOUT_SECONDS = 10.0
TEXT = "text/plain; charset=utf-8"
_CREDENTIALS = struct.Struct("3i")
"""Process, user and group."""
PAGES = "/metrics\n/-/healthy\n/-/ready\n/-/alive\n"


class Health(Protocol):
    """How the daemon is."""

    @property
    def healthy(self) -> bool:
        """Ticks succeed, and the last success is recent."""

    @property
    def ready(self) -> bool:
        """Every policy has ticked once: what the metrics say is about now."""

    @property
    def alive(self) -> bool:
        """No tick hangs: a restart would mend nothing."""


class Exposition(Protocol):
    """Where metrics come from."""

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics in a format that the Accept header allows, and its content type."""


class Server:
    """A running server; ``address`` says where, also when port 0 let the system choose."""

    def __init__(self, listening: _Listening) -> None:
        self._listening = listening
        self._thread = threading.Thread(
            target=listening.serve_forever, kwargs={"poll_interval": 0.1}, name="ctrain-http", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """``host:port`` as it is bound."""
        host, port = self._listening.server_name, self._listening.server_port
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Stop listening; returns once the port is free."""
        self._listening.shutdown()
        self._thread.join()
        self._listening.server_close()


class PrivateServer(Server):
    """A running server that is found by its ``name``."""

    def __init__(self, listening: _Private) -> None:
        super().__init__(listening)
        self.name = listening.server_name

    @property
    def address(self) -> str:
        """The name, with the sign of a socket that is no file."""
        return f"@{self.name}"


def serve(listen: str, exposition: Exposition, health: Health) -> Server:
    """Serve on ``listen`` (``HOST:PORT``; the host must be named) until closed.

    Raises
    ------
    InputError
        when the address is not one, or cannot be bound.
    """
    host, port = parse_listen(listen)
    try:
        return Server(_Listening(host, port, exposition, health))
    except OSError as error:
        raise InputError(_refusal(listen, error)) from error


def _refusal(listen: str, error: OSError) -> str:
    reason = f"--listen {listen}: {error.strerror or error}"
    if error.errno == errno.EADDRINUSE:
        return f"{reason}; is another daemon running? Name another port, or HOST:0 for any that is free"
    return reason


def serve_privately(exposition: Exposition, health: Health, name: str = "") -> PrivateServer:
    """Serve on an abstract socket of this machine, for processes of the same user, until closed.

    Without a ``name`` the system chooses one.
    """
    return PrivateServer(_Private(name, 0, exposition, health))


def bind(listen: str) -> socket.socket:
    """A socket that listens on ``HOST:PORT``, to be handed to whoever answers there.

    Raises
    ------
    InputError
        when the address is not one, or cannot be bound.
    """
    host, port = parse_listen(listen)
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise InputError(_refusal(listen, error)) from error
    return bound


def shown_address(bound: socket.socket) -> str:
    """``host:port`` as a socket is bound."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_own(connection: socket.socket) -> bool:
    """True when a process of our own user is at the other end of a socket of this machine."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(found)[1] == os.getuid())


def parse_listen(listen: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``.

    >>> parse_listen("[::1]:9464")
    ('::1', 9464)

    Raises InputError; a missing host is refused rather than taken for every interface.
    """
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 2**16):
        raise InputError(f"--listen: expected HOST:PORT such as 127.0.0.1:9464, got {listen!r}")
    return host, int(port)


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    family: socket.AddressFamily | None = None
    """None: by the host."""

    def __init__(self, host: str, port: int, exposition: Exposition, health: Health) -> None:
        self.exposition = exposition
        self.health = health
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self.address_family = self.family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
        super().__init__((host, port), _Answer)

    def server_bind(self) -> None:
        """Bind without asking a name server for our own name, which HTTPServer does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, or hang up when too many are under way."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Private(_Listening):
    family = socket.AF_UNIX

    def server_bind(self) -> None:
        """Take a name that is no file; it is gone with this process."""
        name = str(self.server_address[0])
        self.socket.bind(f"\0{name}" if name else "")
        self.server_name = self.socket.getsockname().removeprefix(b"\0").decode("ascii")

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - signature of socketserver
        """Hang up on other users of this machine."""
        return is_own(request)


class _Answer(BaseHTTPRequestHandler):
    server: _Listening
    timeout = REQUEST_TIMEOUT_SECONDS
    server_version = "ctrain"
    sys_version = ""
    error_content_type = TEXT
    error_message_format = "%(message)s\n"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        health = self.server.health
        match path:
            case "/metrics":
                body, content_type = self.server.exposition.expose(self.headers.get("Accept", ""))
                self._reply(HTTPStatus.OK, body, content_type)
            case "/-/healthy":
                self._state(health.healthy, "healthy")
            case "/-/ready":
                self._state(health.ready, "ready")
            case "/-/alive":
                self._state(health.alive, "alive")
            case "/":
                self._reply(HTTPStatus.OK, PAGES.encode(), TEXT)
            case _:
                self._reply(HTTPStatus.NOT_FOUND, b"not found\n", TEXT)

    def _refuse(self) -> None:
        self.close_connection = True
        self._reply(HTTPStatus.METHOD_NOT_ALLOWED, b"GET and HEAD only\n", TEXT, Allow="GET, HEAD")

    # These names are http.server's.
    do_HEAD = do_GET  # noqa: N815
    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = _refuse  # noqa: N815

    def _state(self, holds: bool, word: str) -> None:
        status = HTTPStatus.OK if holds else HTTPStatus.SERVICE_UNAVAILABLE
        self._reply(status, f"{word if holds else 'not ' + word}\n".encode(), TEXT)

    def _reply(self, status: HTTPStatus, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: a scrape every few seconds would drown the log."""
