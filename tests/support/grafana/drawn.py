"""Dashboards as pictures of their answers: every panel at its place, with what a real Prometheus says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from tests.support.dashboards import load
from tests.support.grafana.values import (
    CLASSIC,
    INK,
    Json,
    cell_of,
    colour_of,
    legend_of,
    points_of,
    word_of,
    written,
)
from tests.support.prometheus import Prometheus

CELL = (0.72, 0.36)
"""Inches of a cell of the grid, across and down."""
PAGE, PAPER, DIM = "#111217", "#181b1f", "#8e8e8e"


@dataclass(frozen=True)
class Asked:
    """Questions about a span of time, with what was chosen in the dashboard's variables."""

    prometheus: Prometheus
    chosen: dict[str, str]
    start: float
    end: float
    step: float

    def series(self, target: Json) -> list[tuple[str, Json, list[tuple[float, float]]]]:
        """Legend, labels and points of every series of a target."""
        expression = target["expr"]
        for name, value in self.chosen.items():
            expression = expression.replace(name, value)
        if target["instant"]:
            found = self.prometheus.get("/api/v1/query", query=expression, time=str(self.end))["result"]
            return [
                (legend_of(target, one["metric"]), one["metric"], points_of([one["value"]])) for one in found
            ]
        ranged = self.prometheus.query_range(expression, self.start, self.end, self.step)
        return [(legend_of(target, one["metric"]), one["metric"], points_of(one["values"])) for one in ranged]


def draw(path: Path, asked: Asked, to: Path) -> list[str]:
    """Draw a dashboard; returns the panels that are empty."""
    dashboard = load(path)
    panels = dashboard["panels"]
    height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in panels)
    figure = Figure(figsize=(24 * CELL[0], height * CELL[1]), facecolor=PAGE)
    empty = []
    for panel in panels:
        at = panel["gridPos"]
        left, width = at["x"] / 24, at["w"] / 24
        below = 1 - (at["y"] + at["h"]) / height
        tall = at["h"] / height
        if panel["type"] == "row":
            figure.text(left + 0.004, below + tall / 2, panel["title"], color=INK, weight="bold", va="center")
            continue
        frame = figure.add_axes((left + 0.002, below + 0.002, width - 0.004, tall - 0.004), facecolor=PAPER)
        _bare(frame)
        frame.text(0.01, 1 - 0.16 / at["h"] * 2, panel["title"], color=INK, size=9, va="top", weight="bold")
        aside = 0.0 if panel["type"] in ("stat", "table") else 0.035
        inner = figure.add_axes(
            (
                left + 0.008 + aside,
                below + 0.12 * tall,
                width - 0.014 - aside,
                tall * (0.84 - 1.2 / at["h"]),
            ),
            facecolor=PAPER,
        )
        if not DRAWN[panel["type"]](inner, panel, asked):
            empty.append(panel["title"])
            inner.text(0.5, 0.5, "No data", color=DIM, ha="center", transform=inner.transAxes)
    figure.savefig(to, dpi=75, facecolor=PAGE)
    return empty


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _stat(axes: Axes, panel: Json, asked: Asked) -> bool:
    found = asked.series(panel["targets"][0])
    defaults, options = panel["fieldConfig"]["defaults"], panel["options"]
    _bare(axes)
    if not found:
        return False
    name, _, points = found[0]
    text, colour = (name, INK) if options["textMode"] == "name" else word_of(defaults, points[-1][1])
    if options["colorMode"] == "background":
        axes.set_facecolor(colour)
        colour = "black" if sum(to_rgba(colour)[:3]) > 1.2 and to_rgba(colour)[3] > 0.5 else "white"
    size = 20 if len(text) < 9 else 13
    axes.text(0.5, 0.5, text, color=colour, size=size, ha="center", va="center", transform=axes.transAxes)
    return True


def _lines(axes: Axes, panel: Json, asked: Asked) -> bool:
    defaults = panel["fieldConfig"]["defaults"]
    fixed = {
        one["matcher"]["options"]: prop["value"]["fixedColor"]
        for one in panel["fieldConfig"]["overrides"]
        for prop in one["properties"]
        if prop["id"] == "color"
    }
    found = [one for target in panel["targets"] for one in asked.series(target)]
    for place, (name, _, points) in enumerate(found):
        pieces = [[points[0]]] if points else []
        for one, before in zip(points[1:], points, strict=False):
            pieces = (
                [*pieces, [one]]
                if one[0] - before[0] > 2 * asked.step
                else [*pieces[:-1], [*pieces[-1], one]]
            )
        colour = colour_of(fixed.get(name, CLASSIC[place % len(CLASSIC)]))
        for number, piece in enumerate(pieces):
            xs, ys = zip(*piece, strict=True)
            label = f"{name}  {written(points[-1][1], defaults['unit'], defaults.get('decimals'))}"
            axes.plot(xs, ys, color=colour, linewidth=1.1, label=label if number == 0 else None)
    if panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] == "dashed":
        for step in defaults["thresholds"]["steps"][1:]:
            axes.axhline(step["value"], color=colour_of(step["color"]), linestyle="--", linewidth=0.8)
    _axis(axes, asked)
    axes.tick_params(colors=DIM, labelsize=6)
    axes.grid(color="#2c3235", linewidth=0.5)
    axes.yaxis.set_major_formatter(lambda value, _: written(value, defaults["unit"]))
    if found:
        axes.legend(fontsize=6, facecolor=PAPER, labelcolor=INK, loc="best", frameon=False, ncols=2)
    return any(points for _, _, points in found)


def _axis(axes: Axes, asked: Asked) -> None:
    axes.set_xlim(asked.start, asked.end)
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _states(axes: Axes, panel: Json, asked: Asked) -> bool:
    defaults = panel["fieldConfig"]["defaults"]
    found = asked.series(panel["targets"][0])
    shown: dict[str, Any] = {}
    for row, (_, _, points) in enumerate(found):
        for at, value in points:
            if defaults["color"]["mode"].startswith("continuous"):
                share = min(value / defaults["max"], 1.0)
                colour: Any = (0.2 + 0.75 * share, 0.5 - 0.3 * share, 0.95 - 0.7 * share)
            else:
                text, colour = word_of(defaults, value)
                shown[text] = colour
            axes.barh(row, asked.step, left=at, color=colour, height=0.85)
    axes.set_yticks(range(len(found)), [name for name, _, _ in found])
    axes.tick_params(colors=INK, labelsize=7)
    axes.invert_yaxis()
    _axis(axes, asked)
    for place, (text, colour) in enumerate(shown.items()):
        axes.text(
            *(place / max(len(shown), 6), -0.06, f"■ {text}"),
            color=colour,
            size=7,
            transform=axes.transAxes,
            va="top",
        )
    return bool(found)


def _bars(axes: Axes, panel: Json, asked: Asked) -> bool:
    defaults = panel["fieldConfig"]["defaults"]
    found = [(name, points[-1][1]) for name, _, points in asked.series(panel["targets"][0])]
    for row, (_, value) in enumerate(found):
        axes.barh(row, value, color=CLASSIC[row % len(CLASSIC)], height=0.7)
        axes.text(value, row, "  " + written(value, defaults["unit"]), color=INK, size=7, va="center")
    _bare(axes)
    axes.set_yticks(range(len(found)), [name for name, _ in found])
    axes.set_xlim(0, max([value for _, value in found], default=1) * 1.3 + 1e-9)
    axes.tick_params(colors=INK, labelsize=7)
    axes.invert_yaxis()
    return bool(found)


def _heat(axes: Axes, panel: Json, asked: Asked) -> bool:
    found = sorted(asked.series(panel["targets"][0]), key=lambda one: float(one[1]["le"]))
    before: dict[float, float] = {}
    most = max([value for _, _, points in found for _, value in points], default=0) or 1.0
    for row, (_, _, points) in enumerate(found):
        for at, value in points:
            own = max(value - before.get(at, 0.0), 0.0)
            if own > 0:
                axes.barh(
                    row,
                    asked.step,
                    left=at,
                    color="#ff9830",
                    alpha=0.15 + 0.85 * math.sqrt(own / most),
                    height=0.9,
                )
            before[at] = value
    _axis(axes, asked)
    labels = [
        labels["le"] if labels["le"] == "+Inf" else written(float(labels["le"]), "s")
        for _, labels, _ in found
    ]
    axes.set_yticks(range(len(found)), labels)
    axes.tick_params(colors=DIM, labelsize=5)
    axes.set_ylim(-0.5, len(found) - 0.5)
    return bool(found)


def _table(axes: Axes, panel: Json, asked: Asked) -> bool:
    organised = panel["transformations"][-1]["options"]
    columns = list(organised["indexByName"])
    rows: list[Json] = []
    several = len(panel["targets"]) > 1
    for target in panel["targets"]:
        for _, labels, points in asked.series(target):
            _merge(rows, {**labels, f"Value #{target['refId']}" if several else "Value": points[-1][1]})
    styles = {
        one["matcher"]["options"]: {prop["id"]: prop["value"] for prop in one["properties"]}
        for one in panel["fieldConfig"]["overrides"]
    }
    _bare(axes)
    widths = [1.0 for _ in columns]
    edges = [sum(widths[:place]) / sum(widths) for place in range(len(columns))]
    line = 1 / max(len(rows) + 1, panel["gridPos"]["h"] - 1)
    for column, edge in zip(columns, edges, strict=True):
        name = organised["renameByName"].get(column, column)
        axes.text(edge + 0.005, 1 - line / 2, name, color="#6e9fff", size=8, va="center")
        defaults = {**panel["fieldConfig"]["defaults"], **styles.get(name, {})}
        for place, row in enumerate(rows, start=1):
            value = row.get(column, "")
            text, colour = cell_of(defaults, value)
            kind = defaults.get("custom.cellOptions", {}).get("type", "auto")
            if kind == "color-background" and text:
                box = (edge, 1 - (place + 1) * line + line * 0.08)
                axes.add_patch(_rectangle(box, 1 / len(columns) * 0.97, line * 0.84, colour))
            ink = colour if kind == "color-text" else INK
            axes.text(edge + 0.005, 1 - (place + 0.5) * line, text, color=ink, size=8, va="center")
    return bool(rows)


def _rectangle(at: tuple[float, float], width: float, height: float, colour: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(at, width, height, color=colour, alpha=0.6)


def _merge(rows: list[Json], new: Json) -> None:
    """What Grafana's ``merge`` does: rows whose common columns agree become one."""
    for row in rows:
        shared = row.keys() & new.keys()
        if shared and all(row[name] == new[name] for name in shared):
            row.update(new)
            return
    rows.append(new)


DRAWN: dict[str, Callable[[Axes, Json, Asked], bool]] = {
    "stat": _stat,
    "timeseries": _lines,
    "state-timeline": _states,
    "status-history": _states,
    "bargauge": _bars,
    "heatmap": _heat,
    "table": _table,
}
