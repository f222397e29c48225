"""What the OpenAPI document says besides the routes: problems, and the roles of callers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ctrain.web.api.examples import ANSWERS, BODIES, CURSORS, PARAMETERS
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
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _with_examples(f"{method.upper()} {path}", operation)
            _with_problems(operation)
    app.openapi_schema = schema
    return schema


def _with_examples(name: str, operation: dict[str, Any]) -> None:
    """What is sent and what is answered where all goes well, as in the one story of the examples."""
    for parameter in operation.get("parameters", ()):
        known = CURSORS.get(name) if parameter["name"] == "cursor" else PARAMETERS.get(parameter["name"])
        if known is not None:
            parameter["example"] = known
    if name in BODIES:
        operation["requestBody"]["content"]["application/json"]["example"] = BODIES[name]
    for status, answer in operation["responses"].items():
        if status < "300" and name in ANSWERS:
            answer["content"]["application/json"]["example"] = ANSWERS[name]


def _with_problems(operation: dict[str, Any]) -> None:
    """Every operation may answer with a problem; those that are its own are described by it."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses = operation["responses"]
    for status in ("422", *(one for one in responses if one >= "400")):
        if status in responses:
            responses[status] = {"description": responses[status]["description"], "content": content}
    responses["default"] = {"description": "A problem; `detail` says what to do.", "content": content}
