"""Advance: move the active run one step, derived from what is true now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ctrain.domain import Phase, Run
from ctrain.engine.advance.evaluation import evaluate_challenger
from ctrain.engine.advance.probation import watch_probation
from ctrain.engine.advance.promotion import promote
from ctrain.engine.advance.rollback import roll_back, try_again
from ctrain.engine.advance.shadow import shadow
from ctrain.engine.advance.training import prepare, train
from ctrain.engine.moves import IDLE, Step

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

STEPS: Mapping[Phase, Callable[[Watch, Run], Step]] = {
    Phase.QUEUED: prepare,
    Phase.TRAINING: train,
    Phase.EVALUATING: evaluate_challenger,
    Phase.SHADOWING: shadow,
    Phase.PROMOTING: promote,
    Phase.PROBATION: watch_probation,
    Phase.ROLLING_BACK: roll_back,
    Phase.ROLLBACK_FAILED: try_again,
}


def advance(watch: Watch) -> Step:
    """Take one step of the active run of this policy, if there is one."""
    with watch.store.read() as tx:
        run = tx.active_run(watch.name)
    if run is None or run.phase not in STEPS:
        return IDLE
    return STEPS[run.phase](watch.for_run(run), run)
