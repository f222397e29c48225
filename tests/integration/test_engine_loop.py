"""The whole loop in one process: from the first model to promotion, acceptance and rollback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctrain.domain import Phase, Request, RequestKind, Suppression, Version
from tests.support.world import World


@pytest.fixture(scope="module")
def first_champion(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with a first champion that is right."""
    world = World(tmp_path_factory.mktemp("first"), rows_per_hour=30)
    world.live(48, step=24)
    world.ask(RequestKind.TRIGGER, reason="first model")
    return world


@pytest.fixture
def served(first_champion: World, tmp_path: Path) -> World:
    return first_champion.branch(tmp_path / "world")


def test_first_champion_skips_shadow_and_probation(served: World) -> None:
    (run,) = served.runs()
    assert run.phase is Phase.ACCEPTED
    assert served.registry.aliases == {"champion": "1"}
    assert [kind for kind in served.kinds() if kind.startswith("run_")] == [
        "run_queued",
        "run_training",
        "run_evaluating",
        "run_promoting",
        "run_accepted",
    ]


def test_degraded_model_is_replaced_and_accepted(served: World) -> None:
    served.live(24, step=24)
    served.slope = -2.0
    served.live(24 * 8, step=12)
    first, *later = served.runs()
    accepted = [run for run in later if run.phase is Phase.ACCEPTED]
    assert len(accepted) == 1, [run.outcome_reason for run in later]
    assert accepted[0].trigger == "degraded"
    assert accepted[0].champion_version == first.challenger_version
    assert served.registry.aliases["champion"] == accepted[0].challenger_version
    assert served.registry.aliases["previous_champion"] == first.challenger_version
    assert "challenger" not in served.registry.aliases


def test_worse_challenger_is_rejected_by_the_gates(served: World) -> None:
    served.live(24, step=24)
    served.ask(RequestKind.TRIGGER, reason="try a bad one", params={"slope": 0.05})
    served.live(6)
    run = served.runs()[-1]
    assert run.phase is Phase.REJECTED
    assert "brier" in run.outcome_reason
    assert served.registry.aliases["champion"] == "1"


def test_champion_that_goes_wrong_on_probation_is_rolled_back(served: World) -> None:
    served.live(24, step=24)
    answer = served.ask(RequestKind.TRIGGER, reason="good for now", params={"slope": 2.1})
    assert answer.answer == "done: run clicks-2 started"
    while served.runs()[-1].phase is not Phase.PROBATION:
        served.live(6, step=6)
        assert not served.runs()[-1].phase.ended, served.runs()[-1].outcome_reason
    assert served.registry.aliases["champion"] == "2"
    served.registry.models[Version("2")] = lambda rows: np.full(rows.num_rows, 0.9)
    served.live(36, step=6)
    run = served.runs()[-1]
    assert run.phase is Phase.ROLLED_BACK, run.outcome_reason
    assert served.registry.aliases["champion"] == "1"
    assert "previous_champion" not in served.registry.aliases


def test_manual_rollback_returns_to_the_previous_champion(served: World) -> None:
    served.live(24, step=24)
    served.slope = -2.0
    served.live(24 * 8, step=12)
    champion = served.registry.aliases["champion"]
    answer = served.ask(RequestKind.ROLLBACK, reason="customers complain", champion=champion)
    assert answer.answer == f"done: version 1 is the champion again instead of {champion}: customers complain"
    assert served.registry.aliases["champion"] == "1"
    again = served.ask(RequestKind.ROLLBACK, reason="customers complain", champion=champion)
    refused = f"refused: the champion is version 1 by now, not version {champion}; look again"
    assert (again.answer, served.registry.aliases["champion"]) == (refused, "1")


def test_failed_training_is_tried_again_and_then_fails(served: World) -> None:
    served.live(24, step=24)
    served.ask(RequestKind.TRIGGER, reason="broken", params={"fail": True})
    run = served.runs()[-1]
    assert run.phase is Phase.FAILED
    assert run.outcome_reason == "training failed 2 times; last: failed: the training function raised"
    assert served.launcher.started[-2:] == [(run.id, 1), (run.id, 2)]


def test_what_a_training_function_raises_is_kept_as_far_as_anybody_reads(served: World) -> None:
    served.live(24, step=24)
    served.ask(RequestKind.TRIGGER, reason="broken", params={"fail": True, "again": 100_000})
    run = served.runs()[-1]
    assert " characters left out] " in run.outcome_reason
    assert len(run.outcome_reason) < 5_000
    assert len(str(run.details)) < 20_000


def test_a_trigger_during_a_run_is_suppressed(served: World) -> None:
    served.live(24, step=24)
    served.launcher.busy = True
    with served.store.write() as tx:
        tx.add_request(Request(0, served.name, RequestKind.TRIGGER, "ada", served.clock.now(), {}))
    served.tick()
    with served.store.write() as tx:
        second = tx.add_request(Request(0, served.name, RequestKind.TRIGGER, "bob", served.clock.now(), {}))
    served.tick()
    assert [run.phase for run in served.runs()] == [Phase.ACCEPTED, Phase.TRAINING]
    with served.store.read() as tx:
        answered = tx.request(second)
    assert answered is not None
    assert answered.answer == "refused: asked for by bob; suppressed: run clicks-2 is active"
    assert served.decisions()[-1].suppression is Suppression.ACTIVE_RUN
