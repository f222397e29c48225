from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

from ctrain.policy.document import read_document
from ctrain.policy.schema import policy_schema

ROOT = Path(__file__).parents[3]
FILES = ROOT / "tests" / "unit" / "policy_files"
GOOD = [*sorted((ROOT / "policies").glob("*.y*ml")), FILES / "example.yaml", FILES / "minimal.yaml"]
SCHEMA = policy_schema()


def faults(path: Path) -> list[str]:
    return [
        error.message
        for error in Draft202012Validator(SCHEMA).iter_errors(read_document(path.read_text()).values)
    ]


def nodes(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for item in node for found in nodes(item)]
    if isinstance(node, dict):
        return [node, *(found for item in node.values() for found in nodes(item))]
    return []


def test_it_is_a_schema_of_the_2020_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert not any("$id" in node for node in nodes(SCHEMA))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_shipped_policies_and_examples_fit(path: Path) -> None:
    assert faults(path) == []


@pytest.mark.parametrize(
    "name",
    [
        "unknown_key_near",
        "missing_key",
        "task",
        "not_a_duration",
        "trigger_key",
        "monitor_type",
        "entrypoint",
        "name",
    ],
)
def test_an_editor_sees_faults_of_keys_types_and_words(name: str) -> None:
    assert faults(FILES / "bad" / f"{name}.yaml")


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text((FILES / "minimal.yaml").read_text().replace("  inputs: {type", "  'a b': {type"))
    assert faults(path)


def test_every_key_is_described() -> None:
    parts = {"policy": SCHEMA, **SCHEMA["$defs"]}
    silent = [
        f"{part}.{key}"
        for part, schema in parts.items()
        for key, value in schema.get("properties", {}).items()
        if "description" not in value and "$ref" not in value
    ]
    assert silent == []


def test_defaults_are_written_as_in_a_policy() -> None:
    assert SCHEMA["$defs"]["AllOf"]["properties"]["for"]["default"] == "0s"
    assert SCHEMA["$defs"]["Train"]["properties"]["memory_limit"]["default"] == 4_000_000_000
