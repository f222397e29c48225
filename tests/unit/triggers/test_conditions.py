from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.domain import MonitorName, Status, TriggerName, TriggerState
from ctrain.policy.triggers import AllOf, AnyOf, AtLeast, Condition
from ctrain.triggers.conditions import condition_met, fold_condition

START = datetime(2013, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEW = TriggerState(TriggerName("drift"))
STATUS = {"B": Status.BREACHED, "O": Status.OK, "I": Status.INCONCLUSIVE}
TWO = ("inputs", "error")


def statuses(letters: str) -> dict[MonitorName, Status]:
    """``"BI"``: inputs BREACHED, error INCONCLUSIVE; a dot: no verdict at all."""
    names = ("inputs", "error", "brier")
    return {
        MonitorName(name): STATUS[letter]
        for name, letter in zip(names, letters, strict=False)
        if letter != "."
    }


def met_after_each_pane(trigger: Condition, panes: list[str]) -> list[bool]:
    state, met = NEW, []
    for position, letters in enumerate(panes):
        state = fold_condition(trigger, statuses(letters), state, START + position * HOUR)
        met.append(condition_met(trigger, state))
    return met


@pytest.mark.parametrize(
    ("trigger", "letters", "met"),
    [
        (AllOf(all=TWO), "BB", True),
        (AllOf(all=TWO), "BO", False),
        (AllOf(all=TWO), "BI", False),
        (AllOf(all=TWO), "B.", False),
        (AnyOf(any=TWO), "OB", True),
        (AnyOf(any=TWO), "IB", True),
        (AnyOf(any=TWO), "OO", False),
        (AnyOf(any=TWO), "II", False),
        (AnyOf(any=TWO), "..", False),
        (AtLeast(at_least=2, of=(*TWO, "brier")), "BOB", True),
        (AtLeast(at_least=2, of=(*TWO, "brier")), "BIO", False),
        (AtLeast(at_least=3, of=(*TWO, "brier")), "BBI", False),
        (AtLeast(at_least=3, of=(*TWO, "brier")), "BBB", True),
    ],
)
def test_a_condition_on_one_pane(trigger: Condition, letters: str, met: bool) -> None:
    assert met_after_each_pane(trigger, [letters]) == [met]


@pytest.mark.parametrize(
    ("panes", "met"),
    [
        ("B B B B", "- - M M"),
        ("B B O B B B", "- - - - - M"),
        ("B B I B B B", "- - - - - M"),
        ("B B . B B B", "- - - - - M"),
        ("O B B B O", "- - - M -"),
    ],
    ids=["kept", "broken by OK", "broken by INCONCLUSIVE", "broken by silence", "over at once"],
)
def test_for_needs_an_unbroken_time(panes: str, met: str) -> None:
    trigger = AnyOf(any=("inputs",), for_=2 * HOUR)
    assert met_after_each_pane(trigger, panes.split()) == [one == "M" for one in met.split()]


@pytest.mark.parametrize(
    ("panes", "met"),
    [
        ("B O O O", "M M M -"),
        ("B I I I", "M M M -"),
        ("O O", "- -"),
        ("B O B O O O", "M M M M M -"),
    ],
)
def test_hold_keeps_a_met_condition_met(panes: str, met: str) -> None:
    trigger = AnyOf(any=("inputs",), hold=2 * HOUR)
    assert met_after_each_pane(trigger, panes.split()) == [one == "M" for one in met.split()]


def test_hold_counts_from_the_last_pane_that_met_for_too() -> None:
    trigger = AnyOf(any=("inputs",), for_=HOUR, hold=HOUR)
    assert met_after_each_pane(trigger, ["B", "B", "O", "O", "B", "O"]) == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_pane_that_was_folded_before_changes_nothing() -> None:
    trigger = AnyOf(any=("inputs",), for_=HOUR)
    state = fold_condition(trigger, statuses("B"), NEW, START)
    assert fold_condition(trigger, statuses("O"), state, START) == state
    assert fold_condition(trigger, statuses("O"), state, START - HOUR) == state


def test_a_new_trigger_is_not_met() -> None:
    assert not condition_met(AnyOf(any=("inputs",)), NEW)
    assert not condition_met(AnyOf(any=("inputs",), hold=HOUR), replace(NEW, as_of=START))


lengths = st.integers(1, 100).map(lambda minutes: timedelta(minutes=minutes))
verdicts = st.lists(st.sampled_from("BOI"), min_size=2, max_size=2).map("".join)


@settings(derandomize=True, deadline=None)
@given(for_=lengths, gaps=st.lists(lengths, max_size=8), both=st.booleans(), pane=verdicts)
def test_for_is_never_met_by_a_single_verdict(
    for_: timedelta, gaps: list[timedelta], both: bool, pane: str
) -> None:
    """However long the monitors were not BREACHED before, the first BREACHED pane is not enough."""
    trigger = AllOf(all=TWO, for_=for_) if both else AnyOf(any=TWO, for_=for_)
    state, at = NEW, START
    for gap in gaps:
        state = fold_condition(trigger, statuses("OI"), state, at)
        at += gap
    assert not condition_met(trigger, fold_condition(trigger, statuses(pane), state, at))


@settings(derandomize=True, deadline=None)
@given(panes=st.lists(verdicts, max_size=30), again=st.integers(0, 30))
def test_verdicts_seen_again_after_a_restart_change_nothing(panes: list[str], again: int) -> None:
    trigger = AnyOf(any=TWO, for_=2 * HOUR, hold=3 * HOUR)
    once = NEW
    for position, letters in enumerate(panes):
        once = fold_condition(trigger, statuses(letters), once, START + position * HOUR)
    twice = NEW
    for position, letters in [*enumerate(panes[:again]), *enumerate(panes)]:
        twice = fold_condition(trigger, statuses(letters), twice, START + position * HOUR)
    assert twice == once
