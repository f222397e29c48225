"""What stands beside a version in the registry, read as something that anybody may have written there.

A tag that is not as ctrain writes it counts as not being there: what it would have told is not known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from ctrain.domain import Window

CUT_OFF_TAG = "ctrain.cut_off"
WINDOW_START_TAG = "ctrain.window_start"
WINDOW_END_TAG = "ctrain.window_end"
IMPORTANCE_TAG = "ctrain.importance"
YEARS = range(1900, 2200)
"""Instants beyond are nobody's training, and too near to the end of what can be counted with."""


def tagged_instant(tags: Mapping[str, str], name: str) -> datetime | None:
    """The instant of a tag, which has an offset.

    >>> tagged_instant({"ctrain.cut_off": "2024-01-01T02:00:00+02:00"}, "ctrain.cut_off")
    datetime.datetime(2024, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    >>> tagged_instant({"ctrain.cut_off": "last week"}, "ctrain.cut_off")
    """
    try:
        found = datetime.fromisoformat(tags.get(name, ""))
    except ValueError:
        return None
    if found.tzinfo is None or found.year not in YEARS:
        return None
    return found.astimezone(UTC)


def training_window(tags: Mapping[str, str]) -> Window | None:
    """From the first row of the training until all that it may have seen."""
    start, end = tagged_instant(tags, WINDOW_START_TAG), tagged_instant(tags, CUT_OFF_TAG)
    return Window(start, end) if start is not None and end is not None and start < end else None


def tagged_importance(tags: Mapping[str, str]) -> dict[str, float]:
    """The share of each feature in the importance of all; empty: not known."""
    try:
        found = json.loads(tags.get(IMPORTANCE_TAG, "{}"))
        shares = {str(name): float(share) for name, share in found.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return shares if all(0 <= share < math.inf for share in shares.values()) else {}
