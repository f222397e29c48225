"""Every query of every dashboard, asked of a real Prometheus that scrapes a real daemon.

The daemon trains a first champion, promotes a second one, is told to roll back, and trains again.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

from ctrain.settings import DEFAULT_LISTEN
from ctrain.telemetry import CATALOG
from tests.support.dashboards import DASHBOARDS, ROOT, PanelQuery, load, panel_queries, variable_queries
from tests.support.live import LiveClicks, open_live
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


@dataclass(frozen=True)
class Observed:
    live: LiveClicks
    daemon: subprocess.Popen[bytes]
    prometheus: Prometheus


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("observed")
    live = open_live(folder / "clicks")
    with live.daemon() as daemon, running_prometheus(folder / "prometheus", live.listen) as prometheus:
        live.land(48)
        live.ask("trigger", "clicks", "--reason", "first model")
        live.land(72)
        _scrape_again(prometheus)
        live.ask("rollback", "clicks", "--reason", "shown in a graph")
        live.land(60)
        _scrape_again(prometheus)
        yield Observed(live, daemon, prometheus)


def _scrape_again(prometheus: Prometheus) -> None:
    wait_until(partial(_scraped_since, prometheus, prometheus.scrapes()), 30, "another scrape")


def _scraped_since(prometheus: Prometheus, before: int) -> bool:
    return prometheus.scrapes() > before + 1


def test_the_story_went_as_told(observed: Observed) -> None:
    newest = {one["id"]: one["phase"] for one in observed.live.ask("runs")["runs"]}
    assert newest["clicks-1"] == "ACCEPTED"
    assert newest["clicks-2"] == "ROLLED_BACK"


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_and_annotation_has_data(observed: Observed, query: PanelQuery) -> None:
    found = observed.prometheus.query(query.expression)
    assert found, query.expression
    assert [series for series in found if series["value"][1] in ("NaN", "+Inf", "-Inf")] == []


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_has_values(observed: Observed, variable: tuple[str, str, str]) -> None:
    name, selector, label = variable
    expected = {"job": ["ctrain"], "policy": ["clicks"]}
    assert observed.prometheus.label_values(selector, label) == expected[name]


def test_metric_help_and_types_reach_prometheus(observed: Observed) -> None:
    metadata = observed.prometheus.get("/api/v1/metadata")
    for metric in CATALOG.values():
        name = f"ctrain_{metric.name}"
        (entry,) = metadata.get(name) or metadata[name.removesuffix("_total")]
        assert (entry["type"], entry["help"]) == (metric.kind.value, metric.help)


def test_a_policy_stays_within_its_series(observed: Observed) -> None:
    (count,) = observed.prometheus.query('count({policy="clicks"})')
    assert int(count["value"][1]) <= 60


def test_the_daemon_and_its_children_listen_on_loopback_alone(observed: Observed) -> None:
    daemon = psutil.Process(observed.daemon.pid)
    listening = {
        str(one.laddr.ip)
        for process in (daemon, *daemon.children(recursive=True))
        for one in process.net_connections(kind="inet")
        if one.status == psutil.CONN_LISTEN
    }
    assert "127.0.0.1" in listening
    assert all(ipaddress.ip_address(one).is_loopback for one in listening)


def test_the_daemon_holds_nothing_that_its_children_are_for(observed: Observed) -> None:
    """Each of these would stay in its memory for ever, a tenth of it or more."""
    maps = Path(f"/proc/{observed.daemon.pid}/maps").read_text()
    loaded = set(re.findall(r"site-packages/([A-Za-z_]+)", maps))
    assert "pyarrow" in loaded
    assert not loaded & {"evidently", "matplotlib", "mlflow", "pandas", "river", "scipy", "sklearn"}


def test_the_shipped_scrape_configuration_is_valid_and_scrapes_the_default_address() -> None:
    path: Path = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    checked = subprocess.run(
        ["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert f'targets: ["{DEFAULT_LISTEN}"]' in path.read_text()
