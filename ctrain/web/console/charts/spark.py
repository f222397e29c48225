"""A sparkline: how a value went lately, in the height of a line of text."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup

from ctrain.web.console.charts.scale import scale_around
from ctrain.web.console.charts.svg import element, number

WIDTH, HEIGHT = 96.0, 22.0
KEPT = 2048
"""Drawn lines: a page shows most of those of the last one again."""


@lru_cache(KEPT)
def spark(values: tuple[float, ...], name: str = "") -> Markup:
    """A line through the values, the last one dotted; empty for fewer than two."""
    if len(values) < 2:
        return Markup("")
    scale = scale_around(values, HEIGHT - 2, 2)
    step = (WIDTH - 6) / (len(values) - 1)
    places = [(3 + step * index, scale(value)) for index, value in enumerate(values)]
    x, y = places[-1]
    label = f"{name}: from {values[0]:.4g} to {values[-1]:.4g}" if name else f"{values[-1]:.4g}"
    return element(
        "svg",
        element("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in places), class_="line"),
        element("circle", cx=x, cy=y, r=2.2, class_="dot"),
        class_="spark",
        viewBox=f"0 0 {number(WIDTH)} {number(HEIGHT)}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
        aria_label=label,
    )
