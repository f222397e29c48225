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

from ctrain.engine.advance.holdout import Holdout, probation_block, shadow_block
from ctrain.policy.files import parse_policy
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
    assert shadow_block(watch(AUTO), holdout(1), None) == HOUR
    assert probation_block(watch(AUTO), holdout(1), None) == HOUR


@pytest.mark.parametrize(
    ("probation", "block"),
    [("1d", HOUR), ("10d", 6 * HOUR), ("30d", 13 * HOUR)],
    ids=["no room", "half of it has room for twenty", "as long as they need"],
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
    assert shadow_block(policy, correlated, None) == HOUR
    assert abs(probation_block(policy, correlated, None) - block) <= HOUR, "estimated from 2000 hours"


def test_blocks_that_the_policy_sets_hold_for_both() -> None:
    policy = watch(POLICY.replace("block: 1h", "block: 3h"))
    assert shadow_block(policy, holdout(4), None) == 3 * HOUR
    assert probation_block(policy, holdout(4), None) == 3 * HOUR


def test_first_champion_has_blocks_of_a_pane() -> None:
    alone = replace(holdout(4), champion=None)
    assert shadow_block(watch(AUTO), alone, None) == probation_block(watch(AUTO), alone, None) == HOUR
