"""Spans of steps: exported where somebody listens, timed in the log where somebody looks, else free."""

from __future__ import annotations

import importlib
import io
import json
import sys
import tomllib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from packaging.requirements import Requirement

from ctrain.errors import InputError, TransientError
from ctrain.telemetry import PrometheusTelemetry, open_log
from ctrain.telemetry.levels import read_levels
from ctrain.telemetry.tracing import EXTRAS, Spans, Tracing, no_span, open_tracing
from tests.support.fakes import FakeTimer
from tests.support.reference import ROOT
from tests.support.world import World

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    found = Tracing(exporter, "1.2.3", {})
    yield found
    found.close()


def spans_around(tracing: Tracing | None, lines: io.StringIO, level: str = "") -> Spans:
    timer: Any = FakeTimer()
    return Spans(open_log({"CTRAIN_LOG_LEVEL": level}, lines), timer, tracing)


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def test_steps_are_spans_of_the_tick_that_took_them(
    exporter: InMemorySpanExporter, tracing: Tracing, tmp_path: Any
) -> None:
    world = World(tmp_path)
    spans = spans_around(tracing, io.StringIO())
    world.watch.telemetry = PrometheusTelemetry(open_log({}, io.StringIO()), "1.2.3", spans)
    world.tick()
    tracing.close()
    found = {one.name: one for one in exporter.get_finished_spans()}
    steps = ["ctrain.engine.ingest", "ctrain.engine.observe", "ctrain.engine.decide", "ctrain.engine.advance"]
    tick = found["ctrain.engine.tick"]
    assert tick.context is not None
    assert [parent_of(found[name]) for name in steps] == [tick.context.span_id] * 4
    assert {(one.attributes or {})["ctrain.policy"] for one in found.values()} == {"clicks"}
    assert tick.resource.attributes["service.name"] == "ctrain"


def test_a_step_that_failed_tells_its_kind_and_no_secret(
    exporter: InMemorySpanExporter, tracing: Tracing
) -> None:
    with pytest.raises(TransientError), tracing.span("registry.alias"):
        raise TransientError("postgresql://ctrain:s3cret@db is away")
    tracing.close()
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code.name, span.status.description) == ("ERROR", "TransientError")
    assert "s3cret" not in span.to_json()


def test_nothing_is_made_global(tracing: Tracing) -> None:
    """MLflow and every library would trace, too."""
    with tracing.span("engine.tick"):
        pass
    assert "sdk" not in type(trace.get_tracer_provider()).__module__


def test_steps_cost_nothing_where_nobody_looks() -> None:
    lines = io.StringIO()
    spans = spans_around(None, lines)
    assert spans("engine.tick", policy="p") is spans("registry.alias") is no_span("engine.tick")
    assert open_tracing({}, "1") is None
    assert open_tracing({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, "1") is None
    assert open_tracing({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, "1") is None


def test_a_module_that_is_looked_at_closely_times_its_steps() -> None:
    lines = io.StringIO()
    spans = spans_around(None, lines, "error,engine=debug")
    with spans("engine.ingest", policy="p"), spans("registry.alias"):
        pass
    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert line.pop("timestamp")
    assert line == {
        "event": "step_done",
        "level": "debug",
        "logger": "engine.ingest",
        "step": "engine.ingest",
        "seconds": 1.0,
        "policy": "p",
    }


def test_an_exporter_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(InputError, match=r"`pip install 'ctrain\[otel\]'`, or unset it"):
        open_tracing(ENDPOINT, "1")
    with pytest.raises(InputError, match="OTEL_EXPORTER_OTLP_PROTOCOL: expected one of http/protobuf, grpc"):
        open_tracing({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, "1")


@pytest.mark.parametrize(("protocol", "exporter"), [("http/protobuf", "http"), ("grpc", "grpc")])
def test_the_extra_that_is_asked_for_brings_the_exporter(protocol: str, exporter: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    brought = {Requirement(one).name for one in extras[EXTRAS[protocol]]}
    assert brought == {f"opentelemetry-exporter-otlp-proto-{exporter}", "opentelemetry-sdk"}


def test_an_exporter_that_is_installed_is_used(
    monkeypatch: pytest.MonkeyPatch, exporter: InMemorySpanExporter
) -> None:
    real = importlib.import_module
    module = SimpleNamespace(OTLPSpanExporter=lambda: exporter)
    monkeypatch.setattr(
        importlib, "import_module", lambda name: module if "grpc.trace_exporter" in name else real(name)
    )
    tracing = open_tracing({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "1")
    assert tracing is not None
    with tracing.span("engine.tick"):
        pass
    tracing.close()
    assert [one.name for one in exporter.get_finished_spans()] == ["ctrain.engine.tick"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", {"info", "warning", "error"}),
        ("debug", {"info", "warning", "error"}),
        ("warning", {"warning", "error"}),
        ("error,tests=info", None),
        ("ERROR", {"error"}),
        ("error,telemetry=debug", {"error"}),
    ],
)
def test_levels_choose_what_is_written(text: str, written: set[str] | None) -> None:
    lines = io.StringIO()
    if written is None:
        with pytest.raises(InputError, match="there is no module 'tests'; there are analysis, app, backtest"):
            open_log({"CTRAIN_LOG_LEVEL": text}, lines)
        return
    log = open_log({"CTRAIN_LOG_LEVEL": text}, lines)
    log.log("ingested")
    log.log("tick_failed")
    log.log("tick_failed", traceback="Traceback...")
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert {one["level"] for one in found} == written
    assert {one["logger"] for one in found} == {__name__}


def test_the_longest_name_of_a_module_counts() -> None:
    levels = read_levels("warning, engine=error ,engine.ingest=debug")
    assert levels.allows("debug", "engine.ingest")
    assert not levels.allows("warning", "engine.ingestion")
    assert not levels.allows("info", "app.reload")
    with pytest.raises(InputError, match=r"CTRAIN_LOG_LEVEL: expected one of debug, .*, got 'loud'"):
        read_levels("engine=loud")
