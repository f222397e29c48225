"""The Telemetry port over metrics for Prometheus and a structured log.

A policy has at most ``SERIES_PER_POLICY`` series; what goes beyond is left out and counted, first of all
what explains most closely (``Metric.yields``). They are gone when the policy is: another thread that
measures it a moment later makes no series that nobody would take away again.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Collection
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from ctrain.telemetry.catalog import CATALOG, PREFIX, Kind, Metric
from ctrain.telemetry.logs import EventLog
from ctrain.telemetry.series import Family
from ctrain.telemetry.tracing import Span, no_span

SERIES_PER_POLICY = 60
_REMEMBERED = 2
"""For bounded labels: the greatest are chosen from the last ``newest`` times this many calls."""

_DROPPED = "series_dropped"
_END_OF_OPENMETRICS = b"# EOF\n"


class PrometheusTelemetry:
    """Counts and measures by the names of the catalog; thread-safe.

    An unknown name or a missing label raises KeyError: the catalog is the contract. Labels that a
    metric does not have are ignored.
    """

    def __init__(self, log: EventLog, version: str, spans: Span = no_span) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the client leaves it untyped
        self._registry = CollectorRegistry()
        self._log = log
        self._spans = spans
        self._counters = {metric.name: Family(metric) for metric in _of_kind(Kind.COUNTER)}
        self._gauges = {metric.name: Family(metric) for metric in _of_kind(Kind.GAUGE)}
        self._histograms = {
            metric.name: Histogram(
                PREFIX + metric.name,
                metric.help,
                metric.labels,
                registry=self._registry,
                buckets=metric.buckets,
            )
            for metric in _of_kind(Kind.HISTOGRAM)
        }
        self._series: dict[str, set[tuple[str, tuple[str, ...]]]] = defaultdict(set)
        self._dropped: dict[str, set[tuple[str, tuple[str, ...]]]] = defaultdict(set)
        self._lately: dict[tuple[str, str], deque[tuple[tuple[str, ...], float]]] = defaultdict(deque)
        self._gone: set[str] = set()
        self._lock = threading.Lock()
        self.gauge("build_info", 1, version=version)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; zero makes the series exist."""
        counter, values = self._counters[name], _values(CATALOG[name], labels)
        with self._lock:
            if self._admit(CATALOG[name], values):
                counter.add(values, amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge, metric = self._gauges[name], CATALOG[name]
        values = _values(metric, labels)
        with self._lock:
            if metric.newest is not None:
                self._set_bounded(metric, metric.newest, value, values)
            elif self._admit(metric, values):
                gauge.set(values, value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add a duration to a histogram."""
        histogram, values = self._histograms[name], _values(CATALOG[name], labels)
        (histogram.labels(*values) if values else histogram).observe(seconds)

    def log(self, event: str, **fields: object) -> None:
        """Write one line to the log, secrets redacted."""
        self._log.log(event, **fields)

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        """What is around a step that may be traced."""
        return self._spans(name, **attributes)

    def begin_policy(self, policy: str) -> None:
        """Measure this policy from now on, also where it was removed; what its gauges said is forgotten."""
        with self._lock:
            self._gone.discard(policy)
            self._forget(policy, self._gauges.keys() - {_DROPPED})
            if policy in self._series:
                self._dropped.pop(policy, None)
                self._gauges[_DROPPED].set((policy,), 0)

    def remove_policy(self, policy: str) -> None:
        """Forget every series of a policy that is gone or no longer ours, until it begins again."""
        with self._lock:
            self._gone.add(policy)
            for name, values in list(self._series.get(policy, ())):
                self._remove(name, policy, values)
            self._series.pop(policy, None)
            self._dropped.pop(policy, None)
            for key in [key for key in self._lately if key[1] == policy]:
                del self._lately[key]

    def forget(self, policy: str, *names: str) -> None:
        """Forget what these gauges said of a policy: it is so no more."""
        with self._lock:
            self._forget(policy, names)

    def close(self) -> None:
        """Send the spans that have not been sent."""
        close = getattr(self._spans, "close", None)
        if close is not None:
            close()

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """Everything in the text format that an Accept header asks for, with its content type.

        No lock is taken meanwhile: ticks go on to measure.
        """
        encode, content_type = choose_encoder(accept)
        openmetrics = content_type.startswith("application/openmetrics-text")
        parts = [
            line
            for family in (*self._counters.values(), *self._gauges.values())
            for line in family.lines(openmetrics=openmetrics)
        ]
        histograms = encode(self._registry).removesuffix(_END_OF_OPENMETRICS)
        end = _END_OF_OPENMETRICS if openmetrics else b""
        return b"".join(["".join(parts).encode(), histograms, end]), content_type

    def _forget(self, policy: str, names: Collection[str]) -> None:
        for name, values in list(self._series.get(policy, ())):
            if name in names:
                self._lately.pop((name, policy), None)
                self._remove(name, policy, values)

    def _admit(self, metric: Metric, values: tuple[str, ...]) -> bool:
        """False when the policy is gone, or has no room for one series more, which is counted."""
        if "policy" not in metric.labels:
            return True
        policy, one = values[0], (metric.name, values)
        if policy in self._gone:
            return False
        if policy not in self._series:
            self._introduce(policy)
        series = self._series[policy]
        if one in series:
            return True
        if len(series) >= SERIES_PER_POLICY:
            least = max(series, key=lambda other: CATALOG[other[0]].yields)
            makes_way = CATALOG[least[0]].yields > metric.yields
            if makes_way:
                self._remove(least[0], policy, least[1])
            self._dropped[policy].add(least if makes_way else one)
            self._gauges[_DROPPED].set((policy,), len(self._dropped[policy]))
            if not makes_way:
                return False
        series.add(one)
        return True

    def _introduce(self, policy: str) -> None:
        """Start a policy's counters at zero: a rate cannot see a counter that begins at one."""
        self._series[policy].add((_DROPPED, (policy,)))
        self._gauges[_DROPPED].set((policy,), 0)
        for metric in _of_kind(Kind.COUNTER):
            own = [(policy,)] if metric.labels == ("policy",) else []
            for values in own + [(policy, start) for start in metric.starts]:
                self._series[policy].add((metric.name, values))
                self._counters[metric.name].add(values, 0)

    def _set_bounded(self, metric: Metric, newest: int, value: float, values: tuple[str, ...]) -> None:
        """Show the ``newest`` greatest of the values that were set lately, and no others."""
        policy = values[0]
        if policy in self._gone:
            return
        calls = self._lately[metric.name, policy]
        calls.append((values, value))
        while len(calls) > (newest * _REMEMBERED if newest > 1 else 1):
            calls.popleft()
        lately = dict(calls)
        shown = sorted(lately, key=lambda one: -lately[one])[:newest]
        for name, old in list(self._series.get(policy, ())):
            if name == metric.name and old not in shown:
                self._remove(name, policy, old)
        for one in shown:
            if self._admit(metric, one):
                self._gauges[metric.name].set(one, lately[one])

    def _remove(self, name: str, policy: str, values: tuple[str, ...]) -> None:
        (self._counters.get(name) or self._gauges[name]).remove(values)
        self._series[policy].discard((name, values))


def _of_kind(kind: Kind) -> list[Metric]:
    return [metric for metric in CATALOG.values() if metric.kind is kind]


def _values(metric: Metric, labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(labels[label] for label in metric.labels)
