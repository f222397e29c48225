"""Comparing two tables: agreement with scipy, and an answer for every odd column."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp

from ctrain.errors import InputError
from ctrain.monitors.compare import ColumnComparison, compare_tables
from ctrain.monitors.comparison import blank_comparison, compare_categories
from ctrain.stats.grid import build_grid
from ctrain.stats.profile import profile_table

NAN, INF = math.nan, math.inf
Draw = Callable[[np.random.Generator, int], NDArray[Any]]
NUMBERS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "shifted": lambda rng, n: rng.normal(0.4, 1, size=n),
    "integers": lambda rng, n: rng.integers(0, 5, size=n),
    "atom": lambda rng, n: np.where(rng.uniform(size=n) < 0.5, 0.0, rng.exponential(size=n)),
    "constant": lambda _, n: np.full(n, 3.0),
    "nan": lambda rng, n: np.where(np.arange(n) % 3 == 1, NAN, rng.normal(size=n)),
    "infinities": lambda rng, n: np.where(rng.uniform(size=n) < 0.3, rng.choice([INF, -INF], n), 0.5),
}
WORDS: dict[str, Draw] = {
    "abc": lambda rng, n: rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
    "unseen": lambda rng, n: rng.choice(["a", "b", "d", "e"], n),
    "constant": lambda _, n: np.full(n, "a"),
    "boolean": lambda rng, n: rng.uniform(size=n) < 0.3,
    "other boolean": lambda rng, n: rng.uniform(size=n) < 0.6,
}
WORD_PAIRS = [(a, b) for a in WORDS for b in WORDS if ("boolean" in a) == ("boolean" in b)]
SIZES = [(1, 1), (2, 9), (30, 30), (200, 501)]


def table_of(**columns: Any) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def compared(reference: pa.Table, current: pa.Table, **options: Any) -> dict[str, ColumnComparison]:
    return {one.column: one for one in compare_tables(reference, current, **options).columns}


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("one", NUMBERS)
def test_numbers_agree_with_scipy(one: str, n: int, m: int) -> None:
    rng = np.random.default_rng([n, m, *map(ord, one)])
    pairs = {other: (NUMBERS[one](rng, n), draw(rng, m)) for other, draw in NUMBERS.items()}
    reference = table_of(**{name: x for name, (x, _) in pairs.items()})
    current = table_of(**{name: y for name, (_, y) in pairs.items()})
    found = compared(reference, current, min_effect=0.0, fdr=0.05)
    tests = {name: ks_2samp(x[~np.isnan(x)], y[~np.isnan(y)]) for name, (x, y) in pairs.items()}
    adjusted = false_discovery_control([test.pvalue for test in tests.values()])
    for (name, test), p_adjusted in zip(tests.items(), adjusted, strict=True):
        assert found[name].test == "ks"
        assert found[name].statistic == pytest.approx(test.statistic, abs=1e-9)
        assert found[name].p_value == pytest.approx(test.pvalue, abs=1e-9)
        assert found[name].p_adjusted == pytest.approx(p_adjusted, abs=1e-9)
        assert found[name].effect == found[name].statistic
        assert found[name].error_bound == 0.0


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize(("one", "other"), WORD_PAIRS)
def test_categories_agree_with_scipy(one: str, other: str, n: int, m: int) -> None:
    rng = np.random.default_rng([n, m, *map(ord, one + other)])
    x, y = WORDS[one](rng, n), WORDS[other](rng, m)
    names = np.unique(np.concatenate([x, y]))
    observed = [[np.count_nonzero(side == name) for name in names] for side in (x, y)]
    expected = chi2_contingency(observed, correction=False)
    for encode in (pa.array, lambda values: pa.array(values).dictionary_encode()):
        if encode is not pa.array and x.dtype == bool:
            continue
        found = compared(pa.table({"c": encode(x)}), pa.table({"c": encode(y)}))["c"]
        assert found.test == "chi2"
        assert found.statistic == pytest.approx(expected.statistic, abs=1e-9)
        if "rare categories" in found.note:
            assert expected.expected_freq.min() < 5
        else:
            assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9)


@pytest.mark.parametrize("counted", [False, True])
def test_many_rare_categories_alarm_no_more_than_claimed(counted: bool) -> None:
    """By chi-squared one table in ten of the same 3,000 words would be below 0.01, with an effect of 0.3."""
    rng = np.random.default_rng(6)
    weights = rng.dirichlet(np.ones(3000))
    words = np.array([f"w{place:04d}" for place in range(3000)])
    alarms = 0
    for _ in range(60):
        x, y = (table_of(c=rng.choice(words, n, p=weights)) for n in (20_000, 500))
        if counted:
            grid = build_grid(x, [], ["c"])
            counts = [profile_table(one, grid).columns["c"].distribution(grid.columns["c"]) for one in (x, y)]
            found = compare_categories(blank_comparison("c", None, None), *counts, rest=True)
        else:
            found = compared(x, y)["c"]
        alarms += found.p_value < 0.01
    assert alarms <= 3
    before, now = (rng.choice(words, n, p=weights) for n in (20_000, 500))
    assert compared(table_of(c=before), table_of(c=np.char.upper(now)))["c"].breached


def test_above_the_limit_the_grid_is_used_and_its_bound_reported() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=100_001), rng.normal(0.3, 1, size=5000)
    found = compared(table_of(x=x), table_of(x=y))["x"]
    expected = ks_2samp(x, y).statistic
    assert 0 < found.error_bound < 0.01
    assert found.statistic <= expected <= found.statistic + found.error_bound
    assert found.note == f"on a grid: the distance may be up to {found.error_bound:.4f} larger"
    exact = compared(table_of(x=x), table_of(x=y), exact=True)["x"]
    assert exact.statistic == pytest.approx(expected, abs=1e-12)
    assert (exact.error_bound, exact.note) == (0.0, "")


def test_atoms_are_exact_on_the_grid_too() -> None:
    x, y = np.repeat([0.0, 1.0], [100, 900]), np.full(1000, 0.5)
    assert compared(table_of(x=x), table_of(x=y), exact=False)["x"].statistic == pytest.approx(0.9)


RNG = np.random.default_rng(2)
N = 300
NORMAL = RNG.normal(size=N)
LETTERS = RNG.choice(["a", "b"], N)
IDS = [f"id-{place}" for place in range(N)]


@pytest.mark.parametrize(
    ("reference", "current", "test", "breached", "note"),
    [
        pytest.param(NORMAL, None, "schema", True, "not in the current table", id="dropped column"),
        pytest.param(None, NORMAL, "schema", True, "only in the current table", id="new column"),
        pytest.param(
            NORMAL, LETTERS, "schema", True, "the type changed from double to string", id="number to text"
        ),
        pytest.param(
            LETTERS, NORMAL > 0, "schema", True, "the type changed from string to bool", id="text to boolean"
        ),
        pytest.param([1, 2] * 150, [1.0, 2.0] * 150, "ks", False, "", id="integers to floats"),
        pytest.param(
            pa.array([1, 2] * 150, pa.int8()),
            pa.array([1, 2] * 150, pa.uint64()),
            "ks",
            False,
            "",
            id="widths",
        ),
        pytest.param(
            [Decimal("1.5")] * N, [Decimal("2.5")] * N, "ks", True, "", id="constants of decimals that differ"
        ),
        pytest.param([1.0] * N, [1.0] * N, "ks", False, "", id="the same constant"),
        pytest.param(
            pa.array(NORMAL.astype(np.float16)),
            pa.array(NORMAL.astype(np.float16)),
            "ks",
            False,
            "",
            id="half",
        ),
        pytest.param(
            NORMAL,
            [None] * 150 + [*NORMAL[150:]],
            "ks",
            True,
            "missing: 0.0% in reference, 50.0% in current",
            id="half missing",
        ),
        pytest.param(
            NORMAL,
            pa.nulls(N),
            "nulls",
            True,
            "no values in current; missing: 0.0%",
            id="all missing",
        ),
        pytest.param(
            [NAN] * N, NORMAL, "nulls", True, "no values in reference; missing: 100.0%", id="came to life"
        ),
        pytest.param(
            pa.nulls(N), [NAN] * N, "nulls", False, "no values in reference and current", id="never there"
        ),
        pytest.param(
            LETTERS,
            [*LETTERS[1:], "new"],
            "chi2",
            False,
            "new categories: 1, 0.3%",
            id="one unseen",
        ),
        pytest.param(IDS, IDS, "none", False, "left out: almost every value is different", id="id"),
        pytest.param(
            [date(2024, 1, 1)] * N, [date(2024, 2, 1)] * N, "none", False, "left out: an instant", id="date"
        ),
        pytest.param([[1]] * N, [[2]] * N, "none", False, "left out: values of type list", id="nested"),
        pytest.param(
            [timedelta(1)] * N,
            [timedelta(2)] * N,
            "none",
            False,
            "of type duration",
            id="duration",
        ),
        pytest.param(
            pa.array([1, 2] * 150).dictionary_encode(),
            pa.array([1, 1] * 150).dictionary_encode(),
            "chi2",
            True,
            "",
            id="dictionary of numbers",
        ),
    ],
)
def test_odd_columns_have_an_answer_and_break_no_other(
    reference: Any, current: Any, test: str, breached: bool, note: str
) -> None:
    before = {"odd": reference} if reference is not None else {}
    now = {"odd": current} if current is not None else {}
    found = compared(table_of(**before, x=NORMAL, c=LETTERS), table_of(**now, x=NORMAL, c=LETTERS))
    assert (found["odd"].test, found["odd"].breached) == (test, breached)
    assert note in found["odd"].note
    for name, other in (("x", "ks"), ("c", "chi2")):
        assert (found[name].test, found[name].breached) == (other, False)
        assert found[name].p_value == pytest.approx(1.0)


def test_free_text_is_compared_by_its_statistics() -> None:
    rng = np.random.default_rng(9)
    words = np.array(["rain", "wind", "Sturm", "нов", "12:30"])
    before, now = (
        [" ".join(rng.choice(words, rng.integers(5, most))) + f" {place}" for place in range(500)]
        for most in (12, 20)
    )
    found = compared(table_of(note=before), table_of(note=[None, *now]))
    assert list(found) == [
        f"note.{name}"
        for name in ("length", "words", "digits", "upper", "punctuation", "whitespace", "non_ascii")
    ]
    expected = ks_2samp([len(text.split()) for text in before], [len(text.split()) for text in now])
    assert found["note.words"].statistic == pytest.approx(expected.statistic)
    assert found["note.words"].p_value == pytest.approx(expected.pvalue)
    assert found["note.words"].breached
    assert (found["note.length"].n_current, found["note.length"].test) == (500, "ks")


def test_both_conditions_must_hold() -> None:
    rng = np.random.default_rng(3)
    reference, current = table_of(x=rng.normal(size=20_000)), table_of(x=rng.normal(0.06, 1, size=20_000))
    significant = compared(reference, current)["x"]
    assert significant.p_adjusted < 0.01
    assert significant.effect < significant.threshold == 0.1
    assert not significant.breached
    assert compared(reference, current, min_effect=0.01)["x"].breached
    few = compared(table_of(x=[1.0, 2.0]), table_of(x=[5.0, 6.0]))["x"]
    assert few.effect == 1.0
    assert not few.breached


def test_columns_keep_their_order_and_rows_their_count() -> None:
    found = compare_tables(table_of(a=[1, None], b=[1, 2]), table_of(c=[1], b=[1], a=[2])).columns
    assert [one.column for one in found] == ["a", "b", "c"]
    assert (found[0].n_reference, found[0].n_current, found[0].null_rate_reference) == (1, 1, 0.5)


@pytest.mark.parametrize(
    ("reference", "current", "message"),
    [
        (table_of(x=[1]), table_of(x=[1]).slice(1), "the current table has no rows"),
        (table_of(x=[1]).slice(1), table_of(x=[1]), "the reference table has no rows"),
        (table_of(x=[1]), table_of(y=[1]), "no columns in common: the reference has x; current has y"),
        (
            pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]),
            table_of(x=[1]),
            "the reference table has more than one column 'x'",
        ),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(
    reference: pa.Table, current: pa.Table, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compare_tables(reference, current)


def test_false_alarms_of_equal_tables_without_a_minimum_effect() -> None:
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(300):
        tables = [
            table_of(
                **{f"x{place}": rng.normal(size=200) for place in range(5)},
                **{f"c{place}": rng.choice(list("abcd"), 200) for place in range(5)},
            )
            for _ in range(2)
        ]
        alarms += compare_tables(*tables, fdr=0.05, min_effect=0.0).breached
    assert 3 <= alarms <= 24
