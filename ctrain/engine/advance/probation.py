"""PROBATION: the previous champion is scored on the same rows, and comes back if it was better."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import Run
from ctrain.engine.comparison import Look, Progress, fold, measure, save_points
from ctrain.engine.moves import IDLE, MOVED, WAITING, Step, found_in, keep, move
from ctrain.lifecycle.comparison import ProbationJudgement, ProbationVerdict, judge_probation
from ctrain.lifecycle.transitions import RunEvent

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def watch_probation(watch: Watch, run: Run) -> Step:
    """PROBATION -> ACCEPTED, ROLLING_BACK or SUPERSEDED; or keep watching."""
    challenger, previous = run.challenger_version, run.champion_version
    assert challenger is not None
    assert previous is not None
    with watch.store.read() as tx:
        champion = tx.champion(watch.name)
    if champion is None or champion.version != challenger:
        name = champion.version if champion else "no version"
        move(watch, run, RunEvent.SUPERSEDE, f"the champion alias names {name}: someone else moved it")
        return MOVED
    look = Look(watch.policy.probation.alpha, lambda progress: _judged(watch, progress).decided)
    progress = fold(watch, run, "probation", challenger, previous, look)
    if progress.waiting:
        return WAITING
    if progress.failure:
        return _unscorable(watch, run, progress)
    return _judge(watch, run, progress)


def _unscorable(watch: Watch, run: Run, progress: Progress) -> Step:
    """A champion that cannot score is rolled back; a previous champion that cannot only loses its voice."""
    if f"version {run.challenger_version} " in progress.failure:
        move(watch, run, RunEvent.ROLL_BACK, progress.failure)
        return MOVED
    watch.failures.clear()
    watch.telemetry.log("probation_blind", policy=watch.name, run=run.id, message=progress.failure)
    return WAITING


def _judged(watch: Watch, progress: Progress) -> ProbationJudgement:
    return judge_probation(
        watch.policy.probation,
        progress.state,
        started_at=datetime.fromisoformat(found_in(progress.run, "probation")["since"]),
        observed_until=progress.folded_until,
        now=watch.clock.now(),
        clipped_share=progress.clipped_share,
    )


def _judge(watch: Watch, run: Run, progress: Progress) -> Step:
    judgement = _judged(watch, progress)
    measure(watch, progress)
    if judgement.verdict is not ProbationVerdict.OBSERVE:
        event = RunEvent.ACCEPT if judgement.verdict is ProbationVerdict.ACCEPT else RunEvent.ROLL_BACK
        evidence = progress.state.to_json()
        move(watch, progress.run, event, judgement.reason, evidence=evidence, also=save_points(run, progress))
        return MOVED
    if progress.run == run:
        return IDLE
    keep(watch, progress.run, also=save_points(run, progress))
    return MOVED
