"""Server-sent events: an open page hears, within a second or so, that something it shows has changed."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from ctrain.domain.access import Role
from ctrain.errors import CtrainError
from ctrain.web.auth import Gate, viewer
from ctrain.web.console.rendering import backend_of
from ctrain.web.problems import Refusal

router = APIRouter(dependencies=[Depends(viewer)])
LOOK_SECONDS = 1.0
BEAT_SECONDS = 15.0
"""A comment after so long a silence keeps connections through proxies open."""
MOST_PAGES = 200
News = tuple[tuple[int, ...], Collection[str] | None]


@dataclass
class Pulse:
    """Looks at the newest numbers of the store once for all open pages, and only while there is one."""

    look: Callable[[], tuple[int, ...]]
    """The newest numbers; others whenever something has happened."""
    since: Callable[[tuple[int, ...]], Collection[str]] | None = None
    """The policies to which something has happened after these numbers; None: every change is for all."""
    every_seconds: float = LOOK_SECONDS
    beat_seconds: float = BEAT_SECONDS
    log: Callable[..., None] = lambda *_, **__: None
    listeners: dict[asyncio.Queue[str], str] = field(default_factory=dict)
    """Of each open page the policy that it is about; empty for one that is about all."""
    _looking: asyncio.Task[None] | None = None

    async def listen(
        self, policy: str = "", welcome: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[str]:
        """The lines of one page, about one policy or about all, until it goes away.

        They end when it is not welcome any more, as with a token that was revoked; that is asked once a beat.
        """
        heard: asyncio.Queue[str] = asyncio.Queue(maxsize=8)
        self.listeners[heard] = policy
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking())
        try:
            yield "retry: 3000\n\n"
            asked_at = asyncio.get_running_loop().time()
            while True:
                try:
                    line = await asyncio.wait_for(heard.get(), self.beat_seconds)
                except TimeoutError:
                    line = ": still here\n\n"
                now = asyncio.get_running_loop().time()
                if now - asked_at >= self.beat_seconds:
                    if not await run_in_threadpool(welcome):
                        return
                    asked_at = now
                yield line
        finally:
            self.listeners.pop(heard, None)

    async def _keep_looking(self) -> None:
        known: tuple[int, ...] | None = None
        while self.listeners:
            numbers, policies = await self._asked(partial(self._news, known), known)
            if numbers != known and known is not None:
                self._tell("change" if numbers else "away", numbers, policies)
            known = numbers
            await asyncio.sleep(self.every_seconds)

    def _news(self, known: tuple[int, ...] | None) -> News:
        """The newest numbers, and to which policies something has happened; None: perhaps to any."""
        numbers = self.look()
        if self.since is None or not known or numbers == known:
            return numbers, None
        return numbers, self.since(known)

    async def _asked(self, look: Callable[[], News], known: tuple[int, ...] | None) -> News:
        """The news; no numbers while they cannot be read, whatever the fault: pages wait for better."""
        try:
            return await run_in_threadpool(look)
        except CtrainError:
            return (), None
        except Exception:  # noqa: BLE001  # whatever it is, the open pages would hear nothing for ever
            if known != ():
                self.log("live_updates_interrupted", traceback=traceback.format_exc())
            return (), None

    def _tell(self, event: str, numbers: tuple[int, ...], policies: Collection[str] | None) -> None:
        line = f"event: {event}\ndata: {'.'.join(map(str, numbers))}\n\n"
        for one, policy in self.listeners.items():
            concerned = policies is None or not policy or policy in policies
            if concerned and not one.full():  # whoever is that far behind fetches the page once anyway
                one.put_nowait(line)


@router.get("/events")
async def events(request: Request, policy: Annotated[str, Query(max_length=200)] = "") -> StreamingResponse:
    """A stream that says ``change`` whenever pages may show something new, of one policy or of any."""
    pulse = pulse_of(request)
    if len(pulse.listeners) >= MOST_PAGES:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open; this one does not update by itself"
        )
    gate: Gate = request.app.state.gate
    return StreamingResponse(
        pulse.listen(policy, partial(gate.still_admits, request, Role.VIEWER)),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


def pulse_of(request: Request) -> Pulse:
    """The one of the application."""
    found: Pulse | None = getattr(request.app.state, "pulse", None)
    if found is None:
        store, log = backend_of(request).store, backend_of(request).log

        def look() -> tuple[int, ...]:
            with store.read() as tx:
                return tx.newest_numbers()

        def since(numbers: tuple[int, ...]) -> Collection[str]:
            with store.read() as tx:
                return tx.policies_since(numbers)

        found = request.app.state.pulse = Pulse(look, since, log=log)
    return found
