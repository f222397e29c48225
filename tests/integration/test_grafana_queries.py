"""Every query of every dashboard and a firing alert, on a real Prometheus that scrapes a real daemon.

The daemon trains a first champion, promotes a second one, is told to roll back, and trains again. It lives on
stream time, on which nobody is told of anything, and reads files: what a daemon shows of its notices and of
pushed batches comes from metrics of our own. A third daemon is expected by Prometheus, and is not there.
"""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest

from ctrain.settings import DEFAULT_LISTEN
from ctrain.telemetry import CATALOG, PrometheusTelemetry, open_log
from ctrain.web.server import serve
from tests.support.alertmanager import SHIPPED, Alertmanager, running_alertmanager
from tests.support.dashboards import (
    DASHBOARDS,
    ROOT,
    PanelQuery,
    load,
    metrics_in,
    panel_queries,
    variable_queries,
)
from tests.support.live import LiveClicks, open_live
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, running_prometheus
from tests.support.receiver import Receiver, receiver
from tests.support.warm import family_of
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.service("prometheus"),
    pytest.mark.service("prometheus-alertmanager"),
    pytest.mark.service("promtool"),
]

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
STEPS = 120
THERE = 2
"""Daemons that Prometheus scrapes and that are there."""
SETTLED_SECONDS = 1.0


@dataclass(frozen=True)
class Observed:
    live: LiveClicks
    daemon: subprocess.Popen[bytes]
    prometheus: Prometheus
    alertmanager: Alertmanager
    told: Receiver
    absent: str
    span: tuple[float, float]
    """When the story began and ended, by Prometheus's clock; at its end all that are there had answered."""


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("observed")
    absent = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        told = stack.enter_context(receiver())
        live = open_live(folder / "clicks")
        daemon = stack.enter_context(live.daemon())
        alertmanager = stack.enter_context(running_alertmanager(folder / "alertmanager", told.url))
        prometheus = stack.enter_context(
            running_prometheus(
                folder / "prometheus",
                *(live.listen, stack.enter_context(_that_tells()), absent),
                rules=[_rules_at_once(folder)],
                alertmanagers=[alertmanager.address],
            )
        )
        began = _now(prometheus)
        live.land(48)
        live.ask("trigger", "clicks", "--reason", "first model")
        live.land(72)
        _scrape_again(prometheus)
        live.ask("rollback", "clicks", "--reason", "shown in a graph")
        live.land(60)
        _scrape_again(prometheus)
        wait_until(lambda: _told(told, "info"), 30, "the rollback was told")
        _scrape_again(prometheus)
        told_by = _now(prometheus)
        ended = wait_until(lambda: _all_answered(prometheus, told_by), 30, "an answer of all that are there")
        span = (began, ended)
        yield Observed(live, daemon, prometheus, alertmanager, told, absent, span)


class Well:
    healthy = ready = alive = True


@contextmanager
def _that_tells() -> Iterator[str]:
    """The address of metrics of a daemon that has told people of a policy, to which rows are pushed."""
    telemetry = PrometheusTelemetry(open_log({}, StringIO()), "0")
    telemetry.count("notifications_total", 2, policy="clicks", outcome="delivered")
    telemetry.gauge("notifications_open", 1, policy="clicks", status="dead")
    telemetry.gauge("pushed_unread_batches", 3, policy="clicks", kind="rows")
    telemetry.gauge("pushed_unread_bytes", 3e5, policy="clicks", kind="rows")
    telemetry.gauge("pushed_unread_ratio", 0.3, policy="clicks", kind="rows")
    server = serve("127.0.0.1:0", telemetry, Well())
    try:
        yield server.address
    finally:
        server.close()


def _rules_at_once(folder: Path) -> Path:
    """The shipped rules, whose alerts do not wait."""
    text = (ROOT / "deploy" / "prometheus" / "ctrain.rules.yml").read_text()
    path = folder / "ctrain.rules.yml"
    path.write_text(re.sub(r"\bfor: \w+", "for: 0s", text))
    return path


def _now(prometheus: Prometheus) -> float:
    return float(prometheus.get("/api/v1/query", query="time()")["result"][0])


def _all_answered(prometheus: Prometheus, since: float) -> float | None:
    """A moment after which no scrape of before is under way, at which none had failed.

    A machine that has much to do fails scrapes now and then, and until the next one there are no series.
    """
    at = _now(prometheus) - SETTLED_SECONDS
    up = prometheus.query('sum(up{job="ctrain"})', at)
    return at if at > since and up and up[0]["value"][1] == str(THERE) else None


def _told(told: Receiver, severity: str) -> list[dict[str, Any]]:
    """The alerts that the receiver of a severity has been sent."""
    bodies = [json.loads(one.body) for one in told.received if one.path == f"/{severity}"]
    return [alert for body in bodies for alert in body["alerts"]]


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
    values = set(_answer(observed, query)) - {"NaN"}  # a gap in a line
    at = observed.span[1]
    assert values, query.expression
    assert not values & {"+Inf", "-Inf"}
    for metric in metrics_in(query.expression):
        assert observed.prometheus.query(f'{{__name__=~"{metric}(_bucket)?", job="ctrain"}}', at), metric


def _answer(observed: Observed, query: PanelQuery) -> list[str]:
    start, end = observed.span
    if query.now:
        return [one["value"][1] for one in observed.prometheus.query(query.expression, end)]
    found = observed.prometheus.query_range(query.expression, start, end, (end - start) / STEPS)
    return [value for one in found for _, value in one["values"]]


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_has_values(observed: Observed, variable: tuple[str, str, str]) -> None:
    name, selector, label = variable
    found = observed.prometheus.label_values(selector, label, observed.span[1])
    expected = {"job": ["ctrain"], "policy": ["clicks"]}
    assert found == expected[name] if name in expected else "SHADOWING" in found


def test_an_alert_reaches_whom_it_is_for_with_what_to_do(observed: Observed) -> None:
    alert = next(
        one for one in _told(observed.told, "info") if one["labels"]["alertname"] == "CtrainRollback"
    )
    assert alert["labels"] == {
        "alertname": "CtrainRollback",
        "policy": "clicks",
        "cause": "person",
        "severity": "info",
    }
    assert alert["annotations"] == {
        "summary": "clicks went back to its previous champion (person)",
        "description": (
            "Within the last hour. `ctrain status` says which version serves now, `ctrain show` why."
        ),
        "runbook": "deploy/runbooks.md#a-champion-was-rolled-back",
        "dashboard": "/d/ctrain-policy?var-policy=clicks",
    }


def test_a_daemon_that_is_not_there_pages(observed: Observed) -> None:
    wait_until(lambda: _told(observed.told, "page"), 30, "somebody was paged")
    down = {
        alert["labels"]["instance"]
        for alert in _told(observed.told, "page")
        if alert["labels"]["alertname"] == "CtrainDown"
    }
    assert observed.absent in down


def test_whoever_is_paged_for_a_policy_gets_no_ticket_for_it(observed: Observed) -> None:
    torn = {"alertname": "Torn", "severity": "page", "policy": "torn"}
    tickets = [
        {"alertname": "Stale", "severity": "ticket", "policy": "torn"},
        {"alertname": "Stale", "severity": "ticket", "policy": "calm"},
        {"alertname": "Late", "severity": "ticket", "instance": observed.absent},
        {"alertname": "Late", "severity": "ticket", "instance": observed.live.listen},
    ]
    observed.alertmanager.raise_alerts(torn, *tickets)
    told = wait_until(lambda: _tickets(observed, 2), 30, "tickets were written")
    assert told == {("Stale", "calm"), ("Late", observed.live.listen)}
    silent = {
        (one["labels"]["alertname"], one["labels"].get("policy") or one["labels"]["instance"])
        for one in observed.alertmanager.alerts()
        if one["status"]["state"] == "suppressed"
    }
    assert silent == {("Stale", "torn"), ("Late", observed.absent)}


def _tickets(observed: Observed, least: int) -> set[tuple[str, str]] | None:
    labels = [one["labels"] for one in _told(observed.told, "ticket")]
    found = {
        (one["alertname"], one.get("policy") or one["instance"])
        for one in labels
        if one["alertname"] in ("Stale", "Late")
    }
    return found if len(found) >= least else None


def test_metric_help_and_types_reach_prometheus(observed: Observed) -> None:
    metadata = observed.prometheus.get("/api/v1/metadata")
    for metric in CATALOG.values():
        name = f"ctrain_{metric.name}"
        (entry,) = metadata.get(name) or metadata[name.removesuffix("_total")]
        assert (entry["type"], entry["help"]) == (metric.kind.value, metric.help)


def test_a_policy_stays_within_its_series(observed: Observed) -> None:
    own = f'{{__name__=~"ctrain_.+", policy="clicks", instance="{observed.live.listen}"}}'
    (count,) = observed.prometheus.query(f"count({own})", observed.span[1])
    assert int(count["value"][1]) <= 60


def test_the_daemon_and_its_children_listen_on_loopback_alone(observed: Observed) -> None:
    listening = {
        str(one.laddr.ip)
        for process in family_of(observed.daemon)
        for one in process.net_connections(kind="inet")
        if one.status == psutil.CONN_LISTEN
    }
    assert "127.0.0.1" in listening
    assert all(ipaddress.ip_address(one).is_loopback for one in listening)


def test_the_shipped_scrape_configuration_is_valid_and_scrapes_the_default_address() -> None:
    path: Path = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    checked = subprocess.run(
        ["promtool", "check", "config", str(path)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert f'targets: ["{DEFAULT_LISTEN}"]' in path.read_text()


def test_the_shipped_routes_are_valid() -> None:
    checked = subprocess.run(
        ["amtool", "check-config", str(SHIPPED)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("severity", ["page", "ticket", "info"])
def test_each_severity_has_a_receiver(severity: str) -> None:
    words = ["amtool", "config", "routes", "test", f"--config.file={SHIPPED}", f"severity={severity}"]
    routed = subprocess.run(words, capture_output=True, text=True, check=False)
    assert routed.stdout.split() == [severity], routed.stderr
