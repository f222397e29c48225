"""All keys that a policy may have, with their types, defaults and meanings, and an example of each.

Keys come from the JSON Schema; examples from the policies of the repository, which are valid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ctrain.policy.schema import policy_schema

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "deploy" / "handbook" / "examples"
PLACES = (ROOT / "policies", ROOT / "deploy" / "handbook" / "recipes", EXAMPLES)
MANY_WORDS = 8
PATTERNS = {"7d": "duration", "1d": "duration", "500MB": "size"}
"""What the last example of a pattern tells of it."""

Schema = Mapping[str, Any]


VALUES_TOO = frozenset({"feature", "metric"})
"""Kinds of which the key itself may be a word instead."""


@dataclass(frozen=True, slots=True)
class Key:
    """A row of the reference."""

    path: str
    kind: str
    """Of monitor, trigger, gate, window or source; empty: there is one kind."""
    type: str
    default: str
    text: str
    leaf: bool
    """It has a value of its own, and not keys."""


def policy_keys() -> list[Key]:
    """Return every key, in the order of the schema."""
    schema = policy_schema()
    return list(_keys(schema, schema["$defs"], "", ""))


def examples() -> dict[Key, str]:
    """Return for each key how a valid policy writes it; empty where its keys have examples of their own."""
    schema = policy_schema()
    written: dict[tuple[str, str], Any] = {}
    for folder in PLACES:
        for path in sorted(folder.glob("*.yaml")):
            for place, value in _written(schema, schema["$defs"], YAML(typ="safe").load(path), "", ""):
                written.setdefault(place, value)
    return {
        one: _shown(written[one.path, one.kind]) if one.leaf and (one.path, one.kind) in written else ""
        for one in policy_keys()
    }


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | dict):
        text = re.sub(r'"([A-Za-z_][\w.-]*)"', r"\1", text)
    elif isinstance(value, str):
        text = value
    return f"`{text}`"


def _keys(node: Schema, models: Schema, prefix: str, kind: str) -> Iterator[Key]:
    """The keys below a model."""
    required = node.get("required", [])
    for key, one in node.get("properties", {}).items():
        path = f"{prefix}{key}"
        if "const" in one and key == "type":
            continue
        below = list(_models_below(one, models, path))
        described = one if "description" in one else models.get(one.get("$ref", "").rpartition("/")[2], {})
        text = " ".join(described.get("description", "").split())
        yields_keys = (inner for _, inner, inner_kind in below if inner_kind not in VALUES_TOO)
        leaf = not any("properties" in inner for inner in yields_keys)
        yield Key(path, kind, _type(one, models), _default(one, key in required), text, leaf)
        for place, inner, inner_kind in below:
            yield from _keys(inner, models, place + ".", inner_kind or kind)


def _written(
    node: Schema, models: Schema, value: Mapping[str, Any], prefix: str, kind: str
) -> Iterator[tuple[tuple[str, str], Any]]:
    """What a policy says under each path and kind of key."""
    for key, one in node["properties"].items():
        if key not in value or ("const" in one and key == "type"):
            continue
        path = prefix + key
        yield (path, kind), value[key]
        for place, inner, inner_kind in _models_below(one, models, path):
            for item in _items(value[key], place[len(path) :]):
                if isinstance(item, dict) and _fits(inner, item):
                    yield from _written(inner, models, item, place + ".", inner_kind or kind)


def _items(value: Any, steps: str) -> list[Any]:
    """The values behind steps such as ``[]`` and ``.NAME``."""
    found = [value]
    for step in re.findall(r"\[\]|\.NAME", steps):
        if step == "[]":
            found = [item for one in found if isinstance(one, list) for item in one]
        else:
            found = [item for one in found if isinstance(one, dict) for item in one.values()]
    return found


def _fits(model: Schema, value: Mapping[str, Any]) -> bool:
    properties = model["properties"]
    if "const" in properties.get("type", {}) and value.get("type") != properties["type"]["const"]:
        return False
    return set(model.get("required", [])) <= set(value) <= set(properties)


def _type(one: Schema, models: Schema) -> str:
    """The type of a value in a word or two."""
    if "$ref" in one:
        model = models[one["$ref"].rpartition("/")[2]]
        return "keys" if "properties" in model else _type(model, models)
    for variants in ("anyOf", "oneOf"):
        if variants in one:
            found = [_type(variant, models) for variant in one[variants] if variant.get("type") != "null"]
            return " or ".join(dict.fromkeys(found))
    if "const" in one or "enum" in one:
        words = one.get("enum", [one.get("const")])
        if len(words) > MANY_WORDS:
            return "word"
        return ", ".join(f"`{json.dumps(word).strip(chr(34))}`" for word in words)
    if one["type"] == "array":
        inner = _type(one["items"], models)
        return f"list of {inner if inner.startswith('`') else inner + 's'}".replace("keyss", "keys")
    if one["type"] == "string":
        return PATTERNS.get(one.get("examples", [""])[-1], "text")
    plain = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    return plain.get(one["type"], "mapping")


def _models_below(one: Schema, models: Schema, path: str) -> Iterator[tuple[str, Schema, str]]:
    """The models that a key's value may be, with the path to them."""
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        yield path, models[name], ""
        return
    for variants in ("oneOf", "anyOf"):
        for variant in one.get(variants, []):
            if "$ref" in variant:
                inner = models[variant["$ref"].rpartition("/")[2]]
                yield path, inner, _kind(inner) if variants == "oneOf" else ""
    if isinstance(one.get("items"), dict):
        yield from _models_below(one["items"], models, f"{path}[]")
    for pattern in one.get("patternProperties", {}).values():
        yield from _models_below(pattern, models, f"{path}.NAME")


def _kind(model: Schema) -> str:
    """What tells this variant from its siblings: its type, or the key that it must have."""
    properties = model["properties"]
    if "const" in properties.get("type", {}):
        return str(properties["type"]["const"])
    keys: Sequence[str] = model.get("required") or list(properties)
    return keys[0]


def _default(one: Schema, required: bool) -> str:
    if required:
        return "required"
    default = one.get("default")
    if default in (None, [], {}) or isinstance(default, dict):
        return ""
    return f"`{json.dumps(default).strip(chr(34))}`"
