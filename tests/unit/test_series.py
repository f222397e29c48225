"""Counters and gauges as text: what Prometheus's client library makes of the same numbers, and reads."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, openmetrics
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from ctrain.telemetry import CATALOG, PrometheusTelemetry, open_log
from ctrain.telemetry.catalog import PREFIX, Kind, Metric
from ctrain.telemetry.series import Family

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
LABELS = ["plain", 'a "quoted" one', "back\\slash", "two\nlines", "trail\\", "ümläut", "", "a,b={c}"]
VALUES = [0.0, 1.0, -2.5, 1e-7, 0.1 + 0.2, 1e6, 123456789.0, 1.7e9, 1e300, math.inf, -math.inf, math.nan]


def samples(families: Iterable[Any]) -> list[tuple[str, dict[str, str], str]]:
    """What was read, with values as text: a NaN equals nothing."""
    return [(one.name, one.labels, repr(one.value)) for family in families for one in family.samples]


def described(families: Iterable[Any]) -> list[tuple[str, str, str]]:
    return [(family.name, family.type, family.documentation) for family in families]


def heads(text: str) -> list[str]:
    """Names and labels as they are written; what is found by them need not be found anew."""
    return [
        line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#" and "_created" not in line
    ]


@pytest.mark.parametrize(
    ("openly", "theirs", "read"),
    [(False, generate_latest, read_text), (True, generate_openmetrics, read_openmetrics)],
    ids=["text", "OpenMetrics"],
)
@pytest.mark.parametrize(
    ("kind", "name", "instrument", "values"),
    [
        (Kind.GAUGE, "warmth", Gauge, VALUES),
        (Kind.COUNTER, "steps_total", Counter, [one for one in VALUES if one >= 0 and one < math.inf]),
    ],
    ids=str,
)
def test_series_are_what_the_client_library_makes_of_them(
    kind: Kind,
    name: str,
    instrument: Any,
    values: list[float],
    openly: bool,
    theirs: Callable[[CollectorRegistry], bytes],
    read: Callable[[str], Iterable[Any]],
) -> None:
    metric = Metric(name, kind, 'Help with "quotes", a \\ and\nlines.', ("policy", "monitor"))
    registry = CollectorRegistry()
    reference = instrument(PREFIX + name, metric.help, metric.labels, registry=registry)
    family = Family(metric)
    for number, value in enumerate(values):
        labels = (LABELS[number % len(LABELS)], f"m{number}")
        family.add(labels, value)
        reference.labels(*labels).inc(value)
    end = "# EOF\n" if openly else ""
    ours = list(read("".join(family.lines(openmetrics=openly)) + end))
    expected = [
        (name, labels, value)
        for name, labels, value in samples(read(theirs(registry).decode()))
        if not name.endswith("_created")
    ]
    assert samples(ours) == expected
    assert heads("".join(family.lines(openmetrics=openly))) == heads(theirs(registry).decode())
    assert described(ours) == described(list(read(theirs(registry).decode()))[:1])


@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "OpenMetrics"])
def test_everything_is_told_in_the_format_that_was_asked_for(accept: str) -> None:
    telemetry = PrometheusTelemetry(open_log({}, io.StringIO()), "1")
    telemetry.count("rows_ingested_total", 3, policy="p")
    telemetry.gauge("source_lag_seconds", 2.5, policy="p")
    telemetry.observe("tick_duration_seconds", 0.2)
    body, content_type = telemetry.expose(accept)
    assert content_type.startswith(
        openmetrics.exposition.CONTENT_TYPE_LATEST.split(";")[0] if accept else "text"
    )
    found = list((read_openmetrics if accept else read_text)(body.decode()))
    names = {PREFIX + metric.name.removesuffix("_total") for metric in CATALOG.values()}
    assert {family.name for family in found} == names
    assert len(found) == len(names), "a family that comes twice is refused by Prometheus"
    told = {(name, *labels.values()): value for name, labels, value in samples(found)}
    assert told["ctrain_rows_ingested_total", "p"] == "3.0"
    assert told["ctrain_source_lag_seconds", "p"] == "2.5"
    assert told["ctrain_tick_duration_seconds_count",] == "1.0"
    assert told["ctrain_ticks_skipped_total",] == "0.0"


def test_a_counter_goes_up_only() -> None:
    family = Family(Metric("steps_total", Kind.COUNTER, "Steps.", ()))
    with pytest.raises(ValueError, match="steps_total: a counter goes up only, not by -1"):
        family.add((), -1)


def test_a_series_that_was_removed_is_gone_and_begins_anew() -> None:
    family = Family(Metric("steps_total", Kind.COUNTER, "Steps.", ("policy",)))
    family.add(("p",), 3)
    family.remove(("p",))
    family.remove(("never seen",))
    assert "ctrain_steps_total{" not in "".join(family.lines(openmetrics=False))
    family.add(("p",), 1)
    assert 'ctrain_steps_total{policy="p"} 1.0\n' in "".join(family.lines(openmetrics=False))
