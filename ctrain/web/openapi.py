"""What the OpenAPI document says besides the routes: problems, and the roles of callers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ctrain.web.problems import MEDIA_TYPE, Problem

DESCRIPTION = """\
Instants are ISO 8601 in UTC, durations seconds. Lists are paged: `next` is the address of the next page, or
null. Errors are problems of RFC 9457 whose `detail` says what to do. What changes something answers 202 with
the number of a request, which a daemon carries out; `GET /v1/requests/{id}` tells how it went.
"""


def schema_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    schema = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    parts = schema.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts.update(problem.pop("$defs", {}))
    parts["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        parts.pop(unused, None)
    for path in schema["paths"].values():
        for operation in path.values():
            _with_problems(operation)
    app.openapi_schema = schema
    return schema


def _with_problems(operation: dict[str, Any]) -> None:
    """Every operation may answer with a problem; those that are its own are described by it."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses = operation["responses"]
    for status in ("422", *(one for one in responses if one >= "400")):
        if status in responses:
            responses[status] = {"description": responses[status]["description"], "content": content}
    responses["default"] = {"description": "A problem; `detail` says what to do.", "content": content}
