"""Pictures of drift: distributions of the reference and the window, and a monitor's value over time.

Readable at 800 pixels; the colours are those of Okabe and Ito, which people with any kind of colour
vision can tell apart, and lines differ in their style, too.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.analysis.pictured import CENTRAL, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REFERENCE, CURRENT, THRESHOLD, GREY = "#0072B2", "#D55E00", "#000000", "#777777"
WIDTH, DPI = 8.0, 100
PANEL_HEIGHT = 2.4
MOST_POINTS = 800
LINE = 46
"""Characters beside each other above a panel: more would leave less room for what it shows."""
COLOURS = 64
"""Of a picture: enough for smooth edges, and a quarter of the size of true colour."""
Floats = npt.NDArray[np.float64]
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "ctrain",
}


def plot_distributions(path: Path, title: str, panels: Sequence[tuple[Panel, str, bool]]) -> None:
    """One panel a column, two in a row; each comes with a sentence, and whether it breached."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = (len(panels) + 1) // 2
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.75 + PANEL_HEIGHT * rows), dpi=DPI)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
        for place, (panel, sentence, breached) in enumerate(panels, start=1):
            axes = figure.add_subplot(rows, 2, place)
            _draw_panel(axes, panel)
            lines = _wrapped(sentence.replace("->", "→"))
            below = "\n" * (lines.count("\n") + 1)
            axes.set_title(f"{_short(panel.column, 28)}{below}", fontweight="bold" if breached else "normal")
            axes.text(
                0, 1.03, lines, transform=axes.transAxes, fontsize=8, color=CURRENT if breached else GREY
            )
        first = panels[0][0]
        labels = [f"reference, n {first.reference_rows:,}", f"window, n {first.current_rows:,} (samples)"]
        figure.legend(handles=_legend(), labels=labels, loc="outside lower left", ncols=2, frameon=False)
        _save(figure, path)


def _legend() -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [Patch(color=REFERENCE, alpha=0.45), Line2D([], [], color=CURRENT, linewidth=1.8)]


def _draw_panel(axes: Axes, panel: Panel) -> None:
    if panel.edges is not None:
        axes.stairs(panel.reference, panel.edges, fill=True, color=REFERENCE, alpha=0.45)
        axes.stairs(panel.current, panel.edges, color=CURRENT, linewidth=1.8)
        axes.set_ylabel("share of rows")
        axes.set_xlabel(_nulls(panel) or ("date" if panel.is_date else "value"))
        if panel.is_date:
            _date_axis(axes)
    else:
        places = np.arange(len(panel.names))
        axes.barh(places - 0.2, panel.reference, 0.4, color=REFERENCE, alpha=0.45)
        axes.barh(places + 0.2, panel.current, 0.36, facecolor="none", edgecolor=CURRENT, linewidth=1.8)
        axes.set_yticks(places, [_short(name, 18) for name in panel.names], fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("share of rows" + (f"; {_nulls(panel)}" if _nulls(panel) else ""))
    axes.margins(x=0.02)


def _nulls(panel: Panel) -> str:
    if max(panel.reference_nulls, panel.current_nulls) < 0.0005:
        return ""
    return f"missing: {panel.reference_nulls:.1%} in reference, {panel.current_nulls:.1%} now"


def plot_pair(path: Path, title: str, names: tuple[str, str], reference: Floats, current: Floats) -> None:
    """Two columns against each other, of the reference and of the window: what no column shows alone.

    ``reference`` and ``current`` have a row for each point.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    low, high = np.quantile(np.concatenate([reference, current]), CENTRAL, axis=0)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.2), dpi=DPI)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
        sides = (("reference", reference, REFERENCE, "o"), ("window", current, CURRENT, "x"))
        for place, (side, points, colour, marker) in enumerate(sides, start=1):
            axes = figure.add_subplot(1, 2, place)
            shown = points[:: -(-len(points) // MOST_POINTS)]
            axes.scatter(
                shown[:, 0], shown[:, 1], s=9, color=colour, marker=marker, alpha=0.6, linewidths=0.8
            )
            axes.set_title(f"{side}, n {len(shown):,} (sample)")
            axes.set_xlim(low[0], high[0])
            axes.set_ylim(low[1], high[1])
            axes.set_xlabel(_short(names[0], 40))
            axes.set_ylabel(_short(names[1], 40))
        _save(figure, path)


def plot_history(path: Path, title: str, label: str, history: Sequence[Mapping[str, Any]]) -> bool:
    """A monitor's value over event time with its threshold; False when it hardly had one.

    ``history`` holds verdicts, oldest first: as_of, value, threshold, status, n.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if sum(one["value"] is not None for one in history) < 2:
        return False
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.6), dpi=DPI)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
        axes = figure.add_subplot()
        _draw_history(axes, history)
        axes.set_ylabel(label)
        axes.set_xlabel("event time (UTC), end of the window")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4, frameon=False)
        _save(figure, path)
    return True


def _draw_history(axes: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    at: Any = np.array([np.datetime64(_plain(one["as_of"]), "s") for one in history])
    value, threshold = (_floats(history, key) for key in ("value", "threshold"))
    status = np.array([one["status"] for one in history])
    breached, silent = status == "BREACHED", status == "INCONCLUSIVE"
    rows = [one["n"] for one in history if one["value"] is not None]
    among = f"n {min(rows):,}" + (f" to {max(rows):,}" if min(rows) != max(rows) else "")
    axes.plot(at, value, color=REFERENCE, linewidth=1.2, marker=".", markersize=4, label=f"value ({among})")
    axes.plot(
        at, threshold, color=THRESHOLD, linestyle="--", linewidth=1.2, drawstyle="steps-pre",
        label="threshold",
    )  # fmt: skip
    if breached.any():
        axes.plot(
            at[breached], value[breached], color=CURRENT, marker="D", markersize=5, linestyle="none",
            label=f"BREACHED ({int(breached.sum())} of {len(status)})",
        )  # fmt: skip
    if silent.any():
        axes.plot(
            at[silent], np.zeros(int(silent.sum())), color=GREY, marker="|", markersize=7, linestyle="none",
            transform=axes.get_xaxis_transform(), clip_on=False, label=f"INCONCLUSIVE ({int(silent.sum())})",
        )  # fmt: skip
    axes.margins(x=0.02, y=0.12)
    _date_axis(axes)


def _date_axis(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    axes.xaxis_date()
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]  # matplotlib's dates
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]  # too


def _plain(instant: str) -> str:
    """Without its zone, which is UTC everywhere."""
    return datetime.fromisoformat(instant).replace(tzinfo=None).isoformat()


def _floats(history: Sequence[Mapping[str, Any]], key: str) -> Any:
    return np.array([np.nan if one[key] is None else one[key] for one in history], dtype=np.float64)


def _wrapped(sentence: str) -> str:
    r"""Each line as two at most, none wider than a panel.

    >>> _wrapped("n 9\nthe long end of a sentence with many words that goes on and on")
    'n 9\nthe long end of a sentence with many words\nthat goes on and on'
    """
    lines = (
        textwrap.wrap(_short(line, 2 * LINE), LINE, max_lines=2, placeholder="…")
        for line in sentence.splitlines()
    )
    return "\n".join(one for pieces in lines for one in pieces)


def _short(text: str, length: int) -> str:
    """
    >>> _short("a very long name of a category", 12)
    'a very long…'
    """
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _save(figure: Figure, path: Path) -> None:
    """Appears whole, and is the same for the same picture."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    partial = path.with_name(f".{path.name}.partial")
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(COLOURS).save(partial, format="png", optimize=True)
    partial.replace(path)
