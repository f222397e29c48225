"""Rows that are wrong in every way, read from files, counted once and judged by quality monitors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import Status, Verdict
from ctrain.policy.files import parse_policy
from tests.support.world import HOUR, POLICY, START, World

BEFORE, AFTER = POLICY.split("monitors:\n")[0], POLICY[POLICY.index("limits:") :]
TRIGGERS = "triggers:\n  nightly: {cron: '0 0 1 1 *', timezone: UTC}\n"


def policy(monitors: str) -> str:
    return f"{BEFORE}monitors:\n{monitors}{TRIGGERS}{AFTER}"


ARRIVALS = policy(
    """\
  nulls: {type: quality, window: 2h, min_rows: 30, max_null_rate: 0.2}
  types: {type: quality, window: 1h, min_rows: 30, max_type_errors: 0.1, columns: [z]}
  ids: {type: quality, window: 1h, min_rows: 30, max_duplicates: 0.1}
  ranges: {type: quality, window: 1h, min_rows: 30, max_out_of_range: 0.1, columns: [z],
           ranges: {z: {max: 10}}}
"""
)
KNOWN = policy(
    """\
  categories: {type: quality, window: 1h, min_rows: 30, unseen_categories: 0.1}
  ranges: {type: quality, window: 1h, min_rows: 30, max_out_of_range: 0.3}
  constant: {type: quality, window: 1h, min_rows: 30, constant: breach}
"""
)
SEGMENTS = policy(
    """\
  nulls: {type: quality, window: 2h, min_rows: 10, max_null_rate: 0.1, by: kind, columns: [x, z]}
  rows: {type: volume, window: 2h, min_rows: 5, by: kind}
  fresh: {type: freshness, max_age: 3h, by: kind}
"""
)

Change = Callable[[pa.Table], pa.Table]


def put(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values))


def land(world: World, change: Change | None = None) -> None:
    """An hour lands, changed, and is judged as far as it can be."""
    produced = world.produce()
    world.put_rows(produced if change is None else produced._replace(rows=change(produced.rows)))
    world.settle()


def found(world: World, monitor: str) -> dict[int, Verdict]:
    """Verdicts by the hour of the pane that they were given on."""
    return {(one.as_of - START) // HOUR - 1: one for one in world.verdicts() if one.monitor == monitor}


def said(verdicts: Iterable[Verdict]) -> list[str]:
    """All that verdicts say; as text, in which one NaN is like another."""
    return [repr(one) for one in verdicts]


def statuses(world: World, monitor: str) -> dict[int, str]:
    return {hour: one.status.value for hour, one in found(world, monitor).items()}


def every_third_is_missing(rows: pa.Table) -> pa.Table:
    return put(rows, "z", [None if at % 3 == 0 else 1.0 for at in range(rows.num_rows)])


def numbers_as_words(rows: pa.Table) -> pa.Table:
    return put(rows, "z", ["much"] * rows.num_rows)


def numbers_as_texts(rows: pa.Table) -> pa.Table:
    return put(rows, "z", [str(one) for one in rows["z"].to_pylist()])


def rows_again(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(0, rows.num_rows // 2)])


def outliers(rows: pa.Table) -> pa.Table:
    return put(rows, "z", [1e300 if at % 4 == 0 else 1.0 for at in range(rows.num_rows)])


FAULTS: dict[int, Change] = {
    1: every_third_is_missing,
    3: numbers_as_words,
    4: numbers_as_texts,
    5: rows_again,
    6: outliers,
}


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("arrived"), ARRIVALS)
    for hour in range(9):
        land(world, FAULTS.get(hour))
    return world


def test_faults_of_arrival_are_judged_without_any_champion(arrived: World) -> None:
    assert [hour for hour, one in statuses(arrived, "types").items() if one == "BREACHED"] == [3]
    assert [hour for hour, one in statuses(arrived, "ids").items() if one == "BREACHED"] == [5]
    assert [hour for hour, one in statuses(arrived, "ranges").items() if one == "BREACHED"] == [6]
    assert {one.value for one in found(arrived, "ranges").values()} == {0.0, 0.25, None}
    assert found(arrived, "types")[3].reason == ("z: none of 40 values are numbers: the type has changed")
    assert found(arrived, "ids")[5].reason == "row id: 33.3% of 60 rows repeat an id, 10% is allowed"
    assert all(one in ("OK", "BREACHED") for one in statuses(arrived, "types").values())


def test_windows_are_the_sum_of_their_panes(arrived: World) -> None:
    verdicts = found(arrived, "nulls")
    rates = {hour: one.value for hour, one in verdicts.items()}
    assert rates == {0: 0.0, 1: 14 / 80, 2: 14 / 80, 3: 0.5, 4: 0.5, 5: 0.0, 6: 0.0}
    assert [one.n for one in verdicts.values()] == [40, 80, 80, 80, 80, 100, 100]


def test_what_could_not_be_read_is_on_record_once(arrived: World) -> None:
    with arrived.store.read() as tx:
        events = [one.message for one in tx.events(arrived.name) if one.kind == "values_unread"]
    assert events == [
        "z: not one of 40 values is of the kind numeric: the type has changed; they count as missing"
    ]


def test_a_crash_after_the_segments_and_before_the_commit_counts_nothing_twice(tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    def crash(call: str, moment: str, _: tuple[Any, ...]) -> None:
        if (call, moment) in (("row_log.write_rows", "after"), ("row_log.adopt", "before")):
            raise Crash

    def counts(world: World) -> dict[datetime, Any]:
        with world.store.read() as tx:
            return tx.arrivals(world.name, START, START + timedelta(days=1))

    calm, shaken = World(tmp_path / "calm", ARRIVALS), World(tmp_path / "shaken", ARRIVALS)
    for hour in range(6):
        land(calm, FAULTS.get(hour))
        produced = shaken.produce()
        change = FAULTS.get(hour)
        shaken.put_rows(produced if change is None else produced._replace(rows=change(produced.rows)))
        shaken.listener = crash
        with pytest.raises(Crash):
            shaken.settle()
        shaken.listener = None
        shaken.open()
        shaken.settle()
    assert counts(shaken) == counts(calm)
    assert said(shaken.verdicts()) == said(calm.verdicts())
    assert counts(calm)[START + 5 * HOUR]["duplicates"] == 20


def test_rows_that_come_too_late_change_no_verdict_and_are_counted_apart(tmp_path: Path) -> None:
    world = World(tmp_path, ARRIVALS)
    held_back = [world.produce()]
    for _ in range(4):
        land(world)
    before = world.verdicts()
    world.put_rows(held_back[0])
    world.settle()
    assert said(world.verdicts()[: len(before)]) == said(before)
    with world.store.read() as tx:
        assert tx.arrivals(world.name, START, START + HOUR) == {START: {"late": {"rows": 40}}}


def test_how_rows_arrived_is_forgotten_when_no_window_reaches_it(tmp_path: Path) -> None:
    world = World(tmp_path, ARRIVALS, rows_per_hour=2)
    world.land_together(100)
    world.settle()
    with world.store.read() as tx:
        kept = sorted(tx.arrivals(world.name, START, START + 200 * HOUR))
    judged_until = START + 98 * HOUR
    assert judged_until - kept[0] <= timedelta(days=2) + 3 * HOUR
    assert judged_until - kept[0] >= 2 * HOUR
    assert kept[-1] == START + 99 * HOUR


def a_category_of_its_own(rows: pa.Table) -> pa.Table:
    return put(rows, "kind", [f"new-{at}" if at % 2 else "a" for at in range(rows.num_rows)])


def one_value(rows: pa.Table) -> pa.Table:
    return put(rows, "z", np.full(rows.num_rows, 0.125))


def far_away(rows: pa.Table) -> pa.Table:
    return put(rows, "z", [1e9] * rows.num_rows)


def test_faults_that_only_a_reference_shows(tmp_path: Path) -> None:
    world = World(tmp_path, KNOWN)
    land(world)
    assert world.verdicts() == []
    world.install(2.0)
    faults = {
        7: a_category_of_its_own,
        8: one_value,
        9: outliers,
        10: lambda rows: put(rows, "z", [1e9] * 40),
    }
    for hour in range(1, 14):
        land(world, faults.get(hour))
    for name, hours in (("categories", [7]), ("constant", [8, 10]), ("ranges", [10])):
        assert [at for at, one in statuses(world, name).items() if one == "BREACHED"] == hours, name
    assert found(world, "categories")[7].reason == (
        "kind: 50% of 40 values are categories that the reference does not have, 10% is allowed"
    )
    assert "the reference's range" in found(world, "ranges")[10].reason
    assert statuses(world, "categories")[1] == "INCONCLUSIVE"
    assert statuses(world, "categories")[11] == "OK"


def test_segments_are_judged_one_by_one(tmp_path: Path) -> None:
    world = World(tmp_path, SEGMENTS)

    def without_b(rows: pa.Table) -> pa.Table:
        kinds = ["a" if one == "b" else one for one in rows["kind"].to_pylist()]
        return put(rows, "kind", kinds)

    def missing_in_a(rows: pa.Table) -> pa.Table:
        pairs = zip(rows["kind"].to_pylist(), rows["x"].to_pylist(), strict=True)
        return put(rows, "x", [None if kind == "a" else x for kind, x in pairs])

    for hour in range(10):
        land(world, {3: missing_in_a, 5: without_b, 6: without_b, 7: without_b}.get(hour))
    nulls = found(world, "nulls")
    assert [hour for hour, one in nulls.items() if one.status is Status.BREACHED] == [3, 4]
    assert "x [kind=a]" in nulls[3].reason
    assert not any(one.breached for one in nulls[3].features if "kind=b" in one.column)
    volume = {hour: one.reason for hour, one in found(world, "rows").items() if one.status is Status.BREACHED}
    assert list(volume) == [6, 7]
    assert volume[6] == "kind=b: 0 rows in 2h, at least 5 are expected"
    [fresh] = [one for one in world.verdicts() if one.monitor == "fresh" and one.status is Status.BREACHED]
    assert "kind=b: the newest row is 3h" in fresh.reason


def test_a_backlog_sees_the_segments_that_the_stream_saw(tmp_path: Path) -> None:
    def later(rows: pa.Table, hour: int) -> pa.Table:
        kinds = ["new" if one == "c" and hour >= 4 else one for one in rows["kind"].to_pylist()]
        return put(rows, "kind", kinds)

    stream, backlog = World(tmp_path / "stream", SEGMENTS), World(tmp_path / "backlog", SEGMENTS)
    for hour in range(9):
        land(stream, partial(later, hour=hour))
        produced = backlog.produce()
        backlog.put_rows(produced._replace(rows=later(produced.rows, hour)))
    backlog.settle()
    for monitor in ("rows", "nulls"):
        assert said(found(backlog, monitor).values()) == said(found(stream, monitor).values())
    assert found(stream, "rows")[6].reason == "kind=c: 0 rows in 2h, at least 5 are expected"
    known = {
        hour: {one.column for one in verdict.features} for hour, verdict in found(stream, "rows").items()
    }
    assert "rows [kind=new]" in known[6]
    assert "rows [kind=new]" not in known[5]


def test_a_restart_sees_the_same_segments(tmp_path: Path) -> None:
    steady, restarted = World(tmp_path / "steady", SEGMENTS), World(tmp_path / "restarted", SEGMENTS)
    for _ in range(6):
        land(steady)
        land(restarted)
        restarted.open()
    assert said(restarted.verdicts()) == said(steady.verdicts())
    assert len(steady.verdicts()) == 9


ONE_SENDER = policy(
    """\
  types: {type: quality, window: 1h, min_rows: 10, max_type_errors: 0.6, by: kind}
  ids: {type: quality, window: 1h, min_rows: 10, max_duplicates: 0.6, by: kind}
  columns: {type: quality, window: 1h, min_rows: 10, schema: breach, by: kind}
  constant: {type: quality, window: 1h, min_rows: 10, constant: breach, by: kind}
"""
)


def much_instead_of_numbers(rows: pa.Table) -> pa.Table:
    return put(rows, "z", ["much"] * rows.num_rows)


def four_times(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows] * 4)


def without_z(rows: pa.Table) -> pa.Table:
    return rows.drop_columns(["z"])


OF_B: dict[int, Change] = {
    3: much_instead_of_numbers,
    4: four_times,
    5: without_z,
    6: one_value,
}


def land_of_each_sender(world: World, settle: Callable[[World], object] = World.settle) -> None:
    """An hour lands in two files: that of b, in which something may be wrong, after that of all others."""
    produced = world.produce()
    is_b = np.array(produced.rows["kind"].to_pylist()) == "b"
    world.put_rows(produced._replace(rows=produced.rows.filter(pa.array(~is_b))))
    settle(world)
    of_b, change = produced.rows.filter(pa.array(is_b)), OF_B.get(produced.hour)
    pq.write_table(of_b if change is None else change(of_b), file_of_b(world, produced.hour))
    settle(world)


def file_of_b(world: World, hour: int) -> Path:
    return world.folder / "rows" / f"{hour:05d}-b.parquet"


@pytest.fixture(scope="module")
def senders(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("senders"), ONE_SENDER, rows_per_hour=90)
    world.install(2.0)
    for _ in range(10):
        land_of_each_sender(world)
    return world


@pytest.mark.parametrize(
    ("monitor", "hour", "named", "reason"),
    [
        ("types", 3, "z", "none of {} values are numbers: the type has changed"),
        ("ids", 4, "row id", "75% of {} rows repeat an id, 60% is allowed"),
        ("columns", 5, "z", "the column is missing in files with {0} of {0} rows"),
        ("constant", 6, "z", "{} values are one and the same; they varied in the reference"),
    ],
)
def test_only_the_sender_of_what_is_wrong_is_named(
    senders: World, monitor: str, hour: int, named: str, reason: str
) -> None:
    verdicts = found(senders, monitor)
    assert [at for at, one in verdicts.items() if one.status is Status.BREACHED] == [hour]
    breached = {one.column for one in verdicts[hour].features if one.breached}
    assert breached - {named} == {f"{named} [kind=b]"}
    sent = pq.read_metadata(file_of_b(senders, hour)).num_rows
    assert f"{named} [kind=b]: {reason.format(sent)}" in verdicts[hour].reason
    assert verdicts[7].status is Status.OK


def test_crashes_in_the_middle_of_panes_see_the_same_senders(senders: World, tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    def crash(call: str, moment: str, _: tuple[Any, ...]) -> None:
        if (call, moment) in (("row_log.write_rows", "after"), ("row_log.adopt", "before")):
            raise Crash

    def settle_after_a_crash(world: World) -> None:
        world.listener = crash
        with pytest.raises(Crash):
            world.settle()
        world.listener = None
        world.open()
        world.settle()

    shaken = World(tmp_path, ONE_SENDER, rows_per_hour=90)
    shaken.install(2.0)
    for _ in range(10):
        land_of_each_sender(shaken, settle_after_a_crash)
    assert said(shaken.verdicts()) == said(senders.verdicts())


def test_rows_that_came_before_they_were_counted_by_segment_are_not_healthy(tmp_path: Path) -> None:
    without, window = "max_type_errors: 0.5, columns: [z]", "{type: quality, window: 2h, min_rows: 10, "
    world = World(tmp_path, policy(f"  types: {window}{without}}}\n"))
    for _ in range(3):
        land(world)
    world.edit(policy(f"  types: {window}{without}, by: kind}}\n"))
    for _ in range(4):
        land(world)
    verdicts = found(world, "types")
    assert statuses(world, "types") == {0: "OK", **dict.fromkeys((1, 2, 3), "INCONCLUSIVE"), 4: "OK"}
    assert verdicts[3].reason == "how rows arrived by kind is not known: 40 rows came before it was counted"


def test_what_the_reference_does_not_tell_apart_is_not_known_to_vary(tmp_path: Path) -> None:
    few = "{type: drift, window: 2h, min_rows: 30, by: kind, max_segments: 1}"
    constant = "{type: quality, window: 1h, min_rows: 10, constant: breach, by: kind}"
    world = World(tmp_path, policy(f"  inputs: {few}\n  constant: {constant}\n"))
    world.install(2.0)
    for _ in range(12):
        land(world)
    last = found(world, "constant")[9]
    assert last.status is Status.INCONCLUSIVE
    assert last.reason == "constant by kind is not known: the reference does not tell b, a apart"
    assert {"x [kind=c]", "z [kind=c]", "x"} <= {one.column for one in last.features}
    assert not any("kind=b" in one.column for one in last.features)


def test_the_policies_are_what_they_seem() -> None:
    for text in (ARRIVALS, KNOWN, SEGMENTS, ONE_SENDER):
        assert parse_policy(text, Path("clicks.yaml"), {}).policy.monitors


SCHEMA = policy(
    """\
  columns: {type: quality, window: 1h, min_rows: 30, schema: breach, max_null_rate: 0.5, columns: [z, kind]}
"""
)


def test_columns_that_vanish_come_anew_or_change_their_type_cost_no_row(tmp_path: Path) -> None:
    world = World(tmp_path, SCHEMA)
    faults: dict[int, Change] = {
        2: lambda rows: rows.drop_columns(["z"]),
        4: lambda rows: rows.append_column("colour", pa.array(["red"] * rows.num_rows)),
        5: lambda rows: rows.append_column("colour", pa.array(["red"] * rows.num_rows)),
        6: lambda rows: put(rows, "z", [[1.0]] * rows.num_rows),
        8: lambda rows: rows.drop_columns(["x"]),
    }
    for hour in range(11):
        land(world, faults.get(hour))
    reasons = {
        hour: one.reason for hour, one in found(world, "columns").items() if one.status is Status.BREACHED
    }
    assert reasons == {
        2: "z: the column is missing in files with 40 of 40 rows; "
        "z: 100% of 40 values are missing, 50% is allowed",
        4: "colour: is a new column",
        6: "z: none of 40 values are numbers: the type has changed",
    }
    with world.store.read() as tx:
        state, events = tx.ingest_state(world.name), tx.events(world.name)
    assert (state.rows_total, dict(state.rejected_total)) == (440, {})
    assert [one.message for one in events if one.kind == "values_unread"][::-1] == [
        "z: files with 40 rows have no such column; they count as missing",
        "z: not one of 40 values is of the kind numeric: the type has changed; they count as missing",
        "x: files with 40 rows have no such column; they count as missing",
    ]


KINDS = policy(
    """\
  inputs: {type: drift, window: 2h, min_rows: 60, min_effect: 0.3}
  constant: {type: quality, window: 1h, min_rows: 30, constant: breach}
"""
).replace("categorical: [kind]}", "categorical: [kind], boolean: [night], date: [sold], text: [remark]}")


def test_features_of_every_kind_drift_and_have_a_quality(tmp_path: Path) -> None:
    world = World(tmp_path, KINDS)
    world.install(2.0)
    random = np.random.default_rng(1)

    def every_kind(rows: pa.Table, hour: int) -> pa.Table:
        count, odd = rows.num_rows, 12 <= hour < 14
        nights = ["yes"] * count if odd else random.choice(["yes", "no"], count)
        days = random.integers(0, 30, count) + (90 if odd else 0)
        words = ["a longer remark than before"] * count if odd else random.choice(["fine", "bad"], count)
        rows = rows.append_column("night", pa.array(nights)).append_column("remark", pa.array(words))
        sold = [(START + timedelta(days=int(day))).date() for day in days]
        return rows.append_column("sold", pa.array(sold))

    for hour in range(17):
        land(world, partial(every_kind, hour=hour))
    inputs, constant = found(world, "inputs"), found(world, "constant")
    named = {one.column for one in inputs[13].features}
    assert {"x", "kind", "night", "sold", "remark.length", "remark.words"} <= named
    breached = {one.column for one in inputs[13].features if one.breached}
    assert {"night", "sold", "remark.length"} <= breached
    assert not {"x", "z", "kind"} & breached
    assert inputs[11].status is Status.OK
    assert [hour for hour, one in constant.items() if one.status is Status.BREACHED] == [12, 13]
    assert constant[12].reason == "night: 40 values are one and the same; they varied in the reference"
