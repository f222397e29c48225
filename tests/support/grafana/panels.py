"""Panels as Grafana reads them: what all of them share is said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.grafana.mappings import OF_POLICY, Json

SOURCE = {"type": "prometheus", "uid": "${datasource}"}

FEW = 60
"""Points of panels that draw a cell for each."""


@dataclass(frozen=True)
class Query:
    """One question of a panel; ``now`` asks for the present alone, ``table`` for rows of labels."""

    expression: str
    legend: str = ""
    now: bool = False
    form: str = "time_series"

    def target(self, ref: str) -> Json:
        return {
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": self.expression,
            "format": self.form,
            "instant": self.now,
            "range": not self.now,
            "legendFormat": self.legend or "__auto",
            "refId": ref,
        }


@dataclass(frozen=True)
class Panel:
    """A panel without its place; ``steps`` are thresholds: a colour, and the value from which it holds."""

    type: str
    title: str
    description: str
    queries: Sequence[Query]
    width: int = 12
    unit: str = "short"
    steps: Sequence[tuple[str, float | None]] = (("green", None),)
    colour: str = "palette-classic"
    mappings: Sequence[Json] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()
    points: int | None = None
    """How many points at most; more than fit are none in some panels."""

    def placed(self, number: int, x: int, y: int, height: int) -> Json:
        """The panel at its place, as Grafana stores it."""
        field_defaults: Json = {
            "color": {"mode": self.colour},
            "mappings": list(self.mappings),
            "thresholds": {"mode": "absolute", "steps": [_step(*one) for one in self.steps]},
            "unit": self.unit,
            **self.defaults,
        }
        if self.custom:
            field_defaults["custom"] = dict(self.custom)
        return {
            "datasource": SOURCE,
            "description": self.description,
            "fieldConfig": {"defaults": field_defaults, "overrides": list(self.overrides)},
            "gridPos": {"h": height, "w": self.width, "x": x, "y": y},
            "id": number,
            **({} if self.points is None else {"maxDataPoints": self.points}),
            "options": dict(self.options),
            "targets": [one.target(chr(ord("A") + place)) for place, one in enumerate(self.queries)],
            "title": self.title,
            "transformations": list(self.transformations),
            "type": self.type,
        }


def _step(colour: str, value: float | None) -> Json:
    return {"color": colour, "value": value}


def stat(title: str, description: str, expression: str, *, legend: str = "", **more: Any) -> Panel:
    """One number of the present, coloured by its thresholds; ``text="name"`` shows the series' name instead.

    The newest of a span of time would still be shown long after whoever told it has gone.
    """
    options = {
        "colorMode": more.pop("paint", "value"),
        "graphMode": more.pop("graph", "none"),
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": more.pop("text", "value"),
        "wideLayout": True,
    }
    return Panel(
        "stat",
        title,
        description,
        [Query(expression, legend, now=True)],
        options=options,
        colour=more.pop("colour", "thresholds"),
        **{"width": 3, **more},
    )


def lines(title: str, description: str, queries: Sequence[Query], **more: Any) -> Panel:
    """Values over time; ``drawn="bars"`` for what was counted."""
    bars = more.pop("drawn", "line") == "bars"
    custom = {
        "axisPlacement": "auto",
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if bars else 8,
        "lineInterpolation": more.pop("between", "linear"),
        "lineWidth": 1,
        "pointSize": 4,
        "showPoints": "never" if bars else "auto",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if bars else "none"},
        "thresholdsStyle": {"mode": more.pop("shade", "off")},
        **more.pop("custom", {}),
    }
    options = {
        "legend": {
            "calcs": ["lastNotNull"],
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
        },
        "tooltip": {"hideZeros": False, "mode": "multi", "sort": "desc"},
    }
    return Panel("timeseries", title, description, queries, custom=custom, options=options, **more)


def states(
    title: str,
    description: str,
    query: Query,
    mappings: Sequence[Json],
    *,
    kind: str = "state-timeline",
    **more: Any,
) -> Panel:
    """One bar per series, coloured by its state."""
    history = kind == "status-history"
    custom = {"fillOpacity": 80, "lineWidth": 0, **({} if history else {"spanNulls": False})}
    options: Json = {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "rowHeight": 0.85,
        "showValue": "never" if history else "auto",
        "tooltip": {"hideZeros": False, "mode": "single", "sort": "none"},
    }
    options |= {"colWidth": 1.0} if history else {"alignValue": "left", "mergeValues": True}
    more = {"colour": "thresholds", "points": FEW if history else None, **more}
    return Panel(kind, title, description, [query], mappings=mappings, custom=custom, options=options, **more)


def table(
    title: str,
    description: str,
    queries: Sequence[Query],
    names: Mapping[str, str],
    *,
    sort: tuple[str, bool],
    hidden: Sequence[str] = (),
    **more: Any,
) -> Panel:
    """Rows merged from several questions about the present; ``names`` orders and names the columns."""
    organised = {
        "excludeByName": dict.fromkeys(["Time", *hidden], True),
        "includeByName": {},
        "indexByName": {name: place for place, name in enumerate(names)},
        "renameByName": {name: shown for name, shown in names.items() if name != shown},
    }
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
    options = {
        "cellHeight": "sm",
        "frameIndex": 0,
        "showHeader": True,
        "sortBy": [{"desc": sort[1], "displayName": sort[0]}],
    }
    return Panel(
        "table",
        title,
        description,
        queries,
        custom=custom,
        options=options,
        transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": organised}],
        **more,
    )


def bars(title: str, description: str, query: Query, **more: Any) -> Panel:
    """One bar per series, the longest is the most frequent."""
    options = {
        "displayMode": "gradient",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    return Panel("bargauge", title, description, [query], options=options, defaults={"min": 0}, **more)


def heat(title: str, description: str, query: Query, **more: Any) -> Panel:
    """A histogram over time: how many observations each bucket took."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scale": "exponential",
            "scheme": "Oranges",
            "steps": 32,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": more.pop("axis", "s")},
    }
    return Panel("heatmap", title, description, [query], options=options, points=FEW, **more)


def named(column: str, **properties: Any) -> Json:
    """How one column or series differs from the others."""
    settings = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": "byName", "options": column}, "properties": settings}


def since_start(metric: str, by: str, selector: str = OF_POLICY) -> str:
    """What a counter rose by in the time shown; a series that began meanwhile counts in full."""
    chosen = f"{metric}{{{selector}}}"
    return f"sum by ({by}) (({chosen} unless {chosen} offset $__range) or increase({chosen}[$__range]))"


def thresholds(*steps: tuple[str, float | None]) -> Json:
    """Where one column changes its colour."""
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in steps]}


def coloured(kind: str = "color-background") -> Json:
    """How a cell of a table shows its colour."""
    return {"type": kind, "mode": "basic"} if kind == "color-background" else {"type": kind}
