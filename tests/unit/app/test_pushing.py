"""Spools beside a daemon: what was read is cleared away, and trouble with one policy stays with it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ctrain.app.checking import _copied
from ctrain.app.pushing import SpoolKeeper, open_spool
from ctrain.domain import PolicyName
from ctrain.errors import InputError, TransientError
from ctrain.settings import Settings
from ctrain.sources.push_contract import SpoolPlaces
from ctrain.sources.push_spool import Sent
from ctrain.store import open_store
from tests.support.fakes import QuietTelemetry
from tests.support.pushes import FLIGHTS, NOW, ROWS, Door, pushed_data, row


def watched(door: Door, name: str = "flights", **data: Any) -> Any:
    model = SimpleNamespace(task=door.contract.task)
    return SimpleNamespace(policy=SimpleNamespace(policy=name, model=model, data=pushed_data(**data)))


def keeper_of(door: Door, telemetry: QuietTelemetry, *others: str) -> SpoolKeeper:
    files = {"source": {"type": "files", "path": "rows"}}
    watches = {PolicyName(name): watched(door, name) for name in (*others, FLIGHTS)}
    labels = {"label": "delayed", "matures_after": "1d"}
    watches[PolicyName("files")] = watched(door, "files", labels=labels, **files)
    settings = Settings.load(door.root.parent, {})
    timer: Any = door.timer
    return SpoolKeeper(settings, door.store, timer, telemetry, lambda: watches)


def test_what_was_read_is_cleared_away(tmp_path: Path) -> None:
    door, telemetry = Door(tmp_path), QuietTelemetry()
    door.push(row("a"))
    door.read()
    an_hour_ago = NOW.timestamp() - 3600
    os.utime(door.files()[0], (an_hour_ago, an_hour_ago))
    keeper_of(door, telemetry).keep()
    assert (door.files(), telemetry.logged) == ([], [])
    assert list(door.store.batches) == [(FLIGHTS, ROWS, "b1")]


def test_what_waits_is_measured_until_it_is_read(tmp_path: Path) -> None:
    door, telemetry = Door(tmp_path), QuietTelemetry()
    for number in range(3):
        door.push(row(f"a{number}"), batch_id=f"b{number}")
    watches = {FLIGHTS: watched(door, source={"type": "push", "max_unread": 10_000})}
    settings = Settings.load(door.root.parent, {})
    timer: Any = door.timer
    keeper = SpoolKeeper(settings, door.store, timer, telemetry, lambda: watches)

    def measured(kind: str) -> list[float]:
        keeper.keep()
        names = ("batches", "bytes", "ratio")
        return [telemetry.counted[f"pushed_unread_{name}", FLIGHTS, kind] for name in names]

    waits = sum(one.stat().st_size for one in door.files())
    assert waits > 0
    assert measured("rows") == [3, waits, waits / 10_000]
    assert measured("labels") == [0, 0, 0]
    watches[FLIGHTS] = watched(door, source={"type": "files", "path": "rows"})
    assert measured("rows") == [0, 0, 0]
    watches[FLIGHTS] = watched(door)
    assert measured("rows")[0] == 3
    door.read()
    assert measured("rows") == [0, 0, 0]


def test_trouble_is_told_once_and_stops_no_other_policy(tmp_path: Path) -> None:
    door, telemetry = Door(tmp_path), QuietTelemetry()
    whole = door.store.ingest_state

    def broken(policy: PolicyName) -> Any:
        if policy == "broken":
            raise TransientError("the database is away")
        return whole(policy)

    door.store.ingest_state = broken
    door.push(row("a"))
    door.read()
    an_hour_ago = NOW.timestamp() - 3600
    os.utime(door.files()[0], (an_hour_ago, an_hour_ago))
    keeper = keeper_of(door, telemetry, "broken")
    keeper.keep()
    keeper.keep()
    assert door.files() == []
    told = {"policy": "broken", "message": "the database is away"}
    assert telemetry.logged == [("spool_not_swept", told)]


def test_a_server_that_is_tested_fails_on_purpose_and_no_other(tmp_path: Path) -> None:
    door = Door(tmp_path)
    settings = Settings.load(tmp_path, {})
    timer: Any = door.timer
    plan = {"CTRAIN_FAULTS": "spool.publish:before=transient"}
    with pytest.raises(InputError, match="CTRAIN_FAULTS is set"):
        open_spool(settings, door.store, timer, plan)
    faulty = open_spool(settings, door.store, timer, {**plan, "CTRAIN_FAULTS_ALLOWED": "yes"})
    sent = Sent("application/json", b'{"flight_id": "a", "delayed": 1}', "b")
    with pytest.raises(TransientError, match="injected"):
        faulty.take(FLIGHTS, type(ROWS)("labels"), sent, NOW)
    assert (
        open_spool(settings, door.store, timer, {}).take(FLIGHTS, type(ROWS)("labels"), sent, NOW).rows == 1
    )


def test_a_copy_of_the_state_holds_what_waits(tmp_path: Path) -> None:
    """``ctrain check`` judges by it, and reads there what no daemon has read yet."""
    door = Door(tmp_path)
    door.push(row("a"))
    settings = Settings.load(tmp_path, {})
    open_store(settings.database_url)
    (tmp_path / "copy").mkdir()
    copied = _copied(settings, FLIGHTS, tmp_path / "copy")
    elsewhere = SpoolPlaces(copied.push_folder)
    assert elsewhere.contract(FLIGHTS) == door.contract
    assert [one.name for one in elsewhere.folder(FLIGHTS, ROWS).iterdir()] == [door.files()[0].name]


def test_a_copy_of_the_state_holds_nothing_of_other_policies(tmp_path: Path) -> None:
    """A home may hold a thousand of them, and the copy lie on another disk."""
    settings = Settings.load(tmp_path / "home", {})
    open_store(settings.database_url)
    for folder in ("rows", "push"):
        for policy in (FLIGHTS, "other"):
            (settings.home / folder / policy).mkdir(parents=True)
            (settings.home / folder / policy / "file").write_text(policy)
    (tmp_path / "copy").mkdir()
    _copied(settings, FLIGHTS, tmp_path / "copy")
    files = (tmp_path / "copy").rglob("file")
    assert sorted(str(one.relative_to(tmp_path / "copy")) for one in files) == [
        f"push/{FLIGHTS}/file",
        f"rows/{FLIGHTS}/file",
    ]
