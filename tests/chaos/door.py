"""A door before a server: open, shut, slow, or one at which a stranger answers with an error."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n"
    b"Connection: close\r\n\r\nbusy"
)
OPEN, SHUT, SLOW, ERRING = "open", "shut", "slow", "erring"
DELAY_SECONDS = 0.3
CHUNK = 1 << 16


class Door:
    """Passes connections on to a server on loopback, as the door is when they come."""

    def __init__(self, port: int, pause: Callable[[float], object] | None = None) -> None:
        self._server = ("127.0.0.1", port)
        self._state, self._pause = OPEN, pause or threading.Event().wait
        self._through: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @contextmanager
    def being(self, state: str) -> Iterator[None]:
        """In another state for a while; who is inside is sent away when it begins."""
        self._state = state
        with self._lock:
            inside = list(self._through)
        for one in inside:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self._state = OPEN

    def close(self) -> None:
        self._listener.close()

    def _watch(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        state = self._state
        with caller, contextlib.suppress(OSError):
            if state == SHUT:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            if state == ERRING:
                caller.recv(CHUNK)
                caller.sendall(REFUSAL)
                return
            if state == SLOW:
                self._pause(DELAY_SECONDS)
            with socket.create_connection(self._server) as server:
                self._pass_on(caller, server)

    def _pass_on(self, caller: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._through |= {caller, server}
        try:
            with selectors.DefaultSelector() as ready:
                ready.register(caller, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, caller)
                while True:
                    for key, _ in ready.select():
                        assert isinstance(key.fileobj, socket.socket)
                        said = key.fileobj.recv(CHUNK)
                        if not said:
                            return
                        key.data.sendall(said)
        finally:
            with self._lock:
                self._through -= {caller, server}
