"""The confidence sequence of a comparison: how its bounds close in on the margin."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ctrain.domain import Json, Phase
from ctrain.policy.models import Policy
from ctrain.queries.answers import Answer

MOST_LOOKS = 300


@dataclass(frozen=True, slots=True)
class SeqPoint(Answer):
    """The comparison after a block; the bounds are None before there are enough blocks."""

    as_of: datetime
    blocks: int
    rows: int
    mean: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class ConfidenceSequence(Answer):
    """New minus old, below zero is better; ``limit`` decides: promoted below it, rejected above it."""

    phase: Phase
    points: tuple[SeqPoint, ...]
    limit: float | None
    """None where the policy of the run cannot be read."""
    alpha: float | None
    """Of each bound; the lower one of a probation has half of it."""
    min_rows: int | None

    @property
    def newest(self) -> SeqPoint:
        return self.points[-1]


def sequences_of(
    points: Iterable[tuple[Phase, datetime, Json]], policy: Policy | None, most: int = MOST_LOOKS
) -> tuple[ConfidenceSequence, ...]:
    """One for each phase that has compared; of very many looks every n-th and the newest."""
    by_phase: dict[Phase, list[SeqPoint]] = {}
    for phase, at, point in points:
        by_phase.setdefault(phase, []).append(_point(at, point))
    return tuple(_sequence(phase, found, policy, most) for phase, found in by_phase.items())


def _sequence(phase: Phase, points: list[SeqPoint], policy: Policy | None, most: int) -> ConfidenceSequence:
    step = -(-len(points) // most)
    kept = points[::-step][::-1]
    if policy is None:
        return ConfidenceSequence(phase, tuple(kept), None, None, None)
    if phase is Phase.SHADOWING:
        shadow = policy.shadow
        limit = -shadow.min_gain if shadow.min_gain > 0 else shadow.margin
        return ConfidenceSequence(phase, tuple(kept), limit, shadow.alpha, shadow.min_rows)
    probation = policy.probation
    return ConfidenceSequence(phase, tuple(kept), probation.margin, probation.alpha, probation.min_rows)


def _point(at: datetime, point: Json) -> SeqPoint:
    return SeqPoint(
        as_of=at,
        blocks=int(point["blocks"]),
        rows=int(point["rows"]),
        mean=float(point["mean"]),
        lower=_finite(point["lower"]),
        upper=_finite(point["upper"]),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
