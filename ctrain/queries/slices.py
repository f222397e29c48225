"""What a shadow says of the slices of its rows, each with the bounds that it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctrain.domain import Json
from ctrain.queries.answers import Answer
from ctrain.stats.sequential import ComparisonState


@dataclass(frozen=True, slots=True)
class SliceNow(Answer):
    """Difference of the losses on one slice; ``worse`` when the challenger is clearly worse on it."""

    name: str
    mean: float
    lower: float
    upper: float
    rows: int
    blocks: int
    worse: bool


def slices_of(shadow: Json, alpha: float, margin: float) -> tuple[SliceNow, ...]:
    """The slices that have been compared, the worst first, at ``alpha`` shared among all that are named."""
    states: Mapping[str, Json] = shadow.get("slices", {})
    found = []
    for name, state in states.items():
        compared = ComparisonState.from_json(state)
        if compared.blocks:
            bounds = compared.bounds(alpha / len(states))
            worse = bounds.lower > margin
            found.append(
                SliceNow(name, bounds.mean, bounds.lower, bounds.upper, compared.rows, compared.blocks, worse)
            )
    return tuple(sorted(found, key=lambda one: (not one.worse, -one.mean, one.name)))
