"""``ctrain tune``: trials on the first part of history, their frontier on the rest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.app.backtesting import ROOM_PER_BYTE, load_replayed, open_crew, open_room, read_past
from ctrain.app.past_files import AS_WRITTEN, Past
from ctrain.backtest.frontier import Score, Tried, Tuned, frontier, pick
from ctrain.backtest.perform import Choices, Room, make_plan, perform
from ctrain.backtest.scorer import PatientScorer
from ctrain.backtest.tuning import Values, as_written, changes, search_space, split_history, with_values
from ctrain.errors import InputError, PermanentError, PolicyError
from ctrain.policy.files import parse_policy

if TYPE_CHECKING:
    import optuna

    from ctrain.backtest.history import History
    from ctrain.backtest.tuning import Parameter
    from ctrain.policy.files import LoadedPolicy
    from ctrain.ports import Analyst

SEED = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for."""

    trials: int = 30
    timeout: timedelta | None = None
    """No trial begins after it."""
    starts_at: datetime | None = None
    ends_at: datetime | None = None


def run_tuning(
    path: Path,
    wanted: Wanted,
    environ: Mapping[str, str],
    progress: Callable[[str, float], None] = lambda _name, _share: None,
    past: Past = AS_WRITTEN,
) -> Tuned:
    """Return better values for the policy in the file ``path``, as far as its history, or ``past``, knows.

    Nothing outside a temporary folder is written, and no server is asked anything. Raises what
    ``run_backtest`` does; InputError also where the policy holds nothing to tune, or history is too short.
    """
    loaded = load_replayed(path, environ)
    search_space(loaded, environ)  # whoever has nothing to tune is told before anything is started
    with open_crew(loaded, environ) as crew:
        history = read_past(loaded, environ, past)
        with open_room(crew, environ, progress, 2 * ROOM_PER_BYTE * history.known.nbytes) as room:
            return tune(loaded, history, room, wanted, environ)


def tune(
    loaded: LoadedPolicy, history: History, room: Room, wanted: Wanted, environ: Mapping[str, str]
) -> Tuned:
    """Search on the first part of ``history``; then play the frontier on the rest.

    Raises
    ------
    InputError
        when the policy holds nothing to tune, or history is too short to split.
    PermanentError
        when the policy as it is written finds no first model in a part.
    """
    space = search_space(loaded, environ)
    plan = make_plan(loaded.policy, history, Choices(starts_at=wanted.starts_at, ends_at=wanted.ends_at))
    split_at = split_history(history, plan, loaded.policy)
    whole = Choices(baselines=(), step=plan.step)
    first = replace(whole, starts_at=plan.starts_at, ends_at=split_at)
    rest = replace(whole, starts_at=split_at, ends_at=plan.ends_at)
    search = _Search(loaded, history, room, space, first, environ)
    room.progress("search", 0.0)
    search.run(wanted)
    room.progress("search", 1.0)
    tried = list(search.tried.values())
    best, picked = frontier(tried), pick(tried)
    shown = {one.number: one for one in (tried[0], picked, *best)}
    scores = {}
    for count, (number, one) in enumerate(shown.items()):
        room.progress("rest", count / len(shown))
        policy = parse_policy(one.text, loaded.path, environ)
        scores[number] = play_part(policy, history, room, rest, f"rest-{number}")
    room.progress("rest", 1.0)
    return Tuned(
        name=loaded.policy.policy,
        path=loaded.path.name,
        metric_name=loaded.policy.model.metric,
        starts_at=plan.starts_at,
        split_at=split_at,
        ends_at=plan.ends_at,
        trials=len(tried),
        refused=search.refused,
        searched={one.name: one.choices for one in space},
        untouched=tried[0],
        frontier=best,
        picked=picked,
        rest=scores,
    )


def play_part(loaded: LoadedPolicy, history: History, room: Room, choices: Choices, name: str) -> Score:
    """Return what the policy reaches in a folder of its own, which is gone afterwards.

    Trainings are shared with all others in the room; keys of scores and analyses are not.

    Raises
    ------
    PermanentError
        when no first model comes into force, or runs follow each other without end.
    """
    from ctrain.analysis import AnalystChildren

    opened: list[Analyst] = []

    def open_analyst(workspace: Path) -> Analyst:
        opened.append(room.crew.open_analyst(workspace))
        return opened[-1]

    folder = room.folder / name
    crew = replace(room.crew, scorer=PatientScorer(room.crew.scorer, name), open_analyst=open_analyst)
    try:
        found = perform(loaded, history, Room(folder, room.open_store, crew), choices)
    finally:
        for analyst in opened:
            if isinstance(analyst, AnalystChildren):
                analyst.close()
    shutil.rmtree(folder, ignore_errors=True)
    return Score.of(found.policy)


class _Search:
    """Plays each set of values once, however often it is proposed."""

    def __init__(
        self,
        loaded: LoadedPolicy,
        history: History,
        room: Room,
        space: tuple[Parameter, ...],
        choices: Choices,
        environ: Mapping[str, str],
    ) -> None:
        self._loaded, self._history, self._room = loaded, history, room
        self._space, self._choices, self._environ = space, choices, environ
        self._failed: set[Values] = set()
        self.tried: dict[Values, Tried] = {}
        """The policy as it is written first."""

    @property
    def refused(self) -> int:
        return len(self._failed)

    def run(self, wanted: Wanted) -> None:
        """Try the policy as it is written, then what the sampler proposes."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        written = as_written(self._space)
        self._play(written)
        study = optuna.create_study(
            directions=["minimize", "minimize"], sampler=optuna.samplers.TPESampler(seed=SEED)
        )
        study.enqueue_trial({one.name: one.written for one in self._space})
        study.optimize(
            lambda trial: self._objective(optuna, trial, wanted.trials),
            n_trials=wanted.trials,
            timeout=None if wanted.timeout is None else wanted.timeout.total_seconds(),
        )

    def _objective(self, library: Any, trial: optuna.Trial, trials: int) -> tuple[float, float]:
        self._room.progress("search", trial.number / trials)
        values = tuple(trial.suggest_int(one.name, 0, len(one.choices) - 1) for one in self._space)
        if values not in self.tried:
            try:
                if values in self._failed:
                    raise InputError("these values have been refused before")
                self._play(values)
            except (PolicyError, InputError, PermanentError) as error:
                self._failed.add(values)
                # Values that contradict each other, or never come to rest, are no point of the frontier.
                raise library.TrialPruned from error
        score = self.tried[values].search
        return score.metric, score.train_seconds

    def _play(self, values: Values) -> None:
        text = with_values(self._loaded.text, self._space, values)
        loaded = parse_policy(text, self._loaded.path, self._environ)
        number = len(self.tried) + len(self._failed)
        score = play_part(loaded, self._history, self._room, self._choices, f"trial-{number}")
        if score.rows == 0:
            raise InputError("no row could be judged on the searched part of history")
        self.tried[values] = Tried(number, changes(self._space, values), text, score)
