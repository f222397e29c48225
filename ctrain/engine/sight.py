"""What the monitors look at for a stretch of closed panes, loaded once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Champion
from ctrain.engine.panes import load_panes
from ctrain.engine.references import load_reference
from ctrain.engine.scores import Scored, load_scored
from ctrain.policy.monitors import ChangeMonitor, DriftMonitor, PerformanceMonitor, VolumeMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy
    from ctrain.stats.profile import Profile
    from ctrain.stats.reference import Reference

LOOKBACK_WINDOWS = 4
"""A drift window grows back to at most this many times its length to find ``min_rows``."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Rows, profiles and losses that reach every window of the panes that end in ``(start, end]``."""

    champion: Champion | None
    reference: Reference | None = None
    profiles: Mapping[datetime, Profile] = field(default_factory=dict)
    fresh: Mapping[datetime, Profile] = field(default_factory=dict)
    """Profiles that are not stored yet."""
    losses: Scored | None = None
    arrivals: np.ndarray[tuple[int], np.dtype[np.datetime64]] | None = None
    """Event times of punctual rows, ascending; for volume."""
    waiting: bool = False


def look(watch: Watch, champion: Champion | None, first_end: datetime, last_end: datetime) -> Sight:
    """Load what the monitors need for panes that end in ``[first_end, last_end]``."""
    arrivals = _arrivals(watch, first_end, last_end)
    if champion is None:
        return Sight(None, arrivals=arrivals)
    losses = _losses(watch, champion, first_end, last_end)
    if losses is not None and losses.state == "pending":
        return Sight(champion, waiting=True)
    reference = load_reference(watch, champion) if longest(watch.policy, DriftMonitor) else None
    profiles: dict[datetime, Profile] = {}
    fresh: dict[datetime, Profile] = {}
    if reference is not None:
        reach = longest(watch.policy, DriftMonitor) * LOOKBACK_WINDOWS
        start = first_end - reach
        if champion.cut_off_at is not None:
            start = max(start, champion.cut_off_at)
        profiles, fresh = load_panes(watch, reference, start, last_end)
    return Sight(champion, reference, profiles, fresh, losses, arrivals)


def longest(policy: Policy, kind: type[DriftMonitor | PerformanceMonitor | VolumeMonitor]) -> timedelta:
    """The longest window of the monitors of one kind; zero when there are none."""
    windows = [one.window for one in policy.monitors.values() if isinstance(one, kind)]
    return max(windows, default=timedelta(0))


def _losses(watch: Watch, champion: Champion, first_end: datetime, last_end: datetime) -> Scored | None:
    """Matured rows that the champion served, with its scores; None when no monitor asks for them."""
    policy = watch.policy
    if not any(isinstance(one, PerformanceMonitor | ChangeMonitor) for one in policy.monitors.values()):
        return None
    matures_after = policy.data.labels.matures_after
    reach = max(longest(policy, PerformanceMonitor), policy.data.pane)
    start = max(first_end - matures_after - reach, champion.since_at)
    end = max(last_end - matures_after, start)
    return load_scored(watch, (champion.version,), start, end, logged_since=champion.since_at)


def _arrivals(
    watch: Watch, first_end: datetime, last_end: datetime
) -> np.ndarray[tuple[int], np.dtype[np.datetime64]] | None:
    reach = longest(watch.policy, VolumeMonitor)
    if not reach:
        return None
    rows = watch.row_log.read(first_end - reach, last_end, include_late=False)
    return rows["event_at"].to_numpy().astype("datetime64[us]")


def between(
    instants: np.ndarray[tuple[int], np.dtype[np.datetime64]], start: datetime, end: datetime
) -> slice:
    """Positions of the ascending ``instants`` that lie in ``[start, end)``."""
    edges = np.array([np.datetime64(edge.replace(tzinfo=None), "us") for edge in (start, end)])
    first, last = np.searchsorted(instants, edges)
    return slice(int(first), int(last))
