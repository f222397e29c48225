"""The daemon's door for its own child: an abstract socket of this machine, for the same user only.

Such a socket is no file: nothing is left behind by a daemon that was killed, and no path is too long.
"""

from __future__ import annotations

import http.client
import socket

from ctrain.errors import TransientError
from ctrain.web.backend import DaemonAnswer
from ctrain.web.server import is_own

PATIENCE_SECONDS = 10.0


class PrivateDaemon:
    """The daemon behind an abstract socket; implements ``DaemonPages``."""

    def __init__(self, name: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._name, self._patience_seconds = name, patience_seconds

    def fetch(self, path: str, accept: str = "") -> DaemonAnswer:
        """What the daemon answers; TransientError when it does not."""
        connection = _Connection(self._name, self._patience_seconds)
        try:
            connection.request("GET", path, headers={"Accept": accept} if accept else {})
            answer = connection.getresponse()
            return DaemonAnswer(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(str(error) or type(error).__name__) from error
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, name: str, patience_seconds: float) -> None:
        super().__init__("daemon", timeout=patience_seconds)
        self._name = name

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(f"\0{self._name}")
        if not is_own(self.sock):
            raise ConnectionRefusedError("somebody else listens there")
