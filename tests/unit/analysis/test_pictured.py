"""What a picture shows of a column: shares that add to one, of the right rows, whatever the column holds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ctrain.analysis.pictured import MOST_BARS, Panel, first_pair, pair, panel

KINDS = {
    "x": "numeric",
    "n": "numeric",
    "kind": "categorical",
    "yes": "boolean",
    "day": "date",
    "note": "text",
}
RANDOM = np.random.default_rng(0)


def rows(shift: float = 0.0, n: int = 400) -> pa.Table:
    kind = ["a"] * (n // 2) + ["b"] * (n // 2 - 10) + [None] * 10
    return pa.table(
        {
            "x": pa.array(RANDOM.normal(shift, 1, n)),
            "n": pa.array([float(number % 3) for number in range(n)]),
            "kind": pa.array(kind, pa.string()),
            "yes": pa.array([1.0, 0.0, 0.0, None] * (n // 4)),
            "day": pa.array([19_000.0 + number for number in range(n)]),
            "note": pa.array(["some words"] * n),
            "void": pa.nulls(n, pa.float64()),
        }
    )


def drawn(column: str, reference: pa.Table | None = None, current: pa.Table | None = None) -> Panel:
    found = panel(column, {**KINDS, "void": "numeric"}, reference or rows(), current or rows(1.0))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "column", ["x", "n", "kind", "yes", "day", "note.words", "x [kind=a]", "x [kind=null]"]
)
def test_shares_add_to_one(column: str) -> None:
    found = drawn(column)
    assert found.reference.sum() == pytest.approx(1)
    assert found.current.sum() == pytest.approx(1)


def test_outliers_are_in_the_outermost_bins_and_the_axis_stays_readable() -> None:
    wild = rows().set_column(0, "x", pa.array([1e12, *RANDOM.normal(size=399)]))
    found = drawn("x", current=wild)
    assert found.edges is not None
    assert found.edges[-1] < 10
    assert found.current.sum() == pytest.approx(1)


def test_few_whole_numbers_have_a_bin_each() -> None:
    found = drawn("n")
    assert found.edges is not None
    assert found.edges.tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert found.reference == pytest.approx([134 / 400, 133 / 400, 133 / 400])


def test_a_segment_is_shown_by_itself() -> None:
    found = drawn("x [kind=a]")
    assert (found.reference_rows, found.current_rows) == (200, 200)
    assert drawn("x [kind=null]").reference_rows == 10


@pytest.mark.parametrize("column", ["x [kind=other]", "x [gone=a]", "x [kind=z]", "score", "note", "void"])
def test_what_cannot_be_shown_has_no_panel(column: str) -> None:
    assert panel(column, {**KINDS, "void": "numeric"}, rows(), rows()) is None


def test_missing_values_and_booleans() -> None:
    found = drawn("yes")
    assert found.names == ("false", "true")
    assert found.reference == pytest.approx([2 / 3, 1 / 3])
    assert found.reference_nulls == 0.25


def test_many_categories_are_shown_by_the_most_frequent_of_either_side() -> None:
    many = rows().set_column(2, "kind", pa.array([f"k{number % 40:02d}" for number in range(400)]))
    found = drawn("kind", current=many)
    assert len(found.names) == MOST_BARS + 1
    assert found.names[:2] == ("a", "b")
    assert found.names[-1] == f"{42 - MOST_BARS} more"
    assert found.current.sum() == pytest.approx(1)


def test_two_columns_are_shown_against_each_other_only_as_numbers() -> None:
    table = rows().set_column(0, "x", pa.array([np.nan, np.inf, *RANDOM.normal(size=398)]))
    points = pair(["x", "n"], KINDS, table)
    assert points is not None
    assert points.shape == (398, 2)
    assert pair(["x", "kind"], KINDS, table) is None
    assert pair(["x"], KINDS, table) is None


def test_two_columns_of_a_segment_are_shown_by_its_rows() -> None:
    names = ["n [kind=a]", "x [kind=b]", "x [kind=a]", "kind [kind=a]"]
    assert first_pair(names) == ("n [kind=a]", "x [kind=a]")
    table = rows()
    points = pair(first_pair(names), KINDS, table)
    assert points is not None
    assert points[:, 1].tolist() == table["x"].to_pylist()[:200]
    assert pair(["n [kind=other]", "x [kind=other]"], KINDS, rows()) is None
    assert first_pair([]) == ()
    assert first_pair(["x", "x [kind=a]", "n"]) == ("x", "n")
