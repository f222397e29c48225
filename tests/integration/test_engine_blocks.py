"""Blocks of a comparison in the engine: those without labels, and the last that fits into a shadow."""

from __future__ import annotations

from pathlib import Path

from ctrain.domain import Phase
from tests.support.stories import GOOD, POOR, QUICK, TRAINED_UNTIL, ask_to_train, last_run
from tests.support.world import START, World

KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": TRAINED_UNTIL.isoformat()}
TAKES_26H = QUICK.replace("min_duration: 20h", "min_duration: 26h")
TAKES_41H = QUICK.replace(
    "min_duration: 20h, max_duration: 4d", "min_duration: 41h, max_duration: 41h"
).replace("block: 1h", "block: 2h")
"""Twenty blocks and a half."""


def shadowing(folder: Path, policy: str) -> World:
    world = World(folder, policy_text=policy, rows_per_hour=30, slope=GOOD)
    world.install(POOR, KNOWN)
    world.land_together(48)
    world.settle()
    ask_to_train(world)
    world.settle()
    assert last_run(world).phase is Phase.SHADOWING
    return world


def lose_labels(world: World, hours: range) -> None:
    """Of hours from now, labels will never come."""
    serve, first = world._hour, world.hour

    def silent() -> object:
        rows, labels = serve()
        return rows, labels.slice(0, 0) if world.hour - first in hours else labels

    object.__setattr__(world, "_hour", silent)


def promoted_for(world: World) -> list[str]:
    with world.store.read() as tx:
        return [one.message for one in tx.events(world.name) if one.kind == "run_promoting"]


def test_a_backlog_is_decided_at_the_block_without_labels_where_it_was_due(tmp_path: Path) -> None:
    (tmp_path / "told").mkdir()
    world = shadowing(tmp_path / "told", TAKES_26H)
    backlog = world.branch(tmp_path / "backlog")
    for one in (world, backlog):
        lose_labels(one, range(19, 28))
    world.land_together(20)
    world.settle()
    for _ in range(7):
        world.land()
        world.settle()
    backlog.land_together(40)
    backlog.settle()
    assert len(promoted_for(world)) == 1
    assert promoted_for(backlog) == promoted_for(world)


def test_a_shadow_of_one_length_ends_with_the_last_whole_block(tmp_path: Path) -> None:
    world = shadowing(tmp_path, TAKES_41H)
    world.land_together(44)
    world.settle()
    assert promoted_for(world)
