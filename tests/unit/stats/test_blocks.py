from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest

from ctrain.stats.blocks import (
    MIN_PANES,
    BlockLength,
    block_length,
    choose_block,
    correlation_length,
    pane_means,
)

Floats = npt.NDArray[np.float64]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def autoregressive(steps: int, weight: float, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    series = np.zeros(steps)
    for step in range(1, steps):
        series[step] = weight * series[step - 1] + rng.normal()
    return series


def hours(series: Floats) -> npt.NDArray[np.datetime64]:
    return np.datetime64("2026-01-01T00", "us") + np.arange(series.size) * np.timedelta64(1, "h")


@pytest.mark.parametrize("weight", [0.3, 0.6, 0.9])
def test_correlation_length_of_an_autoregressive_series(weight: float) -> None:
    """Theory: the autocorrelation at lag k is weight^k, which gives 4 w / (1 - w^2)."""
    lengths = [correlation_length(autoregressive(10_000, weight, seed)) for seed in range(8)]
    assert np.median(lengths) == pytest.approx(4 * weight / (1 - weight**2), rel=0.25)


def test_independent_noise_over_a_slow_wave_does_not_hide_it() -> None:
    rng = np.random.default_rng(4)
    wave = autoregressive(40_000, 0.95, seed=5)
    noisy = wave + 3 * wave.std() * rng.normal(size=wave.size)
    assert correlation_length(noisy) > 0.4 * correlation_length(wave)


def test_autocorrelation_by_hand() -> None:
    """Of 0 1 0 1 ... the lags alternate between -1 and +1: the first is below zero, no pair above."""
    assert correlation_length(np.tile([0.0, 1.0], 50)) == 0
    ramp = np.arange(10.0)  # the second lag has too few pairs, so only the first one counts
    centred = ramp - 4.5
    first = (centred[:-1] * centred[1:]).mean() / (centred**2).mean()
    assert correlation_length(ramp) == pytest.approx(4 * first / (1 + 2 * first))


def test_missing_panes_do_not_count_as_zeros() -> None:
    """With 40 % of the panes gone the length stays 3.75 steps; with zeros it would be 3.2."""
    lengths = []
    for seed in range(12):
        series = autoregressive(20_000, 0.6, seed)
        series[np.random.default_rng(seed).uniform(size=series.size) < 0.4] = np.nan
        lengths.append((correlation_length(series), correlation_length(np.nan_to_num(series))))
    with_gaps, with_zeros = np.median(lengths, axis=0)
    assert with_gaps == pytest.approx(3.75, rel=0.25)
    assert with_zeros < with_gaps


@pytest.mark.parametrize(
    "series", [np.empty(0), np.full(5, np.nan), np.ones(1), np.full(100, 0.1), np.zeros(100)]
)
def test_a_series_that_does_not_vary_has_no_correlation(series: Floats) -> None:
    assert correlation_length(series) == 0


def test_means_are_taken_of_the_rows_of_each_pane() -> None:
    event_at = np.array(["2026-01-01T00:10", "2026-01-01T00:50", "2026-01-01T03:00"], dtype="datetime64[s]")
    means = pane_means(event_at, np.array([1.0, 3.0, 5.0]), HOUR)
    assert means == pytest.approx([2.0, np.nan, np.nan, 5.0], nan_ok=True)
    assert pane_means(event_at, np.full(3, np.nan), HOUR).size == 0


def test_seconds_and_instants_and_any_order_give_the_same() -> None:
    series = autoregressive(400, 0.6)
    at = hours(series)
    seconds = at.astype("datetime64[s]").astype(np.int64)
    turned = np.random.default_rng(3).permutation(series.size)
    expected = block_length(at, series, HOUR, 10 * DAY)
    assert expected > 5 * HOUR
    assert block_length(seconds, series, HOUR, 10 * DAY) == expected
    assert block_length(at[turned], series[turned], HOUR, 10 * DAY) == expected


LENGTHS = [
    # weight, panes, longest, shortest and longest wanted
    (0.0, 5000, 10 * DAY, HOUR, 3 * HOUR),
    (0.6, 5000, 10 * DAY, 13 * HOUR, 30 * HOUR),
    (0.9, 5000, 10 * DAY, 60 * HOUR, 200 * HOUR),
    (0.9, 5000, DAY, DAY, DAY),
    (0.9, 5000, 90 * timedelta(minutes=1), HOUR, HOUR),
    (0.9, 5000, timedelta(minutes=1), HOUR, HOUR),
    (0.0, MIN_PANES - 1, timedelta(hours=30, minutes=20), 30 * HOUR, 30 * HOUR),
    (0.0, MIN_PANES, 30 * HOUR, HOUR, 29 * HOUR),
]


@pytest.mark.parametrize(("weight", "panes", "longest", "least", "most"), LENGTHS)
def test_block_length(
    weight: float, panes: int, longest: timedelta, least: timedelta, most: timedelta
) -> None:
    series = autoregressive(panes, weight)
    length = block_length(hours(series), series, HOUR, longest)
    assert least <= length <= most
    assert length % HOUR == timedelta(0)


def test_what_was_wanted_is_told_where_it_does_not_fit() -> None:
    series = autoregressive(5000, 0.9)
    free, cut = (choose_block(hours(series), series, HOUR, longest) for longest in (100 * DAY, DAY))
    assert (free.used, free.short) == (free.wanted, False)
    assert (cut.used, cut.wanted, cut.short) == (DAY, free.wanted, True)
    few = choose_block(hours(series[: MIN_PANES - 1]), series[: MIN_PANES - 1], HOUR, DAY)
    assert (few, few.short) == (BlockLength(DAY, None), False)


def test_equal_models_and_no_rows() -> None:
    at = hours(np.zeros(100))
    assert block_length(at, np.zeros(100), HOUR, DAY) == HOUR
    assert block_length(at[:0], np.empty(0), HOUR, DAY) == DAY
    assert block_length(at, np.full(100, np.nan), HOUR, DAY) == DAY


def test_means_of_such_blocks_are_nearly_independent() -> None:
    series = autoregressive(200_000, 0.9, seed=9)
    panes = block_length(hours(series[:2000]), series[:2000], HOUR, 100 * DAY) // HOUR
    blocks = series[: series.size // panes * panes].reshape(-1, panes).mean(axis=1)
    assert abs(np.corrcoef(blocks[:-1], blocks[1:])[0, 1]) < 0.1


def test_a_wide_span_of_short_panes_is_cut_to_the_recent_part() -> None:
    far = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp())
    series = autoregressive(500, 0.6)
    at = np.append(far, np.arange(500) + 1_700_000_000)
    second = timedelta(seconds=1)
    assert block_length(at, np.append(0.0, series), second, DAY) == block_length(at[1:], series, second, DAY)
