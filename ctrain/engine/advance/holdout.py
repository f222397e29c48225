"""The held-out rows as both models score them, and what a comparison on live rows takes from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ctrain.stats.blocks import block_length
from ctrain.stats.losses import bounded_losses, error_scale
from ctrain.stats.sequential import MIN_BLOCKS

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Holdout:
    """The held-out rows with the scores of both models; ``champion`` is None when there is none."""

    rows: pa.Table
    labels: Floats
    challenger: Floats
    champion: Floats | None
    fair: npt.NDArray[np.bool_]
    """Rows that the champion has not been trained on either."""
    classes: tuple[str, ...] = ()
    """What the columns of scores mean where there are several classes."""


def error_scale_of(watch: Watch, holdout: Holdout) -> float | None:
    """The scale of losses: that of the champion's out-of-sample errors."""
    scores = holdout.challenger if holdout.champion is None else holdout.champion
    return error_scale(watch.policy.model.task, watch.policy.model.metric, holdout.labels, scores)


def shadow_block(watch: Watch, holdout: Holdout, scale: float | None) -> timedelta:
    """The length of the shadow's blocks: twenty fit before an undecided challenger may be promoted."""
    shadow = watch.policy.shadow
    return _block_of(watch, holdout, scale, (shadow.undecided_after or shadow.max_duration) / MIN_BLOCKS)


def probation_block(watch: Watch, holdout: Holdout, scale: float | None) -> timedelta:
    """The length of the probation's blocks: twenty fit into half of it, so that it can end a bad champion.

    A probation lasts longer than a shadow, and so may its blocks: where losses follow each other, short
    blocks make it certain of too much, and good champions are rolled back.
    """
    return _block_of(watch, holdout, scale, watch.policy.probation.duration / (2 * MIN_BLOCKS))


def _block_of(watch: Watch, holdout: Holdout, scale: float | None, longest: timedelta) -> timedelta:
    """The policy's own length, or by how the held-out differences correlate."""
    if isinstance(watch.policy.shadow.block, timedelta):
        return watch.policy.shadow.block
    if holdout.champion is None:
        return watch.policy.data.pane
    task, metric = watch.policy.model.task, watch.policy.model.metric
    ours, _ = bounded_losses(task, metric, holdout.labels, holdout.challenger, scale)
    theirs, _ = bounded_losses(task, metric, holdout.labels, holdout.champion, scale)
    differences = ours - theirs
    usable = np.isfinite(differences) & holdout.fair
    event_at = holdout.rows["event_at"].to_numpy()[usable]
    return block_length(event_at, differences[usable], watch.policy.data.pane, longest)
