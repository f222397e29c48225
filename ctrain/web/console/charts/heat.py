"""Which feature drifted when: a cell for each, darker the nearer to its threshold, marked when above."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from ctrain.queries.heat import Cell, HeatMap, HeatRow
from ctrain.web.console.charts.frame import AXIS, picture
from ctrain.web.console.charts.scale import Period
from ctrain.web.console.charts.svg import element, number, percent, title

ROW = 18.0
LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Of effect and threshold; a cell's level counts those that it reaches."""


def heat_chart(heat: HeatMap) -> Markup:
    """The cells, a row for each feature from the top; the names stand in the table beside."""
    count = len(heat.rows[0].cells) if heat.rows else 0
    period = Period(heat.start, heat.start + heat.width * max(count, 1))
    height = ROW * len(heat.rows)
    parts: list[str] = []
    for number_, row in enumerate(heat.rows):
        parts += _row(row, ROW * number_)
    for at, text in period.ticks():
        share = period(at)
        anchor = "start" if share < 0.04 else "end" if share > 0.96 else "middle"
        parts.append(
            element("text", text, x=percent(share), y=number(height + 15), text_anchor=anchor, class_="tick")
        )
    name = f"{heat.monitor}: effect of each feature over time, as a share of its threshold"
    return picture(height + AXIS, name, *parts, kind="heat")


def _row(row: HeatRow, top: float) -> Iterator[Markup]:
    width = 1 / len(row.cells)
    for index, cell in enumerate(row.cells):
        if cell is not None:
            yield element(
                "rect",
                title(_said(row.feature, cell)),
                x=percent(width * index),
                y=number(top + 1),
                width=percent(width),
                height=number(ROW - 2),
                class_=f"cell {level_of(cell)}",
            )
            if cell.breached:
                yield element(
                    "circle", cx=percent(width * (index + 0.5)), cy=number(top + ROW / 2), r=2, class_="over"
                )


def level_of(cell: Cell) -> str:
    """The class of a cell: ``over`` when it is breached, else ``l0`` to ``l5`` by its ratio."""
    return "over" if cell.breached else f"l{sum(cell.ratio >= level for level in LEVELS)}"


def _said(feature: str, cell: Cell) -> str:
    verb = "above" if cell.ratio >= 1 else "of"
    told = f"{cell.effect:.3g}, {verb} {cell.threshold:.3g}"
    return f"{feature}, {cell.as_of:%Y-%m-%d %H:%M} UTC: {told}{', BREACHED' if cell.breached else ''}"
