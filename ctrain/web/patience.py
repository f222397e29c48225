"""HTTP for callers that may be slow, but not for ever: they send and read within a time.

Uvicorn bounds how long a connection may be idle between two requests, not how long one may take to come: some
hundred callers that send a byte now and then would keep everybody else out. So would as many that send
nothing, until their time is over: where no further one is allowed, who has been idle for longest makes room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0
BODY_SECONDS = 120.0
UNREAD_SECONDS = 60.0
"""For which a caller may read nothing of an answer that is on its way to it."""


class PatientProtocol(H11Protocol):
    """Uvicorn's protocol, which hangs up on who does not send a request or read an answer in time."""

    _waiting: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait(HEAD_SECONDS)
        self._make_room()

    def data_received(self, data: bytes) -> None:
        awaited = self._phase()
        super().data_received(data)
        self._look(awaited)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look("answered")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._forget_reader()
        super().connection_lost(exc)

    def _look(self, before: str) -> None:
        """Begin to wait anew where something else is awaited than before."""
        now = self._phase()
        if now == before:
            return
        self._forget()
        if now != "answer":
            self._wait(HEAD_SECONDS if now == "head" else BODY_SECONDS)

    def _make_room(self) -> None:
        """Where connections are as many as may be asked, hang up on the one that asks for nothing longest."""
        if self.limit_concurrency is None or len(self.connections) < self.limit_concurrency:
            return
        others: Iterable[Any] = self.connections - {self}
        idle = [one for one in others if one._waiting is not None and one._phase() == "head"]
        if idle:
            longest = min(idle, key=lambda one: one._waiting.when())
            self.connections.discard(longest)  # what the new one asks may be read before that one is told
            longest.transport.abort()

    def _phase(self) -> str:
        """What is awaited: the head of a request, its body, or our answer."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            return "head"
        return "body" if cycle.more_body else "answer"

    def _wait(self, seconds: float) -> None:
        self._waiting = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
        self._wait_for_reader()  # closed is what has been read to its end

    def _wait_for_reader(self) -> None:
        """Hang up, whatever is unread, when the caller takes nothing of it in time."""
        left = self._unread()
        if left and self._reading is None:
            self._reading = self.loop.call_later(UNREAD_SECONDS, self._give_up_on_reader, left)

    def _give_up_on_reader(self, before: int) -> None:
        self._reading = None
        if self._unread() < before:
            self._wait_for_reader()
        else:
            self.transport.abort()

    def _unread(self) -> int:
        return self.transport.get_write_buffer_size()

    def _forget_reader(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _forget(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
