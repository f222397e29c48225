"""River's detection indices, states over restarts, and values that would blind river."""

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import PageHinkley as RiverPageHinkley

from ctrain.stats.detectors.classic import page_hinkley
from ctrain.stats.detectors.detection import Direction, Scale
from ctrain.stats.detectors.page_hinkley import PageHinkley
from tests.support.streams import river_choices

Floats = npt.NDArray[np.float64]
HELD = 1e300
"""Weight of river's mean when it is held: no row moves it by one unit in the last place."""


def shifts() -> list[float]:
    """The stream of river's own tests: four blocks of 500 with the mean changed in two of them."""
    rng = np.random.RandomState(12345)
    blocks = [rng.normal(mean, 0.1, 500) > 0 for mean in (0, 0.25, 0, 0.25)]
    return np.concatenate(blocks).astype(int).tolist()  # type: ignore[no-any-return]  # numpy's tolist


def normals() -> list[float]:
    rng = np.random.RandomState(31)
    blocks = [rng.normal(mean, sd, 100) for mean, sd in ((0, 0.5), (4, 0.2), (6, 0.5))]
    return np.concatenate(blocks).tolist()  # type: ignore[no-any-return]  # numpy's tolist


PUBLISHED: list[tuple[dict[str, Any], list[float] | list[int], list[int]]] = [
    # settings of river's detector, stream, detection indices of river 0.26
    ({"mode": "both"}, shifts(), [588, 1097, 1585]),
    ({"mode": "up"}, shifts(), [588, 1681]),
    ({"mode": "down"}, shifts(), [1172]),
    ({}, river_choices().tolist(), [1006]),
    ({"min_instances": 1}, normals(), [113, 226]),
    ({"min_instances": 1, "delta": 0, "threshold": 1, "alpha": 1, "mode": "up"}, [0, 0, 0, 1, 1], [4]),
]


@pytest.mark.parametrize(("parameters", "stream", "indices"), PUBLISHED)
def test_the_classic_form_has_the_published_indices(
    parameters: dict[str, Any], stream: list[float], indices: list[int]
) -> None:
    assert page_hinkley(stream, **parameters) == indices


@pytest.mark.parametrize("mode", ["up", "down", "both"])
@pytest.mark.parametrize("parameters", [{}, {"min_instances": 1, "threshold": 8.0, "alpha": 0.9}])
def test_the_classic_form_is_rivers(mode: Direction, parameters: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    stream = np.concatenate([rng.normal(mean, 1.5, 3000) for mean in (0, 0.4, 0, -1, 2)])
    river = RiverPageHinkley(mode=mode, **parameters)
    expected = rivers_indices(river, stream)
    assert len(expected) > 3
    assert page_hinkley(stream, mode=mode, **parameters) == expected


def rivers_indices(river: RiverPageHinkley, stream: Floats, held: bool = False) -> list[int]:
    found = []
    for index, value in enumerate(stream.tolist()):
        if held and river._x_mean.n < HELD:  # at the beginning, and after each detection
            river._x_mean.n = HELD
        river.update(value)  # type: ignore[no-untyped-call]  # river does not annotate it
        if river.drift_detected:
            found.append(index)
            if held:
                river._reset()  # type: ignore[no-untyped-call]  # as its next update would
    return found


@pytest.mark.parametrize("direction", ["up", "down", "both"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_indices_are_those_of_river_with_its_mean_held(direction: Direction, seed: int) -> None:
    losses = rising_and_falling(seed, 5000)
    river = RiverPageHinkley(min_instances=1, delta=0.1, threshold=12.0, alpha=1.0, mode=direction)
    expected = rivers_indices(river, Scale(0.2, 0.4).standardise(losses), held=True)
    assert [found.index for found in detector(direction).feed(losses)] == expected
    assert len(expected) > 2


def test_sums_have_the_bits_of_rivers() -> None:
    losses = rising_and_falling(5, 3000)
    ours = detector(threshold=1e9)
    ours.feed(losses)
    river = RiverPageHinkley(min_instances=1, delta=0.1, threshold=1e9, alpha=1.0, mode="up")
    rivers_indices(river, Scale(0.2, 0.4).standardise(losses), held=True)
    assert ours.statistic == river._sum_increase - river._min_increase


def detector(
    direction: Direction = "up", state: dict[str, Any] | None = None, **changed: float
) -> PageHinkley:
    parameters = {"threshold": 12.0, "delta": 0.1, **changed}
    return PageHinkley(Scale(0.2, 0.4), direction=direction, state=state, **parameters)


def rising_and_falling(seed: int = 1, rows: int = 400) -> Floats:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.exponential(mean, rows) for mean in (0.2, 0.5, 0.2, 0.02)])


def by_hand(losses: Floats, direction: Direction, threshold: float = 12.0, delta: float = 0.1) -> list[int]:
    """The formula of the module's docstring, written out."""
    found, rise, fall, lowest, highest = [], 0.0, 0.0, math.inf, -1.0
    for index, z in enumerate(np.clip((losses - 0.2) / 0.4, -10, 10)):
        rise, fall = rise + z - delta, fall + z + delta
        lowest, highest = min(lowest, rise), max(highest, fall)
        up, down = rise - lowest > threshold, highest - fall > threshold
        if (up and direction != "down") or (down and direction != "up"):
            found.append(index)
            rise, fall, lowest, highest = 0.0, 0.0, math.inf, -1.0
    return found


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_the_mean_is_held_at_the_baseline(direction: Direction) -> None:
    losses = rising_and_falling()
    found = detector(direction).feed(losses)
    assert [detection.index for detection in found] == by_hand(losses, direction)
    assert len(found) > 2  # it detects again and again while the losses stay off the baseline


@given(
    cuts=st.lists(st.integers(0, 1600), max_size=12),
    direction=st.sampled_from(["up", "down", "both"]),
    seed=st.integers(0, 5),
)
@settings(max_examples=20, deadline=None)
def test_a_restart_anywhere_changes_no_bit(cuts: list[int], direction: Direction, seed: int) -> None:
    losses = rising_and_falling(seed)
    losses[[5, 700]] = math.nan, math.inf
    undisturbed = detector(direction)
    expected = undisturbed.feed(losses)
    state: dict[str, Any] | None = None
    found, offset = [], 0
    for part in np.split(losses, sorted(cuts)):
        restarted = detector(direction, state)
        for one in restarted.feed(part):
            found.append((offset + one.index, one.statistic, one.rose, one.rows, one.mean))
        offset += part.size
        state = json.loads(json.dumps(restarted.to_json(), allow_nan=False))
    assert found == [(d.index, d.statistic, d.rose, d.rows, d.mean) for d in expected]
    assert state == json.loads(json.dumps(undisturbed.to_json(), allow_nan=False))


def test_the_state_of_another_detector_or_version_is_refused() -> None:
    state = detector().to_json()
    with pytest.raises(
        ValueError, match="expected the state of page_hinkley version 1, got page_hinkley ver"
    ):
        detector(state=state | {"version": 99})
    with pytest.raises(ValueError, match="got adwin version 1"):
        detector(state=state | {"detector": "adwin"})


def test_what_cannot_be_compared_is_skipped_and_counted() -> None:
    losses = rising_and_falling(3)
    holes = np.insert(losses, [0, 10, 450], [math.nan, math.inf, -math.inf])
    skipping = detector()
    found = skipping.feed(holes)
    assert skipping.skipped == 3
    assert [d.statistic for d in found] == [d.statistic for d in detector().feed(losses)]
    assert np.isfinite(holes[[d.index for d in found]]).all()


def test_one_wild_loss_does_not_decide() -> None:
    losses = np.full(100, 0.2)
    losses[50] = 1e308
    watching = detector()
    assert watching.feed(losses) == []
    assert watching.feed(np.array([1e308, 1e308])) != []


def test_a_detection_knows_when_the_change_began_and_how_large_it_is() -> None:
    rise = np.concatenate([np.full(300, 0.1), np.full(100, 0.4)])
    first = detector().feed(rise)[0]
    assert (first.rose, first.rows) == (True, first.index - 299)
    assert first.mean == pytest.approx(0.4)
    fall = np.concatenate([np.full(300, 0.22), np.full(100, 0.0)])
    assert detector("up").feed(fall) == []
    first = detector("both").feed(fall)[0]
    assert (first.rose, first.rows) == (False, first.index - 299)
    assert first.mean == pytest.approx(0.0)


def test_the_statistic_returns_to_zero() -> None:
    watching = detector()
    assert watching.statistic == 0
    watching.feed(np.array([0.2, 0.6, 0.6]))
    assert watching.statistic == pytest.approx(2 * (1 - 0.1))
    watching.feed(np.full(100, 0.2))
    assert watching.statistic == 0


def test_an_edited_threshold_holds_from_now_on_and_a_new_direction_starts_anew() -> None:
    watching = detector()
    watching.feed(np.full(10, 0.6))
    assert watching.statistic == pytest.approx(8.1)
    lower = detector(state=watching.to_json(), threshold=8.5)
    assert [d.index for d in lower.feed(np.full(5, 0.6))] == [0]
    turned = detector("down", state=watching.to_json())
    assert turned.statistic == 0
