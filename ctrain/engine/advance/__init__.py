"""Advance: move the active run one step, derived from what is true now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ctrain.domain import Phase, Run
from ctrain.engine.advance.approval import await_approval
from ctrain.engine.advance.evaluation import evaluate_challenger
from ctrain.engine.advance.probation import stay_blind, watch_probation
from ctrain.engine.advance.promotion import promote
from ctrain.engine.advance.rollback import roll_back, try_again
from ctrain.engine.advance.shadow import shadow
from ctrain.engine.advance.stopping import stop_training
from ctrain.engine.advance.training import prepare, train
from ctrain.engine.moves import IDLE, MOVED, Step, move
from ctrain.engine.snapshots import usable
from ctrain.errors import PermanentError
from ctrain.lifecycle.transitions import TRANSITIONS, RunEvent

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

STEPS: Mapping[Phase, Callable[[Watch, Run], Step]] = {
    Phase.QUEUED: prepare,
    Phase.TRAINING: train,
    Phase.EVALUATING: evaluate_challenger,
    Phase.SHADOWING: shadow,
    Phase.AWAITING_APPROVAL: await_approval,
    Phase.PROMOTING: promote,
    Phase.PROBATION: watch_probation,
    Phase.ROLLING_BACK: roll_back,
    Phase.ROLLBACK_FAILED: try_again,
}

LIVE_ROWS = frozenset({Phase.QUEUED, Phase.TRAINING, Phase.EVALUATING, Phase.SHADOWING, Phase.PROBATION})
"""Phases that read rows of the row log, or will."""

HOLDS_PRODUCTION = frozenset({Phase.PROMOTING, Phase.PROBATION, Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED})
"""Phases in which what was begun with the champion is brought to an end, under whichever policy."""


def advance(watch: Watch) -> Step:
    """Take one step of the active run of this policy, if there is one.

    What cannot succeed however often it is tried ends the run, where its phase allows that.
    """
    with watch.store.read() as tx:
        run = tx.active_run(watch.name)
    if run is None or run.phase not in STEPS:
        return IDLE
    try:
        own = _own(watch, run)
        gone = sorted(set(own.policy.data.features.names) - set(watch.policy.data.features.names))
        if gone and run.phase in LIVE_ROWS:
            return _without_features(own, run, gone)
        return STEPS[run.phase](own, run)
    except PermanentError as error:
        if not _may_fail(watch, run):
            raise
        _fail(usable(watch, run), run, str(error))
        return MOVED


def _own(watch: Watch, run: Run) -> Watch:
    """The watch under the policy of the run; raises PermanentError where that ends the run.

    A run that has production in its hands goes on under the policy in force.
    """
    try:
        return watch.for_run(run)
    except PermanentError:
        if run.phase not in HOLDS_PRODUCTION or _may_fail(watch, run):
            raise
        return usable(watch, run)


def _without_features(watch: Watch, run: Run, gone: list[str]) -> Step:
    """The rows no longer have what the run's models need; a champion on probation waits for a person."""
    reason = f"features that the run needs are no longer in the policy: {', '.join(gone)}"
    if run.phase is Phase.PROBATION:
        return stay_blind(watch, run, reason)
    _fail(watch, run, reason)
    return MOVED


def _may_fail(watch: Watch, run: Run) -> bool:
    """An alias move that is on record is finished or given up first."""
    with watch.store.read() as tx:
        intent = tx.open_intent(watch.name)
    return intent is None and (run.phase, RunEvent.FAIL) in TRANSITIONS


def _fail(watch: Watch, run: Run, reason: str) -> None:
    with watch.store.read() as tx:
        present = tx.run(run.id)
    move(watch, stop_training(watch, present or run), RunEvent.FAIL, reason)
