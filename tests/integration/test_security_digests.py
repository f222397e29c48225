"""Artifacts and digest tags that somebody changes in the registry; and what the history tells of a run.

The story of one run is told once; each test takes it up where it needs it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import Phase, RequestKind, Version
from ctrain.engine.digests import MISMATCH, RECORDED, recorded_digest
from ctrain.queries.audit_champion import champion_then
from tests.support.stories import CHALLENGER, CHAMPION, Story, last_run
from tests.support.world import HOUR, START, World


def forge(world: World, version: Version, *, tag: bool = True, artifact: bool = True) -> None:
    """Change the artifact, and the tag so that it fits."""
    if artifact:
        world.registry.digests[version] = "forged"
    if tag:
        known = world.registry.versions[version]
        world.registry.versions[version] = replace(known, tags={**known.tags, "ctrain.digest": "forged"})


def mismatches(world: World) -> list[tuple[Any, Any, Any]]:
    with world.store.read() as tx:
        events = [one.evidence for one in reversed(tx.events(limit=500)) if one.kind == MISMATCH]
    return [(one["version"], one["found"], one["recorded"]) for one in events]


BOTH = pytest.mark.parametrize(
    "what", [{}, {"artifact": False}, {"tag": False}], ids=["artifact and tag", "tag", "artifact"]
)


@pytest.mark.parametrize(
    ("bookmark", "what"),
    [
        ("evaluating", {}),
        ("evaluating", {"artifact": False}),
        ("promoting", {}),
        ("promoting", {"artifact": False}),
        ("promoting", {"tag": False}),
    ],
)
def test_a_challenger_that_changed_is_never_promoted(
    story: Story, tmp_path: Path, bookmark: str, what: dict[str, bool]
) -> None:
    """At the gates the loader compares the artifact, by what the next test looks at."""
    world = story.at(bookmark, tmp_path)
    forge(world, CHALLENGER, **what)
    world.open()
    world.settle()
    run = last_run(world)
    assert run.phase is Phase.FAILED
    assert "changed" in run.outcome_reason
    assert world.registry.aliases["champion"] == CHAMPION
    assert mismatches(world) == [(CHALLENGER, "forged", "digest-2")]


def test_whoever_loads_a_version_is_given_the_digest_of_our_own_history(story: Story, tmp_path: Path) -> None:
    world = story.at("shadowing", tmp_path)
    forge(world, CHALLENGER)
    asked: dict[Version, str | None] = {}

    def listen(call: str, at: str, arguments: tuple[Any, ...]) -> None:
        if (call, at) == ("scorer.submit", "before"):
            asked[arguments[0].version.version] = arguments[0].digest

    world.listener = listen
    world.land(2)
    world.settle_but_wait()
    assert asked[CHALLENGER] == "digest-2"


@BOTH
def test_a_rollback_to_a_version_that_changed_is_refused_with_what_to_do(
    story: Story, tmp_path: Path, what: dict[str, bool]
) -> None:
    world = story.at("accepted", tmp_path)
    forge(world, CHAMPION, **what)
    answer = world.ask(RequestKind.ROLLBACK).answer
    assert answer.startswith("refused: ")
    assert "changed" in answer
    assert "restore its files" in answer
    assert "`ctrain adopt`" in answer
    assert world.registry.aliases["champion"] == CHALLENGER
    again = world.ask(RequestKind.ROLLBACK).answer
    assert again == answer
    assert mismatches(world) == [(CHAMPION, "forged", "digest-1")], "once, however often it is met"


def test_the_digest_of_a_champion_from_elsewhere_is_recorded_when_it_is_met(
    story: Story, tmp_path: Path
) -> None:
    world = story.at("accepted", tmp_path)
    with world.store.read() as tx:
        (event,) = [one for one in tx.events(limit=500) if one.kind == RECORDED]
    assert event.evidence == {"version": CHAMPION, "digest": "digest-1"}
    assert recorded_digest(world.watch, CHAMPION) == "digest-1"
    assert recorded_digest(world.watch, CHALLENGER) == "digest-2"
    assert recorded_digest(world.watch, Version("77")) is None


def test_the_history_tells_which_version_was_champion_when_and_why(story: Story, tmp_path: Path) -> None:
    world = story.at("accepted", tmp_path)
    run = last_run(world)
    with world.store.read() as tx:
        (promoted,) = [one for one in tx.events(limit=500) if one.kind == "promoted"]
        before = champion_then(tx, world.name, promoted.at - timedelta(microseconds=1))
        then = champion_then(tx, world.name, promoted.at)
        never = champion_then(tx, world.name, START - 1000 * HOUR)
    assert (never.version, never.origin) == (None, None)
    assert (before.version, before.by_ctrain, before.origin) == (CHAMPION, False, None)
    assert before.until_at == then.since_at == promoted.at.isoformat()
    assert (then.version, then.until_at, then.how) == (CHALLENGER, None, "promoted")
    origin = then.origin
    assert origin is not None
    assert (origin.run, origin.asked_by, origin.policy_hash) == (run.id, "ada", run.policy_hash)
    assert (origin.trigger, origin.reason) == (run.trigger, run.reason)
    assert origin.digest == "digest-2"
    data, training = origin.trained_on, run.details["training"]
    assert data is not None
    assert (data.rows, data.holdout_rows) == (training["rows"], training["holdout_rows"])
    assert (data.window_start, data.until) == (training["window_start"], training["holdout_start"])
    rows = world.watch.workspace.path(run.id, "rows.parquet")
    assert data.data_digest == world.watch.workspace.digest(rows)
    assert origin.gates["evidence"]["gates"]["passed"] is True
    assert origin.shadow["evidence"]["rows"] > 0
    assert origin.probation["reason"] == run.outcome_reason
    assert origin.approval == {}


def test_after_a_rollback_the_history_names_the_version_before(story: Story, tmp_path: Path) -> None:
    world = story.at("accepted", tmp_path)
    world.ask(RequestKind.ROLLBACK)
    with world.store.read() as tx:
        then = champion_then(tx, world.name, world.clock.now())
    assert (then.version, then.how, then.by) == (CHAMPION, "rolled_back", "ada")
