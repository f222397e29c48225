"""What was answered for is read once: whoever sends, however often, and whenever somebody is killed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import IngestState, Json, PolicyName
from ctrain.errors import InputError, TransientError
from ctrain.faults.points import CALLS
from ctrain.sources.push_files import SpoolFiles, read_label
from ctrain.sources.push_refusals import (
    BadBatch,
    DiskFull,
    NoSuchPolicy,
    NotPushed,
    OtherBatch,
    SpoolFull,
)
from ctrain.sources.push_spool import DOUBT_SECONDS, LOOK_SECONDS, MOST_ID, Sent, Spool, Taken
from ctrain.sources.push_sweep import sweep_spool
from tests.support.pushes import FLIGHTS, LABELS, NOW, ROWS, Door, faulty, pushed_data, row

ROOT = Path(__file__).parents[3]
STEPS = [f"spool.{step}:{moment}" for step in CALLS["spool"] for moment in ("before", "after")]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [one["flight_id"] for one in rows]


def test_a_batch_is_taken_and_read_once(tmp_path: Path) -> None:
    door = Door(tmp_path)
    assert door.push([row("a"), row("b")]) == Taken("b1", 2, repeated=False)
    assert door.push([row("c")], "b2") == Taken("b2", 1, repeated=False)
    assert sorted(ids(door.read())) == ["a", "b", "c"]
    assert door.push([row("a"), row("b")]) == Taken("b1", 2, repeated=True)
    assert door.read() == []


def test_labels_have_ids_of_their_own(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.push(row("a"))
    assert not door.push({"flight_id": "a", "delayed": 1}, kind=LABELS).repeated
    assert door.read(kind=LABELS) == [{"flight_id": "a", "delayed": 1}]


def test_another_batch_of_the_same_id_is_refused(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.push(row("a"))
    with pytest.raises(OtherBatch, match="another batch was sent under the id 'b1'"):
        door.push(row("b"))
    assert ids(door.read()) == ["a"]


def test_an_id_may_stand_in_the_body_and_must_stand_somewhere(tmp_path: Path) -> None:
    door = Door(tmp_path)
    assert door.push({"batch_id": "x", "rows": [row("a")]}, None).batch_id == "x"
    assert door.push({"batch_id": "x", "rows": [row("a")]}, "x").repeated
    refused = {
        "has no id": (row(), None),
        "differ": ({"batch_id": "x", "rows": [row()]}, "y"),
        f"at most {MOST_ID}": (row(), "i" * (MOST_ID + 1)),
        "printable": (row(), "a\nb"),
    }
    for message, (body, batch_id) in refused.items():
        with pytest.raises(BadBatch, match=message):
            door.push(body, batch_id)
    assert len(door.files()) == 1


def test_no_id_and_no_name_leads_out_of_the_spool(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.push(row("a"), "../../../x")
    assert [one.name for one in tmp_path.iterdir()] == ["push"]
    assert ids(door.read()) == ["a"]
    for name in ("..", "../flights", "flights/rows", "", "a" * 64, ".hidden", "fl\nights"):
        with pytest.raises(NoSuchPolicy, match="is no name of a policy"):
            door.spool.take(PolicyName(name), ROWS, Sent("application/json", b"{}", "b"), NOW)


def test_who_takes_nothing_is_told_why(tmp_path: Path) -> None:
    door = Door(tmp_path, pushed_data({"type": "files", "path": "rows"}))
    with pytest.raises(NoSuchPolicy, match="there is no policy others here"):
        door.spool.take(PolicyName("others"), ROWS, Sent("application/json", b"{}", "b"), NOW)
    with pytest.raises(NotPushed, match=r"flights takes no rows over HTTP: its data\.source is not"):
        door.push(row())
    assert door.push({"flight_id": "a", "delayed": 1}, kind=LABELS).rows == 1
    door.places.close(FLIGHTS)
    with pytest.raises(NotPushed, match=r"takes no labels over HTTP: its data\.labels\.source is not"):
        door.push({"flight_id": "b", "delayed": 1}, "b2", LABELS)


def test_the_policy_in_force_judges(tmp_path: Path) -> None:
    door = Door(tmp_path)
    contract = door.places.contract(FLIGHTS)
    assert contract == door.contract
    (door.root / "flights" / "contract.json").write_text("{}")
    with pytest.raises(TransientError, match="what the policy takes cannot be read"):
        door.push(row())


def test_a_refused_batch_leaves_nothing_and_may_be_sent_again(tmp_path: Path) -> None:
    door = Door(tmp_path)
    with pytest.raises(InputError, match="row 1: column 'distance' holds 'far', expected a number"):
        door.push([row("a"), row("b", distance="far")])
    assert (door.files(), list(door.places.incoming(FLIGHTS).iterdir())) == ([], [])
    assert not door.push([row("a"), row("b", distance=2)]).repeated


def test_senders_at_the_same_time_agree_on_one(tmp_path: Path) -> None:
    door = Door(tmp_path)
    gate = threading.Barrier(8)

    def send(number: int) -> Taken | str:
        spool = Spool(door.places, door.store, door.timer)  # a process of its own shares no lock
        body = json.dumps(row(f"s{number % 2}")).encode()
        gate.wait()
        try:
            return spool.take(FLIGHTS, ROWS, Sent("application/json", body, "same"), NOW)
        except OtherBatch:
            return "other"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    fresh = [one for one in answers if isinstance(one, Taken) and not one.repeated]
    assert (len(fresh), answers.count("other"), len(door.files())) == (1, 4, 1)
    assert len(door.read()) == 1


@pytest.fixture(scope="module")
def killed_at(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each step a spool whose sender was killed there, as ``kill -9`` does.

    They are forks of one process that has imported everything and started no thread.
    """
    folders = {step: tmp_path_factory.mktemp("killed") for step in STEPS}
    script = f"""
import os, sys
from tests.support.pushes import Door, faulty, row
for step, folder in {[(step, str(folder)) for step, folder in folders.items()]}:
    if os.fork() == 0:
        Door(__import__("pathlib").Path(folder), files=faulty(step + "=kill")).push([row("a"), row("b")])
        os._exit(0)
    print(os.WTERMSIG(os.wait()[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == [str(int(signal.SIGKILL))] * len(STEPS), done.stderr
    return folders


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_neither_loses_nor_doubles_a_row(killed_at: dict[str, Path], step: str) -> None:
    again = Door(killed_at[step])
    seen = again.read()
    answer = again.push([row("a"), row("b")])
    assert answer.repeated == (STEPS.index(step) >= STEPS.index("spool.publish:after"))
    assert sorted(ids(seen + again.read())) == ["a", "b"]
    assert again.push([row("a"), row("b")]).repeated


@pytest.mark.parametrize("step", [one for one in STEPS if not one.startswith("spool.delete")])
def test_a_step_that_fails_is_no_answer_and_is_made_good(tmp_path: Path, step: str) -> None:
    door = Door(tmp_path, files=faulty(f"{step}=transient"))
    with pytest.raises(TransientError, match="injected"):
        door.push(row("a"))
    door.push(row("a"))
    assert ids(door.read()) == ["a"]
    assert [one for one in door.places.incoming(FLIGHTS).iterdir() if "write:after" not in step] == []


def read_and_age(door: Door, by: timedelta = timedelta(hours=1)) -> None:
    door.read()
    for path in door.files():
        written = (NOW - by).timestamp()
        os.utime(path, (written, written))


def test_what_was_read_is_deleted_and_still_known(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.push([row("a"), row("b")])
    read_and_age(door, timedelta(minutes=14))
    assert sweep_spool(door.places, door.contract, door.store, NOW) == 0
    read_and_age(door, timedelta(minutes=16))
    assert sweep_spool(door.places, door.contract, door.store, NOW) == 1
    assert door.files() == []
    assert door.push([row("a"), row("b")]) == Taken("b1", 2, repeated=True)
    with pytest.raises(OtherBatch):
        door.push(row("c"))
    assert (door.read(), door.files()) == ([], [])


def test_an_id_is_forgotten_after_a_while(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.push(row("a"))
    read_and_age(door)
    sweep_spool(door.places, door.contract, door.store, NOW)
    sweep_spool(door.places, door.contract, door.store, NOW + timedelta(days=6, hours=22))
    assert door.push(row("a")).repeated
    sweep_spool(door.places, door.contract, door.store, NOW + timedelta(days=7))
    assert not door.push(row("a")).repeated
    assert ids(door.read()) == ["a"], "what is answered for anew is read anew"


def test_what_comes_under_a_forgotten_id_counts_as_unread(tmp_path: Path) -> None:
    door = Door(tmp_path, pushed_data({"type": "push", "max_unread": 1}))
    door.push(row("a"))
    read_and_age(door)
    sweep_spool(door.places, door.contract, door.store, NOW + timedelta(days=7))
    door.timer.seconds += LOOK_SECONDS
    assert not door.push(row("a")).repeated
    door.timer.seconds += LOOK_SECONDS
    with pytest.raises(SpoolFull):
        door.push(row("b"), "b2")
    door.read()
    os.utime(door.files()[0], (0, 0))  # touched, and read all the same
    door.timer.seconds += LOOK_SECONDS
    door.push(row("b"), "b2")


def test_what_has_not_been_read_to_its_end_is_never_deleted(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.push([row(str(at)) for at in range(5)])
    table_of_five = door.files()[0]
    first = door.source().read({}, 2)
    os.utime(table_of_five, (0, 0))
    assert sweep_spool(door.places, door.contract, door.store, NOW) == 0
    door.store.state = type(door.store.state)(rows_cursor=first.cursor)
    swept = sweep_spool(door.places, door.contract, door.store, NOW)
    assert swept == (0 if first.more else 1)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_sweep_that_is_cut_short_loses_no_id(tmp_path: Path, moment: str) -> None:
    door = Door(tmp_path)
    door.push(row("a"))
    read_and_age(door)
    with pytest.raises(TransientError, match="injected"):
        sweep_spool(door.places, door.contract, door.store, NOW, faulty(f"spool.delete:{moment}=transient"))
    assert door.push(row("a")).repeated
    sweep_spool(door.places, door.contract, door.store, NOW)
    assert door.push(row("a")).repeated
    assert door.read() == []


def test_what_a_sender_left_half_written_is_swept_after_an_hour(tmp_path: Path) -> None:
    door = Door(tmp_path)
    for name, minutes in (("old", 61), ("new", 59)):
        path = door.places.incoming(FLIGHTS) / f"{name}.partial"
        path.write_bytes(b"PAR1")
        written = (NOW - timedelta(minutes=minutes)).timestamp()
        os.utime(path, (written, written))
    sweep_spool(door.places, door.contract, door.store, NOW)
    assert [one.name for one in door.places.incoming(FLIGHTS).iterdir()] == ["new.partial"]


def test_senders_wait_while_too_much_is_unread(tmp_path: Path) -> None:
    door = Door(tmp_path, pushed_data({"type": "push", "max_unread": 5000}))
    door.push([row(str(at), carrier="A" * at) for at in range(100)], "b0")
    size = door.files()[0].stat().st_size
    for number in range(1, 1 + 5000 // size):
        door.push([row(str(at), carrier="A" * at) for at in range(100)], f"b{number}")
    with pytest.raises(SpoolFull, match=r"bytes of rows wait to be read, 5000 may \(max_unread\)") as full:
        door.push(row("new"), "new")
    assert full.value.retry_in.total_seconds() == 10
    repeated = door.push([row(str(at), carrier="A" * at) for at in range(100)], "b0").repeated
    assert repeated, "who asks again what became of a batch is answered"
    door.read()
    door.timer.seconds += LOOK_SECONDS
    door.push(row("new"), "new")


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**8))
    with pytest.raises(DiskFull, match="100 MB are free"):
        door.push(row())
    monkeypatch.undo()

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DiskFull, match="No space left"):
        door.push(row())
    monkeypatch.undo()
    assert (door.files(), list(door.places.incoming(FLIGHTS).iterdir())) == ([], [])


def test_who_took_too_long_asks_again(tmp_path: Path) -> None:
    class Slow(SpoolFiles):
        def write(self, *given: Any) -> None:
            super().write(*given)
            door.timer.seconds += DOUBT_SECONDS + 1

    door = Door(tmp_path, files=Slow())
    with pytest.raises(TransientError, match="the disk was too slow"):
        door.push(row())
    assert (door.files(), list(door.places.incoming(FLIGHTS).iterdir())) == ([], [])


def test_a_file_that_is_none_of_ours_is_no_batch(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.push(row("a"))
    (path,) = door.files()
    path.write_bytes(b"PAR1")
    with pytest.raises(TransientError, match="no batch that was pushed"):
        read_label(path)
    with pytest.raises(TransientError):
        door.push(row("a"))


def test_a_source_that_stays_open_reads_on_while_files_go(tmp_path: Path) -> None:
    door = Door(tmp_path)
    source = door.source()
    seen: list[Any] = []
    cursor: Json = {}
    for number in range(6):
        door.push(row(f"r{number}"), f"b{number}")
        assert source.has_unread(cursor)
        read = source.read(cursor, 100)
        cursor = read.cursor
        seen += [one for batch in read.batches for one in batch.table["flight_id"].to_pylist()]
        door.store.state = IngestState(rows_cursor=cursor)
        for path in door.files():
            os.utime(path, (NOW.timestamp() - 3600, NOW.timestamp() - 3600))
        assert sweep_spool(door.places, door.contract, door.store, NOW) == 1
        assert (source.read(cursor, 100).batches, source.read(cursor, 100).rejected) == ((), ())
    assert seen == [f"r{number}" for number in range(6)]


def test_labels_are_read_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    """Of two labels of a row the later one counts, whatever their batches are called."""
    door = Door(tmp_path)
    for number in range(20):
        door.push({"flight_id": "a", "delayed": number % 2, "note": number}, f"b{number}", LABELS)
    first, rest = door.read(7, LABELS), door.read(100, LABELS)
    assert [one["delayed"] for one in first + rest] == [number % 2 for number in range(20)]


def test_a_file_whose_name_is_known_and_whose_content_is_not_is_kept(tmp_path: Path) -> None:
    door = Door(tmp_path)
    door.push(row("a"))
    door.push(row("b"), "b2")
    first, second = door.files()
    door.read()
    first.write_bytes(second.read_bytes())
    for path in door.files():
        os.utime(path, (NOW.timestamp() - 3600, NOW.timestamp() - 3600))
    assert sweep_spool(door.places, door.contract, door.store, NOW) == 1
    assert door.files() == [first]
