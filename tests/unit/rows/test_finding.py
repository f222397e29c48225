"""Rows are found by their ids wherever they lie, as by a look through everything."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ctrain.rows.days import with_labels, with_recent_labels
from ctrain.rows.finding import find_ids, overlaid_at, rows_before, rows_between

ROWS = 40_000


def table(rows: int = ROWS, chunk: int = 700) -> pa.Table:
    ids = [f"id-{number}" for number in range(rows)]
    labels = pa.array(np.arange(rows, dtype=float), mask=np.arange(rows) % 3 == 0)
    whole = pa.table({"row_id": pa.array(ids), "label": labels})
    return pa.Table.from_batches(whole.to_batches(max_chunksize=chunk))


ASKED = {
    "nothing": [],
    "the newest": [ROWS - 1, ROWS - 5, ROWS - 3],
    "the oldest": [0, 1],
    "all over": [0, ROWS - 1, 12_345, 1023, 1024, ROWS - 1024, ROWS - 1025],
    "many": list(range(0, ROWS, 7)),
}


@pytest.mark.parametrize("name", ASKED)
def test_every_row_is_found_by_its_id(name: str) -> None:
    numbers = ASKED[name]
    found = find_ids(table(), pa.array([f"id-{one}" for one in numbers], pa.string()))
    pairs = zip(found.rows.tolist(), found.ids.tolist(), strict=True)
    assert sorted(pairs) == sorted(zip(numbers, range(len(numbers)), strict=True))


def test_ids_that_are_not_there_or_repeated_are_passed_over() -> None:
    found = find_ids(table(), pa.array(["id-7", "who", "id-39999", "id-7"]))
    assert (found.rows.tolist(), found.ids.tolist()) == ([39_999, 7], [2, 0])
    assert len(find_ids(table().slice(0, 0), pa.array(["id-7"])).rows) == 0


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("kind", [pa.float64(), pa.string()])
def test_labels_are_put_beside_their_rows(name: str, kind: pa.DataType) -> None:
    rows = table().set_column(1, "label", table()["label"].cast(kind))
    values = [-1.0 - one for one in ASKED[name]]
    labels = pa.table(
        {
            "row_id": pa.array([*(f"id-{one}" for one in ASKED[name]), "who"]),
            "label": pa.array([*values, 5.0]).cast(kind),
        }
    )
    after = with_recent_labels(rows, labels)
    assert after.schema == rows.schema
    assert after.equals(with_labels(rows, labels))


def test_what_lies_before_the_rows_found_is_not_copied() -> None:
    rows = table()
    found = find_ids(rows, pa.array(["id-39990"]))
    after = overlaid_at(rows["label"], pa.array([1.0]), found)
    addresses = [column.chunks[0].buffers()[1].address for column in (after, rows["label"])]  # type: ignore[union-attr]  # there are values
    assert addresses[0] == addresses[1]


def test_labels_that_keep_coming_leave_few_pieces() -> None:
    rows = table(5_000)
    for number in range(0, 5_000, 20):
        rows = with_recent_labels(rows, pa.table({"row_id": [f"id-{number}"], "label": [0.5]}))
        assert rows["label"].num_chunks <= 100
    assert rows["label"].to_pylist()[::20] == [0.5] * 250


@pytest.mark.parametrize("instant", [-1, 0, 1, 5_000, 5_001, 19_990, 20_000, 10**9])
def test_rows_before_an_instant_are_counted_from_the_end(instant: int) -> None:
    instants = np.repeat(np.arange(0, 20_000, 2), 3)
    rows = pa.table({"event_at": pa.array(instants, pa.timestamp("us", "UTC"))})
    assert rows_before(rows, instant) == np.count_nonzero(instants < instant)
    assert rows_before(rows.slice(0, 0), instant) == 0


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (-5, -1),
        (-5, 3),
        (0, 9000),
        (8999, 9000),
        (9000, 9001),
        (40, 40),
        (60, 40),
        (5000, 5001),
        (7990, 8970),
    ],
)
def test_rows_between_two_instants_are_those_that_a_look_at_each_finds(start: int, end: int) -> None:
    instants = np.sort(np.random.default_rng(4).integers(0, 9000, ROWS))
    times = pa.array(instants, pa.timestamp("us", "UTC"))
    whole = pa.table([times, pa.array(range(ROWS))], names=["event_at", "place"])
    rows = pa.Table.from_batches(whole.to_batches(max_chunksize=13_000))
    expected = np.flatnonzero((instants >= start) & (instants < end))
    assert rows_between(rows, start, end)["place"].to_pylist() == expected.tolist()
    assert rows_between(rows.slice(0, 0), start, end).num_rows == 0
