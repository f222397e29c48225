"""Nested counts, such as ``{"nulls": {"age": 3}}``: kept of a pane as JSON, and added up over panes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOST_NAMES = 20
"""Names that a list keeps."""


def put(counts: dict[str, Any], path: Sequence[str], amount: int) -> None:
    """Set the count under the names of ``path``, the outermost first."""
    for name in path[:-1]:
        counts = counts.setdefault(name, {})
    counts[path[-1]] = amount


def merged_counts(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the counts of all parts together; a list holds every name once.

    >>> merged_counts([{"rows": 2, "nulls": {"x": 1}}, {"rows": 1, "nulls": {"x": 2, "y": 1}}])
    {'rows': 3, 'nulls': {'x': 3, 'y': 1}}
    """
    whole: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            match value:
                case Mapping():
                    whole[key] = merged_counts([whole.get(key, {}), value])
                case list():
                    whole[key] = list(dict.fromkeys([*whole.get(key, []), *value]))[:MOST_NAMES]
                case _:
                    whole[key] = whole.get(key, 0) + value
    return whole


def total(counts: Mapping[str, Any]) -> int:
    """Return the sum of all counts, whatever they stand under.

    >>> total({"wrong": {"x": 1, "y": 2}, "duplicates": 4})
    7
    """
    return sum(total(one) if isinstance(one, Mapping) else int(one) for one in counts.values())
