"""Pictures of a backtest: the metric over time, cost against quality, and drift of the features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctrain.analysis.plots import STYLE, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

COLOURS = {
    "policy": "#D55E00", "never": "#777777", "periodic": "#0072B2", "always": "#009E73", "adwin": "#CC79A7",
    "unshadowed": "#56B4E9",
}  # fmt: skip
LINES = {
    "policy": "-", "never": ":", "periodic": "--", "always": "-.", "adwin": (0, (5, 1, 1, 1, 1, 1)),
    "unshadowed": (0, (3, 1)),
}  # fmt: skip
MARKS = {
    "promoted": ("^", "promotion"), "run_rolled_back": ("v", "rollback"), "run_rejected": ("x", "rejected"),
}  # fmt: skip
MOST_FEATURES = 30
STEP_POINTS = 3.0
"""By which a label gives way to another."""
BREACHED = 1.0
"""The ratio of an effect to its threshold from which it counts."""


def answer_backtest(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """``files`` by name: ``metric.svg``, ``frontier.svg`` and, where features were watched, ``drift.svg``.

    The request holds ``metric_name``, ``series`` (by strategy, pairs of time and metric), ``events``
    (pairs of time and kind), ``costs`` (by strategy, training seconds and metric), and ``drift`` with
    ``times``, ``features`` and their ``ratios``.
    """
    made = {"metric.svg": _plot_metric, "frontier.svg": _plot_frontier}
    if request["drift"]["features"]:
        made["drift.svg"] = _plot_drift
    files = {}
    for name, draw in made.items():
        _drawn(folder / name, draw, request)
        files[name] = str(folder / name)
    return {"files": files}


def _drawn(path: Path, draw: Any, request: Mapping[str, Any]) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.4))
        draw(figure, request)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _plot_metric(figure: Figure, request: Mapping[str, Any]) -> None:
    axes = figure.add_subplot()
    for name, points in request["series"].items():
        times, values = _times(at for at, _ in points), [_value(value) for _, value in points]
        width = 1.8 if name == "policy" else 1.0
        axes.plot(times, values, color=COLOURS[name], linestyle=LINES[name], linewidth=width, label=name)
    for kind, (mark, label) in MARKS.items():
        times = _times(at for at, what in request["events"] if what == kind)
        if times:
            ones = np.full(len(times), 0.97)
            axes.plot(
                times,
                ones,
                mark,
                color="black",
                transform=axes.get_xaxis_transform(),
                label=label,
                clip_on=False,
            )
    axes.set_ylabel(f"{request['metric_name']} (lower is better)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=8, frameon=False, fontsize=8)


def _plot_frontier(figure: Figure, request: Mapping[str, Any]) -> None:
    axes = figure.add_subplot()
    costs: Mapping[str, tuple[float, float]] = request["costs"]
    best: list[tuple[float, float]] = []
    together: dict[tuple[float, float], list[str]] = {}
    for name, (seconds, metric) in sorted(costs.items(), key=lambda one: tuple(one[1])):
        axes.plot(seconds, metric, "o", color=COLOURS[name], markersize=9 if name == "policy" else 6)
        together.setdefault((seconds, metric), []).append(name)
        if not best or metric < best[-1][1]:
            best.append((seconds, metric))
    labels = [
        axes.annotate(", ".join(names), place, xytext=(6, 5), textcoords="offset points")
        for place, names in together.items()
    ]
    _draw_steps(axes, best)
    axes.margins(x=0.12, y=0.2)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel(f"{request['metric_name']} (lower is better)")
    _move_apart(figure, labels)


def _move_apart(figure: Figure, labels: Iterable[Annotation]) -> None:
    """Raise labels, from the lowest one on, until none lies on another."""
    figure.draw_without_rendering()  # only then is it known where everything is
    placed: list[Bbox] = []
    for label in sorted(labels, key=lambda one: one.get_window_extent().y0):
        while any(label.get_window_extent().overlaps(other) for other in placed):
            x, y = label.xyann
            label.xyann = (x, y + STEP_POINTS)
        placed.append(label.get_window_extent())


def _draw_steps(axes: Axes, best: Sequence[tuple[float, float]]) -> None:
    """What no other strategy beats in both."""
    seconds, metrics = [one for one, _ in best], [one for _, one in best]
    axes.step(seconds, metrics, where="post", color="#777777", linewidth=0.8, zorder=0)


def _plot_drift(figure: Figure, request: Mapping[str, Any]) -> None:
    from matplotlib import dates as untyped

    dates: Any = untyped
    drift = request["drift"]
    ratios = np.array([[_value(one) for one in row] for row in drift["ratios"]], dtype=float)
    strongest = np.argsort(-np.nan_to_num(np.nanmax(np.nan_to_num(ratios), axis=1)), kind="stable")
    shown = strongest[:MOST_FEATURES]
    figure.set_figheight(1.4 + 0.22 * len(shown))
    axes = figure.add_subplot()
    first, last = (float(dates.date2num(at)) for at in _times(drift["times"]))
    picture = axes.imshow(
        ratios[shown],
        aspect="auto",
        cmap="cividis",
        vmin=0,
        vmax=2 * BREACHED,
        extent=(first, max(last, first + 1e-6), len(shown) - 0.5, -0.5),
        interpolation="nearest",
    )
    axes.xaxis_date()
    locator = dates.AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.set_yticks(range(len(shown)), [str(drift["features"][place])[:30] for place in shown])
    figure.colorbar(picture, ax=axes, label="effect / threshold")


def _times(texts: Iterable[str]) -> list[Any]:
    return [datetime.fromisoformat(text) for text in texts]


def _value(value: float | None) -> float:
    return float("nan") if value is None else value
