"""The application of a ``ctrain serve``: the HTTP API, the console, and the daemon's own pages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ctrain import __version__
from ctrain.errors import CtrainError, TransientError
from ctrain.web import console
from ctrain.web.api import router as api
from ctrain.web.api.intake import Intake
from ctrain.web.auth import Gate
from ctrain.web.compression import Compression
from ctrain.web.daemon_pages import PageThreads
from ctrain.web.daemon_pages import router as daemon_pages
from ctrain.web.guards import Guards
from ctrain.web.openapi import DESCRIPTION, schema_of
from ctrain.web.problems import problem_of, problem_response
from ctrain.web.redacted import redacted_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import Scope

    from ctrain.web.backend import Backend
    from ctrain.web.problems import Problem

ANSWERED = (HTTPException, RequestValidationError, CtrainError)
"""Exceptions that are answers; every other one is a fault, which ``Guards`` logs."""
LONGEST_DETAIL = 4000
"""Characters: what was sent is not said back at any length."""


def create_application(backend: Backend) -> FastAPI:
    """The application on a backend; nothing runs yet."""
    app = FastAPI(
        title="ctrain",
        version=__version__,
        summary="Policies, runs and decisions of continuous training, and what people may do about them.",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=redacted_json(backend.redact),
    )
    app.state.backend = backend
    app.state.gate = Gate(backend)
    app.state.intake = Intake()
    app.state.pages = PageThreads()
    for kind in ANSWERED:
        app.add_exception_handler(kind, partial(_answer_problem, backend))
    app.add_middleware(Compression)
    app.add_middleware(Guards, rules=backend.rules, log=backend.log, fault=_tell_fault)
    app.include_router(daemon_pages)
    app.include_router(api)
    app.include_router(console.router)
    app.openapi = partial(schema_of, app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


async def _answer_problem(backend: Backend, request: Request, error: Exception) -> Response:
    """The problem as JSON, or as a page for whoever asked for a page."""
    problem, headers = problem_of(error)
    problem.detail = _fit(backend.redact(problem.detail))
    for one in problem.errors:
        one.message = _fit(backend.redact(one.message))
    if isinstance(error, TransientError):
        backend.log("request_not_served", path=request.url.path, message=str(error))
    page: Callable[..., Awaitable[Response | None]] | None = getattr(console, "error_page", None)
    if page is not None and _wants_page(request):
        answer = await page(request, problem, headers)
        if answer is not None:
            return answer
    return problem_response(problem, headers)


def _fit(text: str) -> str:
    """A text that has been redacted, as far as it is told: a secret that is cut would not be found."""
    return text if len(text) <= LONGEST_DETAIL else f"{text[:LONGEST_DETAIL]}..."


def _tell_fault(scope: Scope, problem: Problem) -> Response:
    """The answer to a request that failed here: JSON, or a page."""
    request = Request(scope)
    return console.fault_page(request, problem) if _wants_page(request) else problem_response(problem)


def _wants_page(request: Request) -> bool:
    own = request.url.path.startswith(("/v1/", "/-/", "/metrics"))
    return not own and "text/html" in request.headers.get("accept", "")
