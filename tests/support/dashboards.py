"""The Grafana dashboards as the tests read them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))

_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+),\s*(?P<label>\w+)\)")
_METRIC = re.compile(r"\bctrain_\w+")


@dataclass(frozen=True)
class PanelQuery:
    where: str
    expression: str
    now: bool
    """About the present alone, not about the time that is shown."""


def load(path: Path) -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads(path.read_text())
    return dashboard


def panel_queries(dashboard: dict[str, Any]) -> list[PanelQuery]:
    """Every expression of panels and annotations, with dashboard variables filled in."""
    found = [
        PanelQuery(f"{panel['title']} {target['refId']}", fill(target["expr"]), target["instant"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
    found += [
        PanelQuery(f"annotation {one['name']}", fill(one["target"]["expr"]), now=False)
        for one in dashboard["annotations"]["list"]
    ]
    return found


def variable_queries(dashboard: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, selector and label of every variable that asks Prometheus."""
    found = []
    for one in dashboard["templating"]["list"]:
        if one["type"] == "query":
            match = _LABEL_VALUES.fullmatch(one["query"]["query"])
            assert match, one["query"]
            found.append((one["name"], fill(match["selector"]), match["label"]))
    return found


def fill(expression: str) -> str:
    """The expression as Grafana sends it, with everything of the job chosen."""
    values = {"$__rate_interval": "10s", "$__range": "10m", "$job": "ctrain", "$policy": ".+", "$phase": ".+"}
    for name, value in values.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def metrics_in(expression: str) -> set[str]:
    """Names of our metrics in an expression, histogram suffixes removed."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in _METRIC.findall(expression)}
