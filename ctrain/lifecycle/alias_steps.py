"""The next write of an alias move, derived from the aliases as they are now.

A move writes ``previous_champion`` first and ``champion`` second, so a crash between the two
leaves production on the old champion. Whoever finds the recorded intent calls ``next_alias_step``
with fresh readings until it says DONE or SUPERSEDED; every answer is safe to carry out twice.

An alias that names neither what the intent expected nor what it writes was changed by someone
else and is never overwritten. If the champion is such an alias and ``previous_champion`` already
holds our write, that write is stale and is put back before the move is given up.
"""

from __future__ import annotations

from enum import StrEnum

from ctrain.domain import AliasIntent, Version


class AliasStep(StrEnum):
    """What to write next."""

    SET_PREVIOUS = "set_previous"
    """Point ``previous_champion`` at the intent's ``new_previous``; delete it when that is None."""
    SET_CHAMPION = "set_champion"
    """Point ``champion`` at the intent's ``new_champion``."""
    RESTORE_PREVIOUS = "restore_previous"
    """Point ``previous_champion`` back at ``expected_previous``; delete it when that is None."""
    DONE = "done"
    """The champion alias names the new champion; nothing is left to write."""
    SUPERSEDED = "superseded"
    """Someone else moved an alias; leave both as they are."""


def next_alias_step(
    intent: AliasIntent, champion_now: Version | None, previous_now: Version | None
) -> AliasStep:
    """Return the one write (or the end) that brings ``intent`` forward from the aliases as read.

    ``None`` means that the alias does not exist; an alias that could not be read must not be
    passed as None.
    """
    if champion_now == intent.new_champion:
        return _after_champion(intent, previous_now)
    if champion_now == intent.expected_champion:
        return _before_champion(intent, previous_now)
    stale = previous_now == intent.new_previous != intent.expected_previous
    return AliasStep.RESTORE_PREVIOUS if stale else AliasStep.SUPERSEDED


def _after_champion(intent: AliasIntent, previous_now: Version | None) -> AliasStep:
    """The champion is ours; ``previous_champion`` is caught up unless someone else set it since."""
    behind = previous_now == intent.expected_previous != intent.new_previous
    return AliasStep.SET_PREVIOUS if behind else AliasStep.DONE


def _before_champion(intent: AliasIntent, previous_now: Version | None) -> AliasStep:
    if previous_now == intent.new_previous:
        return AliasStep.SET_CHAMPION
    if previous_now == intent.expected_previous:
        return AliasStep.SET_PREVIOUS
    return AliasStep.SUPERSEDED
