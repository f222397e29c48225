"""Small pieces of text for problems: keys as a person writes them, and the nearest valid word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctrain.policy.document import KeyPath


def did_you_mean(word: Any, valid: Iterable[str]) -> str:
    """Return ``"; did you mean NEAREST?"``, or nothing when no valid word is near.

    >>> did_you_mean("wnidow", ["window", "fdr"])
    '; did you mean window?'
    """
    near = difflib.get_close_matches(str(word), sorted(valid), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def shown_key(path: KeyPath) -> str:
    """Return a path as a person writes it.

    >>> shown_key(("gates", 0, "metric"))
    'gates[0].metric'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def shown_value(value: Any) -> str:
    """Return a value short enough for a message.

    >>> shown_value({"from": "champion"})
    'a mapping'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    return (text if len(text) <= 60 else text[:57] + "...") or "empty text"
