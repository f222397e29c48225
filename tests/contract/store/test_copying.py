"""A copy of one policy's state stands where the original stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ctrain.domain import (
    Champion,
    IngestState,
    Phase,
    PolicyName,
    RunId,
    SegmentKind,
    TriggerState,
    Version,
)
from ctrain.errors import InputError
from ctrain.store import SqlStore, open_store, sqlite
from ctrain.store.upgrade import downgrade
from ctrain.store.upkeep import copy_policy
from tests.contract.store.builders import (
    FLIGHTS,
    HOUR,
    OTHER,
    START,
    Backend,
    decision,
    event,
    intent,
    request,
    run,
    segment,
    verdict,
)


def fill(store: SqlStore, policy: PolicyName) -> None:
    first = 1 if policy == FLIGHTS else 11
    with store.write() as tx:
        tx.save_policy(policy, "h1", f"/policies/{policy}.yaml", {"model": "m"}, START)
        tx.save_champion(policy, Champion(Version("1"), START, "adopted"))
        tx.save_ingest_state(policy, IngestState(rows_total=first, rejected_total={"bad_type": 2}))
        tx.add_segments(
            [segment(first, policy=policy), segment(first + 1, SegmentKind.SCORES, policy=policy)]
        )
        tx.save_pane(policy, "g", START, b"\x00\xff", 5)
        tx.save_arrivals(policy, {START: {"repeated": 1}})
        tx.save_reference(policy, Version("1"), "g", b"\x00reference")
        tx.save_detector(policy, verdict().monitor, Version("1"), {"mean": float("nan"), "$x": 1})
        tx.record_verdicts(policy, "h1", [verdict(hours=hour) for hour in range(1200)])
        tx.save_trigger_state(policy, TriggerState(run().trigger, START, START + HOUR))
        tx.create_run(run(first, policy=policy, phase=Phase.REJECTED))
        tx.create_run(run(first + 1, policy=policy, phase=Phase.SHADOWING))
        tx.add_comparison_point(RunId(f"run-{first + 1}"), Phase.SHADOWING, START, {"n": first})
        tx.record_decision(policy, "h1", decision(), START)
        tx.claim_occurrence(policy, run().trigger, START)
        tx.record_intent(intent(first, policy=policy))
        tx.add_request(request(policy=policy))
        tx.append_event(event(policy=policy))


def stands(store: SqlStore, policy: PolicyName, first: int = 1) -> dict[str, object]:
    """Every answer that depends on the policy."""
    with store.read() as tx:
        return {
            "record": tx.policy_record(policy),
            "champion": tx.champion(policy),
            "state": tx.ingest_state(policy),
            "segments": tx.segments(policy),
            "panes": tx.panes(policy, "g", START, START + HOUR),
            "arrivals": tx.arrivals(policy, START, START + HOUR),
            "reference": tx.reference(policy, Version("1")),
            "detector": str(tx.detector(policy, verdict().monitor, Version("1"))),
            "verdicts": tx.verdicts(policy, limit=2000),
            "trigger": tx.trigger_state(policy, run().trigger),
            "runs": tx.runs(policy),
            "points": tx.comparison_points(RunId(f"run-{first + 1}")),
            "decisions": tx.decisions(policy),
            "occurrence": tx.last_occurrence(policy, run().trigger),
            "intents": tx.intents(policy),
            "requests": [replace(one, id=0) for one in tx.open_requests(policy)],
            "events": tx.events(policy),
        }


def test_a_copy_answers_as_the_original(store: SqlStore, backend: Backend, tmp_path: Path) -> None:
    fill(store, OTHER)
    fill(store, FLIGHTS)
    copy_policy(backend.url, FLIGHTS, tmp_path / "copy.db")
    copied = open_store(f"sqlite:///{tmp_path / 'copy.db'}", create=False)
    assert stands(copied, FLIGHTS) == stands(store, FLIGHTS)
    with copied.write() as tx:
        tx.append_event(event("what happens in the copy"))
        tx.create_run(run(5, policy=PolicyName("third")))
    assert stands(store, OTHER, 11)["state"] == IngestState(rows_total=11, rejected_total={"bad_type": 2})
    copied.close()


def test_of_a_large_database_one_policy_is_copied_and_no_other(
    store: SqlStore, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LARGE_BYTES", 0)
    fill(store, OTHER)
    fill(store, FLIGHTS)
    copy_policy(backend.url, FLIGHTS, tmp_path / "copy.db")
    copied = open_store(f"sqlite:///{tmp_path / 'copy.db'}", create=False)
    assert stands(copied, FLIGHTS) == stands(store, FLIGHTS)
    with copied.write() as tx:
        assert tx.policies() == [FLIGHTS]
        assert tx.events(OTHER) == []
        tx.append_event(event("what happens in the copy"))
    copied.close()


def test_where_nothing_is_nothing_is_copied(backend: Backend, tmp_path: Path) -> None:
    copy_policy(backend.url, FLIGHTS, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_an_old_schema_is_upgraded_first(cluster: object, postgres_url: str, tmp_path: Path) -> None:
    store = open_store(postgres_url)
    downgrade(store._engine, "0004")
    store.close()
    with pytest.raises(InputError, match="run `ctrain db upgrade`"):
        copy_policy(postgres_url, FLIGHTS, tmp_path / "copy.db")
