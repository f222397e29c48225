"""Conditions of a policy that is edited: what met the old one says nothing of the new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.domain import MonitorName, Status, TriggerName
from tests.support.world import HOUR, POLICY, START, World

BRIER = "degraded: {any: [brier], for: 12h}"
HELD_BACK = POLICY.replace("degraded: {any: [brier], for: 2h}", BRIER).replace(
    "min_new_labels: 50", "min_new_labels: 50000"
)
FREE = HELD_BACK.replace("50000", "50")
USELESS = 0.0


@pytest.fixture(scope="module")
def held_back(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The champion is as bad as can be, and only the limits keep the policy from training."""
    world = World(tmp_path_factory.mktemp("held back"), policy_text=HELD_BACK, rows_per_hour=30)
    cut_off = START + 10 * HOUR
    world.install(USELESS, {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": cut_off.isoformat()})
    world.live(36, step=12)
    assert world.decisions()[-1].reason.startswith("brier BREACHED: met since ")
    return world


def edited(world: World, folder: Path, *policies: str) -> World:
    twin = world.branch(folder / "world")
    for policy in policies:
        twin.edit(policy)
        twin.settle()
    return twin


OTHERS = {
    "other monitors": FREE.replace(BRIER, "degraded: {any: [inputs], for: 12h}"),
    "more monitors": FREE.replace(BRIER, "degraded: {all: [brier, inputs], for: 12h}"),
    "another threshold": FREE.replace("above: 0.24", "above: 0.9"),
}


@pytest.mark.parametrize("policy", OTHERS.values(), ids=OTHERS)
def test_what_means_something_else_begins_anew(held_back: World, tmp_path: Path, policy: str) -> None:
    world = edited(held_back, tmp_path, policy)
    assert world.runs() == []
    world.live(1)
    assert world.runs() == []


def test_what_was_taken_out_begins_anew(held_back: World, tmp_path: Path) -> None:
    world = edited(held_back, tmp_path, HELD_BACK.replace(BRIER, "other: {any: [inputs]}"), FREE)
    world.live(1)
    with world.store.read() as tx:
        assert tx.verdicts(world.name, MonitorName("brier"), limit=1)[0].status is Status.BREACHED
        state = tx.trigger_state(world.name, TriggerName("degraded"))
    assert state.met_since == state.as_of
    assert world.runs() == []


@pytest.mark.parametrize("policy", [FREE, FREE.replace("for: 12h", "for: 6h")], ids=["limits", "for"])
def test_what_means_the_same_goes_on(held_back: World, tmp_path: Path, policy: str) -> None:
    (run,) = edited(held_back, tmp_path, policy).runs()
    assert run.trigger == "degraded"
