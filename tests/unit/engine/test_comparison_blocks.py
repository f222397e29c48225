"""How long the blocks of shadow and probation are: by held-out differences, and so that twenty fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from ctrain.domain import Task
from ctrain.engine.advance.holdout import (
    MIN_COMMON_ROWS,
    Holdout,
    blocks_found,
    error_scale_of,
    probation_block,
    shadow_block,
)
from ctrain.policy.files import parse_policy
from ctrain.stats.blocks import BlockLength
from tests.support.world import POLICY, START

HOUR = timedelta(hours=1)
AUTO = POLICY.replace("block: 1h", "block: auto")


def watch(policy: str) -> Any:
    return cast(Any, SimpleNamespace(policy=parse_policy(policy, Path("clicks.yaml"), {}).policy))


def holdout(follow: int) -> Holdout:
    """A row an hour; the difference of the losses is a mean of ``follow`` independent draws."""
    draws = np.random.default_rng(3).normal(size=2000 + follow - 1)
    differences = np.convolve(draws, np.ones(follow) / follow, mode="valid") * 0.05
    at = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(differences.size) * np.timedelta64(HOUR)
    champion = np.full(differences.size, 0.5)
    return Holdout(
        rows=pa.table({"event_at": pa.array(at)}),
        labels=np.zeros(differences.size),
        challenger=np.sqrt(np.clip(champion**2 + differences, 0.0, 1.0)),
        champion=champion,
        fair=np.ones(differences.size, dtype=np.bool_),
    )


def test_independent_differences_make_blocks_of_a_pane() -> None:
    assert shadow_block(watch(AUTO), holdout(1), None) == BlockLength(HOUR, wanted=HOUR)
    assert probation_block(watch(AUTO), holdout(1), None) == BlockLength(HOUR, wanted=HOUR)


@pytest.mark.parametrize(
    ("probation", "block"),
    [("8h", HOUR), ("60h", 6 * HOUR), ("30d", 13 * HOUR)],
    ids=["no room", "twice its length has room for twenty", "as long as they need"],
)
def test_a_probation_with_room_has_longer_blocks_than_a_short_shadow(
    probation: str, block: timedelta
) -> None:
    """Sums of four draws need 20 * 2.5 / 4 = 12.5 hours (see ``correlation_length``)."""
    policy = watch(
        AUTO.replace("probation: {duration: 2d", f"probation: {{duration: {probation}").replace(
            "max_duration: 8d", "max_duration: 1d"
        )
    )
    correlated = holdout(4)
    assert shadow_block(policy, correlated, None).used == HOUR
    assert abs(probation_block(policy, correlated, None).used - block) <= HOUR, "estimated from 2000 hours"


def test_an_evaluation_keeps_what_was_wanted_beside_what_is_used() -> None:
    """Sums of four draws need 12.5 hours; the shadow has room for one."""
    found = blocks_found(watch(AUTO.replace("max_duration: 8d", "max_duration: 1d")), holdout(4), None)
    assert found["block_seconds"] == 3600
    assert found["block_wanted_seconds"] == found["probation_block_wanted_seconds"]
    assert found["probation_block_wanted_seconds"] == pytest.approx(12.5 * 3600, abs=2 * 3600)


def test_blocks_that_the_policy_sets_hold_for_both() -> None:
    policy = watch(POLICY.replace("block: 1h", "block: 3h"))
    assert shadow_block(policy, holdout(4), None).used == 3 * HOUR
    assert shadow_block(policy, holdout(4), None).short
    assert probation_block(policy, holdout(4), None).used == 3 * HOUR


def test_first_champion_has_blocks_of_a_pane() -> None:
    alone = replace(holdout(4), champion=None)
    assert shadow_block(watch(AUTO), alone, None) == BlockLength(HOUR)
    assert probation_block(watch(AUTO), alone, None) == BlockLength(HOUR)


@pytest.mark.parametrize(
    ("unseen", "scale"),
    [(1500, 3.0), (MIN_COMMON_ROWS, 3.0), (MIN_COMMON_ROWS - 1, 2.0)],
    ids=["most", "just enough", "too few: the challenger's"],
)
def test_errors_are_bounded_by_those_on_rows_that_the_champion_has_not_learned(
    unseen: int, scale: float
) -> None:
    """The champion errs by 1 on what it was trained on and by 3 on what it was not, the challenger by 2."""
    rows = 2000
    fair = np.arange(rows) >= rows - unseen
    held_out = Holdout(
        rows=pa.table({"event_at": pa.array(np.arange(rows))}),
        labels=np.zeros(rows),
        challenger=np.full(rows, 2.0),
        champion=np.where(fair, 3.0, 1.0),
        fair=fair,
    )
    model = SimpleNamespace(task=Task.REGRESSION, metric="absolute_error")
    assert error_scale_of(cast(Any, SimpleNamespace(policy=SimpleNamespace(model=model))), held_out) == scale
