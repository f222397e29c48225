"""Slices: a challenger that is clearly worse on one of them is rejected, and hardly one that is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ctrain.lifecycle.comparison import ShadowJudgement, judge_shadow
from ctrain.lifecycle.slices import judge_slices
from ctrain.policy.models import Shadow
from ctrain.stats.empirical_bernstein import RowEvidence
from ctrain.stats.sequential import ComparisonState

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BETTER = ComparisonState(100, 20_000, -0.02, 1e-4)
WORSE = ComparisonState(100, 4_000, 0.03, 1e-4)
EQUAL = ComparisonState(100, 4_000, 0.0, 1e-4)
NOTHING = ComparisonState()
AGREEING = RowEvidence(rows=20_000, total=-400.0, variance=2.0)


def shadow(**changed: Any) -> Shadow:
    spec = {"margin": 0.01, "min_rows": 1000, "min_duration": 7 * DAY, "max_duration": 28 * DAY}
    return Shadow(**{**spec, **changed})


def judged(spec: Shadow, state: ComparisonState = BETTER) -> ShadowJudgement:
    return judge_shadow(spec, state, AGREEING, started_at=START, now=START + 8 * DAY)


@pytest.mark.parametrize(
    ("slices", "changed", "rows", "clipped", "verdict"),
    [
        ({}, {}, 20_000, 0.0, "promote"),
        ({"c=a": EQUAL, "c=b": NOTHING}, {}, 20_000, 0.0, "promote"),
        ({"c=a": EQUAL, "c=b": WORSE}, {}, 20_000, 0.0, "reject"),
        ({"c=a": EQUAL, "c=b": WORSE}, {"margin": 0.05}, 20_000, 0.0, "promote"),
        ({"c=a": EQUAL, "c=b": WORSE}, {}, 999, 0.0, "promote"),
        ({"c=a": EQUAL, "c=b": WORSE}, {}, 20_000, 0.06, "promote"),
        ({"c=b": ComparisonState(19, 4_000, 0.5, 1e-4)}, {}, 20_000, 0.0, "promote"),
        ({"c=a": EQUAL}, {"min_gain": 0.015, "margin": 0.0}, 20_000, 0.0, "promote"),
    ],
)
def test_a_slice_that_is_certainly_worse_rejects(
    slices: dict[str, ComparisonState], changed: dict[str, Any], rows: int, clipped: float, verdict: str
) -> None:
    spec = shadow(**changed)
    judgement = judge_slices(spec, judged(spec), slices, rows=rows, clipped_share=clipped)
    assert judgement.verdict == verdict


def test_the_slice_is_named_with_its_bounds() -> None:
    judgement = judge_slices(shadow(), judged(shadow()), {"c=a": EQUAL, "c=b": WORSE}, rows=20_000)
    assert judgement.reason.startswith("worse on c=b than +0.01 allows: difference +0.0300 [+0.02")
    assert "on 4000 rows in 100 blocks, one of 2 slices; better than +0.01 asks" in judgement.reason


def test_a_challenger_that_is_observed_is_rejected_early() -> None:
    spec = shadow(min_duration=20 * DAY)
    assert judged(spec).verdict == "observe"
    assert judge_slices(spec, judged(spec), {"c=b": WORSE}, rows=20_000).verdict == "reject"


def test_a_rejection_stays_what_it_is() -> None:
    rejected = judged(shadow(), ComparisonState(100, 20_000, 0.1, 1e-4))
    assert judge_slices(shadow(), rejected, {"c=b": WORSE}, rows=20_000) is rejected


def test_slices_share_alpha_over_all_looks() -> None:
    """Twenty slices, each as bad as the margin allows: one of them rejects few of 400 challengers.

    Seed 11: 6 challengers, 1.5 %; tests of each slice at the whole of alpha reject 101 of the same, 25 %.
    """
    random = np.random.default_rng(11)
    spec = shadow(margin=0.0)
    rejected = {"shared": 0, "whole": 0}
    for _ in range(400):
        means = random.normal(0.0, 0.05, (20, 120))
        counts = np.arange(1, 121)
        centre = np.cumsum(means, axis=1) / counts
        squares = np.cumsum(means**2, axis=1) - counts * centre**2
        looks = [20, 40, 60, 80, 100, 120]
        for name, factor in (("shared", 1.0), ("whole", 20.0)):
            level = Shadow(**{**spec.model_dump(), "alpha": min(spec.alpha * factor, 0.999)})
            rejected[name] += any(
                judge_slices(
                    level,
                    judged(spec),
                    {
                        f"c={row}": ComparisonState(
                            look, 50 * look, centre[row, look - 1], squares[row, look - 1]
                        )
                        for row in range(20)
                    },
                    rows=20_000,
                ).verdict
                == "reject"
                for look in looks
            )
    assert rejected["shared"] <= 0.05 * 400
    assert rejected["whole"] > 0.15 * 400
