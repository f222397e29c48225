"""A monitor's value over time with its threshold, and what it said at each instant below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from markupsafe import Markup

from ctrain.domain import Status
from ctrain.queries.series import MonitorSeries, Point
from ctrain.web.console.charts.frame import (
    AXIS,
    WIDE,
    path_through,
    picture,
    stretched,
    time_axis,
    value_lines,
    value_numbers,
)
from ctrain.web.console.charts.scale import Period, Scale, scale_around
from ctrain.web.console.charts.svg import element, number, percent, title

HEIGHT = 150.0
STRIP = 6.0
Marks = Sequence[tuple[datetime, str]]


def series_chart(series: MonitorSeries, period: Period, marks: Marks = ()) -> Markup:
    """The picture; ``marks`` are instants with words, such as promotions."""
    points = [one for one in series.points if one.as_of >= period.start]
    valued = [one for one in points if one.value is not None]
    thresholds = [one.threshold for one in valued if one.threshold is not None]
    scale = scale_around([*(one.value or 0.0 for one in valued), *thresholds], HEIGHT - 4, 14)
    parts = [*time_axis(period, HEIGHT), *value_lines(scale)]
    parts.append(stretched(HEIGHT, *_lines(points, period, scale)))
    parts += _marks(marks, period, HEIGHT)
    parts += _breaches(valued, period, scale)
    parts += value_numbers(scale)
    parts += status_strip(points, period, HEIGHT + AXIS)
    return picture(HEIGHT + AXIS + STRIP + 2, _name(series, valued), *parts)


def _name(series: MonitorSeries, valued: Sequence[Point]) -> str:
    newest = series.newest
    if not valued:
        return f"{series.monitor}: no value yet; {newest.status.value}"
    threshold = f", threshold {newest.threshold:.4g}" if newest.threshold is not None else ""
    value = f"{newest.value:.4g}" if newest.value is not None else "unknown"
    return f"{series.monitor} over time, now {value}{threshold}, {newest.status.value}"


def _lines(points: Sequence[Point], period: Period, scale: Scale) -> Iterator[Markup]:
    """The threshold as steps and the value as a line, broken where there is none."""
    limits = [(period(one.as_of), scale(one.threshold)) for one in points if one.threshold is not None]
    if limits:
        limits.append((1.0, limits[-1][1]))
        yield element("path", d=path_through(limits), class_="limit")
    for piece in _pieces(points):
        places = [(period(one.as_of), scale(one.value)) for one in piece if one.value is not None]
        yield element("path", d=path_through(places if len(places) > 1 else places * 2), class_="line")


def _pieces(points: Sequence[Point]) -> Iterator[list[Point]]:
    piece: list[Point] = []
    for one in points:
        if one.value is not None:
            piece.append(one)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _breaches(points: Sequence[Point], period: Period, scale: Scale) -> Iterator[Markup]:
    for one in points:
        if one.status is Status.BREACHED and one.value is not None:
            said = title(f"{one.as_of:%Y-%m-%d %H:%M} UTC: {one.value:.4g}")
            yield element(
                "circle", said, cx=percent(period(one.as_of)), cy=scale(one.value), r=2.5, class_="breach"
            )


def _marks(marks: Marks, period: Period, height: float) -> Iterator[Markup]:
    for at, words in marks:
        if period.start <= at <= period.end:
            x = percent(period(at))
            yield element("line", title(words), x1=x, x2=x, y1="0", y2=number(height), class_="mark")


def status_strip(
    points: Sequence[Point], period: Period, top: float, height: float = STRIP
) -> Iterator[Markup]:
    """A bar that shows what was said when; equal neighbours are one piece."""
    start = 0
    for index in range(1, len(points) + 1):
        if index < len(points) and points[index].status is points[start].status:
            continue
        began = period(points[start].as_of)
        ended = period(points[index].as_of) if index < len(points) else 1.0
        status = points[start].status.value
        said = title(f"{status} from {points[start].as_of:%Y-%m-%d %H:%M} UTC")
        yield element(
            "rect",
            said,
            x=percent(began),
            y=number(top),
            width=percent(max(ended - began, 1 / WIDE)),
            height=number(height),
            class_=f"strip {status.lower()}",
        )
        start = index


def strip_chart(series: MonitorSeries, period: Period) -> Markup:
    """Only the bar, for a line of a table."""
    points = [one for one in series.points if one.as_of >= period.start]
    before = [one for one in series.points if one.as_of < period.start]
    if before and series.stands:
        points.insert(0, replace(before[-1], as_of=period.start))
    said = sum(one.status is Status.BREACHED for one in points)
    name = f"{series.monitor}: {said} of the {len(points)} verdicts shown are BREACHED"
    return picture(10.0, name, *status_strip(points, period, 0.0, 10.0), kind="stripchart")
