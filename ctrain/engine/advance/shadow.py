"""SHADOWING: challenger and champion on the same live rows, until one of three verdicts is reached."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ctrain.domain import Run
from ctrain.engine.advance.approval import ask_for_approval
from ctrain.engine.advance.rescaling import begun_anew, keep_begun_anew
from ctrain.engine.advance.training_rows import read_holdout
from ctrain.engine.comparison import Look, Progress, begin, fold, measure, save_points
from ctrain.engine.moves import IDLE, MOVED, WAITING, Step, found_in, keep, move, with_details
from ctrain.engine.slices import begin_slices, slice_states
from ctrain.errors import PermanentError
from ctrain.lifecycle.comparison import (
    ShadowJudgement,
    ShadowVerdict,
    in_whole_blocks,
    judge_shadow,
    promotion_limit,
    with_short_blocks,
)
from ctrain.lifecycle.slices import judge_slices
from ctrain.lifecycle.transitions import RunEvent
from ctrain.stats.sequential import ComparisonState

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

NEVER = datetime.max.replace(tzinfo=UTC)
FIRST_SCALE = "first_scale"
"""Where a shadow that began anew keeps the scale that its losses had outgrown."""


def shadow(watch: Watch, run: Run) -> Step:
    """SHADOWING -> PROMOTING, REJECTED or SUPERSEDED; or keep observing."""
    if _superseded(watch, run):
        return MOVED
    if "won" in found_in(run, "shadow"):
        return _promote(watch, run, found_in(run, "shadow")["won"])
    if "state" not in found_in(run, "shadow"):
        run = keep(watch, _begun(watch, run))
    challenger, champion = run.challenger_version, run.champion_version
    assert challenger is not None
    assert champion is not None
    origin = datetime.fromisoformat(found_in(run, "shadow")["origin"])
    alpha = watch.policy.shadow.alpha
    look = Look(lambda state: state.bounds(alpha), lambda progress: _judged(watch, progress, origin).decided)
    last_at = origin + watch.policy.shadow.max_duration
    progress = fold(watch, run, "shadow", challenger, champion, look, last_at)
    if progress.failure:
        move(watch, run, RunEvent.FAIL, progress.failure)
        return MOVED
    if progress.waiting:
        return WAITING
    return _judge(watch, run, progress)


def _begun(watch: Watch, run: Run) -> Run:
    evaluation = found_in(run, "evaluation")
    origin = datetime.fromisoformat(found_in(run, "training")["cut_off"])
    run = begin(run, "shadow", origin, timedelta(seconds=evaluation["block_seconds"]), evaluation["scale"])
    spent = {"alpha": watch.policy.shadow.alpha, "begun_at": watch.clock.now().isoformat()}
    run = with_details(run, "shadow", spent)
    columns = watch.policy.shadow.slices
    if not columns:
        return run
    rows = read_holdout(watch, run)
    if rows is None:
        raise PermanentError("the held-out rows of this run are gone from its folder: no slice can be named")
    return with_details(run, "shadow", {"slices": begin_slices(rows, columns)})


def _superseded(watch: Watch, run: Run) -> bool:
    """End the run when the champion it is compared with is no longer the champion."""
    with watch.store.read() as tx:
        champion = tx.champion(watch.name)
    version = champion.version if champion else None
    if version == run.champion_version:
        return False
    move(
        watch,
        run,
        RunEvent.SUPERSEDE,
        f"the champion is {version or 'gone'} now; the shadow compared with {run.champion_version}",
    )
    return True


def _judged(
    watch: Watch, progress: Progress, origin: datetime, deadline_at: datetime = NEVER
) -> ShadowJudgement:
    """The verdict on what has been folded; the deadline counts only once no block is left to fold."""
    found = found_in(progress.run, "evaluation")
    used = timedelta(seconds=found["block_seconds"])
    judgement = judge_shadow(
        in_whole_blocks(watch.policy.shadow, used),
        progress.state,
        progress.evidence,
        started_at=origin,
        observed_until=progress.folded_until,
        deadline_at=deadline_at,
        now=watch.clock.now(),
        clipped_share=progress.clipped_share,
    )
    judgement = judge_slices(
        watch.policy.shadow,
        judgement,
        slice_states(found_in(progress.run, "shadow").get("slices", {})),
        rows=progress.state.rows,
        clipped_share=progress.clipped_share,
    )
    wanted = found.get("block_wanted_seconds")
    return with_short_blocks(judgement, wanted and timedelta(seconds=wanted), used)


def _judge(watch: Watch, run: Run, progress: Progress) -> Step:
    origin = datetime.fromisoformat(found_in(progress.run, "shadow")["origin"])
    deadline_at = NEVER if progress.points or watch.behind else _deadline(watch, origin)
    judgement = _judged(watch, progress, origin, deadline_at)
    measure(watch, progress, promotion_limit(watch.policy.shadow))
    if judgement.outgrown and FIRST_SCALE not in found_in(progress.run, "shadow"):
        return _rescale(watch, run, progress)
    if judgement.verdict is not ShadowVerdict.OBSERVE:
        if judgement.verdict is ShadowVerdict.PROMOTE:
            told = {"won": judgement.reason, "undecided": not judgement.by_evidence}
            won = with_details(progress.run, "shadow", told)
            return _promote(watch, won, judgement.reason, save_points(run, progress))
        evidence = progress.state.to_json()
        move(
            watch,
            progress.run,
            RunEvent.REJECT,
            judgement.reason,
            evidence=evidence,
            also=save_points(run, progress),
        )
        return MOVED
    if progress.run == run:
        return IDLE
    keep(watch, progress.run, also=save_points(run, progress))
    return MOVED


def _rescale(watch: Watch, run: Run, progress: Progress) -> Step:
    """Begin the shadow anew, once: errors have grown since the held-out rows that set their scale.

    That is a second chance to be promoted wrongly, and costs the error rate of a second shadow.
    """
    assert run.champion_version is not None
    spec, before = watch.policy.shadow, found_in(progress.run, "shadow")
    found = begun_anew(watch, progress, "shadow", run.champion_version, spec.max_duration)
    if found is None:
        keep(watch, progress.run, also=save_points(run, progress))
        return WAITING
    anew, told = found
    following: dict[str, Any] = {FIRST_SCALE: before["scale"], "alpha": 2 * spec.alpha}
    if "slices" in before:
        following["slices"] = {name: ComparisonState().to_json() for name in before["slices"]}
    anew = with_details(anew, "shadow", following)
    return keep_begun_anew(watch, run, progress, anew, "shadow_rescaled", told)


def _promote(watch: Watch, run: Run, reason: str, also: Callable[[Transaction], None] | None = None) -> Step:
    """Go on to the promotion, ask a person, or wait until a blackout ends with the verdict as it stands."""
    evidence = found_in(run, "shadow")["state"]
    if watch.policy.promotion.approval == "manual":
        return ask_for_approval(watch, run, reason, evidence, also)
    if watch.blackout_until() is None:
        move(watch, run, RunEvent.PROMOTE, reason, evidence=evidence, also=also)
        return MOVED
    if also is None:
        return IDLE
    keep(watch, run, also=also)
    return MOVED


def _deadline(watch: Watch, origin: datetime) -> datetime:
    """When rows of the whole shadow have had time to arrive and mature."""
    data, shadow_spec = watch.policy.data, watch.policy.shadow
    return origin + shadow_spec.max_duration + data.allowed_lateness + data.labels.matures_after + data.pane
