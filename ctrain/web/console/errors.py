"""Errors as pages: what is wrong, and where to go from there."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from ctrain.errors import CtrainError
from ctrain.web.console.rendering import page
from ctrain.web.console.sessions import caller_or_none

if TYPE_CHECKING:
    from ctrain.web.auth import Caller
    from ctrain.web.problems import Problem


async def error_page(request: Request, problem: Problem, headers: Mapping[str, str]) -> Response | None:
    """The page of a problem; who has to log in is led to the form, and back from there."""
    if problem.status == HTTPStatus.UNAUTHORIZED:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        back = path if request.method == "GET" else "/"
        return RedirectResponse(f"/login?next={quote(back, safe='')}", HTTPStatus.SEE_OTHER)
    caller = await run_in_threadpool(_caller, request)
    answer = page(request, "error.html", caller, status=problem.status, problem=problem)
    answer.headers.update(dict(headers))
    return answer


def fault_page(request: Request, problem: Problem) -> Response:
    """The page of a request that failed here; its caller is not looked up: that may be what failed."""
    return page(request, "error.html", None, status=problem.status, problem=problem)


def _caller(request: Request) -> Caller | None:
    """Nobody, where the database cannot be asked."""
    try:
        return caller_or_none(request)
    except CtrainError:
        return None
