"""A file that comes wakes the tick of its policy; whatever goes wrong with that leaves polling as it is."""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ctrain.app.folder_plan import Plan, plan_watching, remote_mounts
from ctrain.app.watching import DELETED, REST, RETRY_SECONDS, Changes, FolderWatch, Notify
from ctrain.clocks import RealTimer
from ctrain.domain import PolicyName
from ctrain.engine.watch import Watch
from ctrain.sources.listing import Listing
from tests.support.fakes import QuietTelemetry

ADS, BIDS = PolicyName("ads"), PolicyName("bids")
PATIENCE_SECONDS = 20.0
ADDED = 1


class Folders:
    """A source of the files that match a pattern, of which only the names matter."""

    def __init__(self, base: Path, pattern: str) -> None:
        self.listing = Listing(pattern, base)

    def folders(self) -> list[str]:
        return self.listing.folders()

    def concerns(self, path: str) -> bool:
        return self.listing.may_match(path)


def watch_of(rows: object, labels: object = None) -> Watch:
    return cast(Watch, SimpleNamespace(rows_source=rows, labels_source=labels))


class Woken:
    """A fake queue of ticks over a real watch of real folders."""

    def __init__(self) -> None:
        self.watches: dict[PolicyName, Watch] = {}
        self.ticks: queue.Queue[PolicyName] = queue.Queue()
        self.telemetry = QuietTelemetry()
        self.folders: FolderWatch | None = None

    def start(self, **changes: Any) -> None:
        timer = changes.pop("timer", RealTimer())
        self.folders = FolderWatch(
            lambda: dict(self.watches), self.ticks.put, timer, self.telemetry, refresh_seconds=0.05, **changes
        )
        self.folders.start()

    def next(self) -> PolicyName:
        return self.ticks.get(timeout=PATIENCE_SECONDS)


@pytest.fixture
def woken() -> Iterator[Woken]:
    woken = Woken()
    yield woken
    if woken.folders is not None:
        woken.folders.stop()


def move_in(folder: Path, name: str) -> None:
    """A file that is whole when it appears, as writers are asked to make it."""
    (folder / f".{name}").write_text("rows")
    (folder / f".{name}").rename(folder / name)


def test_a_file_wakes_its_policy_and_no_other(woken: Woken, tmp_path: Path) -> None:
    for name in (ADS, BIDS):
        (tmp_path / name).mkdir()
        woken.watches[name] = watch_of(Folders(tmp_path, f"{name}/*.parquet"))
    woken.start()
    assert {woken.next(), woken.next()} == {ADS, BIDS}, "something may have come before they were watched"
    move_in(tmp_path / BIDS, "1.parquet")
    assert woken.next() == BIDS
    move_in(tmp_path / ADS, "1.parquet")
    assert woken.next() == ADS


def test_labels_wake_as_rows_do(woken: Woken, tmp_path: Path) -> None:
    for name in ("rows", "labels"):
        (tmp_path / name).mkdir()
    woken.watches[ADS] = watch_of(Folders(tmp_path, "rows"), Folders(tmp_path, "labels"))
    woken.start()
    woken.next()
    move_in(tmp_path / "labels", "1.csv")
    assert woken.next() == ADS


def test_policies_that_share_a_folder_are_woken_by_their_own_files(woken: Woken, tmp_path: Path) -> None:
    for name in (ADS, BIDS):
        woken.watches[name] = watch_of(Folders(tmp_path, f"{name}-*.parquet"))
    woken.start()
    assert {woken.next(), woken.next()} == {ADS, BIDS}
    move_in(tmp_path, "bids-1.parquet")
    assert woken.next() == BIDS
    move_in(tmp_path, "ads-1.parquet")
    assert woken.next() == ADS


def test_a_folder_that_does_not_exist_yet_is_watched_once_it_does(woken: Woken, tmp_path: Path) -> None:
    woken.watches[ADS] = watch_of(Folders(tmp_path, "a/b/*.parquet"))
    woken.start()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert woken.next() == ADS
    move_in(tmp_path / "a" / "b", "1.parquet")
    assert woken.next() == ADS


def test_a_folder_that_was_replaced_and_a_link_that_was_turned_are_watched_anew(
    woken: Woken, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "first")
    woken.watches[ADS] = watch_of(Folders(tmp_path, "current/*.parquet"))
    woken.start()
    woken.next()
    (tmp_path / "next").symlink_to(tmp_path / "second")
    (tmp_path / "next").rename(tmp_path / "current")
    assert woken.next() == ADS
    move_in(tmp_path / "second", "1.parquet")
    assert woken.next() == ADS


def test_a_new_partition_wakes_and_so_do_the_files_in_it(woken: Woken, tmp_path: Path) -> None:
    source = Folders(tmp_path, "*/*.parquet")
    woken.watches[ADS] = watch_of(source)
    woken.start()
    woken.next()
    (tmp_path / "dt=1").mkdir()
    assert woken.next() == ADS
    source.listing.files()  # the tick looks, and knows the folder from now on
    assert woken.next() == ADS
    move_in(tmp_path / "dt=1", "1.parquet")
    assert woken.next() == ADS


def test_policies_that_come_are_watched_and_those_that_go_are_not(woken: Woken, tmp_path: Path) -> None:
    for name in (ADS, BIDS):
        (tmp_path / name).mkdir()
    woken.watches[ADS] = watch_of(Folders(tmp_path, "ads"))
    woken.start()
    assert woken.next() == ADS
    woken.watches[BIDS] = watch_of(Folders(tmp_path, "bids"))
    assert woken.next() == BIDS
    del woken.watches[ADS]
    woken.watches[PolicyName("third")] = watch_of(Folders(tmp_path, "ads"))
    assert woken.next() == "third"
    move_in(tmp_path / ADS, "1.parquet")
    assert woken.next() == "third"


class Scripted:
    """A watch that tells what it is told to tell, and remembers for which folders it was opened."""

    def __init__(self, *answers: Changes | Exception) -> None:
        self.answers = list(answers)
        self.opened: list[list[str]] = []
        self.told_all = threading.Event()
        self.closed = 0

    def open(self, folders: list[str]) -> Notify:
        self.opened.append(folders)
        return self

    def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: object) -> Changes:
        if stop_event is None or not self.answers:
            self.told_all.set()
            return "timeout"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed += 1


def test_a_burst_of_files_is_one_wake(woken: Woken, tmp_path: Path) -> None:
    woken.watches[ADS] = watch_of(Folders(tmp_path, "*.csv"))
    scripted = Scripted({(ADDED, f"{tmp_path}/{number}.csv") for number in range(500)})
    woken.start(open_notify=scripted.open)
    assert scripted.told_all.wait(PATIENCE_SECONDS)
    assert list(woken.ticks.queue) == [ADS, ADS], "one because the folder is new, and one for the burst"


@pytest.mark.parametrize("name", [".hidden.csv", "_temporary.csv", "notes.txt", "a.csv.part"])
def test_what_is_no_data_wakes_nobody(tmp_path: Path, name: str) -> None:
    plan = plan_watching({ADS: watch_of(Folders(tmp_path, "*.csv"))})
    assert plan.woken_by([f"{tmp_path}/{name}"]) == set()
    assert plan.woken_by([f"{tmp_path}/{name}", f"{tmp_path}/a.csv"]) == {ADS}


def test_what_was_deleted_wakes_nobody(woken: Woken, tmp_path: Path) -> None:
    woken.watches[ADS] = watch_of(Folders(tmp_path, "*.csv"))
    scripted = Scripted({(DELETED, f"{tmp_path}/a.csv")})
    woken.start(open_notify=scripted.open)
    assert scripted.told_all.wait(PATIENCE_SECONDS)
    assert list(woken.ticks.queue) == [ADS]


def test_a_watch_that_breaks_is_opened_anew(woken: Woken, tmp_path: Path) -> None:
    woken.watches[ADS] = watch_of(Folders(tmp_path, "*.csv"))
    scripted = Scripted(RuntimeError("the watch broke"), {(ADDED, f"{tmp_path}/a.csv")})
    woken.start(open_notify=scripted.open)
    assert scripted.told_all.wait(PATIENCE_SECONDS)
    assert len(scripted.opened) == 2
    assert scripted.closed >= 1
    assert [event for event, _ in woken.telemetry.logged] == ["folder_watch_failed"]


class MinuteTimer(RealTimer):
    """Real time, a minute of which passes at each look."""

    seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += RETRY_SECONDS
        return self.seconds


class LaboriousTimer(RealTimer):
    """Time that passes while folders are looked up, and while nothing comes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def test_looking_up_many_folders_is_followed_by_a_longer_rest(woken: Woken, tmp_path: Path) -> None:
    timer, begun = LaboriousTimer(), list[float]()

    class Many(Folders):
        def folders(self) -> list[str]:
            begun.append(timer.seconds)
            timer.seconds += 0.1
            return super().folders()

    class Waiting(Scripted):
        def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: object) -> Changes:
            if len(begun) > 3:
                self.told_all.set()
            timer.seconds += 1.0
            return "timeout"

    woken.watches[ADS] = watch_of(Many(tmp_path, "*.csv"))
    waiting = Waiting()
    woken.start(open_notify=waiting.open, timer=timer)
    assert waiting.told_all.wait(PATIENCE_SECONDS)
    pauses = [after - before for before, after in itertools.pairwise(begun)]
    assert min(pauses) >= REST * 0.1
    assert max(pauses) < REST * 0.1 + 1.2


def test_a_limit_of_the_system_leaves_polling_and_one_line_in_the_log(woken: Woken, tmp_path: Path) -> None:
    woken.watches[ADS] = watch_of(Folders(tmp_path, "*.csv"))
    tried, enough = [], threading.Event()
    scripted = Scripted()

    def refuse(folders: list[str]) -> Notify:
        tried.append(folders)
        if len(tried) > 3:
            enough.set()
            return scripted
        raise OSError("OS file watch limit reached")

    woken.start(open_notify=refuse, timer=MinuteTimer())
    assert enough.wait(PATIENCE_SECONDS)
    assert woken.next() == ADS, "once the limit was raised"
    ((event, fields),) = woken.telemetry.logged
    assert event == "folders_not_watched"
    assert fields["folders"] == 1
    assert "OS file watch limit reached" in str(fields["message"])


def test_folders_that_the_system_refused_are_not_tried_at_every_look(woken: Woken, tmp_path: Path) -> None:
    source = Folders(tmp_path, "*.csv")
    looked, tried = threading.Semaphore(0), []

    class Looked(Folders):
        def folders(self) -> list[str]:
            looked.release()
            return source.folders()

    def refuse(folders: list[str]) -> Notify:
        tried.append(folders)
        raise OSError("OS file watch limit reached")

    woken.watches[ADS] = watch_of(Looked(tmp_path, "*.csv"))
    woken.start(open_notify=refuse)
    for _ in range(4):
        assert looked.acquire(timeout=PATIENCE_SECONDS)
    assert len(tried) == 1


def test_folders_of_other_machines_are_left_out(tmp_path: Path) -> None:
    watches = {ADS: watch_of(Folders(tmp_path, "near/*.csv"), Folders(tmp_path, "far/*.csv"))}
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
    plan = plan_watching(watches, [os.path.realpath(tmp_path / "far")])
    assert set(plan.folders) == {str(tmp_path / "near")}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("host:/x /mnt/x nfs4 rw 0 0", ["/mnt/x"]),
        ("//host/x /mnt/x cifs rw 0 0", ["/mnt/x"]),
        ("bucket /mnt/x fuse.s3fs rw 0 0", ["/mnt/x"]),
        ("/dev/vda / ext4 rw 0 0", []),
        ("overlay / overlay rw 0 0", []),
        ("/dev/sdb1 /mnt/x fuseblk rw 0 0", []),
        ("", []),
    ],
)
def test_file_systems_of_other_machines_are_known_by_their_type(line: str, found: list[str]) -> None:
    assert remote_mounts(line + "\n") == found


def test_a_source_that_is_no_folder_is_left_alone() -> None:
    assert plan_watching({ADS: watch_of(object())}) == Plan()


def test_a_thousand_folders_are_watched(woken: Woken, tmp_path: Path) -> None:
    names = [PolicyName(f"p{number}") for number in range(1000)]
    for name in names:
        (tmp_path / name).mkdir()
        woken.watches[name] = watch_of(Folders(tmp_path, f"{name}/*.parquet"))
    woken.start()
    assert {woken.next() for _ in names} == set(names)
    move_in(tmp_path / names[700], "1.parquet")
    assert woken.next() == names[700]
    assert woken.telemetry.counted["folders_watched",] == 1000


def test_of_many_partitions_the_newest_are_watched(tmp_path: Path) -> None:
    for day in range(100):
        (tmp_path / f"year={2000 + day // 50}" / f"day={day:03d}").mkdir(parents=True)
    source = Folders(tmp_path, "*/*/*.parquet")
    source.listing.files()
    found = source.folders()
    assert found[0] == str(tmp_path)
    assert f"{tmp_path}/year=2001" in found
    assert f"{tmp_path}/year=2001/day=099" in found
    assert f"{tmp_path}/year=2000/day=000" not in found
    assert len(found) == 1 + 2 + 20
