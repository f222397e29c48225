"""The pace of a busy daemon: where a round of its policies takes long, what has come waits for more.

To take in rows costs a policy nearly as much for a few as for ten times as many. So a daemon that is asked
for more than it can do takes in the same rows by fewer and larger reads; verdicts come later by that wait,
and no tick is late. Policies have their turns one after the other, spread over the wait: all that became
due at once would make each other late.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from zlib import crc32

from ctrain.domain import PolicyName

SHARE = 0.5
"""Of one core: more of it than this taking in what comes should not need; the rest is for everything else."""
STEEPNESS = 4.0
"""Seconds of wait for each second of processor time above: at twice the share twice what all need."""
SHARE_OF_PANE = 0.5
"""What a monitor says of a pane may be late by that much of its length."""
LONGEST = timedelta(seconds=30)
"""About as long as a policy rests."""


class Pace:
    """When what has come for a policy is to be read, by what taking in took lately.

    ``cpu`` is a clock of the processor time of the present thread, in seconds; ``interval`` is the time
    between two ticks of a policy.

    >>> pace, name = Pace(interval=timedelta(seconds=10)), PolicyName("p7")
    >>> pace.due(name, timedelta(hours=1), since=100.0)
    100.0
    >>> for number in range(200):
    ...     pace.took(PolicyName(f"p{number}"), 0.05)
    >>> pace.wait(timedelta(hours=1)) / timedelta(seconds=1)
    20.0
    >>> [round(pace.due(name, timedelta(hours=1), since), 1) for since in (100.0, 105.0, 110.0)]
    [116.7, 116.7, 116.7]
    >>> pace.wait(timedelta(seconds=1)) / timedelta(seconds=1)
    0.5
    """

    def __init__(
        self, cpu: Callable[[], float] = lambda: 0.0, interval: timedelta = timedelta(seconds=10)
    ) -> None:
        self.cpu = cpu
        self._interval = interval
        self._seconds: dict[PolicyName, float] = {}

    def took(self, name: PolicyName, seconds: float) -> None:
        """Note the processor time of the policy's last whole tick, if something was taken in; else zero."""
        self._seconds[name] = seconds

    def forget(self, name: PolicyName) -> None:
        """The policy does not tick here any more, or its tick has failed: nothing was taken in."""
        self._seconds.pop(name, None)

    def wait(self, pane: timedelta = timedelta.max) -> timedelta:
        """How long rows and labels of a policy with such panes may lie there unread."""
        together = timedelta(seconds=sum(list(self._seconds.values())))
        too_much = max(together - self._interval * SHARE, timedelta(0))
        return min(too_much * STEEPNESS, pane * SHARE_OF_PANE, LONGEST)

    def due(self, name: PolicyName, pane: timedelta, since: float) -> float:
        """When to read what was found at ``since``, both in real seconds: in the policy's next turn."""
        wait = self.wait(pane).total_seconds()
        if not wait:
            return since
        turn = crc32(name.encode()) / 2**32 * wait
        return since + wait - (since - turn) % wait
