"""References from stored profiles: the columns of the policy's features, on the profile's own grid."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from ctrain.engine.instants import EPOCH, MICROSECOND, floor_to
from ctrain.engine.references import kind_of, kinds_wanted, segments_wanted
from ctrain.errors import InputError
from ctrain.stats.grid import Grid
from ctrain.stats.profile import Profile
from ctrain.stats.reference import Reference
from ctrain.stats.stored_profile import StoredProfile
from ctrain.stats.variability import PaneCounts

if TYPE_CHECKING:
    from ctrain.policy.models import DataSpec, Policy


def from_stored(policy: Policy, stored: StoredProfile) -> Reference:
    """The reference that a profile makes; how its rows varied in time is unknown.

    Raises InputError when it does not count the features as the policy has them.
    """
    source = ", ".join(stored.sources)
    if segments_wanted(policy):
        raise InputError(f"the profile of {source} has no segments; name a file of rows as the reference")
    names = {name: _name_in_file(policy.data, name) for name in kinds_wanted(policy.data.features)}
    for name, kind in kinds_wanted(policy.data.features).items():
        found = stored.grid.columns.get(names[name])
        if found is None:
            raise InputError(f"the profile of {source} lacks the feature {name}")
        if kind_of(found) != kind:
            raise InputError(
                f"the profile of {source} counts {names[name]} as {kind_of(found)}, the policy as {kind}; "
                "name a file of rows as the reference"
            )
    pane = policy.data.pane
    grid = Grid({name: stored.grid.columns[own] for name, own in names.items()}, pane)
    columns = {name: stored.profile.columns[own] for name, own in names.items()}
    last = _last_pane(policy.data, stored)
    panes = [] if last is None else [last]
    return Reference(
        grid=grid,
        profile=Profile(grid.name, stored.profile.rows, columns),
        pane=pane,
        starts=np.array([(one - EPOCH) // MICROSECOND for one in panes], dtype=np.int64),
        pane_rows=np.array([stored.profile.rows for _ in panes], dtype=np.int64),
        panes={name: PaneCounts.of([column for _ in panes]) for name, column in columns.items()},
        left_out={name: stored.left_out[own] for name, own in names.items() if own in stored.left_out},
    )


def _name_in_file(data: DataSpec, name: str) -> str:
    """The column that is counted as ``name``; a statistic of a text follows the name of the text."""
    for text in data.features.text:
        if name.startswith(f"{text}."):
            return data.columns.get(text, text) + name.removeprefix(text)
    return data.columns.get(name, name)


def _last_pane(data: DataSpec, stored: StoredProfile) -> datetime | None:
    """Start of the pane of its newest row, if the profile knows when its rows were."""
    text = stored.event_times.last if stored.event_times else None
    try:
        last = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if last is None:
        return None
    if last.tzinfo is None:
        last = last.replace(tzinfo=ZoneInfo(data.event_time.timezone or "UTC"))
    return floor_to(last.astimezone(UTC), data.pane)
