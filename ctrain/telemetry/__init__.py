"""What ctrain says of itself: Prometheus metrics and a structured log without secrets."""

from ctrain.telemetry.catalog import CATALOG, PREFIX, Kind, Metric
from ctrain.telemetry.logs import EventLog, open_log
from ctrain.telemetry.prometheus import PrometheusTelemetry

__all__ = ["CATALOG", "PREFIX", "EventLog", "Kind", "Metric", "PrometheusTelemetry", "open_log"]
