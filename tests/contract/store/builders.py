"""Values for the store's suite, with defaults for what a test does not care about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ctrain.domain import (
    AliasIntent,
    Decision,
    Event,
    FeatureVerdict,
    MonitorName,
    Outcome,
    Phase,
    PolicyName,
    Request,
    RequestKind,
    Run,
    RunId,
    Segment,
    SegmentKind,
    Status,
    TriggerName,
    Verdict,
    Version,
)
from ctrain.store import SqlStore, open_store

START = datetime(2013, 1, 1, 5, 30, 0, 123457, tzinfo=UTC)
HOUR = timedelta(hours=1)
FLIGHTS = PolicyName("flight-delay")
OTHER = PolicyName("other")


@dataclass(frozen=True)
class Backend:
    """An implementation under test: its address, opened as often as a test needs."""

    url: str

    def open(self, **options: Any) -> SqlStore:
        return open_store(self.url, **options)


def run(number: int = 1, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "id": RunId(f"run-{number}"),
        "policy": FLIGHTS,
        "phase": Phase.QUEUED,
        "trigger": TriggerName("degraded"),
        "reason": "brier 0.21 is above 0.20",
        "actor": "ctrain",
        "policy_hash": "h1",
        "policy_text": "version: 1\n",
        "policy_path": "/policies/flight_delay.yaml",
        "created_at": START,
        "phase_since": START,
    }
    return Run(**{**values, **changes})


def verdict(monitor: str = "brier", hours: int = 0, **changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "monitor": MonitorName(monitor),
        "as_of": START + hours * HOUR,
        "status": Status.OK,
        "value": 0.1 + 0.2,
        "threshold": 0.4,
        "n": 1000,
        "reason": "fine",
        "features": (FeatureVerdict("dep_hour", "ks", 0.1, 1e-300, 0.2, 0.1, 0.1, False, 1000, "tied"),),
        "model_version": Version("3"),
    }
    return Verdict(**{**values, **changes})


def decision(
    outcome: Outcome = Outcome.NOT_MET, reason: str = "nothing breached", **changes: Any
) -> Decision:
    return Decision(**{"trigger": TriggerName("degraded"), "outcome": outcome, "reason": reason, **changes})


def segment(number: int = 1, kind: SegmentKind = SegmentKind.ROWS, **changes: Any) -> Segment:
    values: dict[str, Any] = {
        "id": f"segment-{number}",
        "policy": FLIGHTS,
        "kind": kind,
        "event_date": "2013-01-01",
        "path": f"2013-01-01/{number}.parquet",
        "rows": 10,
        "bytes": 4096,
        "sequence": number,
    }
    return Segment(**{**values, **changes})


def event(message: str = "queued", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "policy": FLIGHTS,
        "kind": "run_queued",
        "at": START,
        "actor": "ctrain",
        "message": message,
        "run_id": RunId("run-1"),
        "policy_hash": "h1",
        "evidence": {"value": 0.1},
    }
    return Event(**{**values, **changes})


def intent(number: int = 1, **changes: Any) -> AliasIntent:
    values: dict[str, Any] = {
        "id": f"intent-{number}",
        "policy": FLIGHTS,
        "model": "flight-delay",
        "kind": "promotion",
        "expected_champion": Version("1"),
        "expected_previous": None,
        "new_champion": Version("2"),
        "new_previous": Version("1"),
        "fencing_token": 7,
        "created_at": START,
    }
    return AliasIntent(**{**values, **changes})


def request(**changes: Any) -> Request:
    values: dict[str, Any] = {
        "id": 0,
        "policy": FLIGHTS,
        "kind": RequestKind.TRIGGER,
        "actor": "ann",
        "created_at": START,
        "arguments": {"reason": "new feature"},
    }
    return Request(**{**values, **changes})
