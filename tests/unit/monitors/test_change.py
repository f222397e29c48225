import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ctrain.domain import MonitorName, Status, Verdict, Version
from ctrain.monitors.baselines import Baseline, make_baseline
from ctrain.monitors.change import Values, first_memory, fold_values, most_frequent
from ctrain.monitors.stream import Memory, Stream
from ctrain.policy.monitors import ChangeMonitor

Floats = npt.NDArray[np.float64]
START = datetime(2026, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ERROR, VERSION = MonitorName("error"), Version("3")
BASELINE = Baseline(
    mean=0.2,
    sd=0.1,
    n=1000,
    detector="page_hinkley",
    direction="up",
    run_length=1_000_000,
    threshold=20.0,
    origin="chosen by hand",
    settings={"delta": 0.1},
)


def monitor(**changed: Any) -> ChangeMonitor:
    given = {"type": "change", "detector": "page_hinkley", "hold": 6 * HOUR, "min_rows": 100, **changed}
    return ChangeMonitor(**given)


def memory_of(spec: ChangeMonitor, baseline: Baseline) -> dict[str, Any]:
    """What is remembered of a model with this baseline, before its first value."""
    empty = first_memory(spec, Values([], []), Stream(), None)
    return {**empty, "segments": {"": Memory(baseline).to_json()}}


def noise(rows: int, seed: int = 0, mean: float = 0.2) -> Floats:
    return np.random.default_rng(seed).normal(mean, 0.1, rows)


def instants(rows: int, pane: int) -> npt.NDArray[np.datetime64]:
    start = np.datetime64("2026-05-01T00", "us") + np.timedelta64(pane, "h")
    return start + np.arange(rows) * np.timedelta64(1, "s")


class Watched:
    """A monitor that is fed pane after pane, its memory written as JSON in between."""

    def __init__(
        self, spec: ChangeMonitor, baseline: Baseline | None = BASELINE, stream: Stream | None = None
    ) -> None:
        self.spec, self.stream = spec, stream
        self.memory: dict[str, Any] | None = memory_of(spec, baseline) if baseline else None
        self.pane = 0

    def feed(
        self,
        losses: Floats | list[float],
        segments: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
    ) -> Verdict:
        values = np.asarray(losses, dtype=np.float64)
        self.pane += 1
        rows = Values(values, instants(values.size, self.pane - 1), segments)
        as_of = START + self.pane * HOUR
        memory, verdict = fold_values(
            ERROR, self.spec, self.memory, rows, as_of, VERSION, stream=self.stream, names=names
        )
        self.memory = json.loads(json.dumps(memory, allow_nan=False))
        return verdict

    def state(self, segment: str = "") -> dict[str, Any]:
        assert self.memory is not None
        state: dict[str, Any] = self.memory["segments"][segment]
        return state


def test_without_a_change_the_verdict_is_ok() -> None:
    watched = Watched(monitor())
    verdicts = [watched.feed(noise(50, seed)) for seed in range(10)]
    assert {verdict.status for verdict in verdicts} == {Status.OK}
    last = verdicts[-1]
    assert (last.monitor, last.as_of, last.n, last.model_version) == (ERROR, START + 10 * HOUR, 50, VERSION)
    assert last.threshold == 20.0
    assert last.reason.startswith("no change: loss 0.1")
    assert last.reason.endswith("on 50 rows, against a baseline of 0.2")


def test_a_rise_is_told_in_plain_words() -> None:
    watched = Watched(monitor())
    watched.feed([0.2] * 100)
    verdict = watched.feed([0.2] * 30 + [0.4] * 30)
    assert verdict.status is Status.BREACHED
    assert verdict.value == pytest.approx(11 * 1.9)
    assert verdict.reason == (
        "loss rose from 0.2 to 0.4 over 11 rows, since 2026-05-01 01:00: statistic 20.90, threshold 20.00"
    )


def test_a_change_that_began_in_an_earlier_pane_says_since_when() -> None:
    watched = Watched(monitor())
    for _ in range(3):
        watched.feed([0.2] * 10)
    assert watched.feed([0.2] * 4 + [0.4] * 6).status is Status.OK
    verdict = watched.feed([np.nan] + [0.4] * 20)  # twice: the second goes on with the first
    assert "over 11 rows, since 2026-05-01 03:00" in verdict.reason
    assert "since 2026-05-01 03:00" in watched.feed([0.4] * 20).reason
    for _ in range(8):
        watched.feed([0.2] * 50)
    assert "since 2026-05-01 14:00" in watched.feed([0.4] * 20).reason


def test_other_things_than_losses_have_their_names_in_the_sentence() -> None:
    spec = monitor(on={"metric": "rmse"}, direction="both")
    watched = Watched(spec, replace(BASELINE, direction="both"), Stream("rmse", "pane"))
    assert watched.feed([]).reason == "no rmse in this pane"
    verdict = watched.feed([0.0] * 12)
    assert verdict.reason.startswith("rmse fell from 0.2 to 0.008333 over 12 panes")


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
    assert watched.feed([np.nan, np.inf]).reason == "no loss in this pane"
    watched.feed([0.5] * 10)
    assert watched.feed([]).status is Status.BREACHED
    assert watched.feed([]).status is Status.INCONCLUSIVE


def test_losses_that_are_no_numbers_are_skipped_and_counted() -> None:
    clean, holed = Watched(monitor()), Watched(monitor())
    losses = noise(40)
    expected = clean.feed(losses)
    got = holed.feed(np.insert(losses, [0, 7, 40], [np.nan, np.inf, -np.inf]))
    assert (got.value, got.n, got.status) == (expected.value, 40, Status.OK)
    assert holed.state()["detector"]["skipped"] == 3


@pytest.mark.parametrize("detector", ["page_hinkley", "e_detector"])
@pytest.mark.parametrize(
    ("direction", "loss", "status", "words"),
    [
        ("up", 0.5, Status.BREACHED, "loss rose"),
        ("up", 0.0, Status.OK, "no change"),
        ("down", 0.5, Status.OK, "no change"),
        ("down", 0.0, Status.BREACHED, "loss fell"),
        ("both", 0.5, Status.BREACHED, "loss rose"),
        ("both", 0.0, Status.BREACHED, "loss fell"),
    ],
)
def test_a_change_counts_in_the_direction_that_is_watched(
    detector: str, direction: str, loss: float, status: Status, words: str
) -> None:
    spec = monitor(detector=detector, direction=direction)
    verdict = Watched(spec, make_baseline(spec, noise(2000))).feed([0.2] * 5 + [loss] * 30)
    assert verdict.status is status
    assert verdict.reason.startswith(words)


@pytest.mark.parametrize("detector", ["page_hinkley", "e_detector"])
@pytest.mark.parametrize("cut", [1, 3, 7, 50])
def test_panes_of_any_length_detect_at_the_same_rows(cut: int, detector: str) -> None:
    losses = np.concatenate([noise(200), noise(100, 1, mean=0.4)])
    spec = monitor(hold=999 * HOUR, detector=detector)
    baseline = make_baseline(spec, noise(1000, 2))
    whole, parts = Watched(spec, baseline), Watched(spec, baseline)
    expected = whole.feed(losses)
    got = [parts.feed(losses[start : start + cut]) for start in range(0, losses.size, cut)][-1]
    assert got.status is expected.status is Status.BREACHED
    assert got.value == expected.value
    assert parts.state()["detector"] == whole.state()["detector"]


def test_an_edited_threshold_wins_over_the_calibrated_one() -> None:
    assert Watched(monitor(threshold=1000)).feed([0.5] * 10).status is Status.OK
    verdict = Watched(monitor(threshold=2)).feed([0.5] * 2)
    assert (verdict.status, verdict.threshold) == (Status.BREACHED, 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"run_length": 2000},
        {"direction": "both"},
        {"detector": "e_detector"},
        {"on": "prediction"},
        {"by": "carrier"},
    ],
)
def test_an_edit_that_the_baseline_was_not_made_for_collects_another(changed: dict[str, Any]) -> None:
    watched = Watched(monitor())
    assert watched.feed(noise(50)).status is Status.OK
    watched.spec = monitor(**changed)
    verdict = watched.feed(noise(60), ["a"] * 60)
    assert (verdict.status, verdict.reason[:31]) == (Status.INCONCLUSIVE, "collecting a baseline: 60 of 10")


@pytest.mark.parametrize("changed", [{"run_length": 2000}, {"threshold": 30.0}, {"hold": HOUR}])
def test_an_edit_that_an_e_detector_can_take_keeps_its_baseline(changed: dict[str, Any]) -> None:
    spec = monitor(detector="e_detector")
    watched = Watched(spec, make_baseline(spec, noise(1000)))
    before = watched.feed(noise(50))
    watched.spec = monitor(detector="e_detector", **changed)
    after = watched.feed(noise(50, 1))
    assert after.status is Status.OK
    assert (after.threshold == before.threshold) is ("hold" in changed)


def test_a_memory_of_another_version_is_dropped() -> None:
    watched = Watched(monitor())
    watched.memory = {"version": 1, "detector": None}
    assert watched.feed(noise(60)).reason == "collecting a baseline: 60 of 100 rows with a loss"


def test_aware_datetimes_are_accepted_in_any_zone() -> None:
    tokyo = datetime.fromisoformat("2026-05-01T09:30:00+09:00")
    spec = monitor()
    rows = Values([0.9] * 9, [tokyo] * 9)
    _, verdict = fold_values(ERROR, spec, memory_of(spec, BASELINE), rows, START, VERSION)
    assert "since 2026-05-01 00:30" in verdict.reason


class TestBaseline:
    def test_of_out_of_sample_losses(self) -> None:
        losses = noise(2000)
        baseline = make_baseline(monitor(), np.append(losses, np.nan))
        assert baseline is not None
        assert (baseline.mean, baseline.sd) == pytest.approx((losses.mean(), losses.std()))
        assert baseline.threshold is not None
        assert 20 < baseline.threshold < 70
        assert 0.1 < baseline.settings["delta"] < 0.2
        assert baseline.n == 2000
        assert baseline.origin == "block bootstrap of 2000 values for a run length of 1000000"
        assert make_baseline(monitor(), losses) == baseline

    @pytest.mark.parametrize("rows", [0, 99])
    def test_too_few_losses_make_no_baseline(self, rows: int) -> None:
        assert make_baseline(monitor(), noise(rows)) is None
        assert make_baseline(monitor(), np.append(noise(rows), np.full(50, np.nan))) is None

    @pytest.mark.parametrize("detector", ["page_hinkley", "e_detector"])
    def test_as_many_losses_as_are_asked_for_make_a_baseline(self, detector: str) -> None:
        assert make_baseline(monitor(detector=detector), noise(100)) is not None
        assert make_baseline(monitor(detector=detector, min_rows=30), noise(30)) is not None

    @pytest.mark.parametrize("detector", ["page_hinkley", "e_detector"])
    def test_losses_that_are_all_equal(self, detector: str) -> None:
        assert make_baseline(monitor(detector=detector), np.full(500, 0.1)) is None
        assert make_baseline(monitor(detector=detector), np.zeros(500)) is None

    def test_losses_that_cannot_rise_are_no_baseline_for_an_e_detector(self) -> None:
        spec = monitor(detector="e_detector", min_rows=30)
        wrong = np.ones(30)
        wrong[7] = 0
        assert make_baseline(spec, wrong, bounds=(0, 1)) is None
        watched = Watched(spec, baseline=None, stream=Stream(bounds=(0, 1)))
        verdict = watched.feed(wrong)
        assert verdict.status is Status.INCONCLUSIVE
        assert verdict.reason.endswith("or at the end of what is possible: they are no baseline")
        assert make_baseline(monitor(direction="down", min_rows=30), wrong, bounds=(0, 1)) is not None

    @pytest.mark.parametrize("detector", ["page_hinkley", "e_detector"])
    def test_one_outlier_does_not_widen_the_scale(self, detector: str) -> None:
        losses = noise(1000)
        plain = make_baseline(monitor(detector=detector), losses)
        losses[500] = 1e300
        wild = make_baseline(monitor(detector=detector), losses)
        assert plain is not None
        assert wild is not None
        assert wild.sd < 1.2 * plain.sd
        assert abs(wild.mean - plain.mean) < 0.02 * plain.sd

    def test_an_explicit_threshold_is_not_calibrated(self) -> None:
        baseline = make_baseline(monitor(threshold=33), noise(100))
        assert baseline is not None
        assert (baseline.threshold, baseline.origin) == (None, "set by the policy")
        assert baseline.fits(monitor(threshold=50))
        assert not baseline.fits(monitor())

    @pytest.mark.parametrize("detector", ["page_hinkley", "e_detector"])
    def test_a_longer_run_length_asks_for_more(self, detector: str) -> None:
        levels = []
        for run_length in (10_000, 10_000_000):
            spec = monitor(detector=detector, run_length=run_length)
            baseline = make_baseline(spec, noise(1000))
            assert baseline is not None
            levels.append(baseline.detector_of(spec, 1, None).threshold)
        assert levels[0] < levels[1]

    @pytest.mark.parametrize("detector", ["page_hinkley", "e_detector"])
    def test_a_baseline_comes_back_from_json(self, detector: str) -> None:
        baseline = make_baseline(monitor(detector=detector), noise(1000))
        assert baseline is not None
        assert Baseline.from_json(json.loads(json.dumps(baseline.to_json(), allow_nan=False))) == baseline


class TestFirstLosses:
    """A champion without a baseline makes one of the first losses it is seen with."""

    def test_nothing_is_said_until_there_are_enough(self) -> None:
        watched = Watched(monitor(min_rows=100), baseline=None)
        verdicts = [watched.feed(noise(30, seed)) for seed in range(4)]
        assert [verdict.status.value for verdict in verdicts] == ["INCONCLUSIVE"] * 3 + ["OK"]
        assert verdicts[2].reason == "collecting a baseline: 90 of 100 rows with a loss"
        assert verdicts[3].n == 20  # ten of the pane's thirty went into the baseline

    def test_the_baseline_is_that_of_the_first_losses(self) -> None:
        watched = Watched(monitor(), baseline=None)
        losses = noise(250)
        watched.feed(np.insert(losses[:60], 5, np.nan))
        watched.feed(losses[60:])
        expected = make_baseline(monitor(), losses[:100])
        assert expected is not None
        assert watched.state()["baseline"] == expected.to_json()
        assert watched.state()["collected"] == []
        rest = Watched(monitor(), baseline=expected)
        rest.feed(losses[100:])
        assert watched.state()["detector"] == rest.state()["detector"]

    def test_out_of_sample_losses_that_are_too_few_are_kept_for_it(self) -> None:
        losses = noise(250)
        watched = Watched(monitor(), baseline=None)
        watched.memory = first_memory(monitor(), Values(losses[:60], []), Stream())
        watched.feed(losses[60:])
        expected = make_baseline(monitor(), losses[:100])
        assert expected is not None
        assert watched.state()["baseline"] == expected.to_json()

    def test_a_pane_that_ends_with_the_baseline_is_not_judged(self) -> None:
        verdict = Watched(monitor(), baseline=None).feed(noise(100))
        assert (verdict.status, verdict.reason) == (Status.INCONCLUSIVE, "no loss in this pane")

    def test_a_rise_behind_the_baseline_is_found(self) -> None:
        watched = Watched(monitor(), baseline=None)
        watched.feed(noise(100))
        statuses = {watched.feed(noise(100, seed, mean=0.5)).status for seed in range(5)}
        assert Status.BREACHED in statuses

    def test_equal_losses_wait_for_another_one_in_bounded_memory(self) -> None:
        watched = Watched(monitor(), baseline=None)
        verdict = [watched.feed(np.zeros(90)) for _ in range(5)][-1]
        assert len(watched.state()["collected"]) == 100
        assert verdict.status is Status.INCONCLUSIVE
        assert verdict.reason.startswith("the latest 100 values are all equal, or ")
        verdict = watched.feed([0.0, 1.0, 0.0])
        assert (verdict.status, verdict.n) == (Status.OK, 1)

    def test_a_smaller_min_rows_uses_what_is_there(self) -> None:
        watched = Watched(monitor(min_rows=100), baseline=None)
        watched.feed(noise(60))
        watched.spec = monitor(min_rows=30)
        verdict = watched.feed(noise(10, 1))
        assert (verdict.status, verdict.n) == (Status.OK, 10)


BY_CARRIER = monitor(detector="e_detector", by="carrier", max_segments=2)


def by_carrier(rows: int, seed: int = 0, **means: float) -> tuple[Floats, list[str]]:
    """``rows`` losses of each carrier, in turn; their mean is 0.2 where nothing else is said."""
    carriers = ["AA", "BB", "CC", "DD"]
    streams = [noise(rows, seed * 10 + number, means.get(name, 0.2)) for number, name in enumerate(carriers)]
    return np.stack(streams, axis=1).ravel(), carriers * rows


class TestBySegment:
    def test_the_most_frequent_values_and_the_rest_have_a_detector_each(self) -> None:
        losses, carriers = by_carrier(300)
        memory = first_memory(
            BY_CARRIER, Values(np.append(losses, [0.1, 0.2]), [], [*carriers, "CC", "CC"]), Stream()
        )
        assert memory["names"] == ["CC", "AA"]
        counts = {segment: one["baseline"]["n"] for segment, one in memory["segments"].items()}
        assert counts == {"CC": 302, "AA": 300, "": 600}
        assert {one["baseline"]["run_length"] for one in memory["segments"].values()} == {3_000_000}

    def test_the_segment_that_rose_is_named(self) -> None:
        watched = Watched(BY_CARRIER, baseline=None)
        losses, carriers = by_carrier(300)
        watched.memory = first_memory(BY_CARRIER, Values(losses, [], carriers), Stream(), ["AA", "BB"])
        assert watched.feed(*by_carrier(100, 1)).status is Status.OK
        verdict = watched.feed(*by_carrier(100, 2, BB=0.4))
        assert (verdict.status, verdict.n) == (Status.BREACHED, 400)
        assert verdict.reason.startswith("[carrier=BB] loss rose from 0.1")
        assert "carrier=AA" not in verdict.reason
        rest = watched.feed(*by_carrier(100, 3, CC=0.6, DD=0.6))
        assert "[carrier=other] loss rose" in rest.reason

    def test_a_segment_without_rows_is_told_and_does_not_hide_the_others(self) -> None:
        watched = Watched(BY_CARRIER, baseline=None)
        losses, carriers = by_carrier(300)
        watched.memory = first_memory(BY_CARRIER, Values(losses, [], carriers), Stream(), ["AA", "BB"])
        verdict = watched.feed(noise(50), ["AA"] * 50)
        assert verdict.status is Status.OK
        assert verdict.reason.endswith("; 2 of 3 segments cannot be judged")
        nothing = watched.feed([], [])
        assert nothing.status is Status.INCONCLUSIVE
        assert "[carrier=AA] no loss in this pane" in nothing.reason

    def test_segments_are_those_of_the_first_rows_when_nobody_says_which(self) -> None:
        watched = Watched(BY_CARRIER, baseline=None)
        assert "40 of 100" in watched.feed(*by_carrier(10)).reason
        verdicts = [watched.feed(*by_carrier(10, seed)) for seed in range(1, 16)]
        assert verdicts[-1].status is Status.OK
        assert watched.memory is not None
        assert watched.memory["names"] == ["AA", "BB"]
        assert watched.state("AA")["baseline"]["n"] == 100

    def test_a_name_that_says_other_is_a_segment_like_any(self) -> None:
        spec = monitor(by="carrier", max_segments=1)
        memory = first_memory(spec, Values(noise(120), [], ["other"] * 119 + ["x"]), Stream())
        assert memory["names"] == ["other"]
        assert memory["segments"]["other"]["baseline"]["n"] == 119
        assert memory["segments"][""]["collected"] == [noise(120)[-1]]


def test_equally_frequent_segments_come_in_alphabetical_order() -> None:
    assert most_frequent(["b", "c", "a", "a"], 2) == ["a", "b"]
    assert most_frequent([], 5) == []
