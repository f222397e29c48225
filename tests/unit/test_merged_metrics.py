"""What several processes measure, as one exposition; read by prometheus_client's own parsers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from ctrain.telemetry import PrometheusTelemetry, open_log
from ctrain.telemetry.merged import merged

FORMATS = {
    "text/plain": text_string_to_metric_families,
    "application/openmetrics-text;version=1.0.0": openmetrics.text_string_to_metric_families,
}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def telling(policy: str, rows: int) -> PrometheusTelemetry:
    telemetry = PrometheusTelemetry(open_log({}), "1.2.3")
    telemetry.count("rows_ingested_total", rows, policy=policy)
    telemetry.gauge("policies_held", 1)
    telemetry.gauge("source_lag_seconds", float("nan"), policy="shared by two words")
    telemetry.observe("tick_duration_seconds", rows / 10)
    telemetry.observe("run_phase_duration_seconds", 60.0, phase="TRAINING")
    return telemetry


def samples(parse: Callable[[str], Iterable[Any]], told: bytes) -> Samples:
    found: Samples = {}
    for family in parse(told.decode()):
        for one in family.samples:
            key = one.name, tuple(sorted(one.labels.items()))
            assert key not in found, key
            found[key] = one.value
    return found


@pytest.mark.parametrize("accept", FORMATS)
def test_every_series_of_every_process_is_there_once(accept: str) -> None:
    one, two = telling("p", 3), telling("q", 5)
    two.gauge("leader", 1, policy="p")  # on its way from one to the other
    one.gauge("leader", 0, policy="p")
    both = samples(FORMATS[accept], merged({"0": one.expose(accept)[0], "1": two.expose(accept)[0]}))

    assert both["ctrain_rows_ingested_total", (("policy", "p"),)] == 3
    assert both["ctrain_rows_ingested_total", (("policy", "q"),)] == 5
    assert both["ctrain_leader", (("policy", "p"),)] == 0
    expected = {
        (name, labels if any(key == "policy" for key, _ in labels) else tuple(sorted((*labels, own))))
        for telemetry, own in ((one, ("worker", "0")), (two, ("worker", "1")))
        for name, labels in samples(FORMATS[accept], telemetry.expose(accept)[0])
    }
    assert both.keys() == expected
    assert both["ctrain_tick_duration_seconds_sum", (("worker", "1"),)] == 0.5
    assert both["ctrain_run_phase_duration_seconds_count", (("phase", "TRAINING"), ("worker", "0"))] == 1


@pytest.mark.parametrize("accept", FORMATS)
def test_families_stay_together_and_are_described_once(accept: str) -> None:
    told = telling("p", 3).expose(accept)[0]
    lines = merged({"0": told, "1": told, "2": told}).decode().splitlines()
    described = [line for line in lines if line.startswith("# TYPE")]
    assert described == [line for line in told.decode().splitlines() if line.startswith("# TYPE")]
    assert [line for line in lines if line == "# EOF"] == (["# EOF"] if "openmetrics" in accept else [])
    assert ("# EOF" in lines[-1]) is ("openmetrics" in accept)
