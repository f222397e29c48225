"""History is revealed at its time, once, and without what nobody knew then."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ctrain.backtest.clock import VirtualClock, VirtualTimer
from ctrain.backtest.history import BEGINNING, RevealedSource, Stretch, load_history
from ctrain.domain import Json
from ctrain.errors import InputError
from ctrain.policy.files import parse_policy
from ctrain.rows.instants import as_microseconds
from tests.support.backtests import HOUR, POLICY, START, make_rows, write_history

SEPARATE = POLICY.replace(
    "labels: {label: y, matures_after: 2h}",
    "labels: {source: {type: files, path: labels/*.parquet}, id: key, label: y, matures_after: 2h}",
)


def read_until(source: RevealedSource, cursor: Json, limit: int = 1_000_000) -> tuple[pa.Table, Json]:
    """All that the source shows now, in as many reads as it takes."""
    tables = []
    while True:
        read = source.read(cursor, limit)
        tables += [batch.table for batch in read.batches]
        cursor = read.cursor
        if not read.more:
            return pa.concat_tables(tables) if tables else pa.table({}), cursor


def test_rows_appear_at_their_event_time_and_once(tmp_path: Path) -> None:
    loaded = write_history(tmp_path, make_rows(10, 99))
    clock = VirtualClock(START + 2 * HOUR)
    source = RevealedSource(load_history(loaded.policy, loaded.folder).rows, clock)
    first, cursor = read_until(source, {})
    assert pc.max(first["t"]).as_py() == 2.0
    assert read_until(source, cursor)[0].num_rows == 0
    clock.move_to(START + 4 * HOUR)
    second, _ = read_until(source, cursor)
    assert (pc.min(second["t"]).as_py(), pc.max(second["t"]).as_py()) == (2.05, 4.0)


def test_a_limit_loses_and_repeats_nothing(tmp_path: Path) -> None:
    rows = make_rows(10, 99)
    loaded = write_history(tmp_path, rows.take(list(range(rows.num_rows))[::-1]))
    source = RevealedSource(load_history(loaded.policy, loaded.folder).rows, VirtualClock(START + 20 * HOUR))
    shown, _ = read_until(source, {}, limit=7)
    assert shown["id"].to_pylist() == rows["id"].to_pylist()


def test_labels_in_the_rows_own_table_come_when_they_have_matured(tmp_path: Path) -> None:
    loaded = write_history(tmp_path, make_rows(10, 99))
    history = load_history(loaded.policy, loaded.folder)
    clock = VirtualClock(START + 5 * HOUR)
    rows, _ = read_until(RevealedSource(history.rows, clock), {})
    labels, _ = read_until(RevealedSource(history.labels, clock), {})
    assert rows["y"].null_count == rows.num_rows
    assert set(labels["id"].to_pylist()) == {str(number) for number in range(3 * 20 + 1)}


def test_logged_scores_are_those_of_other_models(tmp_path: Path) -> None:
    loaded = write_history(tmp_path, make_rows(10, 99))
    source = RevealedSource(load_history(loaded.policy, loaded.folder).rows, VirtualClock(START + 20 * HOUR))
    rows, _ = read_until(source, {})
    assert rows["score"].null_count == rows.num_rows


def test_labels_of_a_table_of_their_own_wait_for_their_row_and_maturity(tmp_path: Path) -> None:
    rows = make_rows(10, 99)
    (tmp_path / "labels").mkdir()
    labels = pa.table({"key": [*rows["id"].to_pylist(), "unknown"], "y": [*rows["y"].to_pylist(), 1.0]})
    pq.write_table(labels, tmp_path / "labels" / "1.parquet")
    pq.write_table(rows.drop_columns(["y"]), tmp_path / "rows.parquet")
    policy = parse_policy(SEPARATE, tmp_path / "clicks.yaml", {}).policy
    history = load_history(policy, tmp_path)
    shown, _ = read_until(RevealedSource(history.labels, VirtualClock(START + 4 * HOUR)), {})
    assert set(shown["key"].to_pylist()) == {str(number) for number in range(41)}
    assert history.known["label"].null_count == 0


def test_the_first_of_a_repeated_id_and_its_last_label_are_judged_by(tmp_path: Path) -> None:
    rows = make_rows(3, 99).slice(0, 4)
    again = rows.slice(0, 1).set_column(2, "x", pa.array([99.0]))
    loaded = write_history(tmp_path, pa.concat_tables([rows, again]))
    known = load_history(loaded.policy, loaded.folder).known
    assert known.num_rows == 4
    assert known["x"][0].as_py() == rows["x"][0].as_py()


def test_what_is_set_aside_is_told(tmp_path: Path) -> None:
    loaded = write_history(tmp_path, make_rows(3, 99), POLICY.replace("rows.parquet", "'*.parquet'"))
    pq.write_table(pa.table({"other": [1]}), tmp_path / "broken.parquet")
    assert "broken.parquet" in " ".join(load_history(loaded.policy, loaded.folder).set_aside)
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(InputError, match=r"there is no row to replay; .*broken\.parquet"):
        load_history(loaded.policy, loaded.folder)


def test_rows_that_cannot_be_used_are_counted_by_their_reasons(tmp_path: Path) -> None:
    rows = make_rows(3, 99)
    ids = pa.array([None, None, *rows["id"].to_pylist()[2:]])
    loaded = write_history(tmp_path, rows.set_column(0, "id", ids))
    assert load_history(loaded.policy, loaded.folder).set_aside == ("2 rows (null id)",)
    loaded = write_history(tmp_path, rows.set_column(0, "id", pa.nulls(60, pa.string())))
    with pytest.raises(InputError, match=r"there is no row to replay; 60 rows \(null id\)"):
        load_history(loaded.policy, loaded.folder)


def test_labels_that_cannot_be_used_are_counted_by_their_reasons(tmp_path: Path) -> None:
    rows = make_rows(3, 99)
    (tmp_path / "labels").mkdir()
    labels = pa.table({"key": rows["id"].to_pylist(), "y": ["perhaps", *map(str, rows["y"].to_pylist()[1:])]})
    pq.write_table(labels, tmp_path / "labels" / "1.parquet")
    pq.write_table(rows.drop_columns(["y"]), tmp_path / "rows.parquet")
    policy = parse_policy(SEPARATE, tmp_path / "clicks.yaml", {}).policy
    assert load_history(policy, tmp_path).set_aside == ("1 label (bad value)",)


def test_what_has_not_happened_is_no_history(tmp_path: Path) -> None:
    """One row of a wrong clock would make history last for decades."""
    rows = make_rows(3, 99)
    instants = [START + 900_000 * HOUR, *rows["at"].to_pylist()[1:]]
    wrong = rows.set_column(1, "at", pa.array(instants, pa.timestamp("us", "UTC")))
    loaded = write_history(tmp_path, wrong)
    history = load_history(loaded.policy, loaded.folder, now=START + 24 * HOUR)
    assert history.last_at == rows["at"][-1].as_py()
    assert history.set_aside == ("1 row (future time)",)


def test_no_row_is_no_history(tmp_path: Path) -> None:
    loaded = write_history(tmp_path, make_rows(3, 99).slice(0, 0))
    with pytest.raises(InputError, match="there is no row to replay"):
        load_history(loaded.policy, loaded.folder)


def test_virtual_time_goes_forward_only() -> None:
    clock = VirtualClock(START)
    timer = VirtualTimer(clock)
    before = timer.monotonic()
    clock.move_to(START + timedelta(seconds=5))
    assert timer.monotonic() - before == 5.0
    assert timer.now() == clock.now()
    with pytest.raises(ValueError, match="is before"):
        clock.move_to(START)


def test_a_new_column_comes_with_the_first_event_of_its_file(tmp_path: Path) -> None:
    """Rows without an instant come first, and say nothing of when."""
    times = pa.array([None, START + HOUR, START + 3 * HOUR], pa.timestamp("us", tz="UTC"))
    appears = np.array([BEGINNING, *(as_microseconds(START + at * HOUR) for at in (1, 3))])
    stretch = Stretch(pa.table({"t": times}), appears, "b.parquet", ("colour",))
    clock = VirtualClock(START)
    source = RevealedSource([stretch], clock)
    cursor: Json = {}
    found: list[tuple[int, tuple[str, ...]]] = []
    for hours in (0, 2, 4):
        clock.move_to(START + hours * HOUR)
        read = source.read(cursor, 100)
        found += [(batch.table.num_rows, tuple(batch.new_columns)) for batch in read.batches]
        cursor = read.cursor
    assert found == [(1, ()), (1, ("colour",)), (1, ())]
