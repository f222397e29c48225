"""How well windows of the reference are told from the rest of it: what a window must exceed to stand out."""

from __future__ import annotations

from collections.abc import Sequence

MARGIN = 0.25
"""A window must stand out by a quarter more than windows inside the reference do."""
FEWEST_INSIDE = 3
"""Windows inside the reference that tell what is usual."""
BLIND = 0.99
"""From this threshold on nothing can stand out from what is usual."""
CHANCE = 0.5


def usual_auc(inside: Sequence[float]) -> float | None:
    """Return the AUC up to which a window is as usual as windows inside the reference; None: unknown.

    The largest of theirs and a margin: a quarter of its distance from 0.5, or half of what is left
    to 1.

    >>> usual_auc((0.52, 0.6, 0.55))
    0.625
    >>> usual_auc((0.52, 0.6)) is None
    True
    """
    return _with_margin(max(inside)) if len(inside) >= FEWEST_INSIDE else None


def usual_aucs(insides: Sequence[Sequence[float]]) -> list[float | None]:
    """Return the usual AUC of each of several segments, which are looked at together.

    Among more segments it is more likely that one of them exceeds by chance what its few windows have
    reached. So what counts is how many times its measure any segment's window has reached: so many times
    the measure of a segment is usual to it, though no more than the largest AUC of all. The measure is the
    mean distance of windows from 0.5, half that of its own, half that of all. One segment has its largest.

    Parameters
    ----------
    insides
        AUC of the windows inside the reference, by segment.

    Examples
    --------
    >>> usual_aucs([(0.52, 0.6, 0.55)]) == [usual_auc((0.52, 0.6, 0.55))]
    True
    >>> steady, restless = (0.52, 0.52, 0.53), (0.5, 0.7, 0.6)
    >>> [round(usual, 4) for usual in usual_aucs([steady, restless])]
    [0.6314, 0.75]
    >>> usual_aucs([steady, (0.9,)])[1] is None
    True
    """
    distances = [[max(auc - CHANCE, 0.0) for auc in inside] for inside in insides]
    known = [one for one in distances if len(one) >= FEWEST_INSIDE]
    of_all = _mean([distance for one in known for distance in one])
    largest = max((max(one) for one in known), default=0.0)
    multiple = max((max(one) / _measure(one, of_all) for one in known if any(one)), default=1.0)
    usual = [min(multiple * _measure(one, of_all), largest) for one in distances]
    return [
        _with_margin(CHANCE + max(reached, *one)) if len(one) >= FEWEST_INSIDE else None
        for reached, one in zip(usual, distances, strict=True)
    ]


def _measure(distances: Sequence[float], of_all: float) -> float:
    return (_mean(distances) + of_all) / 2


def _with_margin(largest: float) -> float:
    reached = max(largest, CHANCE)
    return reached + min(MARGIN * (reached - CHANCE), (1 - reached) / 2)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
