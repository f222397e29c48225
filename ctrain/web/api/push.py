"""Rows and labels of services that have no files: durable before the answer, each batch counted once."""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, Field

from ctrain.domain import PolicyName
from ctrain.domain.pushes import PushKind
from ctrain.errors import CtrainError, TransientError
from ctrain.sources.push_body import ARROW, JSON, MOST_BYTES
from ctrain.sources.push_refusals import (
    BadBatch,
    BadRow,
    DiskFull,
    NoSuchPolicy,
    SpoolAway,
    SpoolFull,
    TooLarge,
    UnknownMedia,
)
from ctrain.sources.push_spool import Sent, Spool
from ctrain.web.api.examples import LABELS, ROWS
from ctrain.web.api.intake import Intake
from ctrain.web.auth import writer
from ctrain.web.backend import Backend
from ctrain.web.problems import FieldProblem, Refusal

router = APIRouter(tags=["push"], dependencies=[Depends(writer)])
STATUSES: tuple[tuple[type[CtrainError], HTTPStatus], ...] = (
    (NoSuchPolicy, HTTPStatus.NOT_FOUND),
    (BadBatch, HTTPStatus.BAD_REQUEST),
    (UnknownMedia, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (SpoolFull, HTTPStatus.TOO_MANY_REQUESTS),
    (DiskFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (SpoolAway, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""Those that are not what every error of their kind is answered with."""
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is no batch, or has no id."},
    401: {"description": "No token, or a wrong one."},
    403: {"description": "The token's role may not push."},
    404: {"description": "There is no such policy."},
    409: {"description": "The policy reads files; or another batch was sent under this id."},
    413: {"description": "The batch is too large."},
    415: {"description": "The body is neither JSON, JSON lines nor an Arrow stream."},
    422: {"description": "A row that the policy could not use, with its column; nothing was taken."},
    429: {"description": "Too much waits to be read, or is sent at once: send it again after `Retry-After`."},
    503: {"description": "The disk or the database does not answer: send it again after `Retry-After`."},
    507: {"description": "There is no room on the disk."},
}


class PushAnswer(BaseModel):
    """What is answered for: it is on disk, and is read once."""

    batch_id: str
    rows: int
    repeated: bool = Field(description="This batch had been taken before; nothing was done.")
    warnings: list[str] = Field(description="What was taken, and is remarkable all the same.")


def _body_of(key: str, example: list[dict[str, Any]]) -> dict[str, Any]:
    row = {"type": "object"}
    many = {"type": "array", "items": row, "minItems": 1}
    within = {
        "type": "object",
        "properties": {"batch_id": {"type": "string"}, key: many},
        "required": [key],
        "additionalProperties": False,
    }
    json_schema = {"anyOf": [many, within, row]}
    content = {
        JSON: {"schema": json_schema},
        "application/x-ndjson": {
            "schema": {"type": "string", "description": "One JSON object a line."},
            "example": "".join(f"{json.dumps(row)}\n" for row in example),
        },
        ARROW: {"schema": {"type": "string", "format": "binary"}},
    }
    return {"requestBody": {"required": True, "content": content}}


Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The id of the batch: sent again under it, it counts once."),
]
BatchId = Annotated[str | None, Query(description="The same, for senders that cannot set headers.")]


@router.post(
    "/policies/{name}/rows",
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSALS,
    openapi_extra=_body_of("rows", ROWS),
    summary="Take a batch of rows",
)
async def push_rows(request: Request, name: str, key: Key = None, batch_id: BatchId = None) -> PushAnswer:
    """Rows that production served. All of them are taken, or none."""
    return await _take(request, name, PushKind.ROWS, key, batch_id)


@router.post(
    "/policies/{name}/labels",
    status_code=HTTPStatus.ACCEPTED,
    responses=_REFUSALS,
    openapi_extra=_body_of("labels", LABELS),
    summary="Take a batch of labels",
)
async def push_labels(request: Request, name: str, key: Key = None, batch_id: BatchId = None) -> PushAnswer:
    """Labels of rows, which may come before their rows; a later label of a row replaces an earlier one."""
    return await _take(request, name, PushKind.LABELS, key, batch_id)


async def _take(
    request: Request, name: str, kind: PushKind, key: str | None, batch_id: str | None
) -> PushAnswer:
    here = cast("Backend", request.app.state.backend)
    intake = cast("Intake", request.app.state.intake)
    spool, media = _spool_of(request), request.headers.get("content-type", "")
    try:
        _check(request, key, batch_id)
        with intake.place(_length(request)):
            sent = Sent(media, await _read(request), key if key is not None else batch_id)
            taken = await intake.run(partial(spool.take, PolicyName(name), kind, sent, here.clock.now()))
    except CtrainError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error
    return PushAnswer(
        batch_id=taken.batch_id, rows=taken.rows, repeated=taken.repeated, warnings=list(taken.warnings)
    )


def _spool_of(request: Request) -> Spool:
    spool = cast("Backend", request.app.state.backend).spool
    if spool is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "this server takes no batches")
    return spool


def _check(request: Request, key: str | None, batch_id: str | None) -> None:
    if key is not None and batch_id is not None and key != batch_id:
        raise BadBatch("the header Idempotency-Key and batch_id differ: give one of them")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnknownMedia(f"a body that is encoded ({encoding}) is not taken: send it as it is")


def _length(request: Request) -> int | None:
    told = request.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else None


async def _read(request: Request) -> bytes:
    """The body, as far as a batch may go: more is not waited for."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooLarge(f"a batch has at most {MOST_BYTES} bytes: send several")
    return bytes(body)


def _refusal(error: CtrainError) -> Refusal | None:
    """The answer to a batch that was not taken; None for what is answered as everywhere."""
    headers = {}
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(max(1, round(error.retry_in.total_seconds())))
    if isinstance(error, BadRow):
        place = ".".join(str(one) for one in ("rows", error.row, error.column) if one is not None)
        told = [FieldProblem(place=place, message=str(error))]
        return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=told)
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return Refusal(status, str(error), headers)
    return None
