"""What stands before every route: known hosts, bounded bodies, headers that protect, no bare tracebacks."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from ctrain.sources.push_body import MOST_BYTES
from ctrain.web.problems import Problem, Refusal, problem_of, problem_response

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ctrain.web.rules import Rules

BODY_BYTES = 256 << 10
_BATCH = re.compile(r"/v1/policies/[^/]+/(rows|labels)")
CONTENT_SECURITY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
DEFAULTS = {"Cache-Control": "no-store"}
"""Unless the route says otherwise."""
STRICT_TRANSPORT = "max-age=31536000"


class Guards:
    """Around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        log: Callable[..., None],
        fault: Callable[[Scope, Problem], Response],
    ) -> None:
        """``fault`` makes the answer to a request on which the application failed."""
        self._app, self._rules, self._log, self._fault = app, rules, log, fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def protected(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._protect(MutableHeaders(scope=message))
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await problem_response(*problem_of(refusal))(scope, receive, protected)
                return
            await self._app(scope, _bounded(receive, _limit(scope["path"])), protected)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001  # the boundary of a request: it is logged, and told as 500
            self._log("request_failed", path=scope["path"], traceback=traceback.format_exc())
            if not begun:
                await self._fault(scope, _as_fault(error))(scope, receive, protected)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        host = _host(headers.get("host", ""))
        if not self._rules.knows_host(host):
            return Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"{host or 'no name'} is not a name of this server; call it by its address, or name it in "
                "CTRAIN_ALLOWED_HOSTS",
            )
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > _limit(scope["path"]):
            return _too_large(_limit(scope["path"]))
        return None

    def _protect(self, headers: MutableHeaders) -> None:
        headers.update(HEADERS)
        for name, value in DEFAULTS.items():
            headers.setdefault(name, value)
        if self._rules.tls:
            headers["Strict-Transport-Security"] = STRICT_TRANSPORT


def _as_fault(error: Exception) -> Problem:
    problem, _ = problem_of(error)
    return problem


def _limit(path: str) -> int:
    """How many bytes a body may have; batches of rows and labels are larger than anything else."""
    return MOST_BYTES if _BATCH.fullmatch(path) else BODY_BYTES


def _bounded(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise _too_large(limit)
        return message

    return bounded


def _too_large(limit: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"a body may have {limit} bytes here: send several",
        {"Connection": "close"},
    )


def _host(header: str) -> str:
    """The host of a Host header, in lower case, without its port.

    >>> _host("LOCALHOST:80"), _host("[::1]:80")
    ('localhost', '::1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()
