"""A crash after any effect of a run, then a restart: everything ends as if nothing had happened.

Between two effects nothing changes outside the process, so a crash after each of them, and none
before the first, are all the crashes there are. A commit that does not happen is one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import MonitorName, Phase, Request, RequestKind, Run
from tests.support.stories import CHALLENGER, CHAMPION, Story, ask_to_train, last_run
from tests.support.world import HOUR, START, World

EFFECTS = frozenset(
    {
        "store.commit",
        "registry.set_alias",
        "registry.delete_alias",
        "registry.annotate_run",
        "registry.annotate_version",
        "registry.attach_files",
        "analyst.submit",
        "launcher.start",
        "launcher.stop",
        "scorer.submit",
        "workspace.write",
        "workspace.place",
        "workspace.remove",
        "row_log.write_rows",
        "row_log.write_labels",
        "row_log.write_scores",
        "row_log.adopt",
        "row_log.delete",
    }
)


class Crash(BaseException):
    """The process is gone: nothing in the engine may catch this."""


@dataclass(frozen=True)
class Leg:
    """A stretch of the story: where it begins, what happens then, and how it ends."""

    bookmark: str
    begin: Callable[[World], None]
    end: Phase
    skipped: int = 0
    """Effects at its beginning that another leg has as well."""


def one_more_hour(world: World) -> None:
    world.land()


def train_now(world: World) -> None:
    world.land()
    ask_to_train(world)


def cancel(world: World) -> None:
    ask(world, RequestKind.CANCEL, run=last_run(world).id)


def roll_back(world: World) -> None:
    ask(world, RequestKind.ROLLBACK, reason="customers complain")


def ask(world: World, kind: RequestKind, **arguments: object) -> None:
    with world.store.write() as tx:
        tx.add_request(Request(0, world.name, kind, "ada", world.clock.now(), arguments))


LEGS = {
    "from the trigger to the shadow": Leg("watched", train_now, Phase.SHADOWING, skipped=7),
    "from the shadow to probation": Leg("compared", one_more_hour, Phase.PROBATION),
    "acceptance": Leg("proven", one_more_hour, Phase.ACCEPTED, skipped=8),
    "rollback on probation": Leg("probation", cancel, Phase.ROLLED_BACK),
    "rollback of an accepted champion": Leg("accepted", roll_back, Phase.ACCEPTED),
}


def play(story: Story, folder: Path, leg: Leg, lives: tuple[int, ...]) -> tuple[World, list[str]]:
    """Play a leg in several lives, each crashing after so many effects; the last one is undisturbed."""
    world = story.at(leg.bookmark, folder)
    leg.begin(world)
    effects: list[str] = []
    for life in lives:
        world.listener = _crash_after(life, effects)
        try:
            world.settle()
        except Crash:
            world.listener = None
            world.open()
    world.listener = _crash_after(10**9, effects)
    world.settle()
    world.listener = None
    world.open()
    return world, effects


def _crash_after(number: int, effects: list[str]) -> Callable[[str, str, tuple[Any, ...]], None]:
    left = [number]

    def listen(call: str, moment: str, arguments: tuple[Any, ...]) -> None:
        if moment == "after" and call in EFFECTS:
            effects.append(call + (f" {arguments[1]}" if "alias" in call else ""))
            left[0] -= 1
            if left[0] == 0:
                raise Crash(effects[-1])

    return listen


def portrait(world: World) -> Mapping[str, Any]:
    """All that a restart must not change."""
    versions = [CHAMPION, CHALLENGER]
    with world.store.read() as tx:
        state = tx.ingest_state(world.name)
        runs = tx.runs(world.name)
        triggers = [tx.trigger_state(world.name, name) for name in world.watch.policy.triggers]  # type: ignore[arg-type]  # names of a policy
        parts = {
            "runs": [_comparable(run) for run in runs],
            "points": [tx.comparison_points(run.id) for run in runs],
            "verdicts": tx.verdicts(world.name, limit=10_000),
            "rows": (state.rows_total, state.labels_total, state.late_total, state.duplicates_total),
            "panes": (state.watermark, state.next_pane_at),
            "champion": tx.champion(world.name),
            "intents": [(one.kind, one.outcome) for one in tx.intents(world.name)],
            "open intent": tx.open_intent(world.name),
            "open requests": tx.open_requests(world.name),
            "events": sorted(
                (one.kind, one.message)
                for one in tx.events(world.name, limit=10_000)
                if one.kind not in {"source_note", "reconciled"}
            ),
            "detectors": [tx.detector(world.name, MonitorName("error"), one) for one in versions],
            "references": [tx.reference(world.name, one) for one in versions],
            "triggers": triggers,
        }
    rows = world.watch.row_log.read(START, START + HOUR * world.hour, scores_of=versions)
    return parts | {
        "row log": rows.to_pydict(),
        "aliases": world.registry.aliases,
        "alias writes": [write for write in world.registry.writes if write[0] == "champion"],
        "trainings": world.launcher.started,
        "told": {key: sorted(notes) for key, notes in world.registry.notes.items()},
    }


def _comparable(run: Run) -> Run:
    """A run without instants of real time and paths of the test."""
    training = {key: value for key, value in run.details.get("training", {}).items() if key != "started_at"}
    return replace(run, policy_path="", details={**run.details, "training": training})


@pytest.mark.parametrize("leg", LEGS.values(), ids=LEGS)
def test_a_crash_after_any_effect_changes_nothing(story: Story, tmp_path: Path, leg: Leg) -> None:
    undisturbed, effects = play(story, tmp_path / "undisturbed", leg, ())
    expected = portrait(undisturbed)
    assert last_run(undisturbed).phase is leg.end
    assert len(effects) > 5
    for number, effect in list(enumerate(effects, start=1))[leg.skipped :]:
        world, _ = play(story, tmp_path / str(number), leg, (number,))
        found = portrait(world)
        differing = {key: (found[key], expected[key]) for key in expected if found[key] != expected[key]}
        assert not differing, f"crash after effect {number} of {len(effects)}, {effect}"


def test_a_crash_while_a_crash_is_mended_changes_nothing_either(story: Story, tmp_path: Path) -> None:
    leg = LEGS["from the shadow to probation"]
    undisturbed, effects = play(story, tmp_path / "undisturbed", leg, ())
    expected = portrait(undisturbed)
    moves = [place for place, effect in enumerate(effects, start=1) if "champion" in effect]
    assert len(moves) == 2
    for first in range(moves[0] - 1, moves[1] + 1):
        for second in (1, 2):
            world, seen = play(story, tmp_path / f"{first}-{second}", leg, (first, second))
            assert portrait(world) == expected, f"crashes after effects {first} and {second}: {seen}"
