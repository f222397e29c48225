"""What happened to a policy in a stretch of time: triggers, runs with their phases, champions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ctrain.domain import Decision, Outcome, Phase, PolicyName, RunId, TriggerName
from ctrain.queries.answers import Answer, PhaseTime
from ctrain.queries.champion_history import Reign

if TYPE_CHECKING:
    from ctrain.domain import Run
    from ctrain.domain.audit import Link
    from ctrain.ports import Transaction

MOST_RUNS = 60
MOST_DECISIONS = 400
MOST_MOVES = 600
MOST_ENTRIES = 60
SHORTEST = timedelta(hours=1)
_PHASES = {f"run_{phase.value.lower()}": phase for phase in Phase}
WORKING = frozenset(
    {Phase.TRAINING, Phase.EVALUATING, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED}
)
"""Phases in which something is computed or moved; in the others a run waits: for rows, a person, its turn."""

Happened = Literal["fired", "suppressed", "run", "champion"]


@dataclass(frozen=True, slots=True)
class TriggerMark(Answer):
    """A trigger that fired, or was suppressed from ``at`` until ``until_at``."""

    trigger: TriggerName
    outcome: Literal["fired", "suppressed"]
    suppression: str | None
    reason: str
    at: datetime
    until_at: datetime
    seen_count: int


@dataclass(frozen=True, slots=True)
class RunBar(Answer):
    """A run from its beginning to its end, or to now."""

    run: RunId
    phase: Phase
    trigger: TriggerName
    version: str | None
    phases: tuple[PhaseTime, ...]
    since_at: datetime
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Entry(Answer):
    """One line of the timeline as text."""

    at: datetime
    happened: Happened
    what: str
    why: str
    run: RunId | None = None


@dataclass(frozen=True, slots=True)
class Timeline(Answer):
    """All of it within ``[start, end]``; each tuple is newest first."""

    start: datetime
    end: datetime
    triggers: tuple[TriggerMark, ...]
    runs: tuple[RunBar, ...]
    reigns: tuple[Reign, ...]
    entries: tuple[Entry, ...]


def timeline_of(
    tx: Transaction,
    policy: PolicyName,
    start: datetime,
    end: datetime,
    runs: Sequence[Run],
    champions: Sequence[Reign],
) -> Timeline:
    """What is on record of the policy; a stretch with little in it is narrowed to what happened."""
    moves = moves_by_run(tx.newest_links(MOST_MOVES, policy=policy, kinds=tuple(_PHASES)))
    bars = [_bar(run, moves.get(run.id, ())) for run in runs[:MOST_RUNS]]
    bars = [one for one in bars if one.ended_at is None or one.ended_at >= start]
    decisions = tx.decisions(policy, limit=MOST_DECISIONS)
    marks = [_mark(*row) for row in decisions if row[0].outcome is not Outcome.NOT_MET and row[2] >= start]
    marks.sort(key=lambda one: one.at, reverse=True)
    held = [one for one in champions if one.until_at is None or one.until_at >= start]
    begun = [one.at for one in marks] + [one.since_at for one in bars] + [one.since_at for one in held]
    first = min((at for at in begun if at >= start), default=end)
    shown_from = max(start, min(first, end - SHORTEST) - (end - first) * 0.04)
    entries = sorted(_entries(marks, bars, held), key=lambda one: one.at, reverse=True)
    recent = tuple(one for one in entries if one.at >= start)[:MOST_ENTRIES]
    return Timeline(shown_from, end, tuple(marks), tuple(bars), tuple(held), recent)


def moves_by_run(links: Sequence[Link]) -> dict[RunId, tuple[Link, ...]]:
    """Moves of runs by run, oldest first; ``links`` are newest first."""
    found: dict[RunId, tuple[Link, ...]] = {}
    for link in reversed(links):
        run = RunId(link.content["run_id"] or "")
        found[run] = (*found.get(run, ()), link)
    return found


def phase_times(moves: Sequence[Link], ended_at: datetime | None) -> tuple[PhaseTime, ...]:
    """The phases of a run, each until the next begins; ``moves`` are oldest first."""
    begun = [datetime.fromisoformat(one.content["at"]) for one in moves]
    ends: list[datetime | None] = [*begun[1:], ended_at]
    return tuple(
        PhaseTime(_PHASES[one.content["kind"]], at, end, one.content["message"])
        for one, at, end in zip(moves, begun, ends, strict=False)
    )


def _bar(run: Run, moves: Sequence[Link]) -> RunBar:
    return RunBar(
        run=run.id,
        phase=run.phase,
        trigger=run.trigger,
        version=run.challenger_version,
        phases=phase_times(moves, run.ended_at),
        since_at=run.created_at,
        ended_at=run.ended_at,
        reason=run.outcome_reason.partition("\n")[0] or run.reason,
    )


def _mark(decision: Decision, since: datetime, last_seen: datetime, seen_count: int) -> TriggerMark:
    fired = decision.outcome is Outcome.FIRED
    suppression = decision.suppression.value if decision.suppression else None
    return TriggerMark(
        trigger=decision.trigger,
        outcome="fired" if fired else "suppressed",
        suppression=suppression,
        reason=decision.reason,
        at=since,
        until_at=last_seen,
        seen_count=seen_count,
    )


def _entries(
    marks: Sequence[TriggerMark], bars: Sequence[RunBar], champions: Sequence[Reign]
) -> Iterator[Entry]:
    for mark in marks:
        by = f" by {mark.suppression.replace('_', ' ')}" if mark.suppression else ""
        yield Entry(mark.at, mark.outcome, f"{mark.trigger} {mark.outcome}{by}", mark.reason)
    for bar in bars:
        yield Entry(bar.since_at, "run", f"run {bar.run} began", f"trigger {bar.trigger}", bar.run)
        if bar.ended_at is not None:
            yield Entry(bar.ended_at, "run", f"run {bar.run} ended {bar.phase.value}", bar.reason, bar.run)
    for reign in champions:
        what = f"version {reign.version} {reign.how}" if reign.version else "no champion any more"
        yield Entry(reign.since_at, "champion", what, reign.why, reign.run)
