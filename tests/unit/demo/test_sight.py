from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ctrain.demo.sight import Watcher
from ctrain.domain import (
    Champion,
    Event,
    MonitorName,
    Phase,
    PolicyName,
    Status,
    Verdict,
    Version,
)
from ctrain.ports import Store
from ctrain.store import open_store
from tests.unit.demo.builders import day, real_drift

POLICY = PolicyName("flight-delay")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(f"sqlite:///{tmp_path / 'state.db'}")
    with store.write() as tx:
        tx.save_policy(POLICY, "h", "p.yaml", {"model": "m"}, day(0))
    return store


def _verdict(monitor: str, at: float, status: Status, reason: str) -> Verdict:
    return Verdict(MonitorName(monitor), day(at), status, 0.2, 0.1, 1000, reason)


def _queued(at: float) -> Event:
    evidence = {"as_of": day(at).isoformat(), "monitors": {"inputs": {}, "brier": {}}}
    return Event(POLICY, "run_queued", day(at), "ctrain", "fired", real_drift().id, evidence=evidence)


def test_nothing_has_happened_yet(store: Store) -> None:
    sight = Watcher(store).look()
    assert (sight.champion, sight.runs, sight.events, sight.blocks) == (None, [], [], 0)


def test_events_are_seen_once_oldest_first(store: Store) -> None:
    watcher = Watcher(store)
    for number in (1, 2):
        with store.write() as tx:
            tx.append_event(Event(POLICY, "note", day(number), "ctrain", f"{number}a"))
            tx.append_event(Event(POLICY, "note", day(number), "ctrain", f"{number}b"))
        assert [event.message for event in watcher.look().events] == [f"{number}a", f"{number}b"]
    assert watcher.look().events == []


def test_the_state_of_the_policy_is_seen(store: Store) -> None:
    details = {"probation": {"state": {"blocks": 7}}}
    with store.write() as tx:
        tx.save_champion(POLICY, Champion(Version("2"), day(40), "promoted"))
        tx.create_run(replace(real_drift(Phase.QUEUED), details=details))
        for monitor, status in (("inputs", Status.OK), ("brier", Status.BREACHED)):
            tx.record_verdict(POLICY, "h", _verdict(monitor, 40, status, "so"))
    watcher = Watcher(store)
    sight = watcher.look()
    assert sight.champion == "2"
    assert [verdict.monitor for verdict in sight.verdicts] == ["brier", "inputs"]
    assert [run.id for run in sight.runs] == ["flight-delay-2"]
    assert watcher.starting()


def test_what_the_monitors_saw_when_they_started_a_run(store: Store) -> None:
    with store.write() as tx:
        tx.create_run(real_drift(Phase.QUEUED))
        tx.record_verdict(POLICY, "h", _verdict("inputs", 42, Status.BREACHED, "too early"))
        tx.record_verdict(POLICY, "h", _verdict("inputs", 43, Status.BREACHED, "precipitation drifted"))
        tx.record_verdict(POLICY, "h", _verdict("brier", 43, Status.OK, "fine"))
        tx.append_event(_queued(43))
        tx.append_event(replace(_queued(43), kind="run_training", evidence={}))
    sight = Watcher(store).look()
    assert {run: [one.reason for one in seen] for run, seen in sight.grounds.items()} == {
        "flight-delay-2": ["precipitation drifted"]
    }
