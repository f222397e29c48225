"""What is forgotten when it is old, and what never is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ctrain.domain import Champion, Outcome, Phase, RunId, Status, Suppression, TriggerName, Version
from ctrain.store import SqlStore, SqlTransaction
from tests.contract.store.builders import FLIGHTS, HOUR, OTHER, START, decision, event, run, verdict

EVER = timedelta(days=1000)
DEGRADED, NIGHTLY = TriggerName("degraded"), TriggerName("nightly")


def pruned(tx: SqlTransaction, thinned: int, all_gone: int = -1000, limit: int = 100) -> dict[str, int]:
    """What is deleted when ``thinned`` hours and ``all_gone`` hours are the ages."""
    at = {"thinned_before": START + thinned * HOUR, "before": START + all_gone * HOUR}
    return {name: count for name, count in tx.prune(FLIGHTS, **at, limit=limit).items() if count}


def test_of_old_verdicts_changes_stay_and_the_newest(store: SqlStore) -> None:
    statuses = "OOOBBOOIIO"  # one letter an hour
    meaning = {"O": Status.OK, "B": Status.BREACHED, "I": Status.INCONCLUSIVE}
    with store.write() as tx:
        for hour, letter in enumerate(statuses):
            tx.record_verdict(FLIGHTS, "h1", verdict(hours=hour, status=meaning[letter]))
            tx.record_verdict(OTHER, "h1", verdict(hours=hour, status=meaning[letter]))
        tx.record_verdict(FLIGHTS, "h1", verdict("rare"))
        assert pruned(tx, 9) == {"verdicts": 5}
        assert pruned(tx, 9) == {}
    with store.read() as tx:
        left = [(one.as_of - START) // HOUR for one in tx.verdicts(FLIGHTS, verdict().monitor)]
        assert left == [9, 7, 5, 3, 0]
        assert len(tx.verdicts(OTHER)) == len(statuses)
        assert tx.verdicts(FLIGHTS, verdict("rare").monitor) == [verdict("rare")]


def test_after_a_year_changes_go_too_but_not_what_stands(store: SqlStore) -> None:
    with store.write() as tx:
        for hour, status in enumerate((Status.OK, Status.BREACHED, Status.OK, Status.BREACHED)):
            tx.record_verdict(FLIGHTS, "h1", verdict(hours=hour, status=status))
        tx.record_verdict(FLIGHTS, "h1", verdict("rare"))
        assert pruned(tx, 9, 3) == {"verdicts": 3}
        assert pruned(tx, 9, 9) == {}
    with store.read() as tx:
        assert [one.monitor for one in tx.latest_verdicts(FLIGHTS)] == ["brier", "rare"]


def test_batches_come_to_the_same_end(store: SqlStore) -> None:
    with store.write() as tx:
        for hour in range(20):
            tx.record_verdict(FLIGHTS, "h1", verdict(hours=hour))
            tx.claim_occurrence(FLIGHTS, NIGHTLY, START + hour * HOUR)
        found = []
        while deleted := pruned(tx, 15, limit=4):
            found.append(deleted)
    assert [one["verdicts"] for one in found] == [4, 4, 4, 2]
    with store.read() as tx:
        left = [(one.as_of - START) // HOUR for one in tx.verdicts(FLIGHTS)]
        assert left == [19, 18, 17, 16, 15, 0]
        assert tx.last_occurrence(FLIGHTS, NIGHTLY) == START + 19 * HOUR


@pytest.mark.parametrize("policy", [FLIGHTS, OTHER])
def test_of_occurrences_the_newest_stays_whatever_its_age(store: SqlStore, policy: str) -> None:
    with store.write() as tx:
        for trigger in (DEGRADED, NIGHTLY):
            for hour in range(3):
                assert tx.claim_occurrence(FLIGHTS, trigger, START + hour * HOUR)
        at = {"thinned_before": START + EVER, "before": START + EVER}
        tx.prune(type(FLIGHTS)(policy), **at, limit=100)
        claimed = [tx.claim_occurrence(FLIGHTS, NIGHTLY, START + hour * HOUR) for hour in range(3)]
        assert claimed == ([True, True, False] if policy == FLIGHTS else [False] * 3)


def test_of_decisions_firings_stay_and_what_stands_and_what_a_run_came_from(store: SqlStore) -> None:
    def suppressed(reason: str) -> object:
        return decision(Outcome.SUPPRESSED, reason, suppression=Suppression.COOLDOWN)

    with store.write() as tx:
        tx.create_run(run(1, phase=Phase.REJECTED))
        tx.create_run(run(2, phase=Phase.SHADOWING))
        steps = (
            (decision(), None),
            (decision(Outcome.FIRED, "first"), RunId("run-1")),
            (suppressed("wait"), None),
            (decision(Outcome.FIRED, "second"), RunId("run-2")),
            (decision(), None),
        )
        for hour, (one, run_id) in enumerate(steps):
            tx.record_decision(FLIGHTS, "h1", one, START + hour * HOUR, run_id)  # type: ignore[arg-type] # a decision
        tx.record_decision(FLIGHTS, "h1", decision(trigger=NIGHTLY), START)
        assert pruned(tx, 9) == {"decisions": 2}
        assert [one.reason for one, *_ in tx.decisions(FLIGHTS)] == [
            "nothing breached",
            "second",
            "first",
            "nothing breached",
        ]
        assert pruned(tx, 9, 9) == {"decisions": 1}
        assert [one.reason for one, *_ in tx.decisions(FLIGHTS)][1] == "second"


def test_of_looks_at_ended_runs_the_last_of_each_phase_stays(store: SqlStore) -> None:
    with store.write() as tx:
        tx.create_run(run(1, phase=Phase.ACCEPTED))
        tx.create_run(run(2, phase=Phase.SHADOWING))
        for number in (1, 2):
            for hour, phase in enumerate([Phase.SHADOWING] * 3 + [Phase.PROBATION] * 2):
                tx.add_comparison_point(RunId(f"run-{number}"), phase, START + hour * HOUR, {"hour": hour})
        assert pruned(tx, 9) == {"comparison_points": 3}
        assert [point["hour"] for *_, point in tx.comparison_points(RunId("run-1"))] == [2, 4]
        assert pruned(tx, 9, 4) == {"comparison_points": 1}
        assert [point["hour"] for *_, point in tx.comparison_points(RunId("run-1"))] == [4]
        assert len(tx.comparison_points(RunId("run-2"))) == 5


def test_references_and_detectors_of_versions_in_use_stay(store: SqlStore) -> None:
    with store.write() as tx:
        for number in range(1, 8):
            version = Version(str(number))
            tx.save_reference(FLIGHTS, version, "g", bytes([number]))
            tx.save_detector(FLIGHTS, verdict().monitor, version, {"n": number})
        tx.save_detector(FLIGHTS, verdict().monitor, Version(""), {"n": 0})
        tx.save_detector(FLIGHTS, verdict("b").monitor, Version("without-a-reference"), {"n": 0})
        tx.save_reference(OTHER, Version("1"), "g", b"other")
        deleted = tx.prune_versions(FLIGHTS, {Version("2"), Version("7")}, newest=3)
        assert deleted == {"reference_profiles": 3, "detectors": 4}
        assert tx.prune_versions(FLIGHTS, {Version("2"), Version("7")}, newest=3) == dict.fromkeys(deleted, 0)
    with store.read() as tx:
        versions = [Version(str(number)) for number in range(1, 8)]
        assert [one for one in versions if tx.reference(FLIGHTS, one)] == ["2", "5", "6", "7"]
        assert [one for one in versions if tx.detector(FLIGHTS, verdict().monitor, one)] == [
            "2",
            "5",
            "6",
            "7",
        ]
        assert tx.detector(FLIGHTS, verdict().monitor, Version("")) == {"n": 0}
        assert tx.reference(OTHER, Version("1")) == ("g", b"other")


def test_the_history_is_never_forgotten(store: SqlStore) -> None:
    with store.write() as tx:
        tx.create_run(run(1, phase=Phase.REJECTED))
        tx.append_event(event())
        tx.save_champion(FLIGHTS, Champion(Version("1"), START, "adopted"))
        at = {"thinned_before": START + EVER, "before": START + EVER}
        assert set(tx.prune(FLIGHTS, **at, limit=100).values()) == {0}
        assert tx.prune_versions(FLIGHTS, set(), newest=0) == {"reference_profiles": 0, "detectors": 0}
        assert (len(tx.runs()), len(tx.events())) == (1, 1)
        assert tx.champion(FLIGHTS) == Champion(Version("1"), START, "adopted")
