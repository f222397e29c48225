"""Dashboards and provisioning keep to what Grafana and other people's Grafanas need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ctrain.telemetry import CATALOG, PREFIX
from tests.support.dashboards import DASHBOARDS, ROOT, load, metrics_in, panel_queries, variable_queries

CURRENT_TYPES = {"row", "timeseries", "stat", "state-timeline", "table", "bargauge", "gauge", "text"}
NOT_SHOWN = {
    "ctrain_build_info",
    "ctrain_daemons",
    "ctrain_notifications_open",
    "ctrain_notifications_total",
    "ctrain_policies_held",
    "ctrain_series_dropped",
}
"""Shown by no panel: a variable, and matters for alerts."""


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    path: Path = request.param
    return load(path)


def test_it_can_be_imported_anywhere(dashboard: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z][a-z-]{3,39}", dashboard["uid"])
    assert "id" not in dashboard
    sources = [panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel]
    sources += [
        target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel.get("targets", [])
    ]
    sources += [one["datasource"]["uid"] for one in dashboard["annotations"]["list"]]
    sources += [one["datasource"]["uid"] for one in dashboard["templating"]["list"] if "datasource" in one]
    assert set(sources) == {"${datasource}"}


def test_variables_are_data_source_job_and_policy(dashboard: dict[str, Any]) -> None:
    assert [one["name"] for one in dashboard["templating"]["list"]] == ["datasource", "job", "policy"]
    assert [name for name, _, _ in variable_queries(dashboard)] == ["job", "policy"]


def test_panels_are_current_described_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert {panel["type"] for panel in dashboard["panels"]} <= CURRENT_TYPES
    assert all(panel["description"] for panel in dashboard["panels"] if panel["type"] != "row")
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_promotions_and_rollbacks_are_annotated(dashboard: dict[str, Any]) -> None:
    assert {one["name"] for one in dashboard["annotations"]["list"]} == {"Promotions", "Rollbacks"}


def test_queries_use_metrics_that_exist_and_leave_none_out(dashboard: dict[str, Any]) -> None:
    used = set().union(*(metrics_in(one.expression) for one in panel_queries(dashboard)))
    declared = {PREFIX + name for name in CATALOG}
    assert used - declared == set()
    assert declared - used == NOT_SHOWN


def test_provisioning_is_read_only() -> None:
    folder = ROOT / "grafana" / "provisioning"
    yaml = YAML(typ="safe")
    (provider,) = yaml.load(folder / "dashboards" / "ctrain.yaml")["providers"]
    assert provider["disableDeletion"] is True
    assert provider["allowUiUpdates"] is False
    (source,) = yaml.load(folder / "datasources" / "prometheus.yaml")["datasources"]
    assert source["type"] == "prometheus"
    assert source["editable"] is False
    assert source["url"].startswith("${")
