"""SHADOWING: challenger and champion on the same live rows, until one of three verdicts is reached."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import Run
from ctrain.engine.comparison import Progress, begin, fold, measure, save_points
from ctrain.engine.moves import IDLE, MOVED, WAITING, Step, found_in, keep, move
from ctrain.lifecycle.comparison import ShadowVerdict, judge_shadow
from ctrain.lifecycle.transitions import RunEvent

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def shadow(watch: Watch, run: Run) -> Step:
    """SHADOWING -> PROMOTING, REJECTED or SUPERSEDED; or keep observing."""
    if _superseded(watch, run):
        return MOVED
    if "state" not in found_in(run, "shadow"):
        run = keep(watch, _begun(run))
    challenger, champion = run.challenger_version, run.champion_version
    assert challenger is not None
    assert champion is not None
    progress = fold(watch, run, "shadow", watch.policy.shadow.alpha, challenger, champion)
    if progress.failure:
        move(watch, run, RunEvent.FAIL, progress.failure)
        return MOVED
    if progress.waiting:
        return WAITING
    return _judge(watch, run, progress)


def _begun(run: Run) -> Run:
    evaluation = found_in(run, "evaluation")
    origin = datetime.fromisoformat(found_in(run, "training")["cut_off"])
    return begin(run, "shadow", origin, timedelta(seconds=evaluation["block_seconds"]), evaluation["scale"])


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


def _judge(watch: Watch, run: Run, progress: Progress) -> Step:
    spec = watch.policy.shadow
    origin = datetime.fromisoformat(found_in(progress.run, "shadow")["origin"])
    assert progress.folded_until is not None
    judgement = judge_shadow(
        spec,
        progress.state,
        started_at=origin,
        observed_until=progress.folded_until,
        deadline_at=_deadline(watch, origin),
        now=watch.clock.now(),
        clipped_share=progress.clipped_share,
    )
    if judgement.verdict is ShadowVerdict.OBSERVE and not progress.points:
        return IDLE
    measure(watch, progress)
    if judgement.verdict is ShadowVerdict.OBSERVE:
        keep(watch, progress.run, also=save_points(run, progress))
        return MOVED
    event = RunEvent.PROMOTE if judgement.verdict is ShadowVerdict.PROMOTE else RunEvent.REJECT
    evidence = progress.state.to_json()
    move(watch, progress.run, event, judgement.reason, evidence=evidence, also=save_points(run, progress))
    return MOVED


def _deadline(watch: Watch, origin: datetime) -> datetime:
    """When rows of the whole shadow have had time to arrive and mature."""
    data, shadow_spec = watch.policy.data, watch.policy.shadow
    return origin + shadow_spec.max_duration + data.allowed_lateness + data.labels.matures_after + data.pane
