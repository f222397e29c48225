"""Which panes a monitor looks at: it gives a verdict at the end of each of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.engine.instants import EPOCH
from ctrain.policy.monitors import DomainClassifierMonitor, DriftMonitor, Monitor, QualityMonitor

if TYPE_CHECKING:
    from ctrain.policy.models import Policy


def is_look(monitor: Monitor, as_of: datetime) -> bool:
    """True for the panes at whose end the monitor gives a verdict."""
    interval = _interval(monitor)
    return interval is None or (as_of - EPOCH) % interval == timedelta(0)


def seldom_looking(policy: Policy) -> list[str]:
    """The monitors that do not look at every pane: what they said last stands until they look again."""
    return [name for name, monitor in policy.monitors.items() if _interval(monitor) is not None]


def _interval(monitor: Monitor) -> timedelta | None:
    """The time between two looks; None for every pane."""
    match monitor:
        case DomainClassifierMonitor():
            return monitor.every or monitor.window
        case DriftMonitor() | QualityMonitor():
            return monitor.every
        case _:
            return None
