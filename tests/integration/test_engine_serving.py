"""The gate on what serving costs, through the loop: probes of both models, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.domain import Json, Phase, ScoreJob
from ctrain.policy.available import unavailable_parts
from tests.support.fakes import FakeScorer
from tests.support.stories import CHALLENGER, CHAMPION, POOR, ask_to_train, last_run
from tests.support.world import HOUR, POLICY, START, World

GATED = POLICY.replace(
    "gates:\n", "gates:\n  - {latency_p50_ms: 30, latency_p99_ms: 50, max_size: 10KB}\n"
).replace("triggers:\n  degraded: {any: [brier], for: 2h}\n", "")
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("poor"), policy_text=GATED, rows_per_hour=30)
    world.install(POOR, KNOWN)
    world.land_together(42)
    world.settle()
    return world


class Noted(FakeScorer):
    """Remembers which jobs were probes."""

    probes: list[ScoreJob]

    def submit(self, job: ScoreJob) -> None:
        if job.probe:
            self.probes.append(job)
        super().submit(job)


@pytest.mark.parametrize(
    ("challenger", "phase", "words"),
    [
        ({}, Phase.SHADOWING, "latency_p99_ms <= 50: passed with 2"),
        ({"latency_p99_ms": 51.0}, Phase.REJECTED, "latency_p99_ms <= 50: failed with 51"),
        ({"latency_p50_ms": 31.0}, Phase.REJECTED, "latency_p50_ms <= 30: failed with 31"),
        ({"size_bytes": 10_001}, Phase.REJECTED, "size_bytes <= 10,000: failed with 10,001"),
        ({"deterministic": False}, Phase.REJECTED, "the same rows get the same scores again: failed"),
        ({"signature": [["x", "float"]]}, Phase.REJECTED, "types of the inputs are the champion's: failed"),
    ],
    ids=["passes", "slow", "slow mostly", "large", "random", "other inputs"],
)  # fmt: skip
def test_serving_is_a_gate(poor: World, tmp_path: Path, challenger: Json, phase: Phase, words: str) -> None:
    world = poor.branch(tmp_path / "world")
    scorer = Noted(world.registry, measured={CHALLENGER: challenger})
    scorer.probes = []
    world.watch.scorer = scorer
    assert unavailable_parts(world.watch.policy) == []
    ask_to_train(world)
    world.settle()
    run = last_run(world)
    assert (run.phase, words in run.outcome_reason) == (phase, True)
    assert [job.version.version for job in scorer.probes] == [CHALLENGER, CHAMPION]
    assert run.details["evaluation"]["serving"]["challenger"]["batch_p50_ms"] == 3.0
    assert not [key for key in scorer.states if "serving" in key]
    assert "| one row, 99th percentile, in ms | " in world.registry.descriptions[CHALLENGER]


def test_a_challenger_that_does_not_load_in_a_clean_child_ends_the_run(poor: World, tmp_path: Path) -> None:
    world = poor.branch(tmp_path / "world")

    class Fragile(FakeScorer):
        def submit(self, job: ScoreJob) -> None:
            self.broken = {CHALLENGER} if job.probe else set()
            super().submit(job)

    world.watch.scorer = Fragile(world.registry)
    ask_to_train(world)
    world.settle()
    assert last_run(world).phase is Phase.FAILED
    assert last_run(world).outcome_reason == "version 2 cannot score rows: cannot load"
