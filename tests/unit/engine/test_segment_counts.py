"""Rows by segment from the row log and from what was counted on arrival, and windows as sums of panes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from ctrain.engine.segment_counts import DUPLICATES, ROWS, UNCOUNTED, PaneSegments, Segments
from tests.support.arrivals import HOUR, START, rows


class Log:
    """A row log of one table."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def read(self, start: datetime, end: datetime, *, include_late: bool) -> pa.Table:
        assert not include_late
        hours: list[Any] = self.table["event_at"].to_pylist()
        return self.table.filter(pa.array([start <= one < end for one in hours], pa.bool_()))


def counted(
    table: pa.Table, segments: Segments, arrivals: Mapping[datetime, Any] | None = None, hours: int = 4
) -> PaneSegments:
    def arrived(start: datetime, end: datetime) -> dict[datetime, Any]:
        return {at: one for at, one in (arrivals or {}).items() if start <= at < end}

    found = PaneSegments(segments, HOUR)
    log: Any = Log(table)
    found.load(log, arrived, START, START + hours * HOUR)
    return found


def window(found: PaneSegments, first: int, last: int, *chosen: str) -> dict[str, dict[tuple[str, str], int]]:
    return found.window(START + first * HOUR, START + last * HOUR, chosen)


def spread(found: PaneSegments, first: int, last: int, *chosen: str) -> dict[str, Any]:
    return found.spreads(START + first * HOUR, START + last * HOUR, chosen)


WRONG = {
    START: {"by": {"country": {"rows": 3, "values": {"jp": {"duplicates": 2}, "de": {"wrong": {"age": 1}}}}}},
    START + HOUR: {
        "by": {"country": {"rows": 1, "values": {"jp": {"wrong": {"age": 1}}}, "rest": {"duplicates": 5}}}
    },
    START + 2 * HOUR: {"by": {"country": {"values": {"fr": {"duplicates": 7}}}}},
}
ROWS_OF_WRONG = rows([0, 0.1, 0.2, 1], country=["jp", "fr", "de", "jp"])


def test_what_was_counted_on_arrival_stands_beside_the_rows() -> None:
    found = counted(ROWS_OF_WRONG, Segments("country", ("jp", "fr"), with_arrivals=True), WRONG)
    assert window(found, 0, 4, "jp", "fr") == {
        "jp": {ROWS: 2, DUPLICATES: 2, ("wrong", "age"): 1},
        "fr": {ROWS: 1, DUPLICATES: 7, ("wrong", "age"): 0},
        "other": {ROWS: 1, DUPLICATES: 5, ("wrong", "age"): 1},
    }
    assert window(found, 0, 4, "fr")["other"] == {ROWS: 3, DUPLICATES: 7, ("wrong", "age"): 2}


def test_a_pane_of_repeated_rows_alone_has_no_rows() -> None:
    found = counted(ROWS_OF_WRONG, Segments("country", ("fr",), with_arrivals=True), WRONG)
    assert window(found, 2, 3, "fr")["fr"] == {ROWS: 0, DUPLICATES: 7}
    assert window(found, 3, 4, "fr") == {"fr": {ROWS: 0}, "other": {ROWS: 0}}


@pytest.mark.parametrize("known", [{}, {"by": {"visits": {"rows": 3}}}, {"by": {"country": {"rows": 2}}}])
def test_rows_of_panes_that_were_not_counted_by_the_column_are_told(known: dict[str, Any]) -> None:
    arrivals = {**WRONG, START: {"rows": 3} | known}
    found = counted(ROWS_OF_WRONG, Segments("country", ("jp",), with_arrivals=True), arrivals)
    assert window(found, 0, 1, "jp") == {"jp": {ROWS: 1, UNCOUNTED: 1}, "other": {ROWS: 2, UNCOUNTED: 2}}
    assert UNCOUNTED not in window(found, 1, 4, "jp")["jp"]


def test_arrivals_are_not_read_for_what_does_not_ask_for_them() -> None:
    def refuse(start: datetime, end: datetime) -> dict[datetime, Any]:
        raise AssertionError

    found, log = PaneSegments(Segments("country", ("jp",)), HOUR), Log(ROWS_OF_WRONG)
    found.load(log, refuse, START, START + HOUR)  # type: ignore[arg-type]  # reading is all that is asked of it
    assert window(found, 0, 1, "jp") == {"jp": {ROWS: 1}, "other": {ROWS: 2}}


def test_the_spread_of_a_window_is_that_of_all_its_panes() -> None:
    table = rows(
        [0, 0.5, 1, 1, 2, 2],
        country=["jp", "jp", "jp", "fr", "de", "es"],
        age=[3.0, None, 5.0, 7.0, None, -1.0],
    )
    found = counted(table, Segments("country", ("jp", "fr"), spreads={"age": None}))
    assert spread(found, 0, 1, "jp", "fr")["jp"] == {"age": (3.0, 3.0)}
    whole = spread(found, 0, 4, "jp", "fr")
    assert whole == {"jp": {"age": (3.0, 5.0)}, "fr": {"age": (7.0, 7.0)}, "other": {"age": (-1.0, -1.0)}}
    assert spread(found, 0, 4, "fr")["other"] == {"age": (-1.0, 5.0)}
    assert all(math.isnan(one) for one in spread(found, 0, 1, "fr")["fr"]["age"])
    assert spread(found, 3, 4, "fr") == {"fr": {}, "other": {}}
    assert set(window(found, 0, 4, "jp")["jp"]) == {ROWS}


def test_categories_spread_over_their_places_and_those_that_are_not_known_have_the_last() -> None:
    table = rows([0, 0, 0, 1], country=["jp", "jp", None, "jp"]).append_column(
        "colour", pa.array(["red", None, "blue", "pink"])
    )
    found = counted(table, Segments("country", ("jp", "null"), spreads={"colour": ("blue", "red")}))
    assert spread(found, 0, 1, "jp", "null") | {"other": None} == {
        "jp": {"colour": (1.0, 1.0)},
        "null": {"colour": (0.0, 0.0)},
        "other": None,
    }
    assert spread(found, 0, 4, "jp")["jp"] == {"colour": (1.0, 2.0)}


def test_hours_without_rows_are_no_rows() -> None:
    found = counted(rows([]), Segments("country", ("jp",), ("age",), with_arrivals=True))
    assert window(found, 0, 4, "jp") == {"jp": {ROWS: 0}, "other": {ROWS: 0}}


def test_more_segments_or_another_spread_are_counted_anew() -> None:
    known = counted(ROWS_OF_WRONG, Segments("country", ("jp", "fr")))
    assert known.covers(Segments("country", ("fr",)), HOUR)
    for other in (
        Segments("country", ("de",)),
        Segments("country", ("jp",), spreads={"age": None}),
        Segments("country", ("jp",), with_arrivals=True),
    ):
        assert not known.covers(other, HOUR)
    assert not known.covers(Segments("country", ("jp",)), timedelta(hours=2))
