"""A policy's recent life in three lanes: triggers, runs with their phases, champions."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from ctrain.domain import Phase
from ctrain.queries.answers import PhaseTime
from ctrain.queries.champion_history import Reign
from ctrain.queries.timeline import WORKING, RunBar, Timeline, TriggerMark
from ctrain.web.console.charts.frame import AXIS, picture, time_axis
from ctrain.web.console.charts.scale import Period
from ctrain.web.console.charts.svg import element, number, percent, title

LANE = 34.0
BAR = 14.0
TOP = 15.0
"""Of a lane's bars below the lane's name."""
HEIGHT = 3 * LANE
NARROWEST = 0.002
_BAD = frozenset({Phase.FAILED, Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED})
_GOOD = frozenset({Phase.ACCEPTED})


def timeline_chart(timeline: Timeline) -> Markup:
    """The picture; the table of the same entries is its text."""
    period = Period(timeline.start, timeline.end)
    parts = list(time_axis(period, HEIGHT))
    for index, lane in enumerate(("triggers", "runs", "champion")):
        top = LANE * index
        parts.append(element("line", x1="0", x2="100%", y1=top + LANE, y2=top + LANE, class_="grid"))
        parts.append(element("text", lane, x="2", y=number(top + 11), class_="lane"))
    for mark in timeline.triggers:
        parts += _trigger(mark, period)
    for bar in timeline.runs:
        parts += _run(bar, period)
    for reign in timeline.reigns:
        parts += _reign(reign, period)
    name = (
        f"{len(timeline.triggers)} trigger decisions, {len(timeline.runs)} runs and "
        f"{len(timeline.reigns)} champions since {timeline.start:%Y-%m-%d}"
    )
    return picture(HEIGHT + AXIS, name, *parts, kind="chart timeline", role="group")


def _trigger(mark: TriggerMark, period: Period) -> Iterator[Markup]:
    said = title(f"{mark.at:%Y-%m-%d %H:%M} UTC, {mark.trigger} {mark.outcome}: {mark.reason}")
    middle = TOP + BAR / 2
    if mark.outcome == "fired":
        yield element("circle", said, cx=percent(period(mark.at)), cy=middle, r=5, class_="fired")
        return
    began, ended = period(mark.at), period(mark.until_at)
    yield element(
        "rect",
        said,
        x=percent(began),
        y=number(middle - 3),
        width=percent(max(ended - began, NARROWEST)),
        height=6,
        rx=2,
        class_="suppressed",
    )


def _run(bar: RunBar, period: Period) -> Iterator[Markup]:
    """A piece for each phase, and how it ended."""
    top = LANE + TOP
    pieces = [_phase(one, period, top) for one in bar.phases if not one.phase.ended]
    if bar.ended_at is not None:
        word = "good" if bar.phase in _GOOD else "bad" if bar.phase in _BAD else "plain"
        x = percent(period(bar.ended_at))
        said = title(f"{bar.run} ended {bar.phase.value}: {bar.reason}")
        pieces.append(element("circle", said, cx=x, cy=number(top + BAR / 2), r=5, class_=f"ended {word}"))
    yield element("a", *pieces, href=f"/runs/{bar.run}", aria_label=f"run {bar.run}, {bar.phase.value}")


def _phase(one: PhaseTime, period: Period, top: float) -> Markup:
    began = period(one.since_at)
    ended = period(one.until_at) if one.until_at is not None else 1.0
    kind = "working" if one.phase in WORKING else one.phase.value.lower()
    return element(
        "rect",
        title(f"{one.phase.value} from {one.since_at:%Y-%m-%d %H:%M} UTC: {one.reason}"),
        x=percent(began),
        y=number(top),
        width=percent(max(ended - began, NARROWEST)),
        height=number(BAR),
        class_=f"phase {kind}",
    )


def _reign(reign: Reign, period: Period) -> Iterator[Markup]:
    top = 2 * LANE + TOP
    began = period(reign.since_at)
    ended = period(reign.until_at) if reign.until_at is not None else 1.0
    if reign.version is None:
        return
    said = title(f"version {reign.version} {reign.how} {reign.since_at:%Y-%m-%d %H:%M} UTC: {reign.why}")
    kind = "back" if reign.how == "rolled back" else "reign"
    yield element(
        "rect",
        said,
        x=percent(began),
        y=number(top),
        width=percent(max(ended - began, NARROWEST)),
        height=number(BAR),
        class_=kind,
    )
    if ended - began > 0.03:
        text = f"v{reign.version}"
        yield element("text", text, x=percent(began + 0.004), y=number(top + 11), class_="version")
