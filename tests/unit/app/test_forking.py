"""Work that is shared among forks is the same as work done in one process."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.app import forking, scanning
from ctrain.app.comparing import compare_files
from ctrain.app.forking import in_forks
from ctrain.app.profiling import profile_files, write_profile
from ctrain.app.scanning import TableFiles
from ctrain.errors import CtrainError, InputError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are for Linux")


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_cores", lambda: 2)


Beside = Callable[[Callable[[str], str]], Callable[[str], str]]


@pytest.fixture
def beside() -> Iterator[Beside]:
    """Work that only the fork does: this process draws one item, and waits with it until the fork has ended.

    The fork's first item waits in turn until this process has drawn its own.
    """
    here = os.getpid()
    ended, held = os.pipe()
    drawn_here, tell = os.pipe()

    def of_forks(work: Callable[[str], str]) -> Callable[[str], str]:
        told: list[bytes] = []

        def either(item: str) -> str:
            if os.getpid() != here:
                if not told:
                    told.append(os.read(drawn_here, 1))
                return work(item)
            os.write(tell, b"!")
            os.close(held)
            os.read(ended, 1)
            return "here"

        return either

    yield of_forks
    for end in (ended, drawn_here, tell):
        os.close(end)


def test_results_come_in_order_from_here_and_from_a_fork(beside: Beside) -> None:
    items = [str(number) for number in range(20)]
    found = list(in_forks(beside(lambda item: item), items))
    place = found.index("here")
    assert found == [*items[:place], "here", *items[place + 1 :]]


def test_more_items_than_tickets_are_each_worked_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "MOST_TICKETS", 3)
    items = [str(number) for number in range(20)]
    assert list(in_forks(lambda item: f"done {item}", items)) == [f"done {item}" for item in items]


def test_one_item_needs_no_fork() -> None:
    assert list(in_forks(lambda _: os.getpid(), ["alone"])) == [os.getpid()]


def test_an_error_of_a_fork_is_raised_here(beside: Beside) -> None:
    def refuse(item: str) -> str:
        raise InputError(f"{item}: no such file")

    with pytest.raises(InputError, match=r"^[ab]: no such file$"):
        in_forks(beside(refuse), ["a", "b"])


def test_an_error_here_is_raised_at_once_and_leaves_no_fork() -> None:
    here = os.getpid()

    def refuse(item: str) -> str:
        if os.getpid() == here:
            raise InputError(f"{item}: no such file")
        signal.pause()
        return item

    with pytest.raises(InputError, match="no such file"):
        in_forks(refuse, ["a", "b", "c"])
    assert not multiprocessing.active_children()


def test_a_fork_that_is_killed_is_told_of(beside: Beside) -> None:
    def die(item: str) -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(CtrainError, match="was killed; is there enough memory"):
        in_forks(beside(die), ["a", "b"])


@pytest.fixture
def files(tmp_path: Path) -> Callable[[int], Path]:
    def write(seed: int) -> Path:
        rng = np.random.default_rng(seed)
        path = tmp_path / f"{seed}.parquet"
        columns: dict[str, Any] = {
            "x": rng.normal(size=2000),
            "count": rng.integers(0, 50, 2000),
            "kind": rng.choice(["a", "b", "c"], 2000),
            "sparse": pa.array(rng.normal(size=2000), mask=rng.uniform(size=2000) < 0.2),
        }
        pq.write_table(pa.table(columns), path)
        return path

    return write


def test_large_files_are_profiled_and_compared_as_small_ones_are(
    files: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, current = files(1), files(2)
    alone = profile_files(TableFiles.find([reference]))
    write_profile(alone, tmp_path / "reference.profile")
    compared = compare_files(tmp_path / "reference.profile", current, fdr=0.01, min_effect=0.1)
    monkeypatch.setattr(scanning, "MANY_VALUES", 0)
    assert profile_files(TableFiles.find([reference])).to_bytes() == alone.to_bytes()
    forked = compare_files(tmp_path / "reference.profile", current, fdr=0.01, min_effect=0.1)
    assert repr(forked) == repr(compared)
