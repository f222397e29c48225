"""What pictures over time share: the outer SVG, gridlines with numbers, the axis of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from ctrain.web.console.charts.scale import Period, Scale
from ctrain.web.console.charts.svg import element, number, percent

WIDE = 1000.0
"""Units along the width of a path; the browser stretches them to the page."""
AXIS = 20.0
"""Pixels under the picture for the dates."""


def picture(height: float, name: str, *parts: str, kind: str = "chart", role: str = "img") -> Markup:
    """The outer element: as wide as its place, ``height`` pixels high; with links in it, a ``group``."""
    return element(
        "svg", *parts, class_=kind, width="100%", height=number(height), role=role, aria_label=name
    )


def stretched(height: float, *parts: str) -> Markup:
    """Paths in units of ``WIDE`` along the width, without their lines getting thicker."""
    box = f"0 0 {number(WIDE)} {number(height)}"
    inner = element("g", *parts, class_="stretched")
    return element(
        "svg",
        inner,
        x="0",
        y="0",
        width="100%",
        height=number(height),
        viewBox=box,
        preserveAspectRatio="none",
    )


def path_through(places: Sequence[tuple[float, float]]) -> str:
    """The data of a path; ``places`` are shares of the width and pixels."""
    return "M" + "L".join(f"{number(WIDE * share)} {number(y)}" for share, y in places)


def time_axis(period: Period, height: float) -> Iterator[Markup]:
    """Fine lines at round instants with their dates below; the first and last stay inside."""
    for at, text in period.ticks():
        share = period(at)
        anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
        x = percent(share)
        yield element("line", x1=x, x2=x, y1="0", y2=number(height), class_="grid")
        yield element("text", text, x=x, y=number(height + 15), text_anchor=anchor, class_="tick")


def value_lines(scale: Scale, about: int = 4) -> Iterator[Markup]:
    """Gridlines at round numbers."""
    for value in scale.ticks(about):
        y = scale(value)
        yield element("line", x1="0", x2="100%", y1=y, y2=y, class_="grid")


def value_numbers(scale: Scale, about: int = 4, signed: bool = False) -> Iterator[Markup]:
    """The numbers of these lines, upon them at the left; drawn last, nothing strikes them through."""
    for value in scale.ticks(about):
        text = (f"{value:+g}" if signed and value else f"{value:g}").replace("-", "−")
        yield element("text", text, x="2", y=number(scale(value) - 3), class_="tick")
