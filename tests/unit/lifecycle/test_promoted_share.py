"""Which trainings count, and which of them were good for something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrain.domain import Phase, Run
from ctrain.lifecycle.promoted_share import Promotions, promotions
from tests.support.runs import a_run

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TRAINED = {"spent": [{"at": "", "train_seconds": 1.0, "trained": True}]}
FAILED = {"spent": [{"at": "", "train_seconds": 1.0, "trained": False}]}
PROMOTED: dict[str, Any] = {"probation": {"since": "2026-02-01"}}


def run(phase: Phase, training: dict[str, Any] = TRAINED, days_ago: float = 10, **details: Any) -> Run:
    at = NOW - timedelta(days=days_ago)
    return a_run(phase=phase, at=at, details={"training": training, **details})


@pytest.mark.parametrize(
    ("one", "counted"),
    [
        (run(Phase.ACCEPTED), (1, 1)),  # a first champion
        (run(Phase.ACCEPTED, **PROMOTED), (1, 1)),
        (run(Phase.PROBATION, **PROMOTED), (1, 1)),
        (run(Phase.ROLLED_BACK, **PROMOTED), (1, 1)),
        (run(Phase.SUPERSEDED, **PROMOTED), (1, 1)),
        (run(Phase.SUPERSEDED), (1, 0)),
        (run(Phase.REJECTED), (1, 0)),
        (run(Phase.CANCELLED), (1, 0)),
        (run(Phase.REJECTED, {"spent": [*FAILED["spent"], *TRAINED["spent"]]}), (1, 0)),  # the second attempt
        (run(Phase.SHADOWING), (0, 0)),  # not known yet
        (run(Phase.PROMOTING), (0, 0)),
        (run(Phase.FAILED, FAILED), (0, 0)),
        (run(Phase.REJECTED, FAILED), (0, 0)),  # by a look
        (run(Phase.ACCEPTED, {"reused": "clicks-1"}, **PROMOTED), (0, 0)),
        (run(Phase.REJECTED, days_ago=365), (0, 0)),
        (run(Phase.REJECTED, days_ago=364.9), (1, 0)),
    ],
)
def test_which_runs_count_as_trained_and_as_promoted(one: Run, counted: tuple[int, int]) -> None:
    assert promotions([one], NOW) == Promotions(*counted)


def test_the_share_of_several() -> None:
    assert promotions([run(Phase.REJECTED), run(Phase.ACCEPTED), run(Phase.REJECTED)], NOW).share == 1 / 3
    assert promotions([], NOW).share is None
