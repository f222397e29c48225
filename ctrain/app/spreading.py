"""Who should watch which policies: each daemon works out its own share from what all of them see.

Nobody gives orders. A daemon takes policies that nobody holds until it has its share, and gives some away
when it holds more, because another daemon has come. Shares differ by one at most and add up to all
policies; the daemons that hold most have the greater ones, so that nothing moves without need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ctrain.domain import PolicyName


@dataclass(frozen=True, slots=True)
class Sight:
    """What a daemon sees at one instant."""

    me: str
    daemons: Collection[str]
    """Holders that live, also this one."""
    wanted: Collection[PolicyName]
    """Policies that this daemon has a file of, or finds half done."""
    holders: Mapping[PolicyName, str]
    """Who holds which policy now."""
    orphans: Collection[PolicyName] = ()
    """Policies that nobody has taken for long: they go to whoever finds them, whatever its share."""
    kept: Collection[PolicyName] = ()
    """Policies of this daemon that no other wanted when they were offered."""
    busy: Collection[PolicyName] = ()
    """Policies of this daemon that had better stay where they are: something of theirs is under way."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a daemon does to come nearer to its share."""

    take: tuple[PolicyName, ...] = ()
    give: tuple[PolicyName, ...] = ()


def assess_share(sight: Sight) -> Share:
    """Return which policies to take and which to give away; both are empty when shares are even.

    Daemons that see the same work out shares that fit together: no two claim more than there is.
    """
    mine = {name for name in sight.wanted if sight.holders.get(name) == sight.me}
    free = sorted(name for name in sight.wanted if name not in sight.holders)
    movable = mine.difference(sight.kept)
    surplus = len(movable) - fair_share(sight)
    if surplus > 0:
        offered = sorted(movable, key=lambda name: (name in sight.busy, name))
        give = tuple(offered[:surplus])
    else:
        give = ()
    room = max(-surplus, 0)
    wanted_most = [name for name in free if name in sight.orphans]
    others = [name for name in free if name not in sight.orphans]
    return Share((*wanted_most, *others[: max(room - len(wanted_most), 0)]), give)


def fair_share(sight: Sight) -> int:
    """How many policies this daemon should hold, those apart that only it wants.

    >>> policies = [PolicyName(name) for name in "abcde"]
    >>> fair_share(Sight("x", ["x", "y"], policies, dict.fromkeys(policies, "x")))
    3
    """
    shared = set(sight.wanted).difference(sight.kept)
    daemons = {*sight.daemons, sight.me}
    held = Counter(holder for name, holder in sight.holders.items() if name in shared)
    ranked = sorted(daemons, key=lambda one: (-held[one], one))
    least, greater = divmod(len(shared), len(daemons))
    return least + (ranked.index(sight.me) < greater)
