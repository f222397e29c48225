from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrain.domain import Phase, Run, Version
from ctrain.lifecycle.approval import approval_wanted, evidence_digest, expired, refusal
from tests.support.runs import a_run

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def waiting(expires_after: timedelta | None = 3 * DAY, **changes: Any) -> Run:
    details = {"evaluation": {"gates": {"passed": True}}, "shadow": {"state": {"mean": -0.01}}}
    run = a_run(3, Phase.AWAITING_APPROVAL, NOW, challenger_version=Version("7"), details=details)
    approval = approval_wanted(run, expires_after, NOW)
    return replace(run, details={**details, "approval": approval}, **changes)


def answer(run: Run, **changes: Any) -> dict[str, Any]:
    return {
        **{name: run.details["approval"][name] for name in ("challenger", "policy_hash", "evidence")},
        **changes,
    }


def test_an_answer_about_what_stands_on_record_counts() -> None:
    assert refusal(waiting(), answer(waiting()), NOW + DAY) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"challenger": "6"}, "the challenger is version 7, the answer is about 6; look again"),
        ({"policy_hash": "other"}, "the run's policy has the hash hash-1, the answer is about other"),
        ({"evidence": "ab"}, "the answer is about ab"),
        ({"evidence": None}, "the answer is about none"),
    ],
)
def test_an_answer_about_something_else_does_not(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(waiting(), answer(waiting(), **changes), NOW)


def test_evidence_that_changed_since_is_another_evidence() -> None:
    run = waiting()
    later = replace(run, details={**run.details, "shadow": {"state": {"mean": 0.5}}})
    assert refusal(later, answer(run), NOW).startswith("the evidence on record is ")
    trained = replace(run, details={**run.details, "training": {"result": {"digest": "d"}}})
    assert len({evidence_digest(one) for one in (run, later, trained)}) == 3


def test_an_approval_expires() -> None:
    run = waiting()
    assert not expired(run, NOW + 3 * DAY - timedelta(seconds=1))
    assert expired(run, NOW + 3 * DAY)
    assert refusal(run, answer(run), NOW + 3 * DAY) == "the approval of run clicks-3 has expired"
    assert not expired(waiting(None), NOW + 999 * DAY)


def test_a_run_that_waits_for_nobody_cannot_be_approved() -> None:
    run = waiting(phase=Phase.PROMOTING)
    assert refusal(run, answer(run), NOW) == "run clicks-3 is PROMOTING: it waits for no approval"
