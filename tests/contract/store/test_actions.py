"""Runs, decisions, intents, requests, policies and leases: who may change what, and once."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from ctrain.domain import (
    Champion,
    Decision,
    Outcome,
    Phase,
    PolicyName,
    PolicyRecord,
    Run,
    RunId,
    Suppression,
    TriggerName,
    Version,
)
from ctrain.errors import IllegalTransition, StateConflict
from ctrain.lifecycle.transitions import TRANSITIONS
from ctrain.store import SqlStore
from tests.contract.store.builders import FLIGHTS, HOUR, OTHER, START, Backend, decision, intent, request, run

LEGAL = {(before, after) for (before, _), after in TRANSITIONS.items()}


def test_run_comes_back_whole(store: SqlStore) -> None:
    full = run(
        champion_version=Version("1"),
        challenger_version=Version("2"),
        mlflow_run_id="abc",
        ended_at=START + HOUR,
        outcome_reason="better",
        details={"training": {"seconds": 1.5}},
    )
    with store.write() as tx:
        tx.create_run(full)
        assert tx.run(RunId("none")) is None
    with store.read() as tx:
        assert tx.run(full.id) == full == tx.active_run(FLIGHTS)
        assert tx.active_run(OTHER) is None


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.ended])
def test_one_active_run_per_policy(store: SqlStore, phase: Phase) -> None:
    with store.write() as tx:
        tx.create_run(run(1, phase=phase))
        tx.create_run(run(2, policy=OTHER))
    with pytest.raises(StateConflict, match="flight-delay: run run-3 cannot start"), store.write() as tx:
        tx.create_run(run(3))
    with store.read() as tx:
        assert [found.id for found in tx.runs()] == ["run-2", "run-1"]


def test_runs_that_ended_make_room_and_stay_listed(store: SqlStore) -> None:
    ended = [phase for phase in Phase if phase.ended]
    with store.write() as tx:
        for number, phase in enumerate(ended):
            tx.create_run(run(number, phase=phase))
        assert tx.active_run(FLIGHTS) is None
        tx.create_run(run(99))
        assert [found.id for found in tx.runs(FLIGHTS, limit=2)] == ["run-99", f"run-{len(ended) - 1}"]
        assert tx.runs(OTHER) == []


def test_save_run_writes_every_field_if_the_phase_is_as_expected(store: SqlStore) -> None:
    after = run(phase=Phase.TRAINING, phase_since=START + HOUR, details={"training": {"attempt": 1}})
    with store.write() as tx:
        tx.create_run(run())
        tx.save_run(after, expected=Phase.QUEUED)
        tx.save_run(replace(after, mlflow_run_id="abc"), expected=Phase.TRAINING)
    with store.read() as tx:
        assert tx.run(after.id) == replace(after, mlflow_run_id="abc")


def test_save_run_with_another_phase_expected_changes_nothing(store: SqlStore) -> None:
    with store.write() as tx:
        tx.create_run(run())
    stale = run(phase=Phase.EVALUATING)
    with pytest.raises(StateConflict, match="run run-1 stands in QUEUED, expected TRAINING"):
        _save(store, stale, Phase.TRAINING)
    with pytest.raises(StateConflict, match="run run-7 does not exist"):
        _save(store, replace(stale, id=RunId("run-7")), Phase.TRAINING)
    with store.read() as tx:
        assert tx.runs() == [run()]


def _save(store: SqlStore, changed: Run, expected: Phase) -> None:
    with store.write() as tx:
        tx.save_run(changed, expected=expected)


def test_database_accepts_exactly_the_transitions_of_the_lifecycle(store: SqlStore) -> None:
    accepted = set()
    for number, (before, after) in enumerate(itertools.permutations(Phase, 2)):
        policy = PolicyName(f"p{number}")
        with store.write() as tx:
            tx.create_run(run(number, policy=policy, phase=before))
            try:
                tx.save_run(run(number, policy=policy, phase=after), expected=before)
            except IllegalTransition:
                assert tx.run(RunId(f"run-{number}")) == run(number, policy=policy, phase=before)
            else:
                accepted.add((before, after))
    assert accepted == LEGAL


def test_comparison_points_keep_their_order_and_need_their_run(store: SqlStore) -> None:
    points = [(Phase.SHADOWING, START + HOUR, {"n": 1}), (Phase.PROBATION, START, {"n": 2})]
    with store.write() as tx:
        tx.create_run(run())
        for phase, at, point in points:
            tx.add_comparison_point(RunId("run-1"), phase, at, point)
    with store.read() as tx:
        assert tx.comparison_points(RunId("run-1")) == points
    with pytest.raises(Exception, match=r"(?i)foreign key"), store.write() as tx:
        tx.add_comparison_point(RunId("nobody"), Phase.SHADOWING, START, {})


def test_equal_decisions_are_counted_and_show_the_latest_reason(store: SqlStore) -> None:
    waiting = decision(Outcome.SUPPRESSED, "2 h left", suppression=Suppression.COOLDOWN, evidence={"h": 2})
    later = replace(waiting, reason="1 h left", evidence={"h": 1})
    with store.write() as tx:
        tx.record_decision(FLIGHTS, "h1", waiting, START)
        tx.record_decision(FLIGHTS, "h1", replace(waiting, trigger=TriggerName("nightly")), START)
        tx.record_decision(FLIGHTS, "h1", later, START + HOUR)
        assert tx.decisions(FLIGHTS)[0] == (later, START, START + HOUR, 2)
        assert len(tx.decisions(FLIGHTS)) == 2


@pytest.mark.parametrize(
    ("second", "policy_hash"),
    [
        (decision(Outcome.SUPPRESSED, "paused", suppression=Suppression.PAUSED), "h1"),
        (decision(Outcome.NOT_MET, "quiet"), "h1"),
        (decision(Outcome.SUPPRESSED, "2 h left", suppression=Suppression.COOLDOWN), "h2"),
    ],
    ids=["suppression", "outcome", "policy"],
)
def test_what_makes_a_new_decision_row(store: SqlStore, second: Decision, policy_hash: str) -> None:
    first = decision(Outcome.SUPPRESSED, "2 h left", suppression=Suppression.COOLDOWN)
    with store.write() as tx:
        tx.record_decision(FLIGHTS, "h1", first, START)
        tx.record_decision(FLIGHTS, policy_hash, second, START + HOUR)
        tx.record_decision(FLIGHTS, "h1", first, START + 2 * HOUR)
        assert [(row[0], row[3]) for row in tx.decisions(FLIGHTS)] == [(first, 1), (second, 1), (first, 1)]


def test_every_firing_has_its_own_row(store: SqlStore) -> None:
    fired = decision(Outcome.FIRED, "brier above 0.2", occurrence_at=START)
    with store.write() as tx:
        tx.record_decision(FLIGHTS, "h1", fired, START, RunId("run-1"))
        tx.record_decision(FLIGHTS, "h1", fired, START + HOUR, RunId("run-2"))
        assert [row[3] for row in tx.decisions(FLIGHTS)] == [1, 1]
        assert len(tx.decisions(FLIGHTS, limit=1)) == 1


def test_an_occurrence_is_claimed_once_by_two_connections(store: SqlStore, backend: Backend) -> None:
    nightly = TriggerName("nightly")
    other = backend.open()
    with store.write() as tx:
        assert tx.last_occurrence(FLIGHTS, nightly) is None
        assert tx.claim_occurrence(FLIGHTS, nightly, START)
    with other.write() as tx:
        assert not tx.claim_occurrence(FLIGHTS, nightly, START)
        assert tx.claim_occurrence(FLIGHTS, nightly, START + HOUR)
        assert tx.claim_occurrence(OTHER, nightly, START)
        assert tx.last_occurrence(FLIGHTS, nightly) == START + HOUR
        assert tx.last_occurrence_by(FLIGHTS, nightly, START) == START
        assert tx.last_occurrence_by(FLIGHTS, nightly, START - HOUR) is None
    other.close()


def test_one_open_intent_per_policy(store: SqlStore) -> None:
    with store.write() as tx:
        assert tx.open_intent(FLIGHTS) is None
        tx.record_intent(intent(1, run_id=RunId("run-1")))
        tx.record_intent(intent(2, policy=OTHER))
    with pytest.raises(StateConflict, match="intent-3 has to wait"), store.write() as tx:
        tx.record_intent(intent(3))
    with store.write() as tx:
        assert tx.open_intent(FLIGHTS) == intent(1, run_id=RunId("run-1"))
        tx.close_intent("intent-1", "done")
        tx.record_intent(intent(3))
        closed = intent(1, run_id=RunId("run-1"), outcome="done")
        assert tx.intents(FLIGHTS) == [intent(3), closed]
        assert tx.intents(FLIGHTS, limit=1) == [intent(3)]
    with pytest.raises(StateConflict, match="intent-1 is not open"), store.write() as tx:
        tx.close_intent("intent-1", "reverted")


def test_requests_wait_in_order_for_one_answer(store: SqlStore) -> None:
    with store.write() as tx:
        first, second = tx.add_request(request()), tx.add_request(request(actor="bob"))
        assert first < second
        assert [found.actor for found in tx.open_requests(FLIGHTS)] == ["ann", "bob"]
        tx.answer_request(first, "queued run-1")
        assert tx.open_requests(FLIGHTS) == [request(id=second, actor="bob")]
        assert tx.request(first) == request(id=first, answer="queued run-1")
        assert tx.request(999) is None
    with pytest.raises(StateConflict, match="is not open"), store.write() as tx:
        tx.answer_request(first, "again")


def test_policy_keeps_its_identity_and_its_pause(store: SqlStore) -> None:
    with store.write() as tx:
        tx.save_policy(FLIGHTS, "h1", "/p/a.yaml", {"model": "m", "id": "row"}, START)
        assert not tx.paused(FLIGHTS)
        tx.set_paused(FLIGHTS, True)
        tx.save_policy(FLIGHTS, "h2", "/p/b.yaml", {"id": "row", "model": "m"}, START + HOUR)
        assert tx.paused(FLIGHTS)
        tx.save_policy(PolicyName("a"), "h", "/p/a.yaml", {}, START)
        assert tx.policies() == ["a", "flight-delay"]
        assert tx.policy_record(FLIGHTS) == PolicyRecord(FLIGHTS, "h2", "/p/b.yaml", START)
        assert tx.policy_record(OTHER) is None
    with store.write() as tx:
        assert [tx.remove_policy(one, START) for one in (FLIGHTS, FLIGHTS, OTHER)] == [True, False, False]
        gone = PolicyRecord(FLIGHTS, "h2", "/p/b.yaml", START, START)
        assert tx.policy_record(FLIGHTS) == gone
        tx.save_policy(FLIGHTS, "h2", "/p/b.yaml", {"id": "row", "model": "m"}, START + HOUR)
        assert tx.policy_record(FLIGHTS) == replace(gone, removed_at=None)
    with pytest.raises(StateConflict, match="flight-delay: id, task cannot change"), store.write() as tx:
        tx.save_policy(FLIGHTS, "h3", "/p/b.yaml", {"model": "m", "id": "key", "task": "binary"}, START)
    with pytest.raises(StateConflict, match="no such policy"), store.write() as tx:
        tx.set_paused(OTHER, True)


def test_champion_is_noted_changed_and_removed(store: SqlStore) -> None:
    first = Champion(Version("1"), START, "first")
    second = Champion(Version("2"), START + HOUR, "promoted", cut_off_at=START)
    with store.write() as tx:
        assert tx.champion(FLIGHTS) is None
        tx.save_champion(FLIGHTS, first)
        assert tx.champion(FLIGHTS) == first
        tx.save_champion(FLIGHTS, second)
        assert tx.champion(FLIGHTS) == second
        tx.save_champion(FLIGHTS, None)
        assert tx.champion(FLIGHTS) is None


def test_lease_has_one_holder_and_a_growing_token(store: SqlStore) -> None:
    with store.write() as tx:
        assert tx.acquire_lease("daemon", "a", START, HOUR) == 1
        assert tx.acquire_lease("daemon", "b", START, HOUR) is None
        assert tx.acquire_lease("daemon", "a", START + HOUR / 2, HOUR) == 1
        assert tx.lease_holder("daemon", START + HOUR) == "a"
        assert tx.lease_holder("daemon", START + 2 * HOUR) is None
        assert tx.acquire_lease("daemon", "b", START + 2 * HOUR, HOUR) == 2
        assert tx.acquire_lease("daemon", "a", START + 2 * HOUR, HOUR) is None
        assert tx.acquire_lease("daemon", "b", START + 9 * HOUR, HOUR) == 3
        assert tx.acquire_lease("other", "a", START, HOUR) == 1


def test_released_lease_is_free_and_its_token_is_spent(store: SqlStore) -> None:
    with store.write() as tx:
        tx.acquire_lease("daemon", "a", START, HOUR)
        tx.release_lease("daemon", "b")
        assert tx.lease_holder("daemon", START) == "a"
        tx.release_lease("daemon", "a")
        assert tx.lease_holder("daemon", START) is None
    with pytest.raises(StateConflict, match="valid is none"), store.write() as tx:
        tx.require_token("daemon", 1)
    with store.write() as tx:
        assert tx.acquire_lease("daemon", "b", START, HOUR) == 2


def test_who_lost_the_lease_commits_nothing(store: SqlStore, backend: Backend) -> None:
    with store.write() as tx:
        mine = tx.acquire_lease("daemon", "a", START, HOUR)
        assert mine is not None
        tx.require_token("daemon", mine)
    other = backend.open()
    with other.write() as tx:
        tx.acquire_lease("daemon", "b", START + HOUR, HOUR)
    other.close()
    with pytest.raises(StateConflict, match="lease daemon: token 1 is fenced off, valid is 2"):
        _create_fenced(store, mine)
    with store.read() as tx:
        assert tx.runs() == []
    with pytest.raises(StateConflict, match="valid is none"), store.write() as tx:
        tx.require_token("nothing", 1)


def _create_fenced(store: SqlStore, token: int) -> None:
    with store.write() as tx:
        tx.create_run(run())
        tx.require_token("daemon", token)
