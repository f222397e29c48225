"""The gaps between groups of the held-out rows that a policy's gates ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Json
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


@dataclass(frozen=True, slots=True)
class GroupGap:
    """What a gate between groups sees of one model."""

    gate: GroupGate
    found: GroupMetrics
    gap: Gap | None
    """None: it cannot be had."""


def group_gaps(policy: Policy, rows: pa.Table, labels: Floats, scores: Floats) -> tuple[GroupGap, ...]:
    """What each gate between groups sees, in the order of the policy."""
    gaps = []
    for gate in policy.gates:
        if isinstance(gate, GroupGate):
            groups = column_texts(rows, gate.by).astype(np.str_)
            found = group_metrics(policy.model.task, labels, scores, groups, gate.min_rows)
            gaps.append(GroupGap(gate, found, metric_gap(found, gate.metric)))
    return tuple(gaps)


def gap_metrics(gaps: Iterable[GroupGap]) -> dict[str, float]:
    """Gaps by the names under which gates judge them; one that cannot be had is absent."""
    return {gap_name(one.gate): one.gap.difference for one in gaps if one.gap is not None}


def gap_words(gaps: Iterable[GroupGap]) -> dict[str, str]:
    """Which groups each gap lies between, or why it cannot be had."""
    return {gap_name(one.gate): _words(one.gate, one.found, one.gap) for one in gaps}


def told_groups(models: Mapping[str, Sequence[GroupGap]]) -> list[Json]:
    """For each gate its ``limit``, the ``gap`` of each model, and the values of the groups they lie between.

    ``models`` are the gaps of all gates by model, the challenger's among them; a model may have none.
    """
    told: list[Json] = []
    for position, one in enumerate(models["challenger"]):
        seen = {model: gaps[position] for model, gaps in models.items() if gaps}
        told.append(
            {
                "metric": one.gate.metric,
                "by": one.gate.by,
                "limit": one.gate.max_gap,
                "gap": {model: each.gap.difference for model, each in seen.items() if each.gap is not None},
                "groups": _concerned(seen),
            }
        )
    return told


def _concerned(seen: Mapping[str, GroupGap]) -> list[Json]:
    """A line for each group between which the gap of a model lies, with the value in every model."""
    ends = dict.fromkeys(
        (each.gap.metric, name)
        for each in seen.values()
        if each.gap is not None
        for name, _ in (each.gap.lowest, each.gap.highest)
    )
    lines: list[Json] = []
    for metric, group in ends:
        values = {model: each.found.by_group.get(group, {}).get(metric) for model, each in seen.items()}
        finite = {model: value for model, value in values.items() if value is not None and isfinite(value)}
        lines.append({"metric": metric, "group": group, **finite})
    return lines


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
