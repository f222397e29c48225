"""The pictures of a backtest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ctrain.analysis.backtest_plots import COLOURS, LINES, MARKS, _plot_frontier, _plot_metric
from ctrain.backtest import outcomes
from ctrain.backtest.strategies import STRATEGIES
from ctrain.domain import Phase

START = datetime(2024, 1, 1, tzinfo=UTC).isoformat()


def test_every_mark_is_of_a_kind_that_the_timeline_tells() -> None:
    assert set(MARKS) <= {"promoted"} | {f"run_{phase.value.lower()}" for phase in Phase if phase.ended}
    assert outcomes.PROMOTED in MARKS


@pytest.mark.parametrize("kind", ["promoted", "run_rolled_back", "run_rejected"])
def test_promotions_rollbacks_and_rejections_are_marked(kind: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    request: dict[str, Any] = {
        "metric_name": "brier",
        "series": {"policy": [(START, 0.1)]},
        "events": [(START, kind), (START, "run_queued")],
    }
    _plot_metric(figure, request)
    (axes,) = figure.axes
    assert [one.get_label() for one in axes.get_lines()] == ["policy", MARKS[kind][1]]


def test_each_strategy_has_a_colour_and_a_line_of_its_own() -> None:
    assert set(COLOURS) == set(LINES) == {"policy", *STRATEGIES}
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_strategies_that_cost_and_reach_the_same_are_named_side_by_side() -> None:
    """A detector that never fired is where no retraining is: names on top of each other cannot be read."""
    from matplotlib.figure import Figure

    figure = Figure()
    costs = {"policy": (2.0, 0.1), "never": (0.0, 0.4), "adwin": (0.0, 0.4)}
    _plot_frontier(figure, {"metric_name": "brier", "costs": costs})
    (axes,) = figure.axes
    assert [one.get_text() for one in axes.texts] == ["never, adwin", "policy"]


def test_names_of_strategies_that_nearly_meet_do_not_lie_on_each_other() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    costs = {"policy": (2.0, 0.1), "periodic": (2.01, 0.1), "adwin": (1.99, 0.101), "never": (0.0, 0.4)}
    _plot_frontier(figure, {"metric_name": "brier", "costs": costs})
    (axes,) = figure.axes
    boxes = [one.get_window_extent() for one in axes.texts]
    assert not any(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[:at])
