"""Answers are sent as gzip to who takes it, except where their length could tell a secret.

Who reads the length of compressed answers on the wire, and makes a browser ask for pages with words of his
own choice in their address, can guess what else is on such a page: a guess that is right makes it shorter
(the attack called BREACH). Two rules take that away. A page that holds the secret of a form says
``no-transform`` and is sent as it is, here and by every proxy that keeps to the standard. And what a page of
another site has asked for is sent as it is: browsers say so over TLS in ``Sec-Fetch-Site``, so nobody else's
page chooses what is compressed together with what is ours. Files of ``/static`` are the same for everybody.

Streams of events are never compressed: what has happened is not to wait in a buffer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipResponder

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALLEST_BYTES = 500
LEVEL = 6
"""The next three make pages a hundredth smaller, and take twice the time."""
AS_IT_IS = "no-transform"
"""In Cache-Control: of an answer that is never to be compressed."""
_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)
_ELSEWHERE = frozenset({"cross-site", "same-site"})


class Compression:
    """Around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and compress what may be."""
        if scope["type"] != "http" or not _may_be_compressed(scope):
            await self._app(scope, receive, send)
            return
        responder = GZipResponder(self._app, SMALLEST_BYTES, LEVEL)
        responder.send = send
        chosen: Send = responder.send_with_compression

        async def sent(message: Message) -> None:
            nonlocal chosen
            if message["type"] == "http.response.start" and _is_as_it_is(message):
                chosen = send
            await chosen(message)

        await self._app(scope, receive, sent)


def _may_be_compressed(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if not _TAKES_GZIP.search(headers.get("accept-encoding", "")):
        return False
    ours = headers.get("sec-fetch-site", "none").lower() not in _ELSEWHERE
    return ours or scope["path"].startswith("/static/")


def _is_as_it_is(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    stream = headers.get("content-type", "").startswith("text/event-stream")
    return stream or AS_IT_IS in headers.get("cache-control", "")
