"""What is read of all policies at once, beside what the tables tell of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ctrain.domain import (
    Champion,
    Event,
    IngestState,
    MonitorName,
    Outcome,
    Phase,
    PolicyName,
    RunId,
    Status,
    Suppression,
    TriggerName,
    Version,
)
from ctrain.domain.fleet import PolicyLine, RunLine, TroubleLine
from ctrain.engine import troubles
from ctrain.engine.champions import READABLE, UNREADABLE
from ctrain.store import SqlStore
from ctrain.store.schema.actions import TROUBLE_PAIRS
from ctrain.store.sql_store import SqlTransaction
from tests.contract.store.builders import FLIGHTS, HOUR, OTHER, START, decision, run, verdict

BRIER = MonitorName("brier")


def event(policy: PolicyName, kind: str, hours: int = 0) -> Event:
    return Event(policy, kind, START + HOUR * hours, "ctrain", f"{kind} of {policy}")


@pytest.fixture
def known(store: SqlStore) -> SqlStore:
    """Two policies that are registered, in the other order than their names."""
    with store.write() as tx:
        tx.save_policy(OTHER, "h1", "/p/b.yaml", {}, START)
        tx.save_policy(FLIGHTS, "h1", "/p/a.yaml", {}, START, BRIER)
    return store


def test_policies_come_by_name_with_what_they_have_read(known: SqlStore) -> None:
    with known.write() as tx:
        tx.set_paused(OTHER, True)
        tx.save_ingest_state(OTHER, IngestState(newest_event_at=START, last_arrival_at=START + HOUR))
        assert tx.policy_lines() == [
            PolicyLine(FLIGHTS, False, BRIER, None, None, 0),
            PolicyLine(OTHER, True, None, START, START + HOUR, 0),
        ]


def test_a_policy_without_a_file_says_so(known: SqlStore) -> None:
    with known.write() as tx:
        tx.remove_policy(OTHER, START)
        assert [one.removed_at for one in tx.policy_lines()] == [None, START]


def test_the_main_monitor_follows_the_policy(known: SqlStore) -> None:
    with known.write() as tx:
        tx.save_policy(FLIGHTS, "h2", "/p/a.yaml", {}, START)
        assert tx.policy_lines()[0].main_monitor is None


def test_champions_and_active_runs_of_all(known: SqlStore) -> None:
    champion = Champion(Version("3"), START, "promoted", START)
    with known.write() as tx:
        tx.save_champion(FLIGHTS, champion)
        tx.create_run(replace(run(1), phase=Phase.REJECTED, ended_at=START))
        tx.create_run(replace(run(2), phase=Phase.ROLLBACK_FAILED))
        assert tx.champions() == {FLIGHTS: champion}
        assert tx.run_lines() == [RunLine(RunId("run-2"), FLIGHTS, Phase.ROLLBACK_FAILED, START, "")]


def test_the_decision_that_mattered_last(known: SqlStore) -> None:
    fired = decision(outcome=Outcome.FIRED, reason="first")
    held = decision(outcome=Outcome.SUPPRESSED, suppression=Suppression.COOLDOWN, reason="second")
    quiet = decision(outcome=Outcome.NOT_MET, reason="third")
    with known.write() as tx:
        for hours, one in enumerate((fired, held, quiet)):
            tx.record_decision(FLIGHTS, "h1", one, START + HOUR * hours)
        tx.record_decision(OTHER, "h1", quiet, START)
        [line] = tx.decision_lines()
        assert (line.policy, line.outcome, line.suppression) == (FLIGHTS, held.outcome, held.suppression)
        assert (line.reason, line.first_seen_at, line.last_seen_at) == ("second", START + HOUR, START + HOUR)
        tx.record_decision(FLIGHTS, "h1", held, START + HOUR * 5)
        tx.record_decision(FLIGHTS, "h1", replace(held, reason="fourth"), START + HOUR * 6)
        assert [one.reason for one in tx.decision_lines()] == ["fourth"]


def test_a_run_under_way_hides_nothing_that_mattered_before(known: SqlStore) -> None:
    """What it holds back is not what a reader asks for: the run itself is shown beside it."""
    fired = decision(outcome=Outcome.FIRED, reason="first")
    other = TriggerName("other")
    behind = replace(fired, outcome=Outcome.SUPPRESSED, suppression=Suppression.ACTIVE_RUN, trigger=other)
    with known.write() as tx:
        tx.record_decision(FLIGHTS, "h1", fired, START, RunId("run-1"))
        tx.record_decision(FLIGHTS, "h1", behind, START)
        tx.record_decision(FLIGHTS, "h1", behind, START + HOUR)
        [line] = tx.decision_lines()
        assert (line.reason, line.last_seen_at, line.last_look_at) == ("first", START, START + HOUR)


def test_the_newest_verdict_of_each_monitor(known: SqlStore) -> None:
    with known.write() as tx:
        for policy in (FLIGHTS, OTHER):
            for name in ("brier", "inputs", "volume"):
                for hours in range(3):
                    status = Status.BREACHED if (policy, name, hours) == (OTHER, "inputs", 2) else Status.OK
                    one = verdict(monitor=MonitorName(name), as_of=START + HOUR * hours, status=status)
                    tx.record_verdict(policy, f"h{hours}", one)
        lines = tx.verdict_lines([FLIGHTS, OTHER])
        assert {one.policy for one in tx.verdict_lines([OTHER])} == {OTHER}
        assert tx.verdict_lines([]) == []
        for policy in (FLIGHTS, OTHER):
            expected = [(one.monitor, one.as_of, one.status) for one in tx.latest_verdicts(policy)]
            found = [(one.monitor, one.as_of, one.status) for one in lines if one.policy == policy]
            assert sorted(found) == expected
    assert {one.policy_hash for one in lines} == {"h2"}
    assert len(lines) == 6


CHANGES: list[Callable[[SqlTransaction], object]] = [
    lambda tx: tx.record_verdict(FLIGHTS, "h1", verdict(hours=9)),
    lambda tx: tx.record_verdict(FLIGHTS, "h1", verdict("inputs")),
    lambda tx: tx.record_verdicts(FLIGHTS, "h1", [verdict("inputs"), verdict("inputs", hours=1)]),
    lambda tx: tx.prune(FLIGHTS, thinned_before=START + HOUR, before=START + HOUR, limit=9),
]
"""Verdicts that come, the later ones as of earlier instants or known in part, and one that goes."""


def test_a_policy_gets_another_number_whenever_its_verdicts_change(known: SqlStore) -> None:
    numbers = set()
    for change in CHANGES:
        with known.write() as tx:
            before = tx.verdicts(FLIGHTS)
            change(tx)
            assert tx.verdicts(FLIGHTS) != before
            flights, other = tx.policy_lines()
        numbers.add(flights.verdict_sequence)
        assert other.verdict_sequence == 0
    assert len(numbers - {0}) == len(CHANGES)


def test_the_last_values_of_the_main_monitor(known: SqlStore) -> None:
    with known.write() as tx:
        for hours in range(5):
            for name, value in (("brier", hours / 10), ("inputs", 9.0)):
                one = verdict(monitor=MonitorName(name), as_of=START + HOUR * hours, value=value)
                tx.record_verdict(FLIGHTS, "h1", one)
            tx.record_verdict(OTHER, "h1", verdict(as_of=START + HOUR * hours))
        assert tx.main_values([FLIGHTS, OTHER], 3) == {FLIGHTS: (0.2, 0.3, 0.4)}
        assert tx.main_values([FLIGHTS], 9) == {FLIGHTS: (0.0, 0.1, 0.2, 0.3, 0.4)}
        assert tx.main_values([], 3) == {}


def test_troubles_are_those_that_have_not_ended(known: SqlStore) -> None:
    with known.write() as tx:
        for number, (begun, ended) in enumerate(TROUBLE_PAIRS):
            tx.append_event(event(FLIGHTS, begun))
            if number != 1:
                tx.append_event(event(FLIGHTS, ended))
            tx.append_event(event(OTHER, ended))
        tx.append_event(event(OTHER, TROUBLE_PAIRS[0][0], 7))
        kinds = {one.policy: one for one in tx.trouble_lines()}
    assert kinds[FLIGHTS].kind == TROUBLE_PAIRS[1][0]
    kind = TROUBLE_PAIRS[0][0]
    assert kinds[OTHER] == TroubleLine(OTHER, kind, START + timedelta(hours=7), f"{kind} of {OTHER}")


def test_the_trouble_of_a_policy_is_the_event_that_began_it_until_it_ends(known: SqlStore) -> None:
    with known.write() as tx:
        assert tx.trouble(FLIGHTS, UNREADABLE, READABLE) is None
        tx.append_event(event(FLIGHTS, UNREADABLE, 1))
        tx.append_event(event(OTHER, READABLE, 1))
        tx.append_event(event(FLIGHTS, troubles.TICK_FAILED, 1))
        for hour in range(300):
            tx.append_event(event(FLIGHTS, "run_queued", hour))
        assert tx.trouble(FLIGHTS, UNREADABLE, READABLE) == event(FLIGHTS, UNREADABLE, 1)
        assert tx.trouble(OTHER, UNREADABLE, READABLE) is None
        tx.append_event(event(FLIGHTS, READABLE, 2))
        assert tx.trouble(FLIGHTS, UNREADABLE, READABLE) is None
        assert tx.trouble(FLIGHTS, troubles.TICK_FAILED, troubles.TICK_RECOVERED) is not None


def test_the_kinds_of_troubles_are_those_of_the_engine() -> None:
    assert set(TROUBLE_PAIRS) == {
        (UNREADABLE, READABLE),
        (troubles.TICK_FAILED, troubles.TICK_RECOVERED),
        (troubles.POLICY_REFUSED, troubles.POLICY_ACCEPTED),
    }
