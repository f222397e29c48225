"""Rows, panes, references, detectors and verdicts come back as they were stored."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ctrain.domain import (
    IngestState,
    MonitorName,
    SegmentKind,
    Status,
    TriggerName,
    TriggerState,
    Verdict,
    Version,
)
from ctrain.errors import StateConflict
from ctrain.store import SqlStore
from tests.contract.store.builders import FLIGHTS, HOUR, OTHER, START, segment, verdict

BRIER = MonitorName("brier")
V3 = Version("3")


def test_ingest_state_starts_empty_and_comes_back_whole(store: SqlStore) -> None:
    state = IngestState(
        rows_cursor={"files": [["a.parquet", "f00", 12]]},
        labels_cursor={"nested": {"x": 1.5}},
        watermark=START,
        newest_event_at=START + HOUR,
        next_pane_at=START - HOUR,
        sequence=3,
        rows_total=2**40,
        rejected_total={"future": 2},
        last_arrival_at=START,
    )
    with store.write() as tx:
        assert tx.ingest_state(FLIGHTS) == IngestState()
        tx.save_ingest_state(FLIGHTS, replace(state, rows_total=1))
        tx.save_ingest_state(FLIGHTS, state)
    with store.read() as tx:
        assert tx.ingest_state(FLIGHTS) == state
        assert tx.ingest_state(OTHER) == IngestState()


def test_instants_keep_their_microseconds_and_lose_only_their_zone(store: SqlStore) -> None:
    tokyo = START.astimezone(timezone(timedelta(hours=9)))
    with store.write() as tx:
        tx.save_trigger_state(FLIGHTS, TriggerState(TriggerName("t"), tokyo, START, START + HOUR))
        state = tx.trigger_state(FLIGHTS, TriggerName("t"))
    assert state.met_since is not None
    assert state == TriggerState(TriggerName("t"), START, START, START + HOUR)
    assert state.met_since.utcoffset() == timedelta(0)
    with store.read() as tx:
        assert tx.trigger_state(FLIGHTS, TriggerName("new")) == TriggerState(TriggerName("new"))


def test_naive_instants_are_refused(store: SqlStore) -> None:
    naive = datetime(2013, 1, 1)  # noqa: DTZ001 - the naive one is the point
    with pytest.raises(Exception, match="needs a time zone"), store.write() as tx:
        tx.save_pane(FLIGHTS, "g1", naive, b"", 0)


def test_manifest_is_ordered_by_commit_and_filtered_by_kind(store: SqlStore) -> None:
    first, second = segment(2, sequence=1), segment(1, sequence=2)
    scores = segment(3, SegmentKind.SCORES, model_version=V3)
    with store.write() as tx:
        tx.add_segments([scores, second, first])
        tx.add_segments([])
        tx.add_segments([replace(first, policy=OTHER)])
    with store.read() as tx:
        assert tx.segments(FLIGHTS) == [first, second, scores]
        assert tx.segments(FLIGHTS, SegmentKind.SCORES) == [scores]
    with store.write() as tx:
        tx.remove_segments(FLIGHTS, [first.id, "unknown"])
    with store.read() as tx:
        assert tx.segments(FLIGHTS) == [second, scores]
        assert tx.segments(OTHER) == [replace(first, policy=OTHER)]


def test_segment_is_added_once(store: SqlStore) -> None:
    with store.write() as tx:
        tx.add_segments([segment(1)])
    with pytest.raises(StateConflict), store.write() as tx:
        tx.add_segments([segment(2), segment(1)])
    with store.read() as tx:
        assert tx.segments(FLIGHTS) == [segment(1)]


def test_panes_are_read_by_half_open_interval_and_grid(store: SqlStore) -> None:
    with store.write() as tx:
        for hour in range(4):
            tx.save_pane(FLIGHTS, "g1", START + hour * HOUR, bytes([hour, 0, 255]), 10)
        tx.save_pane(FLIGHTS, "g2", START, b"other grid", 10)
        tx.save_pane(FLIGHTS, "g1", START + HOUR, b"again", 11)
    with store.read() as tx:
        found = tx.panes(FLIGHTS, "g1", START + HOUR, START + 3 * HOUR)
    assert found == {START + HOUR: b"again", START + 2 * HOUR: b"\x02\x00\xff"}
    with store.write() as tx:
        assert tx.drop_panes(FLIGHTS, START + 2 * HOUR) == 3
    with store.read() as tx:
        assert list(tx.panes(FLIGHTS, "g1", START, START + 9 * HOUR)) == [START + 2 * HOUR, START + 3 * HOUR]


def test_stretches_of_panes_lie_beside_the_panes_they_hold(store: SqlStore) -> None:
    with store.write() as tx:
        tx.save_pane(FLIGHTS, "g1", START, b"one", 3)
        tx.save_pane(FLIGHTS, "g1", START + HOUR, b"two", 4)
        tx.save_pane(FLIGHTS, "g1", START, b"both", 7, level=1)
    with store.read() as tx:
        assert list(tx.panes(FLIGHTS, "g1", START, START + 9 * HOUR)) == [START, START + HOUR]
        assert tx.panes(FLIGHTS, "g1", START, START + 9 * HOUR, level=1) == {START: b"both"}
        assert tx.pane_rows(FLIGHTS, "g1", START, START + 9 * HOUR) == {START: 3, START + HOUR: 4}
    with store.write() as tx:
        assert tx.drop_panes(FLIGHTS, START + HOUR) == 2


def test_panes_saved_together_are_those_saved_one_by_one(store: SqlStore) -> None:
    with store.write() as tx:
        tx.save_pane(FLIGHTS, "g1", START, b"old", 1)
        tx.save_panes(FLIGHTS, [])
        nodes = [
            ("g1", START, 0, b"one", 3),
            ("g1", START + HOUR, 0, b"two", 4),
            ("g1", START, 1, b"both", 7),
        ]
        tx.save_panes(FLIGHTS, nodes)
    with store.read() as tx:
        assert tx.panes(FLIGHTS, "g1", START, START + 2 * HOUR) == {START: b"one", START + HOUR: b"two"}
        assert tx.panes(FLIGHTS, "g1", START, START + 2 * HOUR, level=1) == {START: b"both"}
        assert tx.pane_rows(FLIGHTS, "g1", START, START + 2 * HOUR) == {START: 3, START + HOUR: 4}


def test_verdicts_recorded_together_are_those_recorded_one_by_one(store: SqlStore) -> None:
    given = [verdict("brier", 1), verdict("inputs", 1), verdict("brier", 2)]
    with store.write() as tx:
        tx.record_verdict(FLIGHTS, "h1", given[0])
        for _ in range(2):
            tx.record_verdicts(FLIGHTS, "h1", given)
        tx.record_verdicts(FLIGHTS, "h1", [])
        assert tx.verdicts(FLIGHTS) == [given[2], given[0], given[1]]
    with pytest.raises(StateConflict, match="cannot change it"), store.write() as tx:
        tx.record_verdicts(FLIGHTS, "h1", [verdict("inputs", 2), verdict("brier", 2, n=17)])
    with store.read() as tx:
        assert len(tx.verdicts(FLIGHTS)) == 3


def test_arrivals_are_kept_by_pane(store: SqlStore) -> None:
    with store.write() as tx:
        tx.save_arrivals(FLIGHTS, {START: {"duplicates": 1}, START + HOUR: {"duplicates": 2}})
        tx.save_arrivals(FLIGHTS, {START: {"duplicates": 5}})
    with store.read() as tx:
        assert tx.arrivals(FLIGHTS, START, START + HOUR) == {START: {"duplicates": 5}}
    with store.write() as tx:
        assert tx.drop_arrivals(FLIGHTS, START + HOUR) == 1
        assert list(tx.arrivals(FLIGHTS, START, START + 9 * HOUR)) == [START + HOUR]


def test_reference_of_a_version_is_the_one_saved_last(store: SqlStore) -> None:
    with store.write() as tx:
        assert tx.reference(FLIGHTS, V3) is None
        tx.save_reference(FLIGHTS, V3, "g1", b"one")
        tx.save_reference(FLIGHTS, V3, "g2", b"two")
        tx.save_reference(FLIGHTS, Version("4"), "g9", b"other")
        assert tx.reference(FLIGHTS, V3) == ("g2", b"two")
        tx.save_reference(FLIGHTS, V3, "g1", b"one again")
    with store.read() as tx:
        assert tx.reference(FLIGHTS, V3) == ("g1", b"one again")


def test_detector_states_are_exact(store: SqlStore) -> None:
    state = {"mean": 0.1 + 0.2, "worst": math.inf, "tiny": 5e-324, "zero": -0.0, "$n": 3, "log": [1, None]}
    with store.write() as tx:
        assert tx.detector(FLIGHTS, BRIER, V3) is None
        tx.save_detector(FLIGHTS, BRIER, V3, {"old": True})
        tx.save_detector(FLIGHTS, BRIER, V3, state)
    with store.read() as tx:
        found = tx.detector(FLIGHTS, BRIER, V3)
        assert found == state
        assert found is not None
        assert math.copysign(1, found["zero"]) == -1
        assert tx.detector(FLIGHTS, BRIER, Version("4")) is None


def test_verdict_comes_back_whole_and_again_changes_nothing(store: SqlStore) -> None:
    odd = verdict("odd", value=math.nan, threshold=-math.inf, features=(), model_version=None)
    with store.write() as tx:
        for _ in range(2):
            tx.record_verdict(FLIGHTS, "h1", verdict())
            tx.record_verdict(FLIGHTS, "h1", odd)
    with store.read() as tx:
        assert tx.verdicts(FLIGHTS, BRIER) == [verdict()]
        (found,) = tx.verdicts(FLIGHTS, MonitorName("odd"))
    assert repr(found) == repr(odd)


@pytest.mark.parametrize(
    "changes",
    [{"status": Status.BREACHED}, {"value": 0.3}, {"value": None}, {"features": ()}, {"n": 999}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_verdict_for_the_same_pane_is_refused(store: SqlStore, changes: dict[str, Any]) -> None:
    with store.write() as tx:
        tx.record_verdict(FLIGHTS, "h1", verdict())
    with pytest.raises(StateConflict, match=r"monitor brier has given its verdict as of 2013-01-01T05:30"):
        _record(store, verdict(**changes))
    with store.read() as tx:
        assert tx.verdicts(FLIGHTS) == [verdict()]


def _record(store: SqlStore, given: Verdict) -> None:
    with store.write() as tx:
        tx.record_verdict(FLIGHTS, "h1", given)


def test_latest_verdict_of_every_monitor(store: SqlStore) -> None:
    with store.write() as tx:
        assert tx.latest_verdicts(FLIGHTS) == []
        for monitor, hours in (("brier", 5), ("brier", 1), ("a", 2), ("z", 0), ("z", 3)):
            tx.record_verdict(FLIGHTS, "h1", verdict(monitor, hours))
        tx.record_verdict(OTHER, "h1", verdict("brier", 9))
    with store.read() as tx:
        assert tx.latest_verdicts(FLIGHTS) == [verdict("a", 2), verdict("brier", 5), verdict("z", 3)]
        assert tx.verdicts(FLIGHTS, limit=2) == [verdict("brier", 5), verdict("z", 3)]
