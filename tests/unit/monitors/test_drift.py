"""The drift monitor: windows, what each odd column does, and the rate of false alarms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ctrain.domain import FeatureVerdict, MonitorName, Status, Verdict, Version
from ctrain.monitors.drift import DriftWindow, assess_drift, window_start
from ctrain.policy.monitors import DriftMonitor
from ctrain.stats.catalogue import TwoSampleTest
from ctrain.stats.grid import build_grid
from ctrain.stats.profile import Profile, merge, profile_panes, profile_table
from ctrain.stats.reference import Reference, build_reference
from ctrain.stats.variability import Variability
from tests.unit.stats.columns import TESTS

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 14
LIVE = START + timedelta(days=DAYS)
NAME = MonitorName("inputs")


def rows_of(start: datetime, hours: int, per_hour: int, **columns: Any) -> pa.Table:
    at = [start + HOUR * (place / per_hour) for place in range(hours * per_hour)]
    arrays = {name: pa.array(values) for name, values in columns.items()}
    return pa.table({"event_at": pa.array(at, pa.timestamp("us", "UTC")), **arrays})


def usual(rng: np.random.Generator, n: int) -> dict[str, Any]:
    return {
        "x": rng.normal(size=n),
        "y": rng.exponential(size=n),
        "constant": np.full(n, 4.0),
        "empty": pa.nulls(n, pa.float64()),
        "c": rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
    }


@pytest.fixture(scope="module")
def reference() -> Reference:
    columns = usual(np.random.default_rng(1), DAYS * 24 * 40)
    rows = rows_of(START, DAYS * 24, 40, **columns)
    return build_reference(rows, ["x", "y", "constant", "empty"], ["c"], HOUR)


def monitor_of(**changes: Any) -> DriftMonitor:
    return DriftMonitor(**{"type": "drift", "window": "1d", "min_rows": 500, **changes})


def assess(
    reference: Reference, rows: pa.Table, monitor: DriftMonitor | None = None, hours: int = 24
) -> Verdict:
    """Of the rows before the hour, in a window that grows as far back as there are rows."""
    monitor, as_of = monitor or monitor_of(), LIVE + hours * HOUR
    panes = profile_panes(rows, reference.grid, HOUR)
    counts = {start: one.rows for start, one in panes.items()}
    start = window_start(counts, monitor.window, monitor.min_rows, as_of, HOUR, LIVE)
    return assess_panes(reference, [one for at, one in panes.items() if start <= at < as_of], monitor, as_of)


def assess_panes(
    reference: Reference, panes: Sequence[Profile], monitor: DriftMonitor, as_of: datetime
) -> Verdict:
    usual = reference.variability(monitor.window, monitor.min_rows, monitor.test)
    window = DriftWindow(
        reference.segment, reference.grid, reference.profile, merge(panes), reference.left_out, usual
    )
    return assess_drift(NAME, monitor, [window], as_of, Version("3"))


def feature(verdict: Verdict, column: str, test: str) -> FeatureVerdict:
    return next(one for one in verdict.features if (one.column, one.test) == (column, test))


def day(**changes: Any) -> pa.Table:
    columns = usual(np.random.default_rng(2), 24 * 40)
    return rows_of(LIVE, 24, 40, **(columns | changes))


def test_the_same_distribution_is_ok(reference: Reference) -> None:
    verdict = assess(reference, day())
    assert (verdict.status, verdict.n, verdict.as_of) == (Status.OK, 960, LIVE + 24 * HOUR)
    assert verdict.reason.startswith("none of 5 columns drifted; nearest is ")
    assert verdict.model_version == "3"
    assert verdict.value is not None
    assert verdict.threshold is not None
    assert verdict.value < verdict.threshold


def test_a_shift_is_found_and_named(reference: Reference) -> None:
    verdict = assess(reference, day(x=np.random.default_rng(3).normal(1, 1, 960)))
    assert verdict.status is Status.BREACHED
    assert [one.column for one in verdict.features if one.breached] == ["x"]
    found = feature(verdict, "x", "ks")
    assert (verdict.value, verdict.threshold) == (found.effect, found.threshold)
    assert found.effect == pytest.approx(0.38, abs=0.05)
    assert re.fullmatch(r"mean -?0\.0\d+ -> (0\.9|1\.0)\d* \(1\.0 standard deviations up\)", found.note)
    assert verdict.reason == (
        f"1 of 5 columns drifted: x {found.note} (ks {found.effect:.3f}, threshold 0.100, n 960)"
    )


def test_the_top_three_of_many_are_named(reference: Reference) -> None:
    verdict = assess(
        reference, day(x=np.full(960, 9.0), y=np.zeros(960), constant=np.zeros(960), c=["new"] * 960)
    )
    assert verdict.reason.startswith("4 of 5 columns drifted: ")
    assert verdict.reason.count("threshold") == 3


RNG = np.random.default_rng(4)
HALF_MISSING = np.where(RNG.uniform(size=960) < 0.5, np.nan, RNG.normal(size=960))


@pytest.mark.parametrize(
    ("column", "values", "test", "breached", "note"),
    [
        ("constant", np.full(960, 5.0), "ks", True, "always 4 in the reference, now always 5"),
        ("x", np.full(960, 0.1), "ks", True, "always 0.1 in the window, mean "),
        ("x", np.where(RNG.uniform(size=960) < 0.3, np.inf, RNG.normal(size=960)), "ks", True, "infinities"),
        (
            "x",
            np.where(RNG.uniform(size=960) < 0.5, np.nan, RNG.normal(size=960)),
            "nulls",
            True,
            "null rate 0 % -> 5",
        ),
        ("x", pa.nulls(960, pa.float64()), "nulls", True, "null rate 0 % -> 100 %"),
        ("x", pa.nulls(960, pa.float64()), "none", False, "no values in the window"),
        ("x", ["text"] * 960, "nulls", True, "null rate 0 % -> 100 %"),
        ("empty", RNG.normal(size=960), "nulls", True, "null rate 100 % -> 0 %"),
        ("empty", pa.nulls(960), "none", False, "no values in the reference"),
        (
            "c",
            RNG.choice(["a", "b", "c", "d"], 960, p=[0.5, 0.2, 0.1, 0.2]),
            "chi2",
            True,
            "the reference does not have 0 % -> 2",
        ),
        ("c", [*RNG.choice(["a", "b"], 959, p=[0.65, 0.35]), "new"], "chi2", False, "1 of 960 in categories"),
    ],
)
def test_odd_columns_have_an_answer_and_break_no_other(
    reference: Reference, column: str, values: Any, test: str, breached: bool, note: str
) -> None:
    verdict = assess(reference, day(**{column: values}))
    found = feature(verdict, column, test)
    assert found.breached is breached
    assert note in found.note
    others = [one for one in verdict.features if one.column != column]
    assert {one.column for one in others} == {"x", "y", "constant", "empty", "c"} - {column}
    assert not any(one.breached for one in others)


def test_a_column_that_production_no_longer_sends_is_missing_everywhere(reference: Reference) -> None:
    verdict = assess(reference, day().drop_columns(["y"]))
    assert feature(verdict, "y", "nulls").effect == 1.0
    assert verdict.status is Status.BREACHED


def test_too_few_rows_are_inconclusive(reference: Reference) -> None:
    verdict = assess(reference, day(x=np.full(960, 99.0)).slice(0, 499))
    assert (verdict.status, verdict.value, verdict.features) == (Status.INCONCLUSIVE, None, ())
    assert verdict.reason == "needs 500 rows, has 499"


def test_the_window_grows_back_in_time_until_it_has_enough_rows(reference: Reference) -> None:
    narrow = monitor_of(window="2h", min_rows=300)
    verdict = assess(reference, day(), narrow)
    assert verdict.n == 320
    assert assess(reference, day(), monitor_of(window="2h", min_rows=50)).n == 80


def test_panes_after_the_instant_are_ignored(reference: Reference) -> None:
    changed = pa.concat_tables(
        [day(), rows_of(LIVE + 24 * HOUR, 24, 40, **usual(RNG, 960) | {"x": [50.0] * 960})]
    )
    assert assess(reference, changed, hours=24) == assess(reference, day(), hours=24)
    assert assess(reference, changed, hours=48).status is Status.BREACHED


def test_a_difference_that_is_usual_inside_the_reference_is_no_drift() -> None:
    def seasonal(start: datetime, hours: int, shift: float = 0.0) -> pa.Table:
        rng = np.random.default_rng(hours)
        weekday = np.repeat(np.arange(hours), 40) // 24 % 7
        return rows_of(start, hours, 40, x=rng.normal(size=hours * 40) + (weekday == 5) + shift)

    reference = build_reference(seasonal(START, 28 * 24), ["x"], [], HOUR)
    verdict = assess(reference, seasonal(LIVE, 6 * 24), hours=144)
    found = verdict.features[0]
    assert found.p_adjusted < 1e-6
    assert found.effect > 0.3
    assert found.threshold > 1.2 * found.effect
    assert verdict.status is Status.OK


def test_windows_that_vary_as_much_as_can_be_are_inconclusive() -> None:
    def by_day(start: datetime, hours: int) -> pa.Table:
        days = np.repeat(np.arange(hours), 40) // 24
        return rows_of(start, hours, 40, x=np.sin(days * 2.0) + np.arange(hours * 40) % 7 / 1e6)

    reference = build_reference(by_day(START, DAYS * 24), ["x"], [], HOUR)
    verdict = assess(reference, by_day(LIVE, 24))
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.reason.startswith("no column can breach: windows this short differ too much")
    assert "use a longer window" in verdict.features[0].note
    assert assess(reference, by_day(LIVE, 24), monitor_of(window="4d")).status is Status.OK


def test_a_short_reference_says_that_its_variability_is_unknown() -> None:
    columns = usual(np.random.default_rng(1), 48 * 40)
    reference = build_reference(rows_of(START, 48, 40, **columns), ["x"], [], HOUR)
    verdict = assess(reference, day(x=np.full(960, 2.0)))
    assert verdict.status is Status.BREACHED
    assert verdict.threshold == 0.1
    assert verdict.reason.endswith("; how much windows of the reference vary is unknown, it is too short")


def test_named_columns_alone_are_tested(reference: Reference) -> None:
    verdict = assess(reference, day(x=np.full(960, 9.0)), monitor_of(columns=("y", "nowhere")))
    assert [(one.column, one.test) for one in verdict.features] == [("y", "ks"), ("nowhere", "none")]
    assert verdict.features[1].note == "not in the reference"
    assert verdict.status is Status.OK


def test_nothing_to_test_is_inconclusive(reference: Reference) -> None:
    verdict = assess(reference, day(), monitor_of(columns=("nowhere",)))
    assert (verdict.status, verdict.reason) == (Status.INCONCLUSIVE, "no column can be tested")


def test_a_reference_without_rows_leaves_nothing_to_test() -> None:
    reference = build_reference(day().slice(0, 0), ["x"], ["c"], HOUR)
    verdict = assess(reference, day(x=HALF_MISSING))
    assert (verdict.status, verdict.reason.split(";")[0]) == (
        Status.INCONCLUSIVE,
        "no column can be tested",
    )
    assert {one.note for one in verdict.features} == {"no values in the reference"}


def test_scores_are_tested_only_where_they_are_named() -> None:
    scores = np.random.default_rng(5).uniform(size=DAYS * 24 * 40)
    rows = rows_of(START, DAYS * 24, 40, x=scores, prediction=scores)
    reference = build_reference(rows, ["x", "prediction"], [], HOUR)
    live = rows_of(LIVE, 24, 40, x=scores[:960], prediction=scores[:960] ** 2)
    assert assess(reference, live).status is Status.OK
    named = assess(reference, live, monitor_of(columns=("prediction",)))
    assert (named.status, [one.column for one in named.features]) == (Status.BREACHED, ["prediction"])


def test_calendar_columns_are_left_out_with_a_note() -> None:
    n = 90 * 24 * 10
    moments = [START + HOUR * (place / 10) for place in range(n)]
    months = [float(moment.month) for moment in moments]
    rows = rows_of(START, 90 * 24, 10, month=months, x=np.random.default_rng(6).normal(size=n))
    reference = build_reference(rows, ["month", "x"], [], HOUR)
    current = rows_of(LIVE, 24, 40, month=[12.0] * 960, x=np.random.default_rng(7).normal(size=960))
    verdict = assess(reference, current)
    assert verdict.status is Status.OK
    assert feature(verdict, "month", "none").note == "left out: it is the month of the event time"


def stationary(rng: np.random.Generator, hours: int, per_hour: int) -> dict[str, Any]:
    n = hours * per_hour
    numbers = {f"x{place}": rng.normal(size=n) for place in range(20)}
    return numbers | {f"c{place}": rng.choice(list("abcde"), n) for place in range(10)}


def test_rate_of_false_alarms_over_stationary_features() -> None:
    """Thirty stationary features, a check every two hours over a day of 960 rows.

    Corrected tests alarm in about 1 % of the checks, and the monitor, which also asks for an effect of
    0.1, in none.
    """
    checks = breached = corrected = 0
    rng = np.random.default_rng([2024, 0])
    rows = rows_of(START, DAYS * 24, 40, **stationary(rng, DAYS * 24, 40))
    numeric, categorical = [f"x{place}" for place in range(20)], [f"c{place}" for place in range(10)]
    reference = build_reference(rows, numeric, categorical, HOUR)
    live = rows_of(LIVE, 120, 40, **stationary(rng, 120, 40))
    panes = list(profile_panes(live, reference.grid, HOUR).values())
    for hour in range(24, 121, 2):
        verdict = assess_panes(reference, panes[hour - 24 : hour], monitor_of(), LIVE + hour * HOUR)
        checks += 1
        breached += verdict.status is Status.BREACHED
        corrected += any(one.p_adjusted < 0.01 for one in verdict.features)
    assert checks == 49
    assert corrected <= 0.03 * checks
    assert breached == 0


def segmented(rng: np.random.Generator, n: int, shift: float = 0.0) -> dict[str, Any]:
    carrier = rng.choice(["AA", "UA", "B6", "ZZ"], n, p=[0.5, 0.35, 0.12, 0.03])
    return {"carrier": carrier, "x": rng.normal(size=n) + shift * (carrier == "UA")}


@pytest.fixture(scope="module")
def by_carrier() -> Reference:
    rows = rows_of(START, DAYS * 24, 40, **segmented(np.random.default_rng(1), DAYS * 24 * 40))
    return build_reference(rows, ["x"], ["carrier"], HOUR, segments={"carrier": 3})


def assess_segments(reference: Reference, rows: pa.Table, **changes: Any) -> Verdict:
    monitor = monitor_of(**{"by": "carrier", "min_rows": 150, **changes})
    windows = []
    for one in reference.segments["carrier"]:
        current = profile_table(reference.rows_of(rows, one), one.grid)
        usual = one.variability(monitor.window, monitor.min_rows, monitor.test)
        windows.append(DriftWindow(one.segment, one.grid, one.profile, current, one.left_out, usual))
    return assess_drift(NAME, monitor, windows, LIVE + 24 * HOUR, None)


def test_a_segment_that_drifts_is_named(by_carrier: Reference) -> None:
    rng = np.random.default_rng(2)
    assert assess_segments(by_carrier, rows_of(LIVE, 24, 40, **segmented(rng, 960))).status is Status.OK
    verdict = assess_segments(by_carrier, rows_of(LIVE, 24, 40, **segmented(rng, 960, 1.0)))
    assert verdict.status is Status.BREACHED
    assert [one.column for one in verdict.features if one.breached] == ["x [carrier=UA]"]
    assert verdict.reason.startswith("1 of 2 columns drifted: x [carrier=UA] mean ")
    assert verdict.reason.endswith("too few rows to test carrier=B6, carrier=other")
    assert feature(verdict, "carrier [carrier=UA]", "none").note == "it makes the segments"


def test_no_segment_with_enough_rows_is_inconclusive(by_carrier: Reference) -> None:
    rows = rows_of(LIVE, 24, 40, **segmented(np.random.default_rng(2), 960, 5.0)).slice(0, 200)
    verdict = assess_segments(by_carrier, rows)
    assert (verdict.status, verdict.n, verdict.features) == (Status.INCONCLUSIVE, 200, ())
    assert verdict.reason.startswith(
        "no segment has 150 rows in the window and in the reference; most has carrier=AA: "
    )


def test_tests_are_corrected_over_all_segments(by_carrier: Reference) -> None:
    rows = rows_of(LIVE, 24, 40, **segmented(np.random.default_rng(3), 960))
    tested = [one for one in assess_segments(by_carrier, rows, min_rows=20).features if one.test != "none"]
    assert [one.column for one in tested] == [f"x [carrier={one}]" for one in ("AA", "UA", "B6", "other")]
    smallest = min(tested, key=lambda one: one.p_value)
    assert smallest.p_adjusted == pytest.approx(min(4 * smallest.p_value, max(o.p_value for o in tested)))


def weighted(reference: Reference, rows: pa.Table, importance: dict[str, float] | None) -> Verdict:
    monitor = monitor_of(weight_by="importance", min_importance=0.05)
    usual = reference.variability(monitor.window, monitor.min_rows)
    current = profile_table(rows, reference.grid)
    window = DriftWindow("", reference.grid, reference.profile, current, reference.left_out, usual)
    return assess_drift(NAME, monitor, [window], LIVE + 24 * HOUR, None, importance=importance)


def test_drift_of_unused_features_is_told_and_breaches_nothing(reference: Reference) -> None:
    rows = day(x=np.random.default_rng(3).normal(1, 1, 960))
    verdict = weighted(reference, rows, {"x": 0.01, "y": 0.99, "c": 0.0})
    assert verdict.status is Status.OK
    found = feature(verdict, "x", "ks")
    assert found.p_adjusted < 0.01
    assert "not counted: 1 % of the champion's feature importance" in found.note
    assert verdict.reason.endswith("; drifted, but hardly used by the champion: x")
    assert verdict.value != found.effect
    used = weighted(reference, rows, {"x": 0.9, "y": 0.1})
    assert [one.column for one in used.features if one.breached] == ["x"]


@pytest.mark.parametrize("importance", [None, {}])
def test_all_features_count_when_their_importance_is_unknown(
    reference: Reference, importance: dict[str, float] | None
) -> None:
    verdict = weighted(reference, day(x=np.random.default_rng(3).normal(1, 1, 960)), importance)
    assert verdict.status is Status.BREACHED
    assert verdict.reason.endswith("; the importance of features is not known, so all count")


def test_nothing_used_to_test_is_inconclusive(reference: Reference) -> None:
    unused = dict.fromkeys(("x", "y", "constant", "empty", "c"), 0.0)
    verdict = weighted(reference, day(), unused)
    assert (verdict.status, verdict.reason) == (
        Status.INCONCLUSIVE,
        "no column that the champion uses can be tested",
    )


def test_a_verdict_stays_bounded_and_keeps_what_drifted() -> None:
    rng = np.random.default_rng(8)
    names = [f"x{place}" for place in range(600)]
    before = pa.table({name: pa.array(rng.normal(size=600)) for name in names})
    now = pa.table({name: pa.array(rng.normal(2.0 * (name == "x599"), 1, 600)) for name in names})
    grid = build_grid(before, names, [])
    profiles = [profile_table(rows, grid) for rows in (before, now)]
    window = DriftWindow("", grid, profiles[0], profiles[1], {}, Variability(0, {}, {}))
    verdict = assess_drift(NAME, monitor_of(), [window], LIVE, None)
    assert len(verdict.features) == 500
    assert [one.column for one in verdict.features if one.breached] == ["x599"]
    assert verdict.reason.startswith("1 of 600 columns drifted: x599 mean ")
    assert sum(bool(one.note) for one in verdict.features) < 50


def test_texts_are_asked_for_by_their_own_name() -> None:
    rng = np.random.default_rng(9)

    def note(n: int, words: int) -> list[str]:
        return [" ".join(["word"] * int(number)) for number in rng.poisson(words, n) + 1]

    rows = rows_of(START, DAYS * 24, 10, note=note(DAYS * 240, 5), x=rng.normal(size=DAYS * 240))
    reference = build_reference(rows, ["x"], [], HOUR, text=["note"])
    live = rows_of(LIVE, 24, 40, note=note(960, 9), x=rng.normal(size=960))
    verdict = assess(reference, live, monitor_of(columns=("note",)))
    assert "note.words" in [one.column for one in verdict.features if one.breached]
    assert all(one.column.startswith("note.") for one in verdict.features)
    assert assess(reference, live, monitor_of(columns=("x",))).status is Status.OK


@pytest.mark.parametrize("test", TESTS)
def test_what_is_usual_inside_the_reference_is_no_drift_for_any_test(test: TwoSampleTest) -> None:
    def seasonal(start: datetime, hours: int) -> pa.Table:
        rng = np.random.default_rng(hours)
        weekend = np.repeat(np.arange(hours), 40) // 24 % 7 >= 5
        values = rng.normal(size=hours * 40) + weekend
        return rows_of(start, hours, 40, x=values, c=np.where(values > 1, "high", "low"))

    reference = build_reference(seasonal(START, 28 * 24), ["x"], ["c"], HOUR)
    verdict = assess(reference, seasonal(LIVE, 6 * 24), monitor_of(test=test), hours=144)
    assert verdict.status is Status.OK
    assert all(one.p_adjusted < 0.01 for one in verdict.features)
    assert all(0.1 < one.effect < one.threshold for one in verdict.features)


@pytest.mark.parametrize(
    ("rows", "window", "min_rows", "hours"),
    [
        ({}, 2, 10, 24),
        (dict.fromkeys(range(24), 10), 2, 10, 2),
        (dict.fromkeys(range(24), 10), 2, 45, 5),
        (dict.fromkeys(range(24), 10), 2, 1000, 24),
        ({0: 7, 20: 5, 23: 5}, 1, 10, 4),
        ({0: 7, 20: 5, 23: 5}, 1, 11, 24),
    ],
)
def test_where_a_window_starts(rows: dict[int, int], window: int, min_rows: int, hours: int) -> None:
    counts = {START + hour * HOUR: amount for hour, amount in rows.items()}
    as_of = START + 24 * HOUR
    assert as_of - window_start(counts, window * HOUR, min_rows, as_of, HOUR, START) == hours * HOUR
