"""The registry with a stopwatch: how long MLflow takes to answer, also when it does not."""

from __future__ import annotations

from typing import Any

from ctrain.ports import Telemetry, Timer
from ctrain.registry.client import MlflowRegistry


class MeasuredRegistry(MlflowRegistry):
    """Observes ``mlflow_request_duration_seconds`` and a span for every request, failed ones included."""

    def __init__(self, tracking_uri: str, timer: Timer, telemetry: Telemetry) -> None:
        super().__init__(tracking_uri)
        self._timer = timer
        self._telemetry = telemetry

    def _call(self, name: str, **arguments: Any) -> Any:
        started = self._timer.monotonic()
        try:
            with self._telemetry.span(f"registry.{name}"):
                return super()._call(name, **arguments)
        finally:
            self._telemetry.observe("mlflow_request_duration_seconds", self._timer.monotonic() - started)
