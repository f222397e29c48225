"""Work that is shared among forks is the same as work done in one process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
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


def test_results_come_in_order_and_from_other_processes() -> None:
    items = [str(number) for number in range(20)]
    found = list(in_forks(lambda item: (item, os.getpid()), items))
    assert [item for item, _ in found] == items
    assert os.getpid() not in {pid for _, pid in found}


def test_one_item_needs_no_fork() -> None:
    assert list(in_forks(lambda _: os.getpid(), ["alone"])) == [os.getpid()]


def test_an_error_of_a_fork_is_raised_here() -> None:
    def refuse(item: str) -> str:
        raise InputError(f"{item}: no such file")

    with pytest.raises(InputError, match=r"^a: no such file$"):
        in_forks(refuse, ["a", "b"])


def test_a_fork_that_is_killed_is_told_of() -> None:
    with pytest.raises(CtrainError, match="was killed; is there enough memory"):
        in_forks(lambda _: os.kill(os.getpid(), signal.SIGKILL), ["a", "b"])


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
