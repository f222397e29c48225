"""The gaps between groups of the held-out rows that a policy's gates ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ctrain.engine.slices import column_texts
from ctrain.lifecycle.gates import gap_name
from ctrain.policy.models import GroupGate
from ctrain.stats.groups import Gap, GroupMetrics, group_metrics, metric_gap

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.policy.models import Policy
    from ctrain.stats.losses import Floats

NAMED = 5
"""So many of the groups that are left out are named."""


def group_gaps(
    policy: Policy, rows: pa.Table, labels: Floats, scores: Floats
) -> tuple[dict[str, float], dict[str, str]]:
    """The gap of each gate between groups, as a metric, and beside it in words which groups it lies between.

    A gap that cannot be had is absent; the words say why.
    """
    gaps: dict[str, float] = {}
    words: dict[str, str] = {}
    for gate in policy.gates:
        if isinstance(gate, GroupGate):
            groups = column_texts(rows, gate.by).astype(np.str_)
            found = group_metrics(policy.model.task, labels, scores, groups, gate.min_rows)
            gap = metric_gap(found, gate.metric)
            name = gap_name(gate)
            words[name] = _words(gate, found, gap)
            if gap is not None:
                gaps[name] = gap.difference
    return gaps, words


def _words(gate: GroupGate, found: GroupMetrics, gap: Gap | None) -> str:
    parts = ["fewer than two groups can be compared"]
    if gap is not None:
        between = [f"{gate.by}={name} {value:.4g}" for name, value in (gap.lowest, gap.highest)]
        of = f"{gap.metric} " if gap.metric != gate.metric else ""
        parts = [of + " to ".join(between)]
        if gap.undefined:
            parts.append(f"not defined for {_named(list(gap.undefined))}")
    if found.too_few:
        few = [f"{name} ({rows})" for name, rows in found.too_few.items()]
        parts.append(f"fewer than {gate.min_rows} rows: {_named(few)}")
    return "; ".join(parts)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
