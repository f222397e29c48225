"""Since when the schedules of a policy count: one that is new to a policy has missed nothing.

Noted when a daemon takes the policy over, so that it does not move with a restart.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ctrain.domain import NO_VERSION, MonitorName, PolicyName, TriggerName
from ctrain.policy.triggers import Cron, Every

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctrain.policy.models import Policy
    from ctrain.policy.triggers import Schedule
    from ctrain.ports import Transaction

MEMORY = MonitorName("schedule starts")


def note_schedules(
    tx: Transaction, policy: Policy, registered_at: datetime, now: datetime
) -> Mapping[TriggerName, datetime]:
    """Return since when each schedule counts: that of another time than at the last look counts from now.

    Where nothing has been noted yet all count from when the policy was registered. One that was first seen
    later than now was seen by a wrong clock.
    """
    name = PolicyName(policy.policy)
    noted = tx.detector(name, MEMORY, NO_VERSION)
    first = registered_at if noted is None else now
    schedules = {key: one for key, one in policy.triggers.items() if isinstance(one, Cron | Every)}
    following = {}
    for key, schedule in schedules.items():
        times, since = (noted or {}).get(key, ("", ""))
        known = times == _times(schedule) and datetime.fromisoformat(since) <= now
        following[key] = [_times(schedule), since if known else first.isoformat()]
    if following != noted:
        tx.save_detector(name, MEMORY, NO_VERSION, following)
    return {TriggerName(key): datetime.fromisoformat(since) for key, (_, since) in following.items()}


def _times(trigger: Schedule) -> str:
    """What two schedules that fire at the same times have in common.

    An interval is counted from the previous occurrence, also when it has become another one.
    """
    return "every" if isinstance(trigger, Every) else f"{trigger.cron} {trigger.timezone}"
