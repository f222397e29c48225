"""``/metrics``, ``/-/healthy``, ``/-/ready`` and ``/-/alive``: the daemon's own answers, passed on."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, cast

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Header, Request, Response

from ctrain.errors import CtrainError
from ctrain.web.auth import public
from ctrain.web.backend import Backend
from ctrain.web.server import TEXT

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])
Accept = Annotated[str, Header()]
PROBES = SCRAPES = 8
"""At the same time."""


class PageThreads:
    """Threads that nothing else uses: a probe is answered however busy the server is with other requests."""

    def __init__(self) -> None:
        self.probes, self.scrapes = CapacityLimiter(PROBES), CapacityLimiter(SCRAPES)


@router.api_route("/metrics", methods=["GET", "HEAD"])
async def metrics(request: Request, accept: Accept = "") -> Response:
    return await _passed_on(request, "/metrics", accept)


@router.api_route("/-/healthy", methods=["GET", "HEAD"])
async def healthy(request: Request) -> Response:
    return await _passed_on(request, "/-/healthy")


@router.api_route("/-/ready", methods=["GET", "HEAD"])
async def ready(request: Request) -> Response:
    return await _passed_on(request, "/-/ready")


@router.api_route("/-/alive", methods=["GET", "HEAD"])
async def alive(request: Request) -> Response:
    return await _passed_on(request, "/-/alive")


async def _passed_on(request: Request, path: str, accept: str = "") -> Response:
    backend = cast("Backend", request.app.state.backend)
    threads = cast("PageThreads", request.app.state.pages)
    limiter = threads.scrapes if path == "/metrics" else threads.probes
    return await to_thread.run_sync(_answer, backend, path, accept, limiter=limiter)


def _answer(backend: Backend, path: str, accept: str) -> Response:
    if backend.daemon is None:
        return _of_itself(backend, path)
    try:
        answer = backend.daemon.fetch(path, accept)
    except CtrainError as error:
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, f"the daemon does not answer: {error}")
    return Response(answer.body, answer.status, headers={"Content-Type": answer.content_type})


def _of_itself(backend: Backend, path: str) -> Response:
    """A server beside no daemon has no metrics, and is well while the database answers."""
    if path == "/metrics":
        return _text(HTTPStatus.NOT_FOUND, "this server watches nothing: scrape the daemons")
    if path == "/-/alive":
        return _text(HTTPStatus.OK, "alive")
    try:
        with backend.store.read() as tx:
            tx.database_now()
    except CtrainError as error:
        backend.log("database_away", message=str(error))
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, "the database does not answer")
    return _text(HTTPStatus.OK, path.rpartition("/")[2])


def _text(status: HTTPStatus, text: str) -> Response:
    return Response(f"{text}\n", status, headers={"Content-Type": TEXT})
