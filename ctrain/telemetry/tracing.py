"""Traces for OpenTelemetry: spans of ticks, of their steps and of requests to the registry.

They are off unless an OTLP endpoint is set, and cost nothing then. Nothing is made global: MLflow's tracing,
which looks at the same variables, is not switched on by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from ctrain.errors import InputError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from ctrain.ports import Timer
    from ctrain.telemetry.logs import EventLog

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXTRAS = {"http/protobuf": "otel", "grpc": "otel-grpc"}
"""Extras of ctrain with what sends traces, by protocol."""
_OFF = nullcontext()

Span = Callable[..., AbstractContextManager[object]]
"""Called with the name of a step and what is known of it; around the step."""


def no_span(_name: str, **_attributes: str) -> AbstractContextManager[object]:
    """Return what is around a step that is not traced."""
    return _OFF


class Spans:
    """Around steps: their spans, and a line of the log for each step of a module that logs from debug on."""

    def __init__(self, log: EventLog, timer: Timer, tracing: Tracing | None) -> None:
        self._log = log
        self._timer = timer
        self._tracing = tracing

    def __call__(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        if not self._log.allows("debug", name):
            return _OFF if self._tracing is None else self._tracing.span(name, **attributes)
        return self._timed(name, attributes)

    def close(self) -> None:
        """Send what has not been sent."""
        if self._tracing is not None:
            self._tracing.close()

    @contextmanager
    def _timed(self, name: str, attributes: Mapping[str, str]) -> Iterator[None]:
        began = self._timer.monotonic()
        try:
            with _OFF if self._tracing is None else self._tracing.span(name, **attributes):
                yield
        finally:
            seconds = round(self._timer.monotonic() - began, 6)
            self._log.debug(name, "step_done", step=name, seconds=seconds, **attributes)


class Tracing:
    """Spans that are exported in the background."""

    def __init__(self, exporter: SpanExporter, version: str, environ: Mapping[str, str]) -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        attributes = {SERVICE_VERSION: version}
        if "OTEL_SERVICE_NAME" not in environ:
            attributes[SERVICE_NAME] = "ctrain"
        self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("ctrain", version)

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[None]:
        """A span; what is raised in it makes it an error, named by its type: a message may hold secrets."""
        from opentelemetry.trace import Status, StatusCode

        labels = {f"ctrain.{key}": value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(
            f"ctrain.{name}", attributes=labels, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def close(self) -> None:
        """Send what has not been sent, for as long as the exporter's timeout."""
        self._provider.shutdown()


def open_tracing(environ: Mapping[str, str], version: str) -> Tracing | None:
    """Return what exports spans to the endpoint of the environment; None when there is none.

    Raises
    ------
    InputError
        when the exporter is not installed, or its protocol is not known.
    """
    endpoint = next((name for name in ENDPOINTS if environ.get(name)), None)
    switched_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if endpoint is None or switched_off or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    return Tracing(_exporter(endpoint, environ), version, environ)


def _exporter(endpoint: str, environ: Mapping[str, str]) -> SpanExporter:
    """The exporter for the protocol; it reads address, headers and certificates from the environment."""
    import importlib

    named = next((name for name in PROTOCOLS if environ.get(name)), None)
    protocol = environ[named] if named is not None else "http/protobuf"
    if protocol not in EXTRAS:
        raise InputError(f"{named}: expected one of {', '.join(EXTRAS)}, got {protocol!r}")
    kind = "grpc" if protocol == "grpc" else "http"
    try:
        module = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{kind}.trace_exporter")
        importlib.import_module("opentelemetry.sdk.trace")
    except ImportError as error:
        raise InputError(
            f"{endpoint} is set, and what sends traces is not installed: "
            f"`pip install 'ctrain[{EXTRAS[protocol]}]'`, or unset it"
        ) from error
    exporter: SpanExporter = module.OTLPSpanExporter()
    return exporter
