import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ctrain.domain import MonitorName, Status, Verdict, Version
from ctrain.monitors.change import Baseline, fold_losses, make_baseline
from ctrain.policy.monitors import ChangeMonitor

Floats = npt.NDArray[np.float64]
START = datetime(2026, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ERROR, VERSION = MonitorName("error"), Version("3")
BASELINE = Baseline(mean=0.2, sd=0.1, delta=0.1, threshold=20.0, n=1000, origin="set by the policy")


def monitor(**changed: Any) -> ChangeMonitor:
    return ChangeMonitor(**{"type": "change", "hold": 6 * HOUR, "min_rows": 100, **changed})


def noise(rows: int, seed: int = 0, mean: float = 0.2) -> Floats:
    return np.random.default_rng(seed).normal(mean, 0.1, rows)


def instants(rows: int, pane: int) -> npt.NDArray[np.datetime64]:
    start = np.datetime64("2026-05-01T00", "us") + np.timedelta64(pane, "h")
    return start + np.arange(rows) * np.timedelta64(1, "s")


class Watched:
    """A monitor that is fed pane after pane, its state written as JSON in between."""

    def __init__(self, spec: ChangeMonitor, baseline: Baseline | None = BASELINE) -> None:
        self.spec, self.baseline = spec, baseline
        self.state: dict[str, Any] | None = None
        self.pane = 0

    def feed(self, losses: Floats | list[float]) -> Verdict:
        values = np.asarray(losses, dtype=np.float64)
        self.pane += 1
        state, verdict = fold_losses(
            ERROR,
            self.spec,
            self.baseline,
            self.state,
            values,
            instants(values.size, self.pane - 1),
            START + self.pane * HOUR,
            VERSION,
        )
        self.state = json.loads(json.dumps(state, allow_nan=False))
        return verdict


def test_no_change() -> None:
    watched = Watched(monitor())
    verdicts = [watched.feed(noise(50, seed)) for seed in range(10)]
    assert {verdict.status for verdict in verdicts} == {Status.OK}
    last = verdicts[-1]
    assert (last.monitor, last.as_of, last.n, last.model_version) == (ERROR, START + 10 * HOUR, 50, VERSION)
    assert last.threshold == 20.0
    assert last.reason.startswith("no change: statistic ")
    assert last.reason.endswith("on 50 rows against a baseline of 0.200")


def test_a_rise_is_told_in_plain_words() -> None:
    watched = Watched(monitor())
    watched.feed([0.2] * 100)
    verdict = watched.feed([0.2] * 30 + [0.4] * 30)
    assert verdict.status is Status.BREACHED
    assert verdict.value == pytest.approx(11 * 1.9)
    assert verdict.reason == (
        "losses rose: statistic 20.9 > 20.0 at 2026-05-01 01:00, mean loss 0.400 over 11 rows"
        " against a baseline of 0.200"
    )


def test_a_breach_is_held_in_event_time_and_then_over() -> None:
    watched = Watched(monitor(hold=3 * HOUR))
    first = watched.feed([0.5] * 10)
    held = [watched.feed([0.2] * 10) for _ in range(4)]
    assert [verdict.status.value for verdict in held] == ["BREACHED", "BREACHED", "OK", "OK"]
    assert {verdict.reason for verdict in held[:2]} == {first.reason}
    assert {verdict.value for verdict in held[:2]} == {first.value}


def test_without_hold_only_the_pane_of_the_detection_is_breached() -> None:
    watched = Watched(monitor(hold=timedelta(0)))
    statuses = [watched.feed([loss] * 10).status.value for loss in (0.2, 0.5, 0.2)]
    assert statuses == ["OK", "BREACHED", "OK"]


def test_losses_that_stay_high_are_detected_again() -> None:
    watched = Watched(monitor(hold=timedelta(0)))
    statuses = [watched.feed([0.5] * 10).status for _ in range(5)]
    assert statuses == [Status.BREACHED] * 5


def test_a_pane_without_losses_is_not_healthy_and_does_not_end_a_breach() -> None:
    watched = Watched(monitor(hold=2 * HOUR))
    assert watched.feed([]).status is Status.INCONCLUSIVE
    assert watched.feed([np.nan, np.inf]).reason == "no matured loss in this pane"
    watched.feed([0.5] * 10)
    assert watched.feed([]).status is Status.BREACHED
    assert watched.feed([]).status is Status.INCONCLUSIVE


def test_losses_that_are_no_numbers_are_skipped_and_counted() -> None:
    clean, holed = Watched(monitor()), Watched(monitor())
    losses = noise(40)
    expected = clean.feed(losses)
    got = holed.feed(np.insert(losses, [0, 7, 40], [np.nan, np.inf, -np.inf]))
    assert (got.value, got.n, got.status) == (expected.value, 40, Status.OK)
    assert holed.state is not None
    assert holed.state["detector"]["skipped"] == 3


@pytest.mark.parametrize(
    ("direction", "loss", "status", "words"),
    [
        ("up", 0.5, Status.BREACHED, "losses rose"),
        ("up", 0.0, Status.OK, "no change"),
        ("down", 0.5, Status.OK, "no change"),
        ("down", 0.0, Status.BREACHED, "losses fell"),
        ("both", 0.5, Status.BREACHED, "losses rose"),
        ("both", 0.0, Status.BREACHED, "losses fell"),
    ],
)
def test_directions(direction: str, loss: float, status: Status, words: str) -> None:
    verdict = Watched(monitor(direction=direction)).feed([0.2] * 5 + [loss] * 30)
    assert verdict.status is status
    assert verdict.reason.startswith(words)


@pytest.mark.parametrize("cut", [1, 3, 7, 50])
def test_panes_of_any_length_detect_at_the_same_rows(cut: int) -> None:
    losses = np.concatenate([noise(200), noise(100, 1, mean=0.4)])
    whole, parts = Watched(monitor(hold=999 * HOUR)), Watched(monitor(hold=999 * HOUR))
    expected = whole.feed(losses)
    got = [parts.feed(losses[start : start + cut]) for start in range(0, losses.size, cut)][-1]
    assert got.status is expected.status is Status.BREACHED
    assert got.value == expected.value
    assert parts.state is not None
    assert whole.state is not None
    assert parts.state["detector"] == whole.state["detector"]


def test_an_edited_threshold_wins_over_the_calibrated_one() -> None:
    assert Watched(monitor(threshold=1000)).feed([0.5] * 10).status is Status.OK
    verdict = Watched(monitor(threshold=2)).feed([0.5] * 2)
    assert (verdict.status, verdict.threshold) == (Status.BREACHED, 2)


def test_aware_datetimes_are_accepted_in_any_zone() -> None:
    tokyo = datetime.fromisoformat("2026-05-01T09:30:00+09:00")
    _, verdict = fold_losses(ERROR, monitor(), BASELINE, None, [0.9] * 9, [tokyo] * 9, START, VERSION)
    assert "at 2026-05-01 00:30" in verdict.reason


def test_an_unknown_version_of_the_state_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown version of a change monitor's state: 7"):
        fold_losses(ERROR, monitor(), BASELINE, {"version": 7}, [0.2], instants(1, 0), START, VERSION)


class TestBaseline:
    def test_of_out_of_sample_losses(self) -> None:
        losses = noise(2000)
        baseline = make_baseline(monitor(), np.append(losses, np.nan))
        assert baseline is not None
        assert baseline.mean == pytest.approx(losses.mean())
        assert baseline.sd == pytest.approx(losses.std())
        assert baseline.n == 2000
        assert 0.1 < baseline.delta < 0.2
        assert 40 < baseline.threshold < 60
        assert baseline.origin == "block bootstrap of 2000 losses for a run length of 1000000"
        assert make_baseline(monitor(), losses) == baseline

    @pytest.mark.parametrize("rows", [0, 99])
    def test_too_few(self, rows: int) -> None:
        assert make_baseline(monitor(), noise(rows)) is None
        assert make_baseline(monitor(), np.append(noise(rows), np.full(50, np.nan))) is None

    def test_just_enough(self) -> None:
        assert make_baseline(monitor(), noise(100)) is not None

    def test_losses_that_are_all_equal(self) -> None:
        assert make_baseline(monitor(), np.full(500, 0.1)) is None
        assert make_baseline(monitor(), np.zeros(500)) is None

    def test_an_explicit_threshold_is_not_calibrated(self) -> None:
        baseline = make_baseline(monitor(threshold=33), noise(100))
        assert baseline is not None
        assert (baseline.threshold, baseline.origin) == (33, "set by the policy")

    def test_a_longer_run_length_asks_for_more(self) -> None:
        short = make_baseline(monitor(run_length=10_000), noise(1000))
        long = make_baseline(monitor(run_length=10_000_000), noise(1000))
        assert short is not None
        assert long is not None
        assert short.threshold < long.threshold

    def test_as_json(self) -> None:
        baseline = make_baseline(monitor(), noise(1000))
        assert baseline is not None
        assert Baseline.from_json(json.loads(json.dumps(baseline.to_json()))) == baseline

    def test_another_detector_is_refused(self) -> None:
        with pytest.raises(ValueError, match="the detector adwin is not available"):
            make_baseline(monitor(detector="adwin"), noise(1000))


class TestFirstLosses:
    """A champion without a baseline makes one of the first losses it is seen with."""

    def test_nothing_is_said_until_there_are_enough(self) -> None:
        watched = Watched(monitor(min_rows=100), baseline=None)
        verdicts = [watched.feed(noise(30, seed)) for seed in range(4)]
        assert [verdict.status.value for verdict in verdicts] == ["INCONCLUSIVE"] * 3 + ["OK"]
        assert verdicts[2].reason == "collecting a baseline: 90 of 100 matured losses"
        assert verdicts[3].n == 20  # ten of the pane's thirty went into the baseline

    def test_the_baseline_is_that_of_the_first_losses(self) -> None:
        watched = Watched(monitor(), baseline=None)
        losses = noise(250)
        watched.feed(np.insert(losses[:60], 5, np.nan))
        watched.feed(losses[60:])
        assert watched.state is not None
        expected = make_baseline(monitor(), losses[:100])
        assert expected is not None
        assert watched.state["baseline"] == expected.to_json()
        assert watched.state["collected"] == []
        rest = Watched(monitor(), baseline=expected)
        rest.feed(losses[100:])
        assert rest.state is not None
        assert watched.state["detector"]["river"] == rest.state["detector"]["river"]

    def test_a_pane_that_ends_with_the_baseline_is_not_judged(self) -> None:
        verdict = Watched(monitor(), baseline=None).feed(noise(100))
        assert (verdict.status, verdict.reason) == (Status.INCONCLUSIVE, "no matured loss in this pane")

    def test_a_rise_behind_the_baseline_is_found(self) -> None:
        watched = Watched(monitor(), baseline=None)
        watched.feed(noise(100))
        statuses = {watched.feed(noise(100, seed, mean=0.5)).status for seed in range(5)}
        assert Status.BREACHED in statuses

    def test_equal_losses_wait_for_another_one_in_bounded_memory(self) -> None:
        watched = Watched(monitor(), baseline=None)
        verdict = [watched.feed(np.zeros(90)) for _ in range(5)][-1]
        assert watched.state is not None
        assert len(watched.state["collected"]) == 100
        assert verdict.status is Status.INCONCLUSIVE
        assert verdict.reason == "the latest 100 losses are all equal: there is no baseline to compare with"
        verdict = watched.feed([0.0, 1.0, 0.0])
        assert (verdict.status, verdict.n) == (Status.OK, 1)

    def test_a_smaller_min_rows_uses_what_is_there(self) -> None:
        watched = Watched(monitor(min_rows=100), baseline=None)
        watched.feed(noise(60))
        watched.spec = monitor(min_rows=30)
        verdict = watched.feed(noise(10, 1))
        assert (verdict.status, verdict.n) == (Status.OK, 10)
