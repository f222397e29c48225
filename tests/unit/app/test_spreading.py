"""Policies over daemons: even, without a conductor, and without moving anything that need not move."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.app.spreading import Share, Sight, assess_share
from ctrain.domain import PolicyName


def names(text: str) -> list[PolicyName]:
    return [PolicyName(one) for one in text]


def held(**by: str) -> dict[PolicyName, str]:
    return {PolicyName(name): holder for holder, policies in by.items() for name in policies}


@pytest.mark.parametrize(
    ("sight", "share"),
    [
        (Sight("x", ["x"], names("abc"), {}), Share(take=tuple(names("abc")))),
        (Sight("x", ["x", "y"], names("abcd"), {}), Share(take=tuple(names("ab")))),
        (Sight("x", ["x", "y"], names("abcd"), held(x="abcd")), Share(give=tuple(names("ab")))),
        (Sight("y", ["x", "y"], names("abcd"), held(x="abcd")), Share()),
        (Sight("y", ["x", "y"], names("abcd"), held(x="cd")), Share(take=tuple(names("ab")))),
        (Sight("x", ["x", "y"], names("abc"), held(x="ab", y="c")), Share()),
        (Sight("y", ["x", "y"], names("abc"), held(x="a", y="bc")), Share()),
        (Sight("x", ["x", "y", "z"], names("ab"), held(x="a", y="b")), Share()),
        (Sight("z", ["x", "y", "z"], names("ab"), held(x="a", y="b")), Share()),
        (
            Sight("x", ["x", "y"], names("abcd"), held(x="abcd"), busy=names("ab")),
            Share(give=tuple(names("cd"))),
        ),
        (
            Sight("x", ["x", "y"], names("abcd"), held(x="abcd"), busy=names("abc")),
            Share(give=tuple(names("da"))),
        ),
        (
            Sight("x", ["x", "y"], names("abcd"), held(x="ab"), orphans=names("d")),
            Share(take=tuple(names("d"))),
        ),
        (Sight("x", ["x", "y"], names("abc"), held(x="abc"), kept=names("c")), Share(give=tuple(names("a")))),
        (Sight("x", ["x", "y"], names("abc"), held(x="abc"), kept=names("abc")), Share()),
        (Sight("x", ["x", "command"], names("a"), held(command="a")), Share()),
        (Sight("x", ["x"], [], held(y="a")), Share()),
    ],
)
def test_what_one_daemon_does(sight: Sight, share: Share) -> None:
    assert assess_share(sight) == share


@dataclass
class Fleet:
    """Daemons that act on what they see, one after the other, as they do on a database."""

    policies: list[PolicyName]
    daemons: list[str]
    holders: dict[PolicyName, str] = field(default_factory=dict)
    moves: int = 0

    def round(self) -> None:
        for me in self.daemons:
            share = assess_share(Sight(me, self.daemons, self.policies, dict(self.holders)))
            for name in share.give:
                del self.holders[name]
            for name in share.take:
                assert name not in self.holders
                self.holders[name] = me
            self.moves += len(share.give)

    def counts(self) -> list[int]:
        return sorted(list(self.holders.values()).count(one) for one in self.daemons)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 25),
    changes=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=5),
)
def test_shares_are_even_two_rounds_after_daemons_come_and_go(
    count: int, changes: list[tuple[bool, int]]
) -> None:
    fleet = Fleet([PolicyName(f"p{number}") for number in range(count)], ["d9"])
    fleet.round()
    for comes, number in changes:
        before, fleet.moves = fleet.counts(), 0
        one = f"d{number}"
        if comes and one not in fleet.daemons:
            fleet.daemons.append(one)
        elif not comes and one in fleet.daemons and len(fleet.daemons) > 1:
            fleet.daemons.remove(one)
            fleet.holders = {name: who for name, who in fleet.holders.items() if who != one}
        fleet.round()
        fleet.round()
        counts = fleet.counts()
        assert sum(counts) == count
        assert counts[-1] - counts[0] <= 1
        assert fleet.moves <= -(-count // len(fleet.daemons)), (before, counts)
        still = dict(fleet.holders)
        fleet.round()
        assert fleet.holders == still, "nothing moves any more"


def test_one_that_dies_and_one_that_comes_move_no_more_than_their_share() -> None:
    fleet = Fleet([PolicyName(f"p{number:02}") for number in range(20)], ["a", "b", "c"])
    for _ in range(2):
        fleet.round()
    assert fleet.counts() == [6, 7, 7]
    of_a = {name for name, who in fleet.holders.items() if who == "a"}
    fleet.daemons.remove("c")
    fleet.holders = {name: who for name, who in fleet.holders.items() if who != "c"}
    fleet.moves = 0
    fleet.round()
    assert (fleet.counts(), fleet.moves) == ([10, 10], 0)
    assert of_a <= {name for name, who in fleet.holders.items() if who == "a"}
