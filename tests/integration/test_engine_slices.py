"""Groups and slices through the loop: better on average is not enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ctrain.domain import Phase
from ctrain.policy.available import unavailable_parts
from tests.support.fakes import Model
from tests.support.slopes import fit_slope
from tests.support.stories import POOR, ask_to_train, last_run
from tests.support.world import HOUR, POLICY, START, World

UNTRIGGERED = POLICY.replace("triggers:\n  degraded: {any: [brier], for: 2h}\n", "").replace(
    "min_duration: 1d", "min_duration: 20h"
)
SLICED = UNTRIGGERED.replace("shadow: {", "shadow: {slices: [kind], ")
GATED = UNTRIGGERED.replace("gates:\n", "gates:\n  - {metric: brier, by: kind, max_gap: 0.1, min_rows: 50}\n")
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": (START + 24 * HOUR).isoformat()}


def blind_to_c(rows: pa.Table, params: object) -> Model:
    """A model that is good, but sure of the wrong answer on the rows of one kind."""
    good = fit_slope(rows, {})

    def predict(table: pa.Table) -> np.ndarray:
        kind = np.asarray(table["kind"].to_pylist())
        x = np.asarray(table["x"])
        return np.where(kind == "c", np.where(x > 0, 0.4, 0.6), good(table))

    return predict


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A poor champion, beside which a model that is wrong on a third of the rows is better on average."""
    world = World(tmp_path_factory.mktemp("poor"), policy_text=UNTRIGGERED, rows_per_hour=60)
    world.slope = 4.0
    world.install(POOR, KNOWN)
    world.land_together(42)
    world.settle()
    return world


def retrained(poor: World, folder: Path, policy: str, train: object) -> World:
    world = poor.branch(folder / "world")
    world.launcher.train = train  # type: ignore[assignment]  # any training function
    world.edit(policy)
    assert unavailable_parts(world.watch.policy) == []
    ask_to_train(world)
    world.settle()
    return world


def test_better_on_average_and_worse_on_a_slice_is_rejected(poor: World, tmp_path: Path) -> None:
    world = retrained(poor, tmp_path / "sliced", SLICED, blind_to_c)
    assert set(last_run(world).details["shadow"]["slices"]) == {"kind=a", "kind=b", "kind=c"}
    world.live(24, step=6)
    run = last_run(world)
    assert run.phase is Phase.REJECTED
    assert run.outcome_reason.startswith("worse on kind=c than +0.002 allows")
    states = run.details["shadow"]["slices"]
    assert sum(one["rows"] for one in states.values()) == run.details["shadow"]["state"]["rows"]
    unsliced = retrained(poor, tmp_path / "unsliced", UNTRIGGERED, blind_to_c)
    unsliced.live(24, step=6)
    assert last_run(unsliced).phase is Phase.PROBATION


def test_a_challenger_that_is_better_on_every_slice_is_promoted(poor: World, tmp_path: Path) -> None:
    world = retrained(poor, tmp_path, SLICED, fit_slope)
    world.live(24, step=6)
    assert last_run(world).phase is Phase.PROBATION


def test_a_gap_between_groups_is_a_gate(poor: World, tmp_path: Path) -> None:
    world = retrained(poor, tmp_path / "unfair", GATED, blind_to_c)
    run = last_run(world)
    assert run.phase is Phase.REJECTED
    assert "brier:gap:kind <= 0.1: failed with" in run.outcome_reason
    assert "to kind=c" in run.outcome_reason
    assert run.details["evaluation"]["challenger"]["brier:gap:kind"] > 0.1
    fair = retrained(poor, tmp_path / "fair", GATED, fit_slope)
    assert last_run(fair).phase is Phase.SHADOWING
    gaps = {
        role: last_run(fair).details["evaluation"][role]["brier:gap:kind"]
        for role in ("challenger", "paired", "champion")
    }
    assert gaps["challenger"] == gaps["paired"] > gaps["champion"] > 0
    (told,) = last_run(fair).details["evaluation"]["groups"]
    assert (told["metric"], told["by"], told["limit"], told["gap"]) == ("brier", "kind", 0.1, gaps)
    for role, gap in gaps.items():
        values = [one[role] for one in told["groups"]]
        assert max(values) - min(values) == pytest.approx(gap)


def test_groups_that_are_too_small_fail_the_gate_and_are_named(poor: World, tmp_path: Path) -> None:
    world = retrained(poor, tmp_path, GATED.replace("min_rows: 50", "min_rows: 5000"), fit_slope)
    run = last_run(world)
    assert run.phase is Phase.REJECTED
    assert "fewer than two groups can be compared; fewer than 5000 rows: a (" in run.outcome_reason
    (told,) = run.details["evaluation"]["groups"]
    assert (told["gap"], told["groups"]) == ({}, [])
