"""Bugs on purpose: what somebody could have written, and what only a crash brings to light."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ctrain.engine import alias_moves, comparison, ingest, retention
from ctrain.engine.advance import probation, promotion
from tests.chaos.forks import Life

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Bug:
    plant: Plant
    leg: str
    life: Life
    found: str
    """What a checker has to say of it."""


def alias_before_intent(patch: pytest.MonkeyPatch) -> None:
    def record(watch: Any, intent: Any) -> None:
        watch.registry.set_alias(intent.model, "champion", intent.new_champion)
        alias_moves.record_intent(watch, intent)

    patch.setattr(promotion, "record_intent", record)


def segments_before_cursor(patch: pytest.MonkeyPatch) -> None:
    commit = ingest._commit

    def in_two(watch: Any, before: Any, following: Any, taken: Any) -> None:
        *earlier, (read, ingested) = taken
        with watch.store.write() as tx:
            tx.add_segments(ingested.segments)
            tx.remove_segments(watch.name, ingested.replaced)
        commit(watch, before, following, [*earlier, (read, replace(ingested, segments=(), replaced=()))])

    patch.setattr(ingest, "_commit", in_two)


def points_before_state(patch: pytest.MonkeyPatch) -> None:
    judge, save = probation._judge, comparison.save_points

    def judge_later(watch: Any, run: Any, progress: Any) -> Any:
        with watch.store.write() as tx:
            save(run, progress)(tx)
        return judge(watch, run, progress)

    patch.setattr(probation, "_judge", judge_later)
    patch.setattr(probation, "save_points", lambda run, progress: lambda tx: None)


def promotion_without_way_back(patch: pytest.MonkeyPatch) -> None:
    plan = alias_moves.plan_move

    def forgetful(watch: Any, kind: Any, aliases: Any, champion: Any, previous: Any, **more: Any) -> Any:
        return plan(watch, kind, aliases, champion, None, **more)

    patch.setattr(promotion, "plan_move", forgetful)


def removed_days_in_memory_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "add_retired", lambda tx, policy, segments: None)


PLANTED: Mapping[str, Bug] = {
    "the alias is written before the intent": Bug(
        alias_before_intent,
        "from the shadow to probation",
        Life("registry.set_alias.champion:after", 1),
        "the champion alias went from 1 to 2 without an intent",
    ),
    "rows are committed before their cursor": Bug(
        segments_before_cursor,
        "from the trigger to the shadow",
        Life("commit.rows:after", 1),
        "rows and repeated rows are counted as",
    ),
    "points are committed before the state": Bug(
        points_before_state,
        "acceptance",
        Life("commit.compared_probation:after", 1),
        "blocks of PROBATION are folded twice",
    ),
    "a promotion forgets the way back": Bug(
        promotion_without_way_back,
        "from the shadow to probation",
        Life("commit.run_promoting:after", 1),
        "keeps no way back to 1",
    ),
    "removed days are known to one daemon only": Bug(
        removed_days_in_memory_only,
        "rows that were removed",
        Life("row_log.delete:after", 1),
        "rows and repeated rows are counted as",
    ),
}
