"""What was read of policies, kept for as long as what it was read from is the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from ctrain.domain import PolicyName

Found = TypeVar("Found")
Read = Callable[[Sequence[PolicyName]], Mapping[PolicyName, Found]]


class Remembered(Generic[Found]):
    """Something about each policy; safe for threads.

    A policy is read again when its state is another one than at the last look, not only a later one: so it
    does not matter in which order looks at different times end.
    """

    def __init__(self) -> None:
        self._known: Mapping[PolicyName, tuple[Hashable, Found]] = {}

    def look(self, states: Mapping[PolicyName, Hashable], read: Read[Found]) -> dict[PolicyName, Found]:
        """What is known of these policies in these states; ``read`` tells of those that are not known.

        What it tells may be newer than the state, never older.
        """
        known = self._known
        stale = [name for name, state in states.items() if name not in known or known[name][0] != state]
        if stale:
            found = read(stale)
            known = {**known, **{name: (states[name], found[name]) for name in stale}}
            self._known = known
        return {name: known[name][1] for name in states}
