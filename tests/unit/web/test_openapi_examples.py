"""Every parameter, body and answer of the OpenAPI document has an example that is as the schema says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import FastAPI
from jsonschema import (  # type: ignore[import-untyped]  # ships no types
    Draft202012Validator,
    FormatChecker,
)

from ctrain.web.api import router
from ctrain.web.api.examples import ANSWERS, BODIES, CURSORS, PARAMETERS
from ctrain.web.api.paging import name_at, number_at
from ctrain.web.openapi import schema_of

JSON, LINES = "application/json", "application/x-ndjson"


def described() -> dict[str, Any]:
    app = FastAPI(title="ctrain")
    app.include_router(router)
    return schema_of(app)


DOCUMENT = described()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def check(example: Any, schema: dict[str, Any]) -> None:
    """The example is as the schema says, its objects with all keys that are described, and no others."""
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(example)
    complete(example, schema)


def complete(example: Any, schema: dict[str, Any]) -> None:
    found = resolved(schema, example)
    if isinstance(example, list):
        for one in example:
            complete(one, found.get("items", {}))
    elif isinstance(example, dict) and "properties" in found:
        assert set(example) == set(found["properties"])
        for name, value in example.items():
            complete(value, found["properties"][name])


def resolved(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """What the schema refers to; of several the one that the example is an instance of."""
    for one in schema.get("anyOf", ()):
        whole = {**one, "components": DOCUMENT["components"]}
        if Draft202012Validator(whole).is_valid(example):
            return resolved(one, example)
    if "$ref" in schema:
        return cast("dict[str, Any]", DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return schema


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_has_an_example_as_its_schema_says(name: str) -> None:
    [answer] = [one for status, one in OPERATIONS[name]["responses"].items() if status.startswith("2")]
    check(answer["content"][JSON]["example"], answer["content"][JSON]["schema"])


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if "requestBody" in one])
def test_every_body_has_an_example_as_its_schema_says(name: str) -> None:
    content = OPERATIONS[name]["requestBody"]["content"]
    check(content[JSON]["example"], content[JSON]["schema"])
    if LINES in content:
        rows = [json.loads(line) for line in content[LINES]["example"].splitlines()]
        assert rows in content[JSON]["example"].values()


def test_every_parameter_has_an_example_as_its_schema_says() -> None:
    parameters = [
        (name, one) for name, operation in OPERATIONS.items() for one in operation.get("parameters", ())
    ]
    assert {one["name"] for _, one in parameters} == {*PARAMETERS, "cursor"}
    for _, one in parameters:
        check(one["example"], one["schema"])
    assert {name for name, one in parameters if one["name"] == "cursor"} == set(CURSORS)


def test_no_example_is_of_an_operation_that_is_gone() -> None:
    assert set(ANSWERS) == set(OPERATIONS)
    assert set(BODIES) == {name for name, one in OPERATIONS.items() if "requestBody" in one}


@pytest.mark.parametrize("name", [name for name in CURSORS if name.count("/") > 2 or "runs" in name])
def test_the_next_page_begins_where_the_example_ends(name: str) -> None:
    """A cursor of another list is refused by both; the API's own functions read these."""
    kind = {"monitors": "verdicts brier", "triggers": "decisions", "champions": "champions"}
    [wanted] = [word for part, word in {**kind, "/runs": "runs"}.items() if part in name]
    assert name_at(wanted, CURSORS[name]) if "{monitor}" in name else number_at(wanted, CURSORS[name])


def test_the_story_is_told_alike_everywhere() -> None:
    """One policy, one run, one challenger, whoever tells of them."""
    status, run = ANSWERS["GET /v1/policies/{name}"], ANSWERS["GET /v1/runs/{run_id}"]
    line = ANSWERS["GET /v1/policies"]["policies"][0]
    assert status["run"] == run["run"] == ANSWERS["GET /v1/runs"]["runs"][0]
    assert line["run"]["id"] == PARAMETERS["run_id"] == status["run"]["id"]
    assert line["champion"] == status["champion"]["version"] == run["run"]["champion_version"]
    bound = ANSWERS["POST /v1/runs/{run_id}/approve"]["arguments"]
    assert bound["challenger"] == run["approval"]["challenger"] == run["run"]["challenger_version"]
    assert bound["evidence"].startswith(BODIES["POST /v1/runs/{run_id}/approve"]["evidence"])
    assert bound["reason"] == BODIES["POST /v1/runs/{run_id}/approve"]["reason"]


def told(example: Any) -> Iterator[tuple[str, Any]]:
    """Every key of the examples with its value."""
    parts = example.values() if isinstance(example, dict) else example if isinstance(example, list) else ()
    if isinstance(example, dict):
        yield from example.items()
    for part in parts:
        yield from told(part)


def test_the_example_of_a_field_is_of_the_same_story() -> None:
    story: dict[str, list[Any]] = defaultdict(list)
    for name, value in told([ANSWERS, BODIES]):
        story[name].append(value)
    asked = [
        (name, field["examples"][0])
        for part in DOCUMENT["components"]["schemas"].values()
        for name, field in part.get("properties", {}).items()
        if "examples" in field
    ]
    untold = {"kind": "tick_failed"}  # no trouble is under way in the story
    assert len(asked) > 10
    assert [(name, one) for name, one in asked if one not in story[name] and untold.get(name) != one] == []
    assert "flight" not in json.dumps(DOCUMENT)
