"""What every source promises: each row once, from a cursor that is JSON, whatever the limit.

A new source adds a builder to ``SOURCES``; it gets a folder and gives a way to add rows, and to open it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from ctrain.domain import Json
from ctrain.domain.pushes import PushKind
from ctrain.ports import Source
from ctrain.sources.push_body import ARROW, JSON
from ctrain.sources.push_spool import Sent
from tests.parquet_rows import START, build_rows, drain, ids_of, open_files
from tests.support.pushes import FLIGHTS, NOW, Door, body_of
from tests.text_rows import append_rows, write_rows


@dataclass(frozen=True)
class Rig:
    """Somewhere rows arrive, and a source that reads them; ``open`` is a restart."""

    add: Callable[[Sequence[str]], object]
    open: Callable[[], Source]


def files(ending: str, folder: Path) -> Rig:
    """A new file for whatever arrives."""
    arrived: list[Sequence[str]] = []

    def add(ids: Sequence[str]) -> None:
        table = build_rows(ids, start=START + timedelta(hours=len(arrived)))
        arrived.append(ids)
        write_rows(folder / f"rows/{len(arrived):03}.{ending}", table)

    return Rig(add, lambda: open_files(folder))


def growing(ending: str, folder: Path) -> Rig:
    """One file that grows."""
    arrived: list[Sequence[str]] = []

    def add(ids: Sequence[str]) -> None:
        table = build_rows(ids, start=START + timedelta(hours=len(arrived)))
        arrived.append(ids)
        append_rows(folder / f"rows/app.{ending}", table)

    return Rig(add, lambda: open_files(folder))


def pushed(media: str, folder: Path) -> Rig:
    """Batches that are sent, each read as it was answered for."""
    door = Door(folder)
    arrived: list[Sequence[str]] = []

    def add(ids: Sequence[str]) -> None:
        table = build_rows(ids, start=START + timedelta(hours=len(arrived)))
        arrived.append(ids)
        sent = Sent(media, body_of(table, media), f"batch {len(arrived)}")
        assert door.spool.take(FLIGHTS, PushKind.ROWS, sent, NOW).rows == len(ids)

    return Rig(add, door.source)


SOURCES: dict[str, Callable[[Path], Rig]] = {
    **{f"files-{one}": partial(files, one) for one in ("parquet", "csv", "csv.gz", "jsonl", "jsonl.zst")},
    **{f"growing-{one}": partial(growing, one) for one in ("csv", "csv.zst", "jsonl", "ndjson.gz")},
    **{f"pushed-{one}": partial(pushed, one) for one in (JSON, "application/x-ndjson", ARROW)},
}


@pytest.fixture(params=SOURCES)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    return SOURCES[request.param](tmp_path)


def test_nothing_there_is_an_empty_read(rig: Rig) -> None:
    read = rig.open().read({}, 100)
    assert (read.batches, read.rejected, read.more) == ((), (), False)


def test_rows_come_once_and_in_order(rig: Rig) -> None:
    rig.add(["1", "2"])
    rig.add(["3"])
    source = rig.open()
    reads, cursor = drain(source, {})
    assert [one for read in reads for one in ids_of(read)] == ["1", "2", "3"]
    assert ids_of(source.read(cursor, 100)) == []
    rig.add(["4"])
    assert ids_of(source.read(cursor, 100)) == ["4"]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_limit_is_kept_and_more_says_that_there_is_more(rig: Rig, limit: int) -> None:
    rig.add([str(at) for at in range(10)])
    rig.add([str(at) for at in range(10, 13)])
    reads, _ = drain(rig.open(), {}, limit)
    assert all(len(ids_of(read)) <= limit for read in reads)
    assert [one for read in reads for one in ids_of(read)] == [str(at) for at in range(13)]
    assert [read.more for read in reads] == [True] * (len(reads) - 1) + [False]


@pytest.mark.parametrize("limit", [1, 4, 5])
def test_a_restart_goes_on_where_the_cursor_stands(rig: Rig, limit: int) -> None:
    rig.add([str(at) for at in range(9)])
    rig.add(["9", "10"])
    cursor: Json = {}
    found: list[str] = []
    more = True
    while more:
        read = rig.open().read(cursor, limit)
        cursor, more = json.loads(json.dumps(read.cursor)), read.more
        found += ids_of(read)
    assert found == [str(at) for at in range(11)]


def test_an_older_cursor_gives_the_same_rows_again(rig: Rig) -> None:
    rig.add(["1", "2", "3"])
    source = rig.open()
    first = source.read({}, 2)
    source.read(first.cursor, 2)
    assert ids_of(source.read({}, 2)) == ids_of(first)
    assert ids_of(source.read(first.cursor, 2)) == ["3"]


def test_a_read_with_nothing_new_changes_no_cursor(rig: Rig) -> None:
    rig.add(["1"])
    source = rig.open()
    cursor = json.loads(json.dumps(source.read({}, 100).cursor))
    assert source.read(cursor, 100).cursor == cursor
    assert rig.open().read(cursor, 100).cursor == cursor


def test_batches_say_where_their_rows_lie(rig: Rig) -> None:
    rig.add(["1", "2", "3"])
    reads, _ = drain(rig.open(), {}, 2)
    places = [
        (batch.path, batch.first_row + at)
        for read in reads
        for batch in read.batches
        for at in range(batch.table.num_rows)
    ]
    assert len(set(places)) == 3
