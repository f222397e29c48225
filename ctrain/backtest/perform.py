"""The backtest: the policy through history, and beside it simpler strategies on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.backtest.history import MOST_NAMED
from ctrain.backtest.ledger import Judged, Ledger, series
from ctrain.backtest.outcomes import (
    averaged,
    drift_of,
    first_training,
    outcome,
    retrains_of,
    timeline,
    trainings_of,
)
from ctrain.backtest.replay import Replay, Replayed, why_no_run
from ctrain.backtest.result import Backtest, Outcome
from ctrain.backtest.stage import Crew, set_stage
from ctrain.backtest.steps import GRID_STEPS, MOST_STEPS
from ctrain.backtest.strategies import BASELINES, FOLLOW, PHASES, Plan, Strategy, as_written, baselines
from ctrain.backtest.together import Together
from ctrain.engine.instants import ceil_to, floor_to
from ctrain.errors import InputError, PermanentError
from ctrain.policy.fields import format_duration
from ctrain.policy.monitors import PrometheusMonitor
from ctrain.rows.workspace import FolderWorkspace

if TYPE_CHECKING:
    from ctrain.backtest.history import History
    from ctrain.policy.files import LoadedPolicy
    from ctrain.policy.models import Policy
    from ctrain.ports import Store

FIRST_SHARE = 0.1
"""Of the rows, which happen before the first model is trained."""
SHADOW_STEPS = 8
"""In the place of each while a shadow runs, where panes allow."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person asked for."""

    baselines: tuple[str, ...] = BASELINES
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    step: timedelta | None = None
    training_time: timedelta | None = None
    """How long each training takes on the virtual clock; None: as long as it took."""
    grid_steps: int = GRID_STEPS
    phases: int = PHASES
    """Times at which the periodic strategy begins; its outcome is their mean."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where it is played, and by whom."""

    folder: Path
    open_store: Callable[[Path], Store]
    crew: Crew
    progress: Callable[[str, float], None] = field(default=lambda _name, _share: None)
    """Told by several threads how far each strategy is."""
    side_by_side: int = 1
    """Strategies that are played at a time: while one waits for its training, another goes on."""


@dataclass(frozen=True, slots=True)
class _Played:
    replayed: Replayed
    judged: Judged
    """From its own first model on."""

    @property
    def serves_from(self) -> datetime:
        return self.replayed.reigns[0].since_at


def perform(loaded: LoadedPolicy, history: History, room: Room, choices: Choices) -> Backtest:
    """Return what the policy would have done over ``history``, and what simpler strategies would have.

    Raises
    ------
    InputError
        when the time asked for holds no history, or no label, or a training may not take the time asked for.
    PermanentError
        when no first model passes the gates, so that there is nothing to compare.
    """
    plan = make_plan(loaded.policy, history, choices)
    with Together(room.side_by_side) as together:
        performance = _Performance(loaded, plan, history, room, choices, together)
        policy, others = performance.play_all()
    # What waits for the end of a blackout serves later: all are judged from when the last one served.
    start = max(one.serves_from for one in chain([policy], *others.values()))
    end = plan.ends_at - loaded.policy.data.labels.matures_after
    seconds, rows = first_training(policy.replayed)
    return Backtest(
        name=loaded.policy.policy,
        metric_name=loaded.policy.model.metric,
        judged_from=start,
        judged_until=end,
        first_train_seconds=seconds,
        first_train_rows=rows,
        policy=_outcome(policy, start, end, plan),
        baselines={
            name: averaged(name, [_outcome(one, start, end, plan) for one in played])
            for name, played in others.items()
        },
        events=timeline(policy.replayed),
        drift=drift_of(policy.replayed),
        notes=tuple(_notes(loaded.policy, history)),
        trainings=trainings_of(policy.replayed),
    )


def make_plan(policy: Policy, history: History, choices: Choices) -> Plan:
    """From when to when: the first tenth of the rows is there before the first model is trained.

    It ends when all is known at the latest: steps and grid are parts of the time that has rows.
    """
    starts_at = choices.starts_at or ceil_to(history.instant_of_share(FIRST_SHARE), policy.data.pane)
    ends_at = min(choices.ends_at or history.last_at, _all_known_at(policy, history))
    _check_times(policy, history, starts_at, ends_at)
    _check_training_time(policy, choices)
    pane = policy.data.pane
    panes = max(-(-((ends_at - starts_at) // pane) // MOST_STEPS), 1)
    step = choices.step or pane * panes
    shadow_step = min(step, pane * -(-step // (pane * SHADOW_STEPS)))
    return Plan(starts_at, ends_at, step, shadow_step, choices.grid_steps, policy.limits.blackout)


def _all_known_at(policy: Policy, history: History) -> datetime:
    """When the last pane with a row has ended and its labels have matured."""
    pane = policy.data.pane
    return floor_to(history.last_at, pane) + pane + policy.data.labels.matures_after


def _check_times(policy: Policy, history: History, starts_at: datetime, ends_at: datetime) -> None:
    """Raise InputError unless a model can be trained at the start, and labels of later rows mature."""
    if starts_at >= ends_at:
        raise InputError(
            f"history goes from {history.first_at.isoformat()} to {history.last_at.isoformat()}; "
            f"nothing of it lies between {starts_at.isoformat()} and {ends_at.isoformat()}: "
            "take an earlier --from, or a later --to"
        )
    if starts_at < history.first_at:
        raise InputError(
            f"--from {starts_at.isoformat()}: the first model is trained then, and the first row is of "
            f"{history.first_at.isoformat()}; take a later --from, or leave it out"
        )
    matures_after = policy.data.labels.matures_after
    if starts_at >= ends_at - matures_after:
        raise InputError(
            f"no label of a row from {starts_at.isoformat()} on has matured by {ends_at.isoformat()} "
            f"(data.labels.matures_after is {format_duration(matures_after)}): take an earlier --from, or a "
            "later --to"
        )
    if not history.labelled_within(starts_at, ends_at - matures_after):
        raise InputError(
            f"no row from {starts_at.isoformat()} to {(ends_at - matures_after).isoformat()} has a label, so "
            "that there is no row to judge: take an earlier --from or a later --to, and see whether "
            "data.labels finds the labels"
        )


def _check_training_time(policy: Policy, choices: Choices) -> None:
    """Raise InputError for a training that would be stopped before its end."""
    timeout, asked = policy.train.timeout, choices.training_time
    if asked is not None and asked > timeout:
        raise InputError(
            f"--training-time {format_duration(asked)}: a training is stopped after train.timeout "
            f"({format_duration(timeout)}) and has failed; ask for no more than that, or raise train.timeout"
        )


class _Performance:
    """Strategies on stages of their own, with one crew."""

    def __init__(
        self,
        loaded: LoadedPolicy,
        plan: Plan,
        history: History,
        room: Room,
        choices: Choices,
        together: Together,
    ) -> None:
        self._loaded, self._plan, self._history = loaded, plan, history
        self._room, self._choices, self._together = room, choices, together
        workspace = FolderWorkspace(room.folder / "ledger")
        self._ledger = Ledger(history, loaded.policy, room.crew.scorer, workspace)

    def play_all(self) -> tuple[_Played, dict[str, list[_Played]]]:
        """What came of the policy, and of the simpler strategies by name, in the order asked for.

        A strategy whose trainings hang on how often the policy trained begins once that is known.
        """
        begun = self._begin(as_written(self._loaded))
        parts = {name: self._begin_all(name, 0) for name in self._choices.baselines if name not in FOLLOW}
        policy = self._together.result(begun)
        retrains = retrains_of(policy.replayed)
        parts |= {name: self._begin_all(name, retrains) for name in self._choices.baselines if name in FOLLOW}
        others = {
            name: [self._together.result(part) for part in parts[name]] for name in self._choices.baselines
        }
        return policy, others

    def _begin_all(self, name: str, retrains: int) -> list[Future[_Played]]:
        found = baselines(name, self._loaded, self._plan, retrains, self._choices.phases)
        return [self._begin(one) for one in found]

    def _begin(self, strategy: Strategy) -> Future[_Played]:
        return self._together.begin(partial(self._play, strategy))

    def _play(self, strategy: Strategy) -> _Played:
        folder, plan, policy = self._room.folder / strategy.name, self._plan, self._loaded.policy
        folder.mkdir(parents=True, exist_ok=True)
        store = self._room.open_store(folder / "state.db")
        stage = set_stage(
            folder,
            store,
            strategy.loaded,
            self._history,
            self._room.crew,
            plan.starts_at,
            self._choices.training_time,
        )
        replayed = Replay(stage, strategy, plan, self._together).play(partial(self._tell, strategy.name))
        if not replayed.reigns:
            nothing = "no run was started" + (" outside limits.blackout" if plan.blackout else "")
            reasons = "; ".join(run.outcome_reason for run in replayed.runs[-1:])
            reasons = reasons or why_no_run(replayed) or nothing
            raise PermanentError(f"no first model came into force by {plan.ends_at.isoformat()}: {reasons}")
        start, end = replayed.reigns[0].since_at, plan.ends_at - policy.data.labels.matures_after
        judged = self._ledger.judge(replayed.reigns, start, end, stage.watch.row_log)
        return _Played(replayed, judged)

    def _tell(self, name: str, share: float) -> None:
        self._room.progress(name, share)


def _outcome(played: _Played, start: datetime, end: datetime, plan: Plan) -> Outcome:
    judged = played.judged.since(start)
    points = series(judged, played.replayed.reigns, start, end, plan.grid_steps)
    return outcome(played.replayed, judged, points)


def _notes(policy: Policy, history: History) -> Iterable[str]:
    if any(isinstance(one, PrometheusMonitor) for one in policy.monitors.values()):
        yield "monitors of production metrics were INCONCLUSIVE: no metrics server was asked"
    if policy.promotion.approval == "manual":
        yield "promotions that wait for a person were approved at once"
    if history.set_aside:
        yield f"set aside: {'; '.join(history.set_aside[:MOST_NAMED])}" + _more(len(history.set_aside))


def _more(count: int) -> str:
    return f"; and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
