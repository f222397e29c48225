"""Who sent what was wrong on arrival: counted by value, exactly while they are few, boundedly when not."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrain.domain import Arrived
from ctrain.engine.arrivals import added_to, count_arrived
from ctrain.engine.seen_values import SeenValues
from ctrain.engine.segment_arrivals import (
    FEWEST_KEPT,
    Kept,
    amounts_by_segment,
    bounded,
    columns_counted,
    count_by_value,
    values_kept,
)
from ctrain.policy.models import Policy
from tests.support.arrivals import HOUR, START, microseconds, parsed, rows

QUALITY = {"type": "quality", "window": timedelta(days=1)}


def policy_with(**monitors: dict[str, Any]) -> Policy:
    known = parsed().model_dump(by_alias=True)
    return Policy.model_validate(known | {"monitors": known["monitors"] | monitors})


def arrived_of(table: pa.Table, wrong: list[bool], absent: list[bool], repeated: list[bool]) -> Arrived:
    """A read of all rows of ``table``, of which the repeated ones were dropped."""
    fresh = ~np.array(repeated, dtype=bool)
    instants = table["event_at"].cast(pa.int64()).to_numpy()
    return Arrived(
        rows=table.filter(pa.array(fresh)),
        wrong={"age": np.array(wrong, dtype=bool)[fresh]},
        absent={"visits": np.array(absent, dtype=bool)[fresh]},
        repeated_at=instants[~fresh].tolist(),
        received=table,
        repeated=~fresh,
    )


def by_country(arrived: Arrived, kept: Kept | None = None) -> dict[datetime, Any]:
    counts = count_arrived(parsed(), arrived, None, {"country": kept or Kept()})
    return {start: one["by"]["country"] for start, one in counts.items()}


def test_what_is_wrong_is_counted_by_the_value_of_a_column() -> None:
    arrived = arrived_of(
        rows([0, 0.1, 0.2, 0.3, 1, 1.5], country=["jp", "fr", "jp", None, "fr", "jp"]),
        wrong=[True, False, True, True, False, False],
        absent=[False, True, False, False, False, False],
        repeated=[False, False, False, False, True, False],
    )
    assert by_country(arrived) == {
        START: {
            "rows": 4,
            "values": {
                "jp": {"wrong": {"age": 2}},
                "null": {"wrong": {"age": 1}},
                "fr": {"absent": {"visits": 1}},
            },
        },
        START + HOUR: {"rows": 1, "values": {"fr": {"duplicates": 1}}},
    }


def test_rows_with_nothing_wrong_are_on_record_as_looked_at() -> None:
    assert by_country(Arrived(rows=rows([0, 0.5, 1]))) == {START: {"rows": 2}, START + HOUR: {"rows": 1}}
    assert count_arrived(parsed(), Arrived(rows=rows([])), None, {"country": Kept()}) == {}


def test_what_comes_for_a_judged_pane_is_in_no_segment() -> None:
    everything, nothing = [True, True], [False, False]
    arrived = arrived_of(rows([0, 1]), wrong=everything, absent=everything, repeated=nothing)
    counts = count_arrived(parsed(), arrived, START + HOUR, {"country": Kept()})
    assert counts[START] == {"late": {"rows": 1}}
    assert counts[START + HOUR]["by"]["country"]["values"]["jp"] == {
        "wrong": {"age": 1},
        "absent": {"visits": 1},
    }


Row = tuple[int, str, bool, bool, bool]
ROW: st.SearchStrategy[Row] = st.tuples(
    st.integers(0, 179), st.sampled_from(["jp", "fr", "de"]), st.booleans(), st.booleans(), st.booleans()
)


def as_arrived(drawn: list[Row]) -> Arrived:
    minutes, countries, wrong, absent, repeated = (list(one) for one in zip(*drawn, strict=True))
    table = rows([one / 60 for one in minutes], country=countries)
    return arrived_of(table, wrong, absent, repeated)


@given(st.lists(ROW, min_size=1, max_size=40), st.lists(st.integers(0, 40), max_size=3))
def test_however_rows_are_read_each_counts_once(drawn: list[Row], cuts: list[int]) -> None:
    edges = [0, *sorted(min(one, len(drawn)) for one in cuts), len(drawn)]
    kept, known = {"country": Kept()}, dict[datetime, Any]()
    for first, last in pairwise(edges):
        if first < last:
            news = count_arrived(parsed(), as_arrived(drawn[first:last]), None, kept)
            known |= added_to(known, news, kept)
    expected: Counter[tuple[int, str, str]] = Counter()
    for minute, country, wrong, absent, repeated in drawn:
        kinds = {"duplicates": repeated, "wrong": wrong and not repeated, "absent": absent and not repeated}
        expected.update((minute // 60, country, kind) for kind, is_so in kinds.items() if is_so)
    found = {
        ((start - START) // HOUR, country, kind): amount if kind == "duplicates" else sum(amount.values())
        for start, one in known.items()
        for country, part in one["by"]["country"].get("values", {}).items()
        for kind, amount in part.items()
    }
    assert found == dict(expected)
    looked_at = Counter(minute // 60 for minute, *_, repeated in drawn if not repeated)
    assert looked_at == {
        (start - START) // HOUR: one["by"]["country"]["rows"]
        for start, one in known.items()
        if "rows" in one["by"]["country"]
    }


def of_many(count: int, offset: int = 0) -> Arrived:
    """One row of each of many senders with text for a number, and ten more of the last one."""
    names = [f"s{offset + at:07}" for at in range(count)] + ["often"] * 10 + ["first"]
    every = [True] * len(names)
    none = [False] * len(names)
    return arrived_of(rows([0.5] * len(names), country=names), every, none, none)


def test_of_a_million_values_those_with_the_most_are_kept_apart_and_none_is_lost() -> None:
    kept = Kept(3, first=("first", "s9999999"))
    whole = by_country(of_many(300_000), kept)[START]
    assert whole["rows"] == 300_011
    assert list(whole["values"]) == ["s0000000", "often", "first"]
    assert whole["rest"] == {"wrong": {"age": 299_999}}
    assert len(json.dumps(whole)) < 300


def test_panes_stay_bounded_however_many_reads_they_come_in() -> None:
    kept, known = {"country": Kept(5, first=("first",))}, dict[datetime, Any]()
    for read in range(20):
        known |= added_to(known, count_arrived(parsed(), of_many(50, offset=50 * read), None, kept), kept)
        assert len(known[START]["by"]["country"]["values"]) == 5
    counts = known[START]["by"]["country"]
    assert counts["values"]["often"] == {"wrong": {"age": 200}}
    assert counts["values"]["first"] == {"wrong": {"age": 20}}
    assert counts["rest"]["wrong"]["age"] == 20 * 61 - 220 - 3
    assert counts["rows"] == 20 * 61


def test_few_values_are_left_as_they_are() -> None:
    counts = {"rows": 3, "values": {"jp": {"duplicates": 2}}}
    assert bounded(counts, Kept(1)) == counts
    assert bounded({"rows": 3}, Kept(1)) == {"rows": 3}


def test_those_that_are_frequent_in_the_first_rows_come_before_those_with_more_that_is_wrong() -> None:
    counts = {
        "values": {
            "jp": {"duplicates": 1},
            "fr": {"duplicates": 9},
            "de": {"wrong": {"age": 2, "visits": 3}},
        },
        "rest": {"duplicates": 4},
    }
    assert bounded(counts, Kept(2, first=("jp", "xx"))) == {
        "values": {"jp": {"duplicates": 1}, "fr": {"duplicates": 9}},
        "rest": {"duplicates": 4, "wrong": {"age": 2, "visits": 3}},
    }


def test_what_belongs_to_no_segment_is_with_the_others() -> None:
    counts = {
        "rows": 9,
        "values": {"jp": {"wrong": {"age": 1}}, "de": {"wrong": {"age": 2}}},
        "rest": {"wrong": {"age": 4}},
    }
    assert {key: one.tolist() for key, one in amounts_by_segment(counts, ["fr", "jp"]).items()} == {
        ("wrong", "age"): [0, 1, 6]
    }
    assert amounts_by_segment({"rows": 9}, ["fr"]) == {}


@pytest.mark.parametrize(
    ("monitors", "counted"),
    [
        ({}, {}),
        ({"a": {"max_null_rate": 0.1, "constant": "breach", "by": "country"}}, {}),
        ({"a": {"max_duplicates": 0.1}}, {}),
        ({"a": {"max_duplicates": 0.1, "by": "country"}}, {"country": 20}),
        ({"a": {"max_type_errors": 0.0, "by": "country"}}, {"country": 20}),
        (
            {
                "a": {"schema": "breach", "by": "country", "max_segments": 300},
                "b": {"max_duplicates": 0.1, "by": "country"},
            },
            {"country": 300},
        ),
    ],
)
def test_only_what_a_monitor_asks_for_by_segment_is_counted(
    monitors: dict[str, dict[str, Any]], counted: dict[str, int]
) -> None:
    policy = policy_with(**{name: QUALITY | one for name, one in monitors.items()})
    assert columns_counted(policy) == counted
    seen = SeenValues(HOUR).with_rows(rows([0, 0.1, 0.2], country=["fr", "jp", "jp"]), "country")
    assert values_kept(policy, {"country": seen}) == {
        column: Kept(max(FEWEST_KEPT, 2 * most), ("jp", "fr")) for column, most in counted.items()
    }


def test_places_of_dropped_rows_are_counted_in_their_own_panes() -> None:
    table = rows([0, 2, 3], country=["jp", "fr", "fr"])
    arrived = arrived_of(table, [False] * 3, [False] * 3, [False, True, True])
    panes = np.array([microseconds(0)]) // 3_600_000_000
    repeated = np.array([microseconds(2), microseconds(3)]) // 3_600_000_000
    found = count_by_value(arrived, "country", panes, repeated, Kept())
    first = int(panes[0])
    assert found == {
        first: {"rows": 1},
        first + 2: {"values": {"fr": {"duplicates": 1}}},
        first + 3: {"values": {"fr": {"duplicates": 1}}},
    }
