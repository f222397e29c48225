"""Two hundred generated pairs of columns: each answer is scipy's, or the one defined for the schema.

Every pair is compared from rows and, counted on the grid of its reference, from profiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

from ctrain.monitors.compare import ColumnComparison, compare_profiles, compare_tables
from ctrain.stats.grid import Grid, build_grid
from ctrain.stats.kinds import Role, role_of
from ctrain.stats.profile import profile_table
from ctrain.stats.raw import Kind, kind_of
from ctrain.stats.stored_profile import ColumnType, StoredProfile

Rng = np.random.Generator
Make = Callable[[Rng, int], Any]

WIDTHS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
START = datetime(2024, 1, 1, tzinfo=UTC)


def integers(width: Any, low: int, high: int) -> Make:
    return lambda rng, n: pa.array(rng.integers(low, high, n).astype(width))


def floats(width: Any, shift: float) -> Make:
    return lambda rng, n: pa.array((rng.normal(shift, 1, n) * 8).round(1).astype(width))


def words(*choices: str) -> Make:
    return lambda rng, n: pa.array(rng.choice(choices, n))


def encoded(make: Make) -> Make:
    return lambda rng, n: make(rng, n).dictionary_encode()


def holed(make: Make, rate: float) -> Make:
    def draw(rng: Rng, n: int) -> Any:
        values = make(rng, n)
        return pa.array(
            [
                None if gone else one
                for one, gone in zip(values.to_pylist(), rng.uniform(size=n) < rate, strict=True)
            ],
            values.type,
        )

    return draw


def constant(value: Any, type_: pa.DataType | None = None) -> Make:
    return lambda _, n: pa.array([value] * n, type_)


def odd_floats(rng: Rng, n: int) -> Any:
    return pa.array(
        rng.choice([math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 1e308, 1.5], n), from_pandas=False
    )


NUMBERS: dict[str, Make] = {
    **{np.dtype(width).name: integers(width, 0, 100) for width in WIDTHS},
    "float16": floats(np.float16, 0.0),
    "float32": floats(np.float32, 0.2),
    "float64": floats(np.float64, 0.4),
    "decimal": lambda rng, n: pa.array(
        [Decimal(int(one)) / 4 for one in rng.integers(0, 90, n)], pa.decimal128(9, 2)
    ),
    "extremes": lambda rng, n: pa.array(rng.choice(np.array([-(2**53), -1, 0, 7, 2**53]), n)),
    "odd": odd_floats,
    "constant": constant(3.0),
    "holes": holed(floats(np.float64, 0.0), 0.3),
    "outliers": lambda rng, n: pa.array(np.where(rng.uniform(size=n) < 0.02, 1e12, rng.integers(0, 50, n))),
}
NAMES: dict[str, Make] = {
    "ab": words("a", "b"),
    "abc": words("a", "b", "c", ""),
    "numbers as strings": words("1", "2", "10", "1e3"),
    "encoded": encoded(words("a", "b", "d")),
    "encoded numbers": lambda rng, n: pa.array(rng.integers(0, 4, n)).dictionary_encode(),
    "large strings": lambda rng, n: words("a", "c")(rng, n).cast(pa.large_string()),
    "one word": constant("a"),
    "words with holes": holed(words("a", "b"), 0.2),
    "unicode": words("ä", "日本", "a"),
}
FLAGS: dict[str, Make] = {
    "flags": lambda rng, n: pa.array(rng.uniform(size=n) < 0.3),
    "more flags": lambda rng, n: pa.array(rng.uniform(size=n) < 0.7),
    "always": constant(True),
    "flags with holes": holed(lambda rng, n: pa.array(rng.uniform(size=n) < 0.5), 0.5),
}
TIMES: dict[str, Make] = {
    "dates": lambda rng, n: pa.array(
        [date(2024, 1, 1) + timedelta(int(one)) for one in rng.integers(0, 9, n)]
    ),
    "zoned": lambda rng, n: pa.array(
        [START + timedelta(hours=int(one)) for one in rng.integers(0, 99, n)],
        pa.timestamp("us", "Asia/Tokyo"),
    ),
    "plain timestamps": lambda rng, n: pa.array(rng.integers(0, 10**9, n), pa.timestamp("s")),
    "times of day": lambda rng, n: pa.array(rng.integers(0, 86_400, n).astype(np.int32), pa.time32("s")),
}
OTHERS: dict[str, Make] = {
    "lists": lambda _, n: pa.array([[1, 2]] * n),
    "durations": lambda _, n: pa.array([timedelta(1)] * n),
    "bytes": constant(b"x"),
}
EMPTY: dict[str, Make] = {
    "untyped nulls": lambda _, n: pa.nulls(n),
    "null numbers": constant(None, pa.float64()),
    "null words": constant(None, pa.string()),
    "all NaN": lambda _, n: pa.array(np.full(n, np.nan), from_pandas=False),
}
FAMILIES = (NUMBERS, NAMES, FLAGS, TIMES, OTHERS, EMPTY)
ALL = {name: make for family in FAMILIES for name, make in family.items()}


class Case(NamedTuple):
    name: str
    reference: Any
    current: Any


def generated() -> list[Case]:
    """Return 200 pairs: within each family all, across families and sizes as many as are left."""
    rng = np.random.default_rng(200)
    within = [
        (a, b)
        for family in FAMILIES
        for a in family
        for b in family
        if rng.uniform() < {id(NUMBERS): 0.2, id(NAMES): 0.5}.get(id(family), 1)
    ]
    absent = [("float64", ""), ("", "abc"), ("dates", ""), ("", "untyped nulls")]
    chosen = [*within, *absent]
    while len(chosen) < 200:
        chosen.append((str(rng.choice(list(ALL))), str(rng.choice(list(ALL)))))
    cases = []
    for place, (one, other) in enumerate(chosen):
        sizes = (400, 300)
        before, now = (
            ALL[name](rng, n) if name else None for name, n in zip((one, other), sizes, strict=True)
        )
        cases.append(Case(f"{place}: {one} / {other}", before, now))
    return cases


CASES = generated()


def side(column: str) -> pa.Table:
    held = [(case.name, getattr(case, column)) for case in CASES if getattr(case, column) is not None]
    return pa.Table.from_arrays([values for _, values in held], names=[name for name, _ in held])


def stored(table: pa.Table, grid: Grid) -> StoredProfile:
    types = {one.name: ColumnType(kind_of(one.type), str(one.type)) for one in table.schema}
    return StoredProfile(grid, profile_table(table, grid), types, {}, (), "test")


def grid_of(table: pa.Table) -> Grid:
    by_role: dict[Role, list[str]] = {role: [] for role in Role}
    for name in table.column_names:
        by_role[role_of(table.column(name))].append(name)
    presence = build_grid(table.select([]), [], by_role[Role.PRESENCE]).columns
    grid = build_grid(
        table,
        by_role[Role.NUMERIC],
        by_role[Role.CATEGORICAL],
        boolean=by_role[Role.BOOLEAN],
        date=by_role[Role.DATE],
        text=by_role[Role.TEXT],
    )
    return Grid({**grid.columns, **presence})


REFERENCE, CURRENT = side("reference"), side("current")
GRID = grid_of(REFERENCE)
FROM_ROWS = {one.column: one for one in compare_tables(REFERENCE, CURRENT).columns}
FROM_PROFILES = {
    one.column: one for one in compare_profiles(stored(REFERENCE, GRID), stored(CURRENT, GRID)).columns
}
ANSWERS = pytest.mark.parametrize("found", [FROM_ROWS, FROM_PROFILES], ids=["rows", "profiles"])


def known(values: Any) -> list[Any]:
    plain = values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
    return [
        one
        for one in plain.to_pylist()
        if one is not None and not (isinstance(one, float) and math.isnan(one))
    ]


def family(case: Case) -> Kind | None:
    """Return the kind that both sides have, None when they differ or one of them is not there."""
    if case.reference is None or case.current is None:
        return None
    before, now = kind_of(case.reference.type), kind_of(case.current.type)
    if Kind.EMPTY in {before, now}:
        return Kind.EMPTY
    return before if before is now else None


def has_values(case: Case) -> bool:
    return bool(known(case.reference)) and bool(known(case.current))


def of(*kinds: Kind) -> list[Case]:
    return [case for case in CASES if family(case) in kinds and has_values(case)]


def test_there_are_two_hundred_pairs_of_every_family() -> None:
    assert len(CASES) == len(FROM_ROWS) == len(FROM_PROFILES) == 200
    assert min(len(of(kind)) for kind in (Kind.NUMBER, Kind.TEXT, Kind.BOOLEAN, Kind.TIME, Kind.OTHER)) >= 5


@ANSWERS
@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
def test_numbers_are_those_of_ks_2samp(found: dict[str, ColumnComparison]) -> None:
    for case in of(Kind.NUMBER):
        x, y = (np.array(known(one), dtype=np.float64) for one in (case.reference, case.current))
        expected = ks_2samp(x, y)
        one = found[case.name]
        assert one.test == "ks", case.name
        assert one.statistic == pytest.approx(expected.statistic, abs=1e-12), case.name
        assert one.p_value == pytest.approx(expected.pvalue, abs=1e-9), case.name
        assert one.error_bound == 0.0, "fewer distinct values than the grid holds"
        assert (one.n_reference, one.n_current) == (len(x), len(y))


@ANSWERS
def test_names_and_flags_are_those_of_chi2_contingency(found: dict[str, ColumnComparison]) -> None:
    for case in of(Kind.TEXT, Kind.BOOLEAN):
        x, y = (list(map(str, known(values))) for values in (case.reference, case.current))
        names = sorted({*x, *y})
        unseen = [name for name in names if name not in x]
        cells = [[name] for name in names if name in x] + ([unseen] if unseen else [])
        if found is FROM_ROWS:
            cells = [[name] for name in names]
        observed = [[sum(values.count(name) for name in cell) for cell in cells] for values in (x, y)]
        one = found[case.name]
        assert one.test == "chi2", case.name
        if len(cells) == 1:
            assert (one.statistic, one.p_value) == (0.0, 1.0)
            continue
        expected = chi2_contingency(observed, correction=False)
        assert one.statistic == pytest.approx(expected.statistic, abs=1e-9), case.name
        if expected.expected_freq.min() >= 5:
            assert one.p_value == pytest.approx(expected.pvalue, abs=1e-9), case.name
        assert ("rare categories" in one.note) == (expected.expected_freq.min() < 5), case.name
        shares = [np.array(side) / sum(side) for side in observed]
        assert one.effect == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2), case.name
        assert ("new categories" in one.note) == bool(unseen)


@ANSWERS
def test_other_columns_have_the_answer_that_is_defined_for_them(found: dict[str, ColumnComparison]) -> None:
    seen = set()
    for case in CASES:
        one, kind = found[case.name], family(case)
        if kind is None:
            assert (one.test, one.breached) == ("schema", True), case.name
            note = (
                "only in" if case.reference is None else "not in" if case.current is None else "type changed"
            )
            assert note in one.note
        elif kind in {Kind.TIME, Kind.OTHER}:
            assert (one.test, one.breached) == ("none", False), case.name
            assert one.note.startswith("left out: ")
        elif not has_values(case):
            assert one.test in {"nulls", "none"}, case.name
            assert "no values in" in one.note or one.note.startswith("left out: "), case.name
        else:
            continue
        seen.add(one.test)
    assert seen == {"schema", "none", "nulls"}


@ANSWERS
def test_missing_values_are_counted(found: dict[str, ColumnComparison]) -> None:
    for case in CASES:
        one = found[case.name]
        for values, n, rate in (
            (case.reference, one.n_reference, one.null_rate_reference),
            (case.current, one.n_current, one.null_rate_current),
        ):
            if values is not None and family(case) is not None:
                present: NDArray[Any] | list[Any] = known(values)
                assert n == len(present), case.name
                assert rate == pytest.approx(1 - len(present) / len(values)), case.name
