"""Server-sent events: every open page hears, within a second or so, that something has happened."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from ctrain.errors import CtrainError
from ctrain.web.auth import viewer
from ctrain.web.console.rendering import backend_of
from ctrain.web.problems import Refusal

router = APIRouter(dependencies=[Depends(viewer)])
LOOK_SECONDS = 1.0
BEAT_SECONDS = 15.0
"""A comment after so long a silence keeps connections through proxies open."""
MOST_PAGES = 200


@dataclass
class Pulse:
    """Looks at the newest numbers of the store once for all open pages, and only while there is one."""

    look: Callable[[], tuple[int, ...]]
    every_seconds: float = LOOK_SECONDS
    beat_seconds: float = BEAT_SECONDS
    log: Callable[..., None] = lambda *_, **__: None
    listeners: set[asyncio.Queue[str]] = field(default_factory=set)
    _looking: asyncio.Task[None] | None = None

    async def listen(self) -> AsyncIterator[str]:
        """The lines of one page, until it goes away."""
        heard: asyncio.Queue[str] = asyncio.Queue(maxsize=8)
        self.listeners.add(heard)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking())
        try:
            yield "retry: 3000\n\n"
            while True:
                try:
                    yield await asyncio.wait_for(heard.get(), self.beat_seconds)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self.listeners.discard(heard)

    async def _keep_looking(self) -> None:
        known: tuple[int, ...] | None = None
        while self.listeners:
            numbers = await self._numbers(known)
            if numbers != known and known is not None:
                self._tell("change" if numbers else "away", numbers)
            known = numbers
            await asyncio.sleep(self.every_seconds)

    async def _numbers(self, known: tuple[int, ...] | None) -> tuple[int, ...]:
        """The newest numbers; none while they cannot be read, whatever the fault: pages wait for better."""
        try:
            return await run_in_threadpool(self.look)
        except CtrainError:
            return ()
        except Exception:  # noqa: BLE001  # whatever it is, the open pages would hear nothing for ever
            if known != ():
                self.log("live_updates_interrupted", traceback=traceback.format_exc())
            return ()

    def _tell(self, event: str, numbers: tuple[int, ...]) -> None:
        line = f"event: {event}\ndata: {'.'.join(map(str, numbers))}\n\n"
        for one in self.listeners:
            if not one.full():  # whoever is that far behind fetches the page once anyway
                one.put_nowait(line)


@router.get("/events")
async def events(request: Request) -> StreamingResponse:
    """A stream that says ``change`` whenever pages may show something new."""
    pulse = pulse_of(request)
    if len(pulse.listeners) >= MOST_PAGES:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open; this one does not update by itself"
        )
    return StreamingResponse(
        pulse.listen(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


def pulse_of(request: Request) -> Pulse:
    """The one of the application."""
    found: Pulse | None = getattr(request.app.state, "pulse", None)
    if found is None:
        store, log = backend_of(request).store, backend_of(request).log

        def look() -> tuple[int, ...]:
            with store.read() as tx:
                return tx.newest_numbers()

        found = request.app.state.pulse = Pulse(look, log=log)
    return found
