"""The JSON Schema of policies, for editors; the models are its only source."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from ctrain.domain import Json
from ctrain.policy.fields import format_duration
from ctrain.policy.models import Policy

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> Json:
    """Return the JSON Schema (2020-12) of a policy file.

    It checks keys, types and words; what values mean together is checked by ``ctrain validate``.
    """
    schema = Policy.model_json_schema(by_alias=True, mode="validation", schema_generator=_Generator)
    described: dict[str, Any] = _polished(schema)
    return {"$schema": DIALECT, **described, "title": "ctrain policy"}


class _Generator(GenerateJsonSchema):
    """pydantic's generator, with durations as policies write them."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def _polished(node: Any) -> Any:
    """Return the schema with names that do not fit refused, and descriptions in Markdown."""
    if isinstance(node, list):
        return [_polished(item) for item in node]
    if not isinstance(node, dict):
        return node
    polished = {key: _polished(value) for key, value in node.items()}
    if "patternProperties" in polished:
        polished.setdefault("additionalProperties", False)
    if isinstance(polished.get("description"), str):
        polished["description"] = polished["description"].replace("``", "`")
    return polished
