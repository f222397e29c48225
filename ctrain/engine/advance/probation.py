"""PROBATION: the previous champion is scored on the same rows, and comes back if it was better."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.domain import Run, Version
from ctrain.engine.advance.rescaling import begun_anew, keep_begun_anew
from ctrain.engine.champions import is_gone
from ctrain.engine.comparison import Look, Progress, fold, measure, save_points
from ctrain.engine.moves import IDLE, MOVED, WAITING, Step, found_in, keep, move, with_details
from ctrain.engine.troubles import BLIND
from ctrain.errors import PermanentError
from ctrain.lifecycle.comparison import (
    ProbationJudgement,
    ProbationVerdict,
    judge_probation,
    probation_bounds,
    with_short_blocks,
)
from ctrain.lifecycle.transitions import RunEvent

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch


def watch_probation(watch: Watch, run: Run) -> Step:
    """PROBATION -> ACCEPTED, ROLLING_BACK or SUPERSEDED; or keep watching."""
    challenger, previous = run.challenger_version, run.champion_version
    assert challenger is not None
    assert previous is not None
    if _overtaken(watch, run):
        return MOVED
    spec = watch.policy.probation
    look = Look(
        lambda state: probation_bounds(spec, state), lambda progress: _is_enough(_judged(watch, progress))
    )
    try:
        progress = fold(watch, run, "probation", challenger, previous, look)
    except PermanentError:
        if not is_gone(watch, previous):
            raise
        return _alone(watch, run)
    if progress.waiting:
        return WAITING
    if progress.failure:
        return _unscorable(watch, run, progress)
    if progress.points and run.outcome_reason.startswith(BLIND):
        told = f"version {previous} can be scored again: version {challenger} is compared with it"
        return _say(watch, run, "probation_sees", told, MOVED)
    return _judge(watch, run, progress)


def stay_blind(watch: Watch, run: Run, why: str) -> Step:
    """Say once that nothing is compared; only somebody who moves the alias can end the probation."""
    if _overtaken(watch, run):
        return MOVED
    if run.outcome_reason.startswith(BLIND):
        return IDLE
    return _say(watch, run, "probation_blind", f"{BLIND}: {why}", IDLE)


def _overtaken(watch: Watch, run: Run) -> bool:
    """End the run when its version is no longer the champion."""
    with watch.store.read() as tx:
        champion = tx.champion(watch.name)
    version = champion.version if champion else None
    if version == run.challenger_version:
        return False
    _superseded(watch, run, version)
    return True


def _superseded(watch: Watch, run: Run, version: Version | None) -> None:
    name = version or "no version"
    move(watch, run, RunEvent.SUPERSEDE, f"the champion alias names {name}: someone else moved it")


def _alone(watch: Watch, run: Run) -> Step:
    """End the run without a verdict: the version that it would go back to was deleted."""
    reason = (
        f"version {run.champion_version} was deleted from the registry: nothing is left to compare version "
        f"{run.challenger_version} with, which stays the champion without a way back"
    )
    move(watch, run, RunEvent.SUPERSEDE, reason)
    return MOVED


def _moved_meanwhile(watch: Watch, run: Run) -> bool:
    """Look at the alias once more before a version is accepted; raises when it cannot be read."""
    model = watch.policy.model
    version = watch.registry.alias(model.name, model.aliases.champion)
    if version == run.challenger_version:
        return False
    _superseded(watch, run, version)
    return True


def _unscorable(watch: Watch, run: Run, progress: Progress) -> Step:
    """A champion that cannot score is rolled back; a previous champion that cannot only loses its voice.

    That is told once; whether it can be scored by now is looked at again and again.
    """
    if progress.failure.startswith(f"version {run.challenger_version} "):
        move(watch, run, RunEvent.ROLL_BACK, progress.failure)
        return MOVED
    return stay_blind(watch, run, progress.failure)


def _say(watch: Watch, run: Run, kind: str, message: str, step: Step) -> Step:
    """Put on record how the comparison stands."""
    event = watch.event(kind, message, run_id=run.id)
    keep(watch, replace(run, outcome_reason=event.message), also=lambda tx: tx.append_event(event))
    watch.telemetry.log(kind, policy=watch.name, run=run.id, message=event.message)
    return step


def _is_enough(judgement: ProbationJudgement) -> bool:
    return judgement.decided or judgement.outgrown


def _judged(watch: Watch, progress: Progress) -> ProbationJudgement:
    found = found_in(progress.run, "probation")
    judgement = judge_probation(
        watch.policy.probation,
        progress.state,
        started_at=datetime.fromisoformat(found.get("watched_from", found["since"])),
        observed_until=progress.folded_until,
        now=watch.clock.now(),
        clipped_share=progress.clipped_share,
    )
    wanted = found_in(progress.run, "evaluation").get("probation_block_wanted_seconds")
    used = timedelta(seconds=found["block_seconds"])
    return with_short_blocks(judgement, wanted and timedelta(seconds=wanted), used)


def _judge(watch: Watch, run: Run, progress: Progress) -> Step:
    judgement = _judged(watch, progress)
    measure(watch, progress, watch.policy.probation.margin)
    if judgement.verdict is not ProbationVerdict.OBSERVE:
        if judgement.verdict is ProbationVerdict.ACCEPT and _moved_meanwhile(watch, run):
            return MOVED
        event = RunEvent.ACCEPT if judgement.verdict is ProbationVerdict.ACCEPT else RunEvent.ROLL_BACK
        evidence = progress.state.to_json()
        move(watch, progress.run, event, judgement.reason, evidence=evidence, also=save_points(run, progress))
        return MOVED
    if judgement.outgrown:
        return _rescale(watch, run, progress)
    if progress.run == run:
        return IDLE
    keep(watch, progress.run, also=save_points(run, progress))
    return MOVED


def _rescale(watch: Watch, run: Run, progress: Progress) -> Step:
    """Begin the comparison anew on the errors of the probation so far: on the old scale it never ends."""
    assert run.champion_version is not None
    found = begun_anew(watch, progress, "probation", run.champion_version, watch.policy.probation.duration)
    if found is None:
        keep(watch, progress.run, also=save_points(run, progress))
        return WAITING
    anew, told = found
    assert progress.folded_until is not None
    anew = with_details(anew, "probation", {"watched_from": progress.folded_until.isoformat()})
    return keep_begun_anew(watch, run, progress, anew, "probation_rescaled", told)
