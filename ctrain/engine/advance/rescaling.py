"""A comparison whose losses have outgrown their scale begins anew, on a scale that is fixed before that."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.domain import Run, Version
from ctrain.engine.comparison import Progress, begin, save_points
from ctrain.engine.moves import MOVED, Step, found_in, keep
from ctrain.engine.scores import load_scored
from ctrain.stats.losses import error_scale

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction


def begun_anew(
    watch: Watch, progress: Progress, phase: str, old: Version, reach: timedelta
) -> tuple[Run, str] | None:
    """The run with an empty comparison from the last folded block on, and what to say of it.

    Its scale is the 99th percentile of the older model's errors on the rows of the last ``reach``. None
    while their scores are awaited, or where they hold no error.
    """
    until = progress.folded_until
    assert until is not None
    found, model = found_in(progress.run, phase), watch.policy.model
    scored = load_scored(watch, (old,), until - reach, until)
    if scored.state != "ready":
        return None
    assert scored.labels is not None
    assert scored.scores is not None
    scale = error_scale(model.task, model.metric, scored.labels, scored.scores[old])
    if scale is None:
        return None
    run = begin(progress.run, phase, until, timedelta(seconds=found["block_seconds"]), scale)
    told = (
        f"{progress.clipped_share:.1%} of the losses are above {found['scale']:.4g}: they are compared anew "
        f"from {until:%Y-%m-%d %H:%M} UTC on, in units of {scale:.4g}"
    )
    return run, told


def keep_begun_anew(watch: Watch, run: Run, progress: Progress, anew: Run, kind: str, told: str) -> Step:
    """Commit the points of the old comparison, the empty one and an event of ``kind`` together."""

    def tell(tx: Transaction) -> None:
        save_points(run, progress)(tx)
        tx.append_event(watch.event(kind, told, run_id=run.id))

    keep(watch, anew, also=tell)
    return MOVED
