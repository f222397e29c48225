"""River's detection indices, states over restarts, and losses that would blind river."""

import json
import math
import random

import numpy as np
import numpy.typing as npt
import pytest
from river.drift import PageHinkley

from ctrain.stats.page_hinkley import Direction, LossDetector, Scale, restore_river, save_river

Floats = npt.NDArray[np.float64]


def shifts() -> list[float]:
    """The stream of river's own tests: four blocks of 500 with the mean changed in two of them."""
    rng = np.random.RandomState(12345)
    blocks = [rng.normal(mean, 0.1, 500) > 0 for mean in (0, 0.25, 0, 0.25)]
    return np.concatenate(blocks).astype(int).tolist()  # type: ignore[no-any-return]  # numpy's tolist


def choices() -> list[int]:
    rng = random.Random(12345)
    return rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)


def normals() -> list[float]:
    rng = np.random.RandomState(31)
    blocks = [rng.normal(mean, sd, 100) for mean, sd in ((0, 0.5), (4, 0.2), (6, 0.5))]
    return np.concatenate(blocks).tolist()  # type: ignore[no-any-return]  # numpy's tolist


PINNED = [
    # settings of river's detector, stream, detection indices of river 0.26
    ({"mode": "both"}, shifts(), [588, 1097, 1585]),
    ({"mode": "up"}, shifts(), [588, 1681]),
    ({"mode": "down"}, shifts(), [1172]),
    ({}, choices(), [1006]),
    ({"min_instances": 1}, normals(), [113, 226]),
    ({"min_instances": 1, "delta": 0, "threshold": 1, "alpha": 1, "mode": "up"}, [0, 0, 0, 1, 1], [4]),
]


@pytest.mark.parametrize(("settings", "stream", "indices"), PINNED)
@pytest.mark.parametrize("restarts", [False, True])
def test_indices_of_river_also_when_restored_before_every_value(
    settings: dict, stream: list[float], indices: list[int], restarts: bool
) -> None:
    detector = PageHinkley(**settings)
    found = []
    for index, value in enumerate(stream):
        if restarts:
            detector = restore_river(json.loads(json.dumps(save_river(detector), allow_nan=False)))
        detector.update(value)  # type: ignore[no-untyped-call]  # river does not annotate it
        if detector.drift_detected:
            found.append(index)
    assert found == indices


def test_an_unknown_version_of_the_state_is_refused() -> None:
    state = save_river(PageHinkley()) | {"version": 99}
    with pytest.raises(ValueError, match="unknown version of a Page-Hinkley state: 99"):
        restore_river(state)


def loss_detector(direction: Direction = "up", state: dict | None = None, **changed: float) -> LossDetector:
    settings = {"threshold": 12.0, "delta": 0.1, **changed}
    return LossDetector(Scale(0.2, 0.4), direction=direction, state=state, **settings)


def rising_and_falling(seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.exponential(mean, 400) for mean in (0.2, 0.5, 0.2, 0.02)])


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
    found = loss_detector(direction).feed(losses)
    assert [detection.index for detection in found] == by_hand(losses, direction)
    assert len(found) > 2  # it detects again and again while the losses stay off the baseline


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_a_restart_before_every_loss_changes_nothing(direction: Direction) -> None:
    losses = rising_and_falling(2)
    losses[[5, 700]] = math.nan, math.inf
    undisturbed = loss_detector(direction)
    expected = undisturbed.feed(losses)
    state: dict | None = None
    found = []
    for index in range(losses.size):
        detector = loss_detector(direction, state)
        for detection in detector.feed(losses[index : index + 1]):
            found.append((index, detection.statistic, detection.rose, detection.rows, detection.mean))
        state = json.loads(json.dumps(detector.to_json(), allow_nan=False))
    assert found == [(d.index, d.statistic, d.rose, d.rows, d.mean) for d in expected]
    assert state == json.loads(json.dumps(undisturbed.to_json()))


def test_what_cannot_be_compared_is_skipped_and_counted() -> None:
    losses = rising_and_falling(3)
    holes = losses.copy()
    holes = np.insert(holes, [0, 10, 450], [math.nan, math.inf, -math.inf])
    detector = loss_detector()
    found = detector.feed(holes)
    assert detector.skipped == 3
    assert [d.statistic for d in found] == [d.statistic for d in loss_detector().feed(losses)]
    assert np.isfinite(holes[[d.index for d in found]]).all()


def test_one_wild_loss_does_not_decide() -> None:
    losses = np.full(100, 0.2)
    losses[50] = 1e300
    detector = loss_detector()
    assert detector.feed(losses) == []
    assert detector.feed(np.array([1e300, 1e300])) != []


def test_a_detection_knows_when_the_change_began_and_how_large_it_is() -> None:
    rise = np.concatenate([np.full(300, 0.1), np.full(100, 0.4)])
    first = loss_detector().feed(rise)[0]
    assert (first.rose, first.rows) == (True, first.index - 299)
    assert first.mean == pytest.approx(0.4)
    fall = np.concatenate([np.full(300, 0.22), np.full(100, 0.0)])
    assert loss_detector("up").feed(fall) == []
    first = loss_detector("both").feed(fall)[0]
    assert (first.rose, first.rows) == (False, first.index - 299)
    assert first.mean == pytest.approx(0.0)


def test_the_statistic_returns_to_zero() -> None:
    detector = loss_detector()
    assert detector.statistic == 0
    detector.feed(np.array([0.2, 0.6, 0.6]))
    assert detector.statistic == pytest.approx(2 * (1 - 0.1))
    detector.feed(np.full(100, 0.2))
    assert detector.statistic == 0


def test_an_edited_threshold_holds_from_now_on_and_a_new_direction_starts_anew() -> None:
    detector = loss_detector()
    detector.feed(np.full(10, 0.6))
    assert detector.statistic == pytest.approx(8.1)
    lower = loss_detector(state=detector.to_json(), threshold=8.5)
    assert [d.index for d in lower.feed(np.full(5, 0.6))] == [0]
    turned = loss_detector("down", state=detector.to_json())
    assert turned.statistic == 0
