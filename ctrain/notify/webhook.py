"""One POST of a signed body: bounded in time, TLS verified, redirects not followed.

What is told of it names no address: an answer is a status, a failure its kind.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import (
    HTTP_PORT,
    HTTPS_PORT,
    BadStatusLine,
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    InvalidURL,
    RemoteDisconnected,
)
from urllib.parse import unquote, urlsplit

from ctrain import __version__
from ctrain.clocks import RealTimer
from ctrain.domain import Delivery
from ctrain.notify.signature import signed_headers

STEP_SECONDS = 10.0
"""To connect, and to wait for the next bytes."""
WHOLE_SECONDS = 30.0
"""For all of it: a receiver that answers byte by byte is a receiver that does not answer."""
_WORTH_ANOTHER = frozenset({408, 425, 429})
"""Of the answers that blame the request, those that blame only its time."""


def post(
    url: str,
    secret: str | None,
    message_id: str,
    body: bytes,
    now: datetime,
    *,
    step_seconds: float = STEP_SECONDS,
    whole_seconds: float = WHOLE_SECONDS,
) -> Delivery:
    """Return what became of the body; never raises for anything that an address or a receiver does."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"ctrain/{__version__}",
        "Connection": "close",
        **signed_headers(secret, message_id, int(now.timestamp()), body),
    }
    try:
        connection, target, login = _aim(url, step_seconds, whole_seconds)
    except (InvalidURL, ValueError):
        return Delivery(False, "the address cannot be used")
    try:
        with connection.deadline():
            connection.request("POST", target, body, {**headers, **login})
            with connection.getresponse() as answer:
                return judge(answer.status, answer.headers.get("Retry-After"), now)
    except ssl.SSLCertVerificationError as error:
        return Delivery(False, f"the certificate is not trusted: {error.verify_message}", again=True)
    except (InvalidURL, ValueError):
        return Delivery(False, "the address cannot be used")
    except (OSError, HTTPException) as error:
        words = "it took too long" if connection.was_cut else _words(error)
        return Delivery(False, f"no answer: {words}", again=True)
    finally:
        connection.close()


def judge(status: int, retry_after: str | None, now: datetime) -> Delivery:
    """Return what an answer means: done, worth another attempt, or refused for good.

    >>> judge(503, "120", datetime(2026, 1, 1, tzinfo=UTC)).retry_after
    datetime.timedelta(seconds=120)
    """
    if 200 <= status < 300:
        return Delivery(True, f"answered {status}")
    if 300 <= status < 400:
        return Delivery(False, f"answered {status}: redirects are not followed")
    again = status in _WORTH_ANOTHER or status >= 500
    return Delivery(
        False, f"answered {status}", again=again, retry_after=_wish(retry_after, now) if again else None
    )


def _wish(retry_after: str | None, now: datetime) -> timedelta | None:
    """Seconds or a date, as a time from now; None for what is neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return timedelta(seconds=int(text))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((at if at.tzinfo else at.replace(tzinfo=UTC)) - now, timedelta(0))


class _Answer(HTTPResponse):
    """The answer itself: what a receiver says before it (such as 103, Early Hints) is passed over."""

    def begin(self) -> None:
        super().begin()
        while self.status < 200 and self.status != HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = None  # type: ignore[assignment]  # so that the next head is read
            super().begin()


class _Connection(HTTPConnection):
    """Made and used within a time, however many addresses its server has."""

    response_class = _Answer
    was_cut = False
    """True once the time was over before the answer was there."""

    def __init__(
        self,
        host: str,
        port: int | None,
        context: ssl.SSLContext | None,
        step_seconds: float,
        whole_seconds: float,
    ) -> None:
        self.default_port = HTTP_PORT if context is None else HTTPS_PORT
        super().__init__(host, port)
        self._context = context
        self._step_seconds = step_seconds
        self._timer = RealTimer()
        self._end = self._timer.monotonic() + whole_seconds

    def connect(self) -> None:
        """Reach one of the server's addresses; raises OSError."""
        self.sock = self._reach()
        self.sock.settimeout(self._patience())
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)
            self.sock.settimeout(self._patience())

    @contextmanager
    def deadline(self) -> Iterator[None]:
        """Cut the connection when the time is over, whatever it is doing; to connect ends by itself."""
        alarm = threading.Timer(self._end - self._timer.monotonic(), self._cut)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()

    def _reach(self) -> socket.socket:
        failed = OSError("the server has no address")
        for *_, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            try:
                return socket.create_connection((str(address[0]), self.port), self._patience())
            except OSError as error:
                failed = error
        raise failed

    def _patience(self) -> float:
        """Seconds to wait for the next step; raises TimeoutError when the time is over."""
        left = self._end - self._timer.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self._step_seconds)

    def _cut(self) -> None:
        self.was_cut = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def _aim(url: str, step_seconds: float, whole_seconds: float) -> tuple[_Connection, str, dict[str, str]]:
    """The connection, what to ask it for, and the login that the address holds; raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("no host")
    context = ssl.create_default_context() if parts.scheme.lower() == "https" else None
    connection = _Connection(parts.hostname, parts.port, context, step_seconds, whole_seconds)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.username is None:
        return connection, target, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return connection, target, {"Authorization": "Basic " + base64.b64encode(login).decode()}


def _words(error: Exception) -> str:
    """The kind of failure; what it says could hold the address."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, socket.gaierror):
        return "the name of the server cannot be resolved"
    if isinstance(error, RemoteDisconnected):  # before BadStatusLine, of which it is one
        return "the server closed the connection"
    if isinstance(error, BadStatusLine):
        return "what it says is not HTTP"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__
