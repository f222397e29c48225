"""What is searched in a policy, how a file is changed, and which trial is picked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ctrain.backtest.frontier import Score, Tried, Tuned, frontier, pick
from ctrain.backtest.tuning import Parameter, as_written, changes, search_space, with_values
from ctrain.errors import InputError
from ctrain.policy.files import LoadedPolicy, parse_policy
from tests.support.backtests import POLICY


def parsed(text: str = POLICY, **environ: str) -> LoadedPolicy:
    return parse_policy(text, Path("clicks.yaml"), environ)


def space_of(text: str = POLICY, **environ: str) -> dict[str, Parameter]:
    return {one.name: one for one in search_space(parsed(text, **environ), environ)}


def test_what_decides_when_to_train_is_searched_and_nothing_else() -> None:
    """``inputs`` is in no trigger; gates, shadow and probation protect production."""
    found = space_of()
    assert {name: (one.choices, one.choices[one.written]) for name, one in found.items()} == {
        "monitors.brier.window": (("3h", "6h", "12h", "1d", "2d"), "12h"),
        "monitors.brier.above": (("0.16", "0.18", "0.2", "0.22", "0.25"), "0.2"),
        "triggers.degraded.for": (("1h", "2h", "4h", "8h"), "2h"),
        "limits.cooldown": (("1h", "2h", "4h", "8h"), "2h"),
        "limits.min_new_labels": (("12", "25", "50", "100", "200"), "50"),
    }


@pytest.mark.parametrize(
    ("old", "new", "name", "choices"),
    [
        ("for: 2h", "for: 0h", "triggers.degraded.for", ("0h", "1h", "2h", "4h")),
        ("any: [brier]", "any: [inputs]", "monitors.inputs.min_effect",
         ("0.0375", "0.075", "0.15", "0.3", "0.6")),
        ("metric: brier, window: 12h, above: 0.2", "metric: accuracy, window: 12h, below: 0.9",
         "monitors.brier.below", ("0.6", "0.8", "0.9", "0.95", "0.975")),
        ("min_effect: 0.15", "fdr: 0.4", "monitors.inputs.fdr", ("0.1", "0.2", "0.4", "0.8")),
        ("pane: 1h", "pane: 1h\n  retention: 3d", "monitors.brier.window", ("3h", "6h", "12h", "1d", "2d")),
    ],
)  # fmt: skip
def test_values_around_what_is_written(old: str, new: str, name: str, choices: tuple[str, ...]) -> None:
    text = POLICY.replace(old, new)
    if name.startswith("monitors.inputs"):
        text = text.replace("any: [brier]", "any: [inputs]")
    assert space_of(text)[name].choices == choices


def test_a_value_that_the_policy_would_refuse_is_not_proposed() -> None:
    text = POLICY.replace("pane: 1h", "pane: 1h\n  retention: 2d10h").replace("window: 12h", "window: 1d")
    assert space_of(text)["monitors.brier.window"].choices == ("6h", "12h", "1d", "2d")


def test_values_of_the_environment_and_at_anchors_are_left_alone() -> None:
    text = POLICY.replace("window: 12h, above: 0.2", 'window: &w 12h, above: "${ABOVE}"')
    found = space_of(text, ABOVE="0.2")
    assert "monitors.brier.window" not in found
    assert "monitors.brier.above" not in found
    assert "limits.cooldown" in found


def test_only_values_change_in_the_text() -> None:
    text = POLICY.replace("for: 2h}", 'for: "2h"}   # as long as it takes: 2h')
    space = search_space(parsed(text), {})
    values = tuple(len(one.choices) - 1 for one in space)
    expected = (
        text.replace("window: 12h, above: 0.2", "window: 2d, above: 0.25")
        .replace('for: "2h"', "for: 8h")
        .replace("cooldown: 2h, min_new_labels: 50", "cooldown: 8h, min_new_labels: 200")
    )
    assert with_values(text, space, values) == expected
    assert with_values(text, space, as_written(space)) == text
    assert changes(space, as_written(space)) == {}
    assert changes(space, values)["limits.cooldown"] == ("2h", "8h")


def test_a_policy_with_nothing_to_tune() -> None:
    text = POLICY.replace("{any: [brier], for: 2h}", "{cron: '0 3 * * *', timezone: UTC}").replace(
        "limits: {cooldown: 2h, min_new_labels: 50}\n", ""
    )
    with pytest.raises(InputError, match=r"clicks\.yaml: there is nothing to tune"):
        search_space(parsed(text), {})


def tried(number: int, metric: float, seconds: float, changed: int = 1) -> Tried:
    changes = {f"key{position}": ("1", "2") for position in range(changed)}
    return Tried(number, changes, "", Score(metric, seconds, 1, 1, 0, 100))


def test_the_frontier_is_what_nothing_dominates() -> None:
    trials = [
        tried(0, 0.20, 60, 0), tried(1, 0.20, 30), tried(2, 0.19, 90), tried(3, 0.19, 90, 0),
        tried(4, 0.25, 0), tried(5, 0.26, 10),
    ]  # fmt: skip
    assert [one.number for one in frontier(trials)] == [4, 1, 3]


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([tried(0, 0.2000, 60), tried(1, 0.2009, 30), tried(2, 0.2011, 10)], 1),
        ([tried(0, 0.2005, 30), tried(1, 0.2000, 30)], 1),
        ([tried(1, 0.2, 30, 2), tried(2, 0.2, 30, 1)], 2),
        ([tried(0, 0.0, 30), tried(1, 0.0, 20)], 1),
    ],
)
def test_the_cheapest_of_the_best_is_picked(trials: list[Tried], expected: int) -> None:
    assert pick(trials).number == expected


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((0.20, 60, 2), (0.19, 30, 1), "what the search found holds there"),
        ((0.20, 60, 2), (0.21, 60, 2), "worse than the policy as it is written; do not take it"),
        ((0.20, 60, 2), (0.21, 30, 1), "one is paid for with the other"),
        ((0.20, 60, 2), (0.20, 60, 2), "no difference there"),
        ((0.20, 0, 0), (0.20, 0, 0), "neither retrained there, so that the rest cannot tell"),
    ],
)
def test_the_rest_says_whether_the_pick_holds(
    before: tuple[float, float, int], after: tuple[float, float, int], verdict: str
) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    untouched = replace(tried(0, 0.2, 60, 0), text="window: 2d  # two\n")
    picked = replace(tried(1, 0.1, 60), text="window: 1d  # two\n")
    rest = {
        one.number: Score(metric, seconds, retrains, 0, 0, 50)
        for one, (metric, seconds, retrains) in ((untouched, before), (picked, after))
    }
    found = Tuned("clicks", "clicks.yaml", "brier", at, at, at, 2, 0, {}, untouched, [picked], picked, rest)
    assert found.verdict.endswith(f" training seconds: {verdict}")
    assert found.difference.splitlines()[-2:] == ["-window: 2d  # two", "+window: 1d  # two"]
    assert replace(found, picked=untouched).verdict.startswith("the policy stays as it is written")
    assert replace(found, picked=untouched).difference == ""
