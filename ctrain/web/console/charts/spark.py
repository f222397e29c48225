"""A sparkline: how a value went lately, in the height of a line of text."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ctrain.web.console.charts.scale import scale_around
from ctrain.web.console.charts.svg import element, number

WIDTH, HEIGHT = 96.0, 22.0


def spark(values: Sequence[float], threshold: float | None = None, name: str = "") -> Markup:
    """A line through the values, the last one dotted; empty for fewer than two."""
    if len(values) < 2:
        return Markup("")
    known = [*values, threshold] if threshold is not None else values
    scale = scale_around(known, HEIGHT - 2, 2)
    step = (WIDTH - 6) / (len(values) - 1)
    places = [(3 + step * index, scale(value)) for index, value in enumerate(values)]
    line = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)
    parts = [element("path", d=line, class_="line")]
    if threshold is not None:
        y = number(scale(threshold))
        parts.insert(0, element("path", d=f"M0 {y}H{number(WIDTH)}", class_="limit"))
    x, y_last = places[-1]
    parts.append(element("circle", cx=x, cy=y_last, r=2.2, class_="dot"))
    label = f"{name}: from {values[0]:.4g} to {values[-1]:.4g}" if name else f"{values[-1]:.4g}"
    box = f"0 0 {number(WIDTH)} {number(HEIGHT)}"
    return element(
        "svg", *parts, class_="spark", viewBox=box, width=WIDTH, height=HEIGHT, role="img", aria_label=label
    )
