"""Data quality: each check, its bound, its sentence, and what is too little to say."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from ctrain.domain import MonitorName, Status, Verdict
from ctrain.monitors.quality import ColumnCounts, QualityWindow, assess_quality
from ctrain.policy.monitors import QualityMonitor
from ctrain.stats.rates import rate_above

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALL_BOUNDS: dict[str, Any] = {
    "max_null_rate": 0.05,
    "max_type_errors": 0.05,
    "max_out_of_range": 0.05,
    "unseen_categories": 0.05,
    "max_duplicates": 0.05,
    "constant": "breach",
    "schema": "breach",
}


def monitor(**changes: Any) -> QualityMonitor:
    return QualityMonitor.model_validate(
        {"type": "quality", "window": timedelta(hours=1), "min_rows": 100} | changes
    )


def judged(
    window: QualityWindow, *segments: QualityWindow, unknown: dict[str, str] | None = None, **changes: Any
) -> Verdict:
    return assess_quality(MonitorName("q"), monitor(**changes), window, segments, NOW, unknown=unknown)


def numeric(**counts: Any) -> QualityWindow:
    return QualityWindow(1000, {"x": ColumnCounts("numeric", **counts)})


def test_rows_with_nothing_wrong_are_ok() -> None:
    verdict = judged(numeric(outside=0, unseen=0, single=False), **ALL_BOUNDS)
    assert (verdict.status, verdict.reason, verdict.n) == (
        Status.OK,
        "1000 rows and 1 columns are within the bounds",
        1000,
    )
    assert not any(one.breached for one in verdict.features)


@pytest.mark.parametrize(
    ("window", "check", "reason"),
    [
        (numeric(nulls=51), "null_rate", "x: 5.1% of 1000 values are missing, 5% is allowed"),
        (numeric(nulls=51, wrong=51), "type_errors", "x: 5.1% of 1000 values are no numbers, 5% is allowed"),
        (
            numeric(nulls=1000, wrong=900),
            "null_rate",
            "x: none of 900 values are numbers: the type has changed",
        ),
        (
            numeric(nulls=200, outside=80, allowed="above 9"),
            "out_of_range",
            "x: 10% of 800 values are above 9, 5% is allowed",
        ),
        (
            QualityWindow(1000, {"x": ColumnCounts("categorical", unseen=300)}),
            "unseen_categories",
            "x: 30% of 1000 values are categories that the reference does not have, 5% is allowed",
        ),
        (
            QualityWindow(900, {}, duplicates=100),
            "duplicates",
            "row id: 10% of 1000 rows repeat an id, 5% is allowed",
        ),
        (
            numeric(single=True),
            "constant",
            "x: 1000 values are one and the same; they varied in the reference",
        ),
        (numeric(absent=10), "schema", "x: the column is missing in files with 10 of 1000 rows"),
        (QualityWindow(1000, {}, new_columns=["y"]), "schema", "y: is a new column"),
    ],
)
def test_each_check_breaches_above_its_bound_and_only_when_it_is_made(
    window: QualityWindow, check: str, reason: str
) -> None:
    verdict = judged(window, **ALL_BOUNDS)
    assert verdict.status is Status.BREACHED
    assert reason in verdict.reason
    assert check in [one.test for one in verdict.features if one.breached and one.note in reason]
    assert verdict.reason.count(reason) == 1
    key = {"null_rate": "max_null_rate", "type_errors": "max_type_errors", "out_of_range": "max_out_of_range"}
    key |= {"duplicates": "max_duplicates"}
    mine = key.get(check, check)
    without: dict[str, Any] = {name: bound for name, bound in ALL_BOUNDS.items() if name != mine}
    assert reason not in judged(window, **without).reason or check == "null_rate"


@pytest.mark.parametrize(("nulls", "status"), [(50, Status.OK), (51, Status.BREACHED)])
def test_exactly_the_bound_is_allowed(nulls: int, status: Status) -> None:
    assert judged(numeric(nulls=nulls), max_null_rate=0.05).status is status


def test_a_verdict_says_what_has_the_most_to_say_first_and_names_five() -> None:
    columns = {f"x{at}": ColumnCounts("numeric", nulls=100 + at) for at in range(7)}
    verdict = judged(QualityWindow(1000, columns), max_null_rate=0.05)
    assert verdict.reason.startswith("x6: 10.6% of 1000")
    assert verdict.reason.endswith("x2: 10.2% of 1000 values are missing, 5% is allowed; and 2 more")
    assert (verdict.value, verdict.threshold) == (0.106, 0.05)
    assert [one.column for one in verdict.features] == [f"x{at}" for at in (6, 5, 4, 3, 2, 1, 0)]


def test_the_columns_of_a_verdict_are_bounded() -> None:
    columns = {f"x{at}": ColumnCounts("numeric", nulls=at) for at in range(500)}
    assert len(judged(QualityWindow(1000, columns), max_null_rate=0.05).features) == 50


def test_too_few_rows_say_nothing() -> None:
    verdict = judged(
        QualityWindow(60, {"x": ColumnCounts("numeric", nulls=60)}, duplicates=39), max_null_rate=0
    )
    assert (verdict.status, verdict.reason) == (Status.INCONCLUSIVE, "99 rows, 100 are needed")
    assert judged(QualityWindow(0, {})).status is Status.INCONCLUSIVE


def test_rows_that_are_all_repeated_are_a_breach_and_no_other_answer() -> None:
    window = QualityWindow(10, {"x": ColumnCounts("numeric", nulls=10)}, duplicates=500)
    assert judged(window, max_duplicates=0.5, max_null_rate=0.5).status is Status.BREACHED
    verdict = judged(window, max_null_rate=0.5)
    assert (verdict.status, verdict.reason) == (
        Status.INCONCLUSIVE,
        "10 rows with a new id, 100 are needed",
    )


def test_a_column_with_few_values_is_not_judged_by_them() -> None:
    window = numeric(nulls=950, outside=50, allowed="above 9", wrong=40)
    assert judged(window, max_out_of_range=0.0, max_type_errors=0.0).status is Status.OK


def test_what_cannot_be_known_is_not_healthy_but_hides_no_breach() -> None:
    unknown = {"unseen_categories": "there is no champion yet"}
    verdict = judged(numeric(), unknown=unknown, max_null_rate=0.05, unseen_categories=0.05)
    assert (verdict.status, verdict.reason) == (
        Status.INCONCLUSIVE,
        "unseen_categories is not known: there is no champion yet",
    )
    assert judged(numeric(nulls=500), unknown=unknown, max_null_rate=0.05).status is Status.BREACHED


def segment(name: str, rows: int, nulls: int) -> QualityWindow:
    return QualityWindow(rows, {"x": ColumnCounts("numeric", nulls=nulls)}, segment=f"kind={name}")


def test_a_segment_breaches_above_the_bound_when_chance_does_not_explain_it() -> None:
    quiet = [segment(f"s{at}", 200, 10) for at in range(20)]
    whole = QualityWindow(4600, {"x": ColumnCounts("numeric", nulls=220)})
    chance = judged(whole, *quiet, segment("a", 200, 15), max_null_rate=0.05)
    assert chance.status is Status.OK
    clear = judged(whole, *quiet, segment("a", 200, 40), max_null_rate=0.05)
    assert clear.reason == "x [kind=a]: 20% of 200 values are missing, 5% is allowed"
    assert clear.features[0].p_adjusted < 0.05


def test_chance_alone_breaches_one_segment_in_twenty_at_most() -> None:
    """At the bound itself: 50 segments whose true rate is the bound, 400 windows, seed fixed."""
    random = np.random.default_rng(3)
    whole = QualityWindow(10_000, {"x": ColumnCounts("numeric", nulls=0)})
    breached = 0
    for _ in range(400):
        nulls = random.binomial(200, 0.05, size=50)
        windows = [segment(str(at), 200, int(one)) for at, one in enumerate(nulls)]
        breached += judged(whole, *windows, max_null_rate=0.05).status is Status.BREACHED
    assert breached / 400 <= 0.05


def test_small_segments_are_left_out_and_counted() -> None:
    verdict = judged(numeric(), segment("a", 99, 99), segment("b", 500, 0), max_null_rate=0.05)
    assert verdict.reason == (
        "1000 rows and 1 columns are within the bounds; 1 of 2 segments have too few to say"
    )


def part(rows: int, duplicates: int = 0, **counts: Any) -> QualityWindow:
    columns = {"x": ColumnCounts("numeric", **counts)}
    return QualityWindow(rows, columns, segment="kind=a", duplicates=duplicates)


@pytest.mark.parametrize(
    ("window", "column", "check", "reason"),
    [
        (
            part(200, nulls=60, wrong=60),
            "x",
            "type_errors",
            "30% of 200 values are no numbers, 5% is allowed",
        ),
        (part(200, duplicates=200), "row id", "duplicates", "50% of 400 rows repeat an id, 5% is allowed"),
        (part(10, duplicates=200), "row id", "duplicates", "95.2% of 210 rows repeat an id, 5% is allowed"),
        (part(200, absent=1), "x", "schema", "the column is missing in files with 1 of 200 rows"),
        (
            part(200, single=True),
            "x",
            "constant",
            "200 values are one and the same; they varied in the reference",
        ),
    ],
)
def test_every_check_is_made_of_a_segment_and_names_it(
    window: QualityWindow, column: str, check: str, reason: str
) -> None:
    verdict = judged(numeric(), segment("b", 500, 0), window, **ALL_BOUNDS)
    assert verdict.status is Status.BREACHED
    assert f"{column} [kind=a]: {reason}" in verdict.reason
    assert f"{column} [kind=a]" in [
        one.column for one in verdict.features if one.test == check and one.breached
    ]
    assert not any(one.breached for one in verdict.features if "kind=a" not in one.column)


@pytest.mark.parametrize(
    "window",
    [
        part(99, absent=99),
        part(99, single=True),
        part(200, nulls=150, single=True),
        part(60, duplicates=39),
        part(99, nulls=99, wrong=99),
    ],
)
def test_a_segment_with_too_few_rows_or_values_says_nothing(window: QualityWindow) -> None:
    assert judged(numeric(), window, **{**ALL_BOUNDS, "max_null_rate": None}).status is Status.OK


def test_new_columns_are_of_files_and_of_no_segment() -> None:
    new = QualityWindow(1000, {}, new_columns=["y"])
    assert judged(new, part(200), **ALL_BOUNDS).reason == "y: is a new column"


def test_what_has_no_rate_is_no_test_and_makes_no_other_more_significant() -> None:
    """17 of 200 at a bound of 5 %: p = 0.024 (scipy's binomial test), and there are eleven such tests."""
    whole = QualityWindow(4600, {"x": ColumnCounts("numeric", nulls=220)})
    others = {f"y{at}": ColumnCounts("numeric", absent=9, single=True) for at in range(10)}
    suspect = QualityWindow(200, {"x": ColumnCounts("numeric", nulls=17), **others}, segment="kind=a")
    bounds: dict[str, Any] = {"max_null_rate": 0.05, "schema": "breach", "constant": "breach"}
    parts = {(one.column, one.test): one for one in judged(whole, suspect, **bounds).features}
    rate = parts["x [kind=a]", "null_rate"]
    assert rate.p_value == pytest.approx(binomtest(17, 200, 0.05, alternative="greater").pvalue)
    assert not rate.breached
    assert rate.p_adjusted == pytest.approx(11 * rate.p_value)
    for check in ("schema", "constant"):
        assert parts["y0 [kind=a]", check].breached
        assert math.isnan(parts["y0 [kind=a]", check].p_value)


def test_duplicates_of_a_segment_are_tested_together_with_all_other_rates() -> None:
    quiet = [replace(part(200, duplicates=10), segment=f"kind=s{at}") for at in range(20)]
    whole = QualityWindow(4200, {}, duplicates=200)
    chance = judged(whole, *quiet, part(200, duplicates=20), max_duplicates=0.05)
    assert chance.status is Status.OK
    clear = judged(whole, *quiet, part(200, duplicates=60), max_duplicates=0.05)
    assert clear.reason == "row id [kind=a]: 23.1% of 260 rows repeat an id, 5% is allowed"


@pytest.mark.parametrize(
    ("count", "n", "bound", "expected"),
    [
        (0, 10, 0.1, 1.0),
        (10, 10, 0.5, 0.5**10),
        (12, 15, 0.4, sum(math.comb(15, k) * 0.4**k * 0.6 ** (15 - k) for k in range(12, 16))),
        (5, 5, 1.0, 1.0),
        (1, 5, 0.0, 0.0),
    ],
)
def test_rates_above_a_bound(count: int, n: int, bound: float, expected: float) -> None:
    assert rate_above(count, n, bound) == pytest.approx(expected, rel=1e-12)


def test_rates_agree_with_scipys_binomial_test() -> None:
    for count, n, bound in ((3, 20, 0.1), (700, 10_000, 0.06), (10, 200, 0.05)):
        expected = binomtest(count, n, bound, alternative="greater").pvalue
        assert rate_above(count, n, bound) == pytest.approx(expected, rel=1e-9)
