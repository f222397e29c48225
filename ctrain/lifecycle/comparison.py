"""Verdicts on two models that were compared on the same live rows: shadow and probation.

Both look at d = loss of the newer model - loss of the older one, block by block, through bounds
that hold at every look (``ctrain.stats.sequential``). Missing data never decides anything in
favour of the newer model: without enough rows and blocks it is neither promoted nor accepted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from ctrain.policy.fields import format_duration
from ctrain.policy.models import Probation, Shadow
from ctrain.stats.empirical_bernstein import RowEvidence
from ctrain.stats.sequential import MIN_BLOCKS, Bounds, ComparisonState

MAX_CLIPPED_SHARE = 0.05
"""Above this share of cut losses their mean no longer says which model is better."""
LONGEST_PROBATION = 2
"""In durations: until when an undecided probation goes on."""


class ShadowVerdict(StrEnum):
    PROMOTE = "promote"
    REJECT = "reject"
    OBSERVE = "observe"


class ProbationVerdict(StrEnum):
    ACCEPT = "accept"
    ROLL_BACK = "roll_back"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class ShadowJudgement:
    verdict: ShadowVerdict
    reason: str
    bounds: Bounds
    outgrown: bool = False
    """At the deadline too many clipped losses alone are in the way: on a larger scale it may be decided."""
    by_evidence: bool = True
    """Whether the bounds decided; False where ``on_inconclusive`` did."""

    @property
    def decided(self) -> bool:
        return self.verdict is not ShadowVerdict.OBSERVE


@dataclass(frozen=True, slots=True)
class ProbationJudgement:
    verdict: ProbationVerdict
    reason: str
    bounds: Bounds
    outgrown: bool = False
    """Rows and blocks are enough, but too many losses are clipped: on this scale it is never decided."""
    at_end: bool = False
    """Whether the last test of an undecided probation decided, and not the bounds."""

    @property
    def decided(self) -> bool:
        return self.verdict is not ProbationVerdict.OBSERVE


Judgement = TypeVar("Judgement", ShadowJudgement, ProbationJudgement)


def judge_shadow(
    spec: Shadow,
    state: ComparisonState,
    evidence: RowEvidence,
    *,
    started_at: datetime,
    now: datetime,
    clipped_share: float = 0.0,
    observed_until: datetime | None = None,
    deadline_at: datetime | None = None,
) -> ShadowJudgement:
    """Return whether the challenger is promoted, rejected or observed further, and why.

    One limit decides both ways: ``margin``, the worsening that is tolerated, or ``-min_gain``
    where a gain is asked for. The challenger is promoted once the upper bound of the difference is
    below the limit and the single rows agree, with ``min_rows`` rows over ``min_duration`` of event
    time (``observed_until``, default ``now``, minus ``started_at``). It is rejected once the lower
    bound is above the limit, with ``min_rows`` rows. Each happens wrongly with probability about
    ``alpha``, over all looks: of a challenger at the limit. A promotion by ``on_inconclusive`` is no
    evidence, and ``alpha`` does not bound it.

    From ``deadline_at`` (default: ``max_duration`` after the start) on, what is still undecided
    follows ``on_inconclusive``; it is promoted only with enough rows and blocks, few clipped losses, and
    a mean difference within the limit, and where all that holds already ``undecided_after`` the start.
    Where only the clipped losses are too many at the deadline, the rejection is ``outgrown``: the
    comparison can begin anew on a larger scale.
    """
    bounds = state.bounds(spec.alpha)
    limit = promotion_limit(spec)
    observed = (observed_until or now) - started_at
    missing = _missing(state, spec.min_rows, clipped_share)
    seen = _seen(state, bounds)
    if not missing and bounds.lower > limit:
        return ShadowJudgement(ShadowVerdict.REJECT, f"worse than {limit:+g} allows: {seen}", bounds)
    early = observed < spec.min_duration
    agreement = evidence.against(limit) / math.log(1 / spec.alpha)
    if not missing and bounds.upper < limit and agreement >= 1 and not early:
        return ShadowJudgement(ShadowVerdict.PROMOTE, f"better than {limit:+g} asks: {seen}", bounds)
    if early:
        missing = (*missing, f"{_written(observed)} of {format_duration(spec.min_duration)}")
    late = now >= (deadline_at or started_at + spec.max_duration)
    settled = not missing and state.mean <= limit and _settles(spec, observed)
    if not late and not settled:
        unsure = f"the bounds enclose {limit:+g}"
        if bounds.upper < limit:
            unsure = f"better by its blocks; single rows give {agreement:.0%} of the evidence that it takes"
        open_question = "; ".join(missing) or unsure
        return ShadowJudgement(ShadowVerdict.OBSERVE, f"{open_question}: {seen}", bounds)
    outgrown = bool(missing) and not early and not _missing(state, spec.min_rows, 0.0)
    when = "at the deadline" if late else f"after {_written(observed)}"
    return replace(_undecided(spec, state, bounds, limit, missing, when), outgrown=outgrown)


def promotion_limit(spec: Shadow) -> float:
    """Return the difference of losses that decides: the gain asked for, negative, or the margin."""
    return -spec.min_gain if spec.min_gain > 0 else spec.margin


def in_whole_blocks(spec: Shadow, block: timedelta) -> Shadow:
    """Return ``spec`` with a ``min_duration`` that the last whole block before ``max_duration`` reaches.

    Durations are observed in whole blocks: without this nothing is promoted where both are nearly the same.
    """
    return spec.model_copy(
        update={"min_duration": min(spec.min_duration, spec.max_duration // block * block)}
    )


def with_short_blocks(judgement: Judgement, wanted: timedelta | None, used: timedelta) -> Judgement:
    """Return ``judgement``, with a warning in its reason where blocks are shorter than they should be.

    The means of such blocks depend on each other, and the bounds claim too much.
    """
    if wanted is None or used >= wanted:
        return judgement
    lengths = f"{_written(used)}, {_written(wanted)} wanted"
    told = f"{judgement.reason}; blocks are shorter than the correlation of the losses ({lengths})"
    return replace(judgement, reason=told)


def longest_shadow_block(spec: Shadow) -> timedelta:
    """Return the length of which twenty fit before an undecided challenger may be promoted."""
    return (spec.undecided_after or spec.max_duration) / MIN_BLOCKS


def longest_probation_block(spec: Probation) -> timedelta:
    """Return the length of which twenty fit into the longest that an undecided probation becomes."""
    return LONGEST_PROBATION * spec.duration / MIN_BLOCKS


def _settles(spec: Shadow, observed: timedelta) -> bool:
    """Whether an undecided challenger that is no worse on average is promoted before the deadline."""
    return spec.undecided_after is not None and observed >= spec.undecided_after


def _undecided(
    spec: Shadow, state: ComparisonState, bounds: Bounds, limit: float, missing: tuple[str, ...], when: str
) -> ShadowJudgement:
    seen = _seen(state, bounds)
    if missing:
        reason = f"undecided {when} with too little to judge by ({'; '.join(missing)}): {seen}"
        return ShadowJudgement(ShadowVerdict.REJECT, reason, bounds, by_evidence=False)
    if spec.on_inconclusive == "promote" and state.mean <= limit:
        reason = f"undecided {when}, promoted by on_inconclusive: {seen}"
        return ShadowJudgement(ShadowVerdict.PROMOTE, reason, bounds, by_evidence=False)
    asked = spec.on_inconclusive == "reject"
    why = "rejected by on_inconclusive" if asked else f"the mean is above {limit:+g}"
    reason = f"undecided {when}, {why}: {seen}"
    return ShadowJudgement(ShadowVerdict.REJECT, reason, bounds, by_evidence=False)


def probation_bounds(spec: Probation, state: ComparisonState) -> Bounds:
    """Return the mean difference with the bounds that a probation goes by.

    The upper one, which accepts, has level ``alpha``. The lower one, which rolls back, has half of it: the
    other half is left to the test at the end.
    """
    return replace(state.bounds(spec.alpha), lower=state.bounds(spec.alpha / 2).lower)


def judge_probation(
    spec: Probation,
    state: ComparisonState,
    *,
    started_at: datetime,
    now: datetime,
    clipped_share: float = 0.0,
    observed_until: datetime | None = None,
) -> ProbationJudgement:
    """Return whether the new champion is accepted, rolled back or watched further, and why.

    ``margin`` is the worsening that is tolerated. The champion is rolled back as soon as the lower bound
    of the difference is above it, and accepted after ``duration`` of event time (``observed_until``,
    default ``now``, minus ``started_at``) with ``min_rows`` rows and an upper bound below it. Undecided
    with enough rows, it is watched for up to twice the duration and then tested once: it is rolled back
    if its mean difference is above the margin and a t-test of the blocks says that it is worse at all,
    and accepted otherwise. A champion that is not worse is rolled back with probability about ``alpha``
    at most, half of it by the bounds over all looks and half by the test at the end.

    Too few rows or blocks extend the probation without limit, and never accept. Where only the clipped
    losses are too many, it is ``outgrown``: the comparison has to begin anew on a larger scale.
    """
    bounds = probation_bounds(spec, state)
    observed = (observed_until or now) - started_at
    seen = _seen(state, bounds)
    if bounds.lower > spec.margin and clipped_share <= MAX_CLIPPED_SHARE:
        reason = f"the previous champion was better by more than the margin of {spec.margin:g}: {seen}"
        return ProbationJudgement(ProbationVerdict.ROLL_BACK, reason, bounds)
    if observed < spec.duration:
        reason = f"{_written(observed)} of {format_duration(spec.duration)}: {seen}"
        return ProbationJudgement(ProbationVerdict.OBSERVE, reason, bounds)
    missing = _missing(state, spec.min_rows, clipped_share)
    if missing:
        reason = f"extended, too little to judge by ({'; '.join(missing)}): {seen}"
        outgrown = not _missing(state, spec.min_rows, 0.0)
        return ProbationJudgement(ProbationVerdict.OBSERVE, reason, bounds, outgrown)
    if bounds.upper < spec.margin:
        reason = f"not worse than the margin of {spec.margin:g}: {seen}"
        return ProbationJudgement(ProbationVerdict.ACCEPT, reason, bounds)
    if observed < LONGEST_PROBATION * spec.duration:
        reason = f"extended, the bounds enclose the margin of {spec.margin:g}: {seen}"
        return ProbationJudgement(ProbationVerdict.OBSERVE, reason, bounds)
    return _at_end(spec, state, bounds)


def _at_end(spec: Probation, state: ComparisonState, bounds: Bounds) -> ProbationJudgement:
    worse = state.p_value() < spec.alpha / 2
    verdict, told = ProbationVerdict.ACCEPT, f"accepted, the mean is within the margin of {spec.margin:g}"
    if state.mean > spec.margin and worse:
        verdict, told = (
            ProbationVerdict.ROLL_BACK,
            f"rolled back, worse by more than {spec.margin:g} on average",
        )
    elif state.mean > spec.margin:
        told = "accepted, the blocks do not tell its difference from chance"
    undecided = f"undecided after {LONGEST_PROBATION} times {format_duration(spec.duration)}"
    return ProbationJudgement(verdict, f"{undecided}, {told}: {_seen(state, bounds)}", bounds, at_end=True)


def _missing(state: ComparisonState, min_rows: int, clipped_share: float) -> tuple[str, ...]:
    """What the comparison lacks before anything may be concluded from it."""
    lacks = []
    if state.blocks < MIN_BLOCKS:
        lacks.append(f"{state.blocks} of {MIN_BLOCKS} blocks")
    if state.rows < min_rows:
        lacks.append(f"{state.rows} of {min_rows} rows")
    if clipped_share > MAX_CLIPPED_SHARE:
        lacks.append(f"{clipped_share:.1%} of the losses are clipped, {MAX_CLIPPED_SHARE:.0%} may be")
    return tuple(lacks)


def _seen(state: ComparisonState, bounds: Bounds) -> str:
    return (
        f"difference {bounds.mean:+.4f} [{bounds.lower:+.4f}, {bounds.upper:+.4f}]"
        f" on {state.rows} rows in {state.blocks} blocks"
    )


def _written(length: timedelta) -> str:
    return format_duration(max(length, timedelta(0)))
