"""A plan of faults: which point, which of the times that it is reached, and what happens there then."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

Act = Callable[[str], None]
"""Given the point; may raise, may wait, may never come back."""
BEFORE, AFTER = "before", "after"
"""Of a call or a commit: nothing is done yet, or all is done and nobody knows."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the points that ``pattern`` names, from their ``first`` time to their ``last``."""

    pattern: str
    act: Act
    first: int = 1
    last: int | None = 1
    """None: for ever."""
    probability: float = 1.0

    def concerns(self, names: Iterable[str]) -> bool:
        return any(fnmatchcase(name, self.pattern) for name in names)

    def is_due(self, times: int) -> bool:
        """True at the ``times``-th time that one of its points is reached."""
        return times >= self.first and (self.last is None or times <= self.last)


class Faults:
    """Counts how often each point is reached, and lets happen what is planned; safe from any thread.

    Where the plan leaves something to chance, ``seed`` decides.
    """

    def __init__(self, faults: Iterable[Fault], seed: int = 0) -> None:
        self._faults = tuple(faults)
        self._met = [0] * len(self._faults)
        self._random = random.Random(seed)  # noqa: S311  # nosec B311 # chance, not secrecy
        self._lock = threading.Lock()
        self.reached: Counter[str] = Counter()

    def reach(self, names: Iterable[str], moment: str) -> None:
        """Say that a point is reached, by all the names that it has at this moment."""
        points = [f"{name}:{moment}" for name in names]
        with self._lock:
            self.reached.update(points)
            due = [fault for position, fault in enumerate(self._faults) if self._meets(position, points)]
        for fault in due:
            fault.act(points[-1])

    def _meets(self, position: int, points: list[str]) -> bool:
        fault = self._faults[position]
        if not fault.concerns(points):
            return False
        self._met[position] += 1
        if not fault.is_due(self._met[position]):
            return False
        return fault.probability >= 1.0 or self._random.random() < fault.probability
