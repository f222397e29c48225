"""Verdicts of shadow and probation, by table; bounds are set through the state that gives them."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrain.lifecycle.comparison import (
    in_whole_blocks,
    judge_probation,
    judge_shadow,
    longest_probation_block,
    longest_shadow_block,
    probation_bounds,
    with_short_blocks,
)
from ctrain.policy.models import Probation, Shadow
from ctrain.stats.empirical_bernstein import RowEvidence
from ctrain.stats.sequential import ComparisonState

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def shadow(**changed: Any) -> Shadow:
    spec = {"margin": 0.01, "min_rows": 1000, "min_duration": 7 * DAY, "max_duration": 28 * DAY}
    return Shadow(**{**spec, **changed})


def probation(**changed: Any) -> Probation:
    return Probation(**{"duration": 14 * DAY, "margin": 0.01, "min_rows": 1000, **changed})


def compared(
    mean: float, *, deviation: float = 0.001, blocks: int = 100, rows: int = 20_000
) -> ComparisonState:
    """A comparison whose bounds lie about 0.28 deviations (at 100 blocks) from the mean."""
    return ComparisonState(blocks, rows, mean, deviation**2 * blocks)


def rows_of(state: ComparisonState, variance: float = 1e-3) -> RowEvidence:
    """Single rows with the mean of the blocks; each has this variance."""
    return RowEvidence(state.rows, state.mean * state.rows, variance * state.rows)


CLEARLY_BETTER = compared(-0.02)
EQUAL = compared(0.0)
CLEARLY_WORSE = compared(0.02)
UNDECIDED = compared(0.005, deviation=0.1)
UNDECIDED_ABOVE = compared(0.012, deviation=0.1)
WORSE_AT_ONE_LOOK = compared(0.025, deviation=0.1)
"""With a p-value of 0.0073, between alpha / 2 of 0.05 and of 0.012."""
FEW_BLOCKS = compared(-0.5, blocks=19)
FEW_ROWS = compared(-0.5, rows=999)
NOTHING = ComparisonState()

SOON: dict[str, Any] = {"on_inconclusive": "promote", "undecided_after": 8 * DAY}

SHADOWS = [
    # state, changes of the policy, days observed, days now, clipped share, verdict, words of the reason
    (CLEARLY_BETTER, {}, 8, 9, 0.0, "promote", "better than +0.01 asks"),
    (EQUAL, {}, 8, 9, 0.0, "promote", "better than +0.01 asks"),
    (CLEARLY_BETTER, {}, 7, 9, 0.0, "promote", "better"),
    (CLEARLY_BETTER, {}, 6.99, 9, 0.0, "observe", "6d23h45m36s of 7d"),
    (CLEARLY_BETTER, {}, -1, 0, 0.0, "observe", "0s of 7d"),
    (EQUAL, {"margin": 0.0}, 8, 9, 0.0, "observe", "the bounds enclose +0"),
    (CLEARLY_BETTER, {"margin": 0.0}, 8, 9, 0.0, "promote", "better than +0 asks"),
    (CLEARLY_WORSE, {}, 8, 9, 0.0, "reject", "worse than +0.01 allows"),
    (CLEARLY_WORSE, {}, 1, 1, 0.0, "reject", "worse"),
    (compared(0.005), {}, 8, 9, 0.0, "promote", "difference +0.0050 [+0.0047, +0.0053]"),
    (compared(0.005), {"margin": 0.0}, 8, 9, 0.0, "reject", "worse than +0 allows"),
    (EQUAL, {"min_gain": 0.01}, 8, 9, 0.0, "reject", "worse than -0.01 allows"),
    (compared(-0.005), {"min_gain": 0.01}, 8, 9, 0.0, "reject", "worse than -0.01 allows"),
    (CLEARLY_BETTER, {"min_gain": 0.01}, 8, 9, 0.0, "promote", "better than -0.01 asks"),
    (UNDECIDED, {}, 8, 9, 0.0, "observe", "the bounds enclose +0.01"),
    (UNDECIDED, {}, 28, 27.99, 0.0, "observe", "enclose"),
    (UNDECIDED, {}, 28, 28, 0.0, "reject", "undecided at the deadline, rejected by on_inconclusive"),
    (UNDECIDED, {"on_inconclusive": "promote"}, 28, 28, 0.0, "promote", "promoted by on_inconclusive"),
    (UNDECIDED_ABOVE, {"on_inconclusive": "promote"}, 28, 28, 0.0, "reject", "the mean is above +0.01"),
    (UNDECIDED, {"on_inconclusive": "promote", "margin": 0.0}, 28, 28, 0.0, "reject", "the mean is above +0"),
    (CLEARLY_BETTER, {}, 28, 99, 0.0, "promote", "better"),
    (FEW_BLOCKS, {}, 8, 9, 0.0, "observe", "19 of 20 blocks"),
    (FEW_BLOCKS, {}, 28, 28, 0.0, "reject", "too little to judge by (19 of 20 blocks)"),
    (FEW_BLOCKS, {"on_inconclusive": "promote"}, 28, 28, 0.0, "reject", "too little to judge by"),
    (FEW_ROWS, {}, 8, 9, 0.0, "observe", "999 of 1000 rows"),
    (FEW_ROWS, {"on_inconclusive": "promote"}, 28, 28, 0.0, "reject", "999 of 1000 rows"),
    (compared(0.5, rows=999), {}, 8, 9, 0.0, "observe", "999 of 1000 rows"),
    (NOTHING, {}, 8, 9, 0.0, "observe", "0 of 20 blocks; 0 of 1000 rows"),
    (NOTHING, {"on_inconclusive": "promote"}, 28, 28, 0.0, "reject", "0 of 20 blocks; 0 of 1000 rows"),
    (CLEARLY_BETTER, {}, 8, 9, 0.05, "promote", "better"),
    (CLEARLY_BETTER, {}, 8, 9, 0.051, "observe", "5.1% of the losses are clipped, 5% may be"),
    (CLEARLY_WORSE, {}, 8, 9, 0.051, "observe", "clipped"),
    (
        CLEARLY_BETTER,
        {"on_inconclusive": "promote"},
        28,
        28,
        0.2,
        "reject",
        "20.0% of the losses are clipped",
    ),
    (CLEARLY_BETTER, {"on_inconclusive": "promote"}, 6, 28, 0.0, "reject", "6d of 7d"),
    (UNDECIDED, SOON, 7, 8, 0.0, "observe", "the bounds enclose +0.01"),
    (UNDECIDED, SOON, 8, 8, 0.0, "promote", "undecided after 8d, promoted by on_inconclusive"),
    (UNDECIDED, SOON, 10, 99, 0.0, "promote", "undecided at the deadline, promoted by on_inconclusive"),
    (UNDECIDED_ABOVE, SOON, 8, 9, 0.0, "observe", "the bounds enclose +0.01"),
    (UNDECIDED_ABOVE, SOON, 28, 28, 0.0, "reject", "the mean is above +0.01"),
    (CLEARLY_WORSE, SOON, 8, 9, 0.0, "reject", "worse than +0.01 allows"),
    (FEW_BLOCKS, SOON, 8, 9, 0.0, "observe", "19 of 20 blocks"),
    (FEW_ROWS, SOON, 8, 9, 0.0, "observe", "999 of 1000 rows"),
    (EQUAL, SOON, 8, 9, 0.06, "observe", "6.0% of the losses are clipped"),
]


@pytest.mark.parametrize(
    ("shortest", "block", "asked"),
    [(7, 3, 7), (27, 3, 27), (28, 3, 27), (28, 7, 28), (28, 28, 28)],
    ids=["early", "at a block", "past the last block", "at the deadline", "one block"],
)
def test_no_more_time_is_asked_than_whole_blocks_take(shortest: int, block: int, asked: int) -> None:
    spec = in_whole_blocks(shadow(min_duration=shortest * DAY), block * DAY)
    assert spec.min_duration == asked * DAY


@pytest.mark.parametrize(("state", "changed", "observed", "now", "clipped", "verdict", "words"), SHADOWS)
def test_a_shadow_promotes_rejects_or_observes_and_says_why(
    state: ComparisonState,
    changed: dict[str, Any],
    observed: float,
    now: float,
    clipped: float,
    verdict: str,
    words: str,
) -> None:
    judgement = judge_shadow(
        shadow(**changed),
        state,
        rows_of(state),
        started_at=START,
        now=START + now * DAY,
        clipped_share=clipped,
        observed_until=START + observed * DAY,
    )
    assert judgement.verdict == verdict
    assert words in judgement.reason
    assert f"on {state.rows} rows in {state.blocks} blocks" in judgement.reason


def test_the_deadline_may_wait_for_labels_to_mature() -> None:
    when: dict[str, Any] = {"started_at": START, "now": START + 28 * DAY}
    assert judge_shadow(shadow(), UNDECIDED, rows_of(UNDECIDED), **when).verdict == "reject"
    waiting = judge_shadow(shadow(), UNDECIDED, rows_of(UNDECIDED), **when, deadline_at=START + 30 * DAY)
    assert waiting.verdict == "observe"


NOISY = 0.5
"""Variance of a row with which 20,000 of them do not tell 0.01 from nothing."""


@pytest.mark.parametrize(
    ("changed", "days", "verdict", "words"),
    [
        ({"margin": 0.0}, 8, "observe", "better by its blocks; single rows give 6% of the evidence"),
        ({"margin": 0.0}, 28, "reject", "undecided at the deadline, rejected by on_inconclusive"),
        ({"margin": 0.01}, 8, "promote", "better than +0.01 asks"),
    ],
)
def test_single_rows_must_agree_to_promote(
    changed: dict[str, Any], days: int, verdict: str, words: str
) -> None:
    state = compared(-0.01)
    judgement = judge_shadow(
        shadow(**changed), state, rows_of(state, NOISY), started_at=START, now=START + days * DAY
    )
    assert judgement.verdict == verdict
    assert words in judgement.reason


def test_rows_that_disagree_hold_no_rejection_back() -> None:
    rows = RowEvidence(rows=20_000, total=-400.0)
    judgement = judge_shadow(shadow(), CLEARLY_WORSE, rows, started_at=START, now=START + DAY)
    assert judgement.verdict == "reject"


def test_without_observed_until_the_present_counts() -> None:
    assert (
        judge_shadow(shadow(), EQUAL, rows_of(EQUAL), started_at=START, now=START + 7 * DAY).verdict
        == "promote"
    )
    assert (
        judge_shadow(shadow(), EQUAL, rows_of(EQUAL), started_at=START, now=START + 6 * DAY).verdict
        == "observe"
    )


PROBATIONS = [
    # state, changes of the policy, days observed, clipped share, verdict, words of the reason
    (
        CLEARLY_WORSE,
        {},
        2,
        0.0,
        "roll_back",
        "the previous champion was better by more than the margin of 0.01",
    ),
    (compared(0.002), {}, 2, 0.0, "observe", "2d of 14d"),
    (compared(0.002), {}, 14, 0.0, "accept", "not worse than the margin of 0.01: difference +0.0020"),
    (compared(0.002), {"margin": 0.001}, 2, 0.0, "roll_back", "margin of 0.001: difference +0.0020"),
    (compared(0.5, rows=999), {}, 2, 0.0, "roll_back", "better"),
    (compared(0.5, blocks=19), {}, 2, 0.0, "observe", "2d of 14d"),
    (CLEARLY_WORSE, {}, 2, 0.06, "observe", "2d of 14d"),
    (CLEARLY_BETTER, {}, 13.9, 0.0, "observe", "13d21h36m of 14d"),
    (CLEARLY_BETTER, {}, 14, 0.0, "accept", "not worse than the margin of 0.01"),
    (EQUAL, {}, 14, 0.0, "accept", "not worse"),
    (EQUAL, {"margin": 0.0}, 14, 0.0, "observe", "extended, the bounds enclose the margin of 0"),
    (UNDECIDED, {}, 14, 0.0, "observe", "extended, the bounds enclose the margin of 0.01"),
    (UNDECIDED, {}, 27.9, 0.0, "observe", "extended"),
    (UNDECIDED, {}, 28, 0.0, "accept", "undecided after 2 times 14d, accepted, the mean is within"),
    (UNDECIDED_ABOVE, {}, 28, 0.0, "accept", "accepted, the blocks do not tell its difference from chance"),
    (WORSE_AT_ONE_LOOK, {}, 27.9, 0.0, "observe", "extended"),
    (
        WORSE_AT_ONE_LOOK,
        {},
        28,
        0.0,
        "roll_back",
        "2 times 14d, rolled back, worse by more than 0.01 on average",
    ),
    (WORSE_AT_ONE_LOOK, {"alpha": 0.012}, 28, 0.0, "accept", "do not tell its difference from chance"),
    (WORSE_AT_ONE_LOOK, {"margin": 0.03}, 28, 0.0, "accept", "the mean is within the margin of 0.03"),
    (FEW_ROWS, {}, 14, 0.0, "observe", "extended, too little to judge by (999 of 1000 rows)"),
    (FEW_ROWS, {}, 300, 0.0, "observe", "too little"),
    (FEW_BLOCKS, {}, 300, 0.0, "observe", "19 of 20 blocks"),
    (NOTHING, {}, 300, 0.0, "observe", "0 of 20 blocks; 0 of 1000 rows"),
    (CLEARLY_BETTER, {}, 300, 0.06, "observe", "6.0% of the losses are clipped"),
]


@pytest.mark.parametrize(("state", "changed", "observed", "clipped", "verdict", "words"), PROBATIONS)
def test_a_probation_accepts_rolls_back_or_observes_and_says_why(
    state: ComparisonState,
    changed: dict[str, Any],
    observed: float,
    clipped: float,
    verdict: str,
    words: str,
) -> None:
    judgement = judge_probation(
        probation(**changed),
        state,
        started_at=START,
        now=START + 1000 * DAY,
        clipped_share=clipped,
        observed_until=START + observed * DAY,
    )
    assert judgement.verdict == verdict
    assert words in judgement.reason


@pytest.mark.parametrize(
    ("state", "days", "at_end"),
    [(CLEARLY_WORSE, 2, False), (EQUAL, 14, False), (UNDECIDED, 28, True), (WORSE_AT_ONE_LOOK, 28, True)],
)
def test_the_last_test_of_an_undecided_probation_is_told_from_its_bounds(
    state: ComparisonState, days: int, at_end: bool
) -> None:
    judgement = judge_probation(probation(), state, started_at=START, now=START + days * DAY)
    assert judgement.decided
    assert judgement.at_end is at_end


def test_looks_of_a_probation_spend_half_of_alpha_on_going_back() -> None:
    spec = probation(alpha=0.05)
    bounds = probation_bounds(spec, UNDECIDED)
    assert bounds.upper == UNDECIDED.bounds(0.05).upper
    assert bounds.lower == UNDECIDED.bounds(0.025).lower
    between = compared(0.0385, deviation=0.1)
    assert between.bounds(0.05).lower > spec.margin > between.bounds(0.025).lower
    assert judge_probation(spec, between, started_at=START, now=START + DAY).verdict == "observe"


@pytest.mark.parametrize(
    ("state", "clipped", "days", "outgrown"),
    [
        (EQUAL, 0.051, 14, True),
        (EQUAL, 0.05, 14, False),
        (EQUAL, 0.051, 13, False),
        (FEW_ROWS, 0.051, 14, False),
        (compared(0.0, blocks=19), 0.051, 14, False),
    ],
)
def test_a_probation_outgrows_its_scale_only_with_enough_to_judge_by(
    state: ComparisonState, clipped: float, days: int, outgrown: bool
) -> None:
    now = START + days * DAY
    judgement = judge_probation(probation(), state, started_at=START, now=now, clipped_share=clipped)
    assert judgement.outgrown is outgrown
    assert not outgrown or judgement.verdict == "observe"


@pytest.mark.parametrize(
    ("state", "changed", "by_evidence"),
    [
        (CLEARLY_BETTER, {}, True),
        (CLEARLY_WORSE, {}, True),
        (UNDECIDED, {"on_inconclusive": "promote"}, False),
        (UNDECIDED, {}, False),
        (FEW_ROWS, {}, False),
    ],
)
def test_a_promotion_by_on_inconclusive_is_none_by_evidence(
    state: ComparisonState, changed: dict[str, Any], by_evidence: bool
) -> None:
    judgement = judge_shadow(shadow(**changed), state, rows_of(state), started_at=START, now=START + 28 * DAY)
    assert judgement.decided
    assert judgement.by_evidence is by_evidence


@pytest.mark.parametrize(
    ("wanted", "told"), [(None, False), (DAY, False), (DAY / 2, False), (DAY + DAY / 24, True)]
)
def test_blocks_that_are_too_short_are_told_of(wanted: timedelta | None, told: bool) -> None:
    judgement = judge_shadow(shadow(), EQUAL, rows_of(EQUAL), started_at=START, now=START + 8 * DAY)
    after = judge_probation(probation(), EQUAL, started_at=START, now=START + 8 * DAY)
    assert with_short_blocks(after, wanted, DAY).reason.endswith("(1d, 1d1h wanted)") is told
    found = with_short_blocks(judgement, wanted, DAY)
    assert (found.verdict, found.bounds) == (judgement.verdict, judgement.bounds)
    assert found.reason.startswith(judgement.reason)
    assert ("blocks are shorter than the correlation of the losses (1d, 1d1h wanted)" in found.reason) is told


def test_twenty_of_the_longest_blocks_fit() -> None:
    assert longest_shadow_block(shadow()) == 28 * DAY / 20
    assert longest_shadow_block(shadow(undecided_after=10 * DAY)) == DAY / 2
    assert longest_probation_block(probation()) == 2 * 14 * DAY / 20


def test_bounds_travel_with_the_judgement() -> None:
    early = judge_shadow(shadow(), FEW_BLOCKS, rows_of(FEW_BLOCKS), started_at=START, now=START)
    assert (early.bounds.mean, early.bounds.lower, early.bounds.upper) == (-0.5, -math.inf, math.inf)
    assert "[-inf, +inf]" in early.reason
