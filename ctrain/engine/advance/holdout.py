"""The held-out rows as both models score them, and what a comparison on live rows takes from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctrain.domain import ModelVersion
from ctrain.engine.champions import cut_off
from ctrain.engine.scored import classes_apart
from ctrain.lifecycle.comparison import longest_probation_block, longest_shadow_block
from ctrain.stats.blocks import BlockLength, choose_block
from ctrain.stats.losses import bounded_losses, error_scale

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch

Floats = npt.NDArray[np.float64]
MIN_COMMON_ROWS = 20
"""Fewer held-out rows that neither model was trained on say nothing of the champion."""
TOLD_NAMES = 5


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


def not_trained_on(rows: pa.Table, model: ModelVersion | None) -> npt.NDArray[np.bool_]:
    """Which rows are later than the model's training; all where nobody recorded when that ended."""
    import pyarrow as pa
    import pyarrow.compute as pc

    seen_until = None if model is None else cut_off(model)
    if seen_until is None:
        return np.ones(rows.num_rows, dtype=np.bool_)
    later = pc.greater_equal(rows["event_at"], pa.scalar(seen_until, rows["event_at"].type))
    return np.asarray(later.to_numpy(zero_copy_only=False), dtype=np.bool_)


def names_no_label(rows: pa.Table, model: ModelVersion, column: Any) -> str:
    """What to do about a model none of whose classes is one of the labels; empty when there is no need.

    Each answer of such a model would be certain loss, for its words and not for what it knows. The classes
    of a champion that ctrain trained were labels once: then it is the labels that have changed.
    """
    apart = classes_apart(rows["label"], column)
    if apart is None:
        return ""
    known, found = (", ".join(names[:TOLD_NAMES]) + ", ..." * (len(names) > TOLD_NAMES) for names in apart)
    return (
        f"version {model.version} knows the classes {known}, and the labels of the held-out rows are "
        f"{found}: every answer of it would count as wrong; let the model name its classes as labels are "
        "written"
    )


def error_scale_of(watch: Watch, holdout: Holdout) -> float | None:
    """The scale of losses: that of the champion's out-of-sample errors.

    Where too few of the held-out rows are later than the champion's training, the challenger's errors on all
    of them stand in for it: the challenger has seen none.
    """
    labels, scores = holdout.labels, holdout.challenger
    if holdout.champion is not None and int(holdout.fair.sum()) >= MIN_COMMON_ROWS:
        labels, scores = labels[holdout.fair], holdout.champion[holdout.fair]
    return error_scale(watch.policy.model.task, watch.policy.model.metric, labels, scores)


def blocks_found(watch: Watch, holdout: Holdout, scale: float | None) -> dict[str, float | None]:
    """What an evaluation keeps of the blocks of shadow and probation: their length, and which was wanted."""
    shadow, probation = shadow_block(watch, holdout, scale), probation_block(watch, holdout, scale)
    return {
        "block_seconds": shadow.used.total_seconds(),
        "block_wanted_seconds": shadow.wanted.total_seconds() if shadow.wanted else None,
        "probation_block_seconds": probation.used.total_seconds(),
        "probation_block_wanted_seconds": probation.wanted.total_seconds() if probation.wanted else None,
    }


def shadow_block(watch: Watch, holdout: Holdout, scale: float | None) -> BlockLength:
    """The length of the shadow's blocks: twenty fit before an undecided challenger may be promoted."""
    return _block_of(watch, holdout, scale, longest_shadow_block(watch.policy.shadow))


def probation_block(watch: Watch, holdout: Holdout, scale: float | None) -> BlockLength:
    """The length of the probation's blocks: twenty fit into the longest that an undecided one becomes.

    Where losses follow each other, short blocks make it certain of too much, and good champions are rolled
    back. What long ones cost is time: where they have to be that long, nothing is decided before the end.
    """
    return _block_of(watch, holdout, scale, longest_probation_block(watch.policy.probation))


def _block_of(watch: Watch, holdout: Holdout, scale: float | None, longest: timedelta) -> BlockLength:
    """The policy's own length, or by how the held-out differences correlate; the latter is wanted of both."""
    fixed = watch.policy.shadow.block
    if holdout.champion is None:
        return BlockLength(fixed if isinstance(fixed, timedelta) else watch.policy.data.pane)
    task, metric = watch.policy.model.task, watch.policy.model.metric
    ours, _ = bounded_losses(task, metric, holdout.labels, holdout.challenger, scale)
    theirs, _ = bounded_losses(task, metric, holdout.labels, holdout.champion, scale)
    differences = ours - theirs
    usable = np.isfinite(differences) & holdout.fair
    event_at = holdout.rows["event_at"].to_numpy()[usable]
    found = choose_block(event_at, differences[usable], watch.policy.data.pane, longest)
    return replace(found, used=fixed) if isinstance(fixed, timedelta) else found
