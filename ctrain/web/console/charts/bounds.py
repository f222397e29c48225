"""A confidence sequence that closes in on its limit: mean and bounds by the number of blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from ctrain.queries.sequence import ConfidenceSequence, SeqPoint
from ctrain.web.console.charts.frame import AXIS, path_through, picture, stretched, value_lines, value_numbers
from ctrain.web.console.charts.scale import Scale, scale_around
from ctrain.web.console.charts.svg import element, number, percent

HEIGHT = 220.0
MIN_WIDTHS = 4.0
"""Bounds are cut where they are so many times wider than now: the first ones would flatten all others."""


def sequence_chart(sequence: ConfidenceSequence) -> Markup:
    """The picture of a comparison; below zero the new version is better."""
    points, limit = sequence.points, sequence.limit
    scale = scale_around(_shown_values(sequence), HEIGHT - 4, 16, zero=True)
    last = max(points[-1].blocks, 2)
    parts = list(value_lines(scale, 5))
    parts += _block_axis(last)
    bounded = [one for one in points if one.lower is not None and one.upper is not None]
    shapes = []
    if bounded:
        shapes.append(element("path", d=_band(bounded, last, scale), class_="band"))
        for side in ("upper", "lower"):
            places = [(_share(one, last), scale(getattr(one, side))) for one in bounded]
            shapes.append(element("path", d=path_through(places), class_="bound"))
    means = [(_share(one, last), scale(one.mean)) for one in points]
    shapes.append(element("path", d=path_through(means if len(means) > 1 else means * 2), class_="line"))
    parts.append(element("line", x1="0", x2="100%", y1=scale(0.0), y2=scale(0.0), class_="zero"))
    parts.append(stretched(HEIGHT, *shapes))
    if len(bounded) == 1:
        parts.append(_whisker(bounded[0], last, scale))
    if limit is not None:
        y = scale(limit)
        parts.append(element("line", x1="0", x2="100%", y1=y, y2=y, class_="limit"))
        parts.append(
            element(
                "text", f"limit {limit:+g}", x="100%", y=number(y - 4), text_anchor="end", class_="tick limit"
            )
        )
    parts += value_numbers(scale, 5, signed=True)
    x, y = percent(_share(points[-1], last)), scale(points[-1].mean)
    parts.append(element("circle", cx=x, cy=y, r=3.5, class_="dot"))
    return picture(HEIGHT + AXIS, _name(sequence), *parts)


def _shown_values(sequence: ConfidenceSequence) -> list[float]:
    newest = sequence.newest
    values = [one.mean for one in sequence.points]
    if newest.lower is not None and newest.upper is not None:
        reach = (newest.upper - newest.lower) / 2 * MIN_WIDTHS
        bounds = [one for point in sequence.points for one in (point.lower, point.upper) if one is not None]
        values = [min(max(one, newest.mean - reach), newest.mean + reach) for one in (*values, *bounds)]
    return [*values, sequence.limit] if sequence.limit is not None else values


def _band(points: Sequence[SeqPoint], last: int, scale: Scale) -> str:
    upper = [(_share(one, last), scale(one.upper or 0.0)) for one in points]
    lower = [(_share(one, last), scale(one.lower or 0.0)) for one in reversed(points)]
    return path_through([*upper, *lower]) + "Z"


def _whisker(point: SeqPoint, last: int, scale: Scale) -> Markup:
    """The bounds of a comparison that has them at one look alone: a band of one look is no area."""
    x, top, bottom = percent(_share(point, last)), scale(point.upper or 0.0), scale(point.lower or 0.0)
    return element("line", x1=x, x2=x, y1=top, y2=bottom, class_="whisker")


def _share(point: SeqPoint, last: int) -> float:
    return (point.blocks - 1) / (last - 1)


def _block_axis(last: int) -> Iterator[Markup]:
    for value in Scale(1.0, float(last), 0.0, 1.0).ticks(5):
        if value != int(value):
            continue
        share = (value - 1) / (last - 1)
        anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
        text = f"{value:g}"
        yield element(
            "text", text, x=percent(share), y=number(HEIGHT + 15), text_anchor=anchor, class_="tick"
        )


def _name(sequence: ConfidenceSequence) -> str:
    newest = sequence.newest
    told = f"{sequence.phase.value}: mean difference {newest.mean:+.4g} after {newest.blocks} blocks"
    if newest.lower is not None and newest.upper is not None:
        told += f", between {newest.lower:+.4g} and {newest.upper:+.4g}"
    return told + (f"; the limit is {sequence.limit:+g}" if sequence.limit is not None else "")
