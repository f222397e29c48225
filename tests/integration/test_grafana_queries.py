"""Every query of every dashboard, asked of a real Prometheus that scrapes a real server of ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ctrain.telemetry import CATALOG, PrometheusTelemetry, open_log
from ctrain.telemetry.catalog import Kind
from ctrain.web import serve
from tests.support.dashboards import DASHBOARDS, ROOT, PanelQuery, load, panel_queries, variable_queries
from tests.support.prometheus import Prometheus, running_prometheus
from tests.waiting import wait_until

pytestmark = [pytest.mark.service("prometheus"), pytest.mark.service("promtool")]

QUERIES = [
    pytest.param(one, id=f"{path.stem}: {one.where}")
    for path in DASHBOARDS
    for one in panel_queries(load(path))
]
VARIABLES = [
    pytest.param(one, id=f"{path.stem}: {one[0]}")
    for path in DASHBOARDS
    for one in variable_queries(load(path))
]
LABELS = {
    "policy": "flights",
    "monitor": "inputs",
    "feature": "distance",
    "version": "3",
    "phase": "SHADOWING",
    "trigger": "harmful-drift",
    "reason": "cooldown",
    "outcome": "accepted",
    "cause": "probation",
    "kind": "transient",
}


class Well:
    healthy = True
    ready = True


def live(telemetry: PrometheusTelemetry) -> None:
    """One round of a daemon's life: every metric of the catalog moves."""
    for metric in CATALOG.values():
        labels = {name: LABELS[name] for name in metric.labels if name != "status"}
        if metric.name == "monitor_status":
            for status in ("OK", "BREACHED", "INCONCLUSIVE"):
                telemetry.gauge(metric.name, status == "BREACHED", **labels, status=status)
        elif metric.kind is Kind.COUNTER:
            telemetry.count(metric.name, 3, **labels)
        elif metric.kind is Kind.HISTOGRAM:
            telemetry.observe(metric.name, 2.0, **labels)
        else:
            telemetry.gauge(metric.name, 1, **labels)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    telemetry = PrometheusTelemetry(open_log({}), "1.2.3")
    server = serve("127.0.0.1:0", telemetry, Well())
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), server.address) as running:
        for _ in range(3):
            live(telemetry)
            wait_until(partial(_scraped_again, running, running.scrapes()), 30, "another scrape")
        yield running
    server.close()


def _scraped_again(prometheus: Prometheus, before: int) -> bool:
    return prometheus.scrapes() > before + 1


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_and_annotation_has_data(prometheus: Prometheus, query: PanelQuery) -> None:
    found = prometheus.query(query.expression)
    assert found, query.expression
    assert all(series["value"][1] not in ("NaN", "+Inf", "-Inf") for series in found)


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_has_values(prometheus: Prometheus, variable: tuple[str, str, str]) -> None:
    name, selector, label = variable
    expected = {"job": ["ctrain"], "policy": ["flights"]}
    assert prometheus.label_values(selector, label) == expected[name]


def test_metric_help_and_types_reach_prometheus(prometheus: Prometheus) -> None:
    metadata = prometheus.get("/api/v1/metadata")
    for metric in CATALOG.values():
        name = f"ctrain_{metric.name}"
        (entry,) = metadata.get(name) or metadata[name.removesuffix("_total")]
        assert (entry["type"], entry["help"]) == (metric.kind.value, metric.help)


def test_the_shipped_scrape_configuration_is_valid_and_scrapes_the_default_address() -> None:
    path: Path = ROOT / "deploy" / "prometheus.yml"
    checked = subprocess.run(
        ["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    from ctrain.settings import DEFAULT_LISTEN

    assert f'targets: ["{DEFAULT_LISTEN}"]' in path.read_text()
