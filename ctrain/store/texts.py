"""What a text must be like so that every database keeps it as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NUL = "\0"
INSTEAD_OF_NUL = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    r"""Return the text with ``?`` for what UTF-8 cannot spell, and without NUL, which PostgreSQL refuses.

    Lone surrogates stand in names of files that are not UTF-8, and in whatever quotes such a name.

    >>> storable("data/\udcff.csv"), storable("caf\xe9")
    ('data/?.csv', 'café')
    """
    if NUL in text:
        text = text.replace(NUL, INSTEAD_OF_NUL)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def storable_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, those that are text made storable: what is hashed or compared must be what is stored."""
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
