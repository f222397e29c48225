"""A dashboard around its rows of panels: variables, annotations and links, the same for all three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.grafana.mappings import OF_POLICY, Json
from tests.support.grafana.panels import SOURCE, Panel

TAG = "ctrain"
SCHEMA_VERSION = 41
"""Grafana 11.6 and later read it as it is, and migrate it by themselves."""


@dataclass(frozen=True)
class Row:
    """Panels side by side, under a title."""

    title: str
    height: int
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Json]
    shows: str = "now-24h"

    def to_json(self) -> Json:
        """The dashboard as Grafana imports it: without a numeric id, and of no particular server."""
        return {
            "annotations": {"list": marks()},
            "description": self.description,
            "editable": False,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "links": [links()],
            "panels": _placed(self.rows),
            "refresh": "30s",
            "schemaVersion": SCHEMA_VERSION,
            "tags": [TAG],
            "templating": {"list": list(self.variables)},
            "time": {"from": self.shows, "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "title": self.title,
            "uid": self.uid,
            "version": 1,
        }


def _placed(rows: Sequence[Row]) -> list[Json]:
    found: list[Json] = []
    y = 0
    for row in rows:
        at = {"h": 1, "w": 24, "x": 0, "y": y}
        found.append(
            {
                "collapsed": False,
                "gridPos": at,
                "id": len(found) + 1,
                "panels": [],
                "title": row.title,
                "type": "row",
            }
        )
        y, x = y + 1, 0
        for panel in row.panels:
            if x + panel.width > 24:
                y, x = y + row.height, 0
            found.append(panel.placed(len(found) + 1, x, y, row.height))
            x += panel.width
        y += row.height
    return found


def data_source() -> Json:
    return {
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    }


def values_of(name: str, label: str, selector: str, *, several: bool = False) -> Json:
    """A variable whose values are those of the label ``name``."""
    query = f"label_values({selector}, {name})"
    found = {
        "datasource": SOURCE,
        "definition": query,
        "hide": 0,
        "includeAll": several,
        "label": label,
        "multi": several,
        "name": name,
        "options": [],
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "type": "query",
    }
    return {**found, "allValue": ".+"} if several else found


def job() -> Json:
    return values_of("job", "Job", "ctrain_build_info")


def policy(*, several: bool = False) -> Json:
    selector = 'ctrain_tick_last_success_timestamp_seconds{job="$job"}'
    return values_of("policy", "Policy", selector, several=several)


def marks() -> list[Json]:
    """Marks where a champion changed, and where an alert fired."""
    rise = f"{{{OF_POLICY}}}[$__rate_interval]"
    promoted = f"sum by (policy) (increase(ctrain_promotions_total{rise})) > 0"
    rolled_back = f"sum by (policy, cause) (increase(ctrain_rollbacks_total{rise})) > 0"
    alerts = 'ALERTS{alertname=~"Ctrain.+", alertstate="firing", policy=~"$policy"} > 0'
    return [
        _annotation("Promotions", "green", promoted, "{{policy}}: promoted", "policy"),
        _annotation("Rollbacks", "red", rolled_back, "{{policy}}: rolled back ({{cause}})", "policy,cause"),
        _annotation("Alerts", "orange", alerts, "{{alertname}} {{policy}}", "severity", enabled=False),
    ]


def _annotation(
    name: str, colour: str, expression: str, title: str, tags: str, *, enabled: bool = True
) -> Json:
    return {
        "datasource": SOURCE,
        "enable": enabled,
        "hide": False,
        "iconColor": colour,
        "name": name,
        "tagKeys": tags,
        "target": {
            "datasource": SOURCE,
            "expr": expression,
            "instant": False,
            "interval": "60s",
            "range": True,
            "refId": "Anno",
        },
        "textFormat": "",
        "titleFormat": title,
        "useValueForTime": False,
    }


def links() -> Json:
    """To the other dashboards of ctrain, with the variables and the time that are chosen here."""
    return {
        "asDropdown": False,
        "icon": "dashboard",
        "includeVars": True,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }
