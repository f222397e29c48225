"""The pace of a busy daemon: where a round of its policies takes long, what has come waits for more.

To take in rows costs a policy nearly as much for a few as for ten times as many. So a daemon that is asked
for more than it can do takes in the same rows by fewer and larger reads; verdicts come later by that wait,
and no tick is late. Two things say that it is too much: the processor time of a round of all policies, for
what comes all the time, and how late ticks begin, for what comes at once, as panes that all end with the
minute. Policies have their turns one after the other, spread over the wait: all that became due at once
would make each other late. Lateness that has ended is remembered for minutes: the wait that ended it is what
keeps it away, and would otherwise need some lateness to last.

Where ticks are late, aliases in the registry are looked at more rarely, too: for thousands of policies that
alone may take a core, and they hardly ever move.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from zlib import crc32

from ctrain.domain import PolicyName

SHARE = 0.35
"""Of one core: more of it than this taking in what comes should not need; the rest is for everything else."""
STEEPNESS = 4.0
"""Seconds of wait for each second of processor time above: at twice the share twice what all need."""
BACKLOG = 0.1
"""Seconds by which ticks are late on average when more is due than is done; less is chance."""
MUCH = 0.5
"""Seconds above that: more is no worse, and waits may be twice as long."""
RARELY = 4.0
"""Times the usual pause between two looks at what hardly ever moves, where ticks are so late."""
PER_SECOND_LATE = 20.0
"""Seconds of wait for each second above: ticks that leave unread what has come make up for it at once."""
TICKS = 32
"""The lateness of about so many of the last ones counts."""
REMEMBERED = 4.0
"""Rounds of ticks in which lateness that lasts counts once more: the integral part of the controller."""
LATE = 2.0
"""Seconds; later is no worse. That one tick was, as after a machine has slept, says nothing."""
SHARE_OF_PANE = 0.5
"""What a monitor says of a pane may be late by that much of its length; twice that where ticks are late."""
LONGEST = timedelta(seconds=30)
"""The same for long panes: half of the time that a policy rests."""
LONGEST_WAIT = 2 * LONGEST
"""Where ticks are late."""
SHORT_PANE = timedelta(seconds=5)
"""Who has such panes wants to know at once: nothing of theirs waits."""


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
    26.0
    >>> [round(pace.due(name, timedelta(hours=1), since), 1) for since in (100.0, 105.0, 110.0)]
    [125.8, 125.8, 125.8]
    >>> [pace.wait(timedelta(seconds=pane)) / timedelta(seconds=1) for pane in (5, 10)]
    [0.0, 5.0]

    Ticks that are late make everybody wait, and up to twice as long; one does not.

    >>> pace = Pace()
    >>> pace.began(late=3600.0)
    >>> pace.wait() / timedelta(seconds=1)
    0.0
    >>> for _ in range(1000):
    ...     pace.began(late=0.6)
    >>> [round(pace.wait(timedelta(seconds=pane)) / timedelta(seconds=1), 3) for pane in (8, 3600)]
    [8.0, 20.0]
    >>> round(pace.patience, 3)
    4.0

    It is remembered when ticks are on time again, for some rounds of all policies.

    >>> for number in range(200):
    ...     pace.took(PolicyName(f"p{number}"), 0.0)
    >>> waits = []
    >>> for number in range(16 * 200):
    ...     waits.append(pace.wait() / timedelta(seconds=1))
    ...     pace.began(late=0.0)
    >>> [round(wait) for wait in waits[200::1000]]
    [10, 7, 5]
    """

    def __init__(
        self, cpu: Callable[[], float] = lambda: 0.0, interval: timedelta = timedelta(seconds=10)
    ) -> None:
        self.cpu = cpu
        self._interval = interval
        self._seconds: dict[PolicyName, float] = {}
        self._late = 0.0
        self._remembered = 0.0
        """Seconds by which ticks were late, at most ``MUCH``."""

    def took(self, name: PolicyName, seconds: float) -> None:
        """Note the processor time of the policy's last whole tick, if something was taken in; else zero."""
        self._seconds[name] = seconds

    def forget(self, name: PolicyName) -> None:
        """The policy does not tick here any more, or its tick has failed: nothing was taken in."""
        self._seconds.pop(name, None)

    def began(self, late: float) -> None:
        """Note by how many seconds a tick of any policy began too late."""
        self._late += (min(late, LATE) - self._late) / TICKS
        ticks = REMEMBERED * max(len(self._seconds), TICKS)
        remembered = self._remembered + (self._late - BACKLOG) / ticks
        self._remembered = min(max(remembered, 0.0), MUCH)

    def wait(self, pane: timedelta = timedelta.max) -> timedelta:
        """How long rows and labels of a policy with such panes may lie there unread."""
        together = timedelta(seconds=sum(list(self._seconds.values())))
        too_much = max(together - self._interval * SHARE, timedelta(0))
        wait = too_much * STEEPNESS + timedelta(seconds=self._backlog * PER_SECOND_LATE)
        longest = timedelta(0) if pane <= SHORT_PANE else min(pane * SHARE_OF_PANE, LONGEST)
        return min(wait, longest * (1.0 + self._strain))

    @property
    def patience(self) -> float:
        """How many times as long as usual may pass between two looks at what hardly ever moves."""
        return 1.0 + (RARELY - 1.0) * self._strain

    @property
    def _backlog(self) -> float:
        """Seconds by which ticks are late, and were lately."""
        return max(self._late - BACKLOG, 0.0) + self._remembered

    @property
    def _strain(self) -> float:
        return min(self._backlog / MUCH, 1.0)

    def due(self, name: PolicyName, pane: timedelta, since: float) -> float:
        """When to read what was found at ``since``, both in real seconds: in the policy's next turn."""
        wait = self.wait(pane).total_seconds()
        if not wait:
            return since
        turn = crc32(name.encode()) / 2**32 * wait
        return since + wait - (since - turn) % wait
