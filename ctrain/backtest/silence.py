"""Ports that a backtest keeps quiet: nothing is exposed, no server is asked, no picture is made."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ctrain.domain import AnalysisJob, AnalysisStatus, MetricQuery, Sample

if TYPE_CHECKING:
    from ctrain.ports import Analyst

_NOTHING = nullcontext()


class Silence:
    """A ``Telemetry`` that keeps nothing."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...

    def observe(self, name: str, seconds: float, **labels: str) -> None: ...

    def begin_policy(self, policy: str) -> None: ...

    def remove_policy(self, policy: str) -> None: ...

    def forget(self, policy: str, *names: str) -> None: ...

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:  # noqa: ARG002 - the port's
        return _NOTHING

    def log(self, event: str, **fields: object) -> None: ...


class NoMetrics:
    """A ``MetricServer`` that knows nothing of the past: its monitors are INCONCLUSIVE."""

    def ask(self, key: str, query: MetricQuery) -> Sample | None:  # noqa: ARG002 - the port's signature
        return Sample(query.at, problem="a backtest asks no metrics server")


class WithoutPictures:
    """An ``Analyst`` that answers what decides, and draws nothing; knows whether its child is at work."""

    def __init__(self, analyst: Analyst) -> None:
        self._analyst = analyst
        self._under_way: set[str] = set()
        self._undrawn: set[str] = set()

    @property
    def working(self) -> bool:
        """True while a child is at work, as far as ``take_ended`` knows."""
        return bool(self._under_way)

    def take_ended(self) -> bool:
        """True when something has ended since the last look: there may be an answer to collect."""
        ended = {key for key in self._under_way if self._analyst.poll(key).state != "running"}
        self._under_way -= ended
        return bool(ended)

    def submit(self, job: AnalysisJob) -> None:
        if job.role == "report":
            self._undrawn.add(job.key)
            return
        self._under_way.add(job.key)
        self._analyst.submit(job)

    def poll(self, key: str) -> AnalysisStatus:
        if key in self._undrawn:
            return AnalysisStatus("done", answer={"files": {}})
        return self._analyst.poll(key)

    def forget(self, key: str) -> None:
        self._analyst.forget(key)
