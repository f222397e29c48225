"""One strategy through history: the clock moves on, and the engine ticks until nothing is left to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, TypeVar

from ctrain.clocks import wait_for
from ctrain.domain import (
    Decision,
    Event,
    ModelVersion,
    Outcome,
    Phase,
    Request,
    RequestKind,
    Run,
    Suppression,
    Verdict,
)
from ctrain.engine.instants import floor_to
from ctrain.engine.moves import move
from ctrain.engine.tick import tick
from ctrain.errors import PermanentError
from ctrain.lifecycle.transitions import RunEvent
from ctrain.triggers.blackout import blackout_until
from ctrain.triggers.decide import MANUAL_TRIGGER
from ctrain.turns import computing

if TYPE_CHECKING:
    from ctrain.backtest.launcher import Cost
    from ctrain.backtest.stage import Stage
    from ctrain.backtest.strategies import Plan, Strategy
    from ctrain.backtest.together import Together

T = TypeVar("T")
ACTOR = "backtest"
FIRST = "the first model"
PANES_BETWEEN_ASKS = 24
"""When there was no first model, because rows are too few or a gate was not passed."""
EVERYTHING = 1_000_000
PAUSE_SECONDS = 0.002
ROUNDED = timedelta(milliseconds=1)
"""More than what an instant loses as a number of seconds."""
MOST_TICKS = 1_000
"""At one instant; more means that the engine never comes to rest."""

Progress = Callable[[float], None]
"""Told which share of the time has passed."""


@dataclass(frozen=True, slots=True)
class Reign:
    """A version that served from an instant on, until the next one's."""

    since_at: datetime
    version: ModelVersion


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one strategy."""

    strategy: Strategy
    reigns: tuple[Reign, ...]
    runs: tuple[Run, ...]
    """Oldest first, as everything here."""
    events: tuple[Event, ...]
    decisions: tuple[tuple[Decision, int], ...]
    """And how often each was seen."""
    verdicts: tuple[Verdict, ...]
    costs: tuple[Cost, ...]


class Replay:
    """Plays one strategy on its stage, once; it goes on while ``together`` with others is wanted."""

    def __init__(self, stage: Stage, strategy: Strategy, plan: Plan, together: Together) -> None:
        self._stage, self._strategy, self._plan, self._together = stage, strategy, plan, together
        self._watch = stage.watch
        self._reigns: list[Reign] = []
        self._asks = sorted(strategy.asks_at)
        self._ask_for_first_at = plan.starts_at

    def play(self, progress: Progress = lambda _: None) -> Replayed:
        """Return what happened until the plan's end.

        Raises
        ------
        TransientError
            when scoring does not end within an hour.
        PermanentError
            when runs follow each other without end at one instant.
        AbandonedError
            when nobody waits for it any more.
        """
        plan = self._plan
        now = plan.starts_at
        while True:
            self._together.go_on()
            with computing():
                self._stage.clock.move_to(now)
                self._settle()
                if self._ask(now):
                    self._settle()
            progress((now - plan.starts_at) / (plan.ends_at - plan.starts_at))
            if now >= plan.ends_at:
                return self._replayed()
            now = self._next(now)

    def _next(self, now: datetime) -> datetime:
        """The next instant at which something can happen."""
        candidates = [self._plan.ends_at, self._stage.launcher.next_ready_at]
        candidates += self._asks[:1]
        run = self._active()
        if not self._reigns:
            candidates.append(self._ask_for_first_at)
        if run is not None:
            candidates.append(self._tries_again_at(run))
        if self._strategy.watches or run is not None or not self._reigns:
            candidates.append(blackout_until(self._watch.policy.limits.blackout, now))
            shadowed = run is not None and run.phase is Phase.SHADOWING
            step = self._plan.shadow_step if shadowed else self._plan.step
            candidates.append(floor_to(now, step) + step)
        return min(at for at in candidates if at is not None and at > now)

    def _tries_again_at(self, run: Run) -> datetime | None:
        """When the pause after a training that failed is over; None when none has."""
        at = self._watch.retry_at.get(run.id)
        return None if at is None else datetime.fromtimestamp(at, UTC) + ROUNDED

    def _settle(self) -> None:
        """Tick until nothing is left to do at this instant."""
        for _ in range(MOST_TICKS):
            ticked = tick(self._watch)
            self._note_champion()
            if self._hasten() or ticked.unfinished:
                continue
            if not ticked.waiting or not self._news():
                return
        raise PermanentError(
            f"the engine does not come to rest at {self._stage.clock.now().isoformat()}: does a trigger stay "
            "met while limits.cooldown and limits.min_new_labels allow a run after the other?"
        )

    def _news(self) -> bool:
        """Wait for the children; True when one has ended its work, False when none is at work.

        However long: what they do has timeouts of its own, and may come after that of other strategies.
        """
        stage = self._stage
        if stage.take_ended():
            return True
        if not stage.working:
            return False
        wait_for(
            lambda: stage.take_ended() or not stage.working or self._together.abandoned, inf, PAUSE_SECONDS
        )
        self._together.go_on()
        return True

    def _ask(self, now: datetime) -> bool:
        """Ask for a run when it is time: for the first model until there is one, and as the strategy says."""
        if self._asks_for_first(now):
            self._ask_for_first(now)
            return True
        due = [at for at in self._asks if at <= now]
        self._asks = self._asks[len(due) :]
        if self._reigns:
            for _ in due:
                self._request(now, self._strategy.name)
        return bool(due and self._reigns)

    def _ask_for_first(self, now: datetime) -> None:
        """Until it serves nothing else may start a run, so that all strategies begin with the same."""
        self._pause(False)
        self._request(now, FIRST)
        tick(self._watch)
        self._pause(True)

    def _request(self, now: datetime, reason: str) -> None:
        request = Request(0, self._watch.name, RequestKind.TRIGGER, ACTOR, now, {"reason": reason})
        with self._watch.store.write() as tx:
            tx.add_request(request)

    def _pause(self, paused: bool) -> None:
        with self._watch.store.write() as tx:
            tx.set_paused(self._watch.name, paused)

    def _asks_for_first(self, now: datetime) -> bool:
        """True when the first model is due; in a blackout it is due when that is over."""
        if now < self._ask_for_first_at or self._reigns or self._active() is not None:
            return False
        until = blackout_until(self._plan.blackout, now)
        self._ask_for_first_at = until or now + self._watch.policy.data.pane * PANES_BETWEEN_ASKS
        return until is None

    def _note_champion(self) -> None:
        with self._watch.store.read() as tx:
            champion = tx.champion(self._watch.name)
        if champion is None or (self._reigns and self._reigns[-1].version.version == champion.version):
            return
        if not self._reigns:
            self._pause(False)
        version = self._stage.registry.version(self._watch.policy.model.name, champion.version)
        self._reigns.append(Reign(champion.since_at, version))

    def _hasten(self) -> bool:
        """Do what a person would: approve at once; and let a simple strategy skip shadow and probation."""
        run = self._active()
        if run is None:
            return False
        if run.phase is Phase.AWAITING_APPROVAL:
            return self._move(run, RunEvent.APPROVE, "approved at once")
        if self._strategy.direct and run.phase is Phase.SHADOWING:
            return self._move(run, RunEvent.PROMOTE, "it passed its gates")
        if self._strategy.direct and run.phase is Phase.PROBATION:
            return self._move(run, RunEvent.ACCEPT, "it is not on probation")
        return False

    def _move(self, run: Run, event: RunEvent, reason: str) -> bool:
        move(self._watch.for_run(run), run, event, reason, actor=ACTOR)
        return True

    def _active(self) -> Run | None:
        with self._watch.store.read() as tx:
            return tx.active_run(self._watch.name)

    def _replayed(self) -> Replayed:
        name = self._watch.name
        with self._watch.store.read() as tx:
            decisions = tx.decisions(name, limit=EVERYTHING)
            return Replayed(
                strategy=self._strategy,
                reigns=tuple(self._reigns),
                runs=_oldest_first(tx.runs(name, limit=EVERYTHING)),
                events=_oldest_first(tx.events(name, limit=EVERYTHING)),
                decisions=tuple((decision, count) for decision, _, _, count in decisions[::-1]),
                verdicts=_oldest_first(tx.verdicts(name, limit=EVERYTHING)),
                costs=tuple(self._stage.launcher.costs),
            )


def _oldest_first(newest_first: Sequence[T]) -> tuple[T, ...]:
    return tuple(newest_first[::-1])


def why_no_run(replayed: Replayed) -> str:
    """Why a run that was asked for did not start, as of the last time; empty: nothing was asked for."""
    reasons = [decision.reason for decision, _ in replayed.decisions if decision.trigger == MANUAL_TRIGGER]
    return reasons[-1] if reasons else ""


def suppressed(replayed: Replayed) -> dict[str, int]:
    """How often triggers were suppressed, by reason; before the first model the replay itself is paused."""
    counts: dict[str, int] = {}
    for decision, seen in replayed.decisions:
        if decision.outcome is Outcome.SUPPRESSED and decision.suppression not in {None, Suppression.PAUSED}:
            assert decision.suppression is not None
            reason = decision.suppression.value
            counts[reason] = counts.get(reason, 0) + seen
    return counts
