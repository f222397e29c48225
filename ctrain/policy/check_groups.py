"""Checks of the columns by which gates and the shadow look at groups of rows."""

from __future__ import annotations

from collections.abc import Iterator

from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.models import GroupGate, Policy
from ctrain.policy.words import did_you_mean


def check_groups(policy: Policy) -> Iterator[Problem]:
    """Return columns that have no groups: rows are grouped by categorical and boolean features."""
    features = policy.data.features
    known = [*features.categorical, *features.boolean]
    for path, column in _columns(policy):
        if column not in known:
            nearest = did_you_mean(column, known)
            yield Problem(path, f"expected a categorical or boolean feature, got {column}{nearest}")
    slices = policy.shadow.slices
    for position, column in enumerate(slices):
        if column in slices[:position]:
            yield Problem(("shadow", "slices", position), f"{column} stands there twice")


def _columns(policy: Policy) -> Iterator[tuple[KeyPath, str]]:
    for position, gate in enumerate(policy.gates):
        if isinstance(gate, GroupGate):
            yield ("gates", position, "by"), gate.by
    for position, column in enumerate(policy.shadow.slices):
        yield ("shadow", "slices", position), column
