"""JSON answers without secrets: whatever a policy or a message spelled out stays here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.responses import JSONResponse


def redacted_json(redact: Callable[[str], str]) -> type[JSONResponse]:
    """A response whose texts have been through ``redact``."""

    class RedactedJson(JSONResponse):
        def render(self, content: Any) -> bytes:
            return super().render(_without(content, redact))

    return RedactedJson


def _without(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _without(one, redact) for key, one in value.items()}
    if isinstance(value, list):
        return [_without(one, redact) for one in value]
    return value
