"""Errors as RFC 9457 has them (``application/problem+json``): each says what to do.

What went wrong inside is never told: it is in the log, and the answer says only that it is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ctrain.errors import (
    CtrainError,
    IllegalTransition,
    InputError,
    PolicyError,
    StateConflict,
    TransientError,
)
from ctrain.web.backend import NobodyActs

MEDIA_TYPE = "application/problem+json"
DATABASE_AWAY = "the database does not answer; try again, and look at its log and at `ctrain db check`"
"""Told of an error of the store: what is away beside it (a disk, whoever acts) says so itself."""

NO_SUCH_ADDRESS = (
    "nothing is at this address: `/v1/openapi.json` names every one of the API, and the console begins at `/`"
)
"""Told where no route is, of which the framework knows to say only the name of the status."""


class FieldProblem(BaseModel):
    """One field that cannot be used."""

    place: str = Field(description="Where it stands, such as `body.reason` or `query.limit`.")
    message: str


class Problem(BaseModel):
    """What went wrong, and what to do (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "there is no policy click here; known: clicks",
                    "errors": [],
                }
            ]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


class Refusal(HTTPException):
    """An answer other than what was asked for: its status, and what to do."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, errors: Any = ()
    ) -> None:
        super().__init__(status.value, detail, dict(headers or {}))
        self.errors = list(errors)


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    """The problem as an answer."""
    return ProblemResponse(problem.model_dump(), problem.status, headers=dict(headers or {}))


def problem_of(error: Exception) -> tuple[Problem, dict[str, str]]:
    """What to answer to an exception, and with which headers."""
    match error:
        case HTTPException():
            errors = getattr(error, "errors", [])
            nowhere = (
                error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase
            )
            detail = NO_SUCH_ADDRESS if nowhere else error.detail
            return _problem(error.status_code, detail, errors), dict(error.headers or {})
        case RequestValidationError():
            return _invalid(error), {}
        case InputError() | PolicyError():
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)), {}
        case StateConflict() | IllegalTransition():
            return _problem(HTTPStatus.CONFLICT, str(error)), {}
        case TransientError():
            seconds = max(1, math.ceil(error.retry_in.total_seconds()))
            detail = str(error) if isinstance(error, NobodyActs) else DATABASE_AWAY
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail), {"Retry-After": str(seconds)}
        case CtrainError():
            return _problem(HTTPStatus.CONFLICT, str(error)), {}
        case _:
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of ctrain; the log has it"), {}


def _problem(status: int, detail: str, errors: Any = ()) -> Problem:
    title = HTTPStatus(status).phrase
    return Problem(title=title, status=int(status), detail=detail or title, errors=list(errors))


def _invalid(error: RequestValidationError) -> Problem:
    errors = [
        FieldProblem(place=".".join(map(str, one["loc"])), message=str(one["msg"])) for one in error.errors()
    ]
    told = "; ".join(f"{one.place}: {one.message}" for one in errors)
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"correct the request: {told}", errors)
