"""What of an index lies on the disk is found there, and is deleted when nobody needs it."""

from __future__ import annotations

import fcntl
from pathlib import Path

import numpy as np
import pytest

from ctrain.rows.spill import BLOCK, SpilledRun, SpillFolder

MANY = 5 * BLOCK + 17


def _found(run: SpilledRun, hashes: list[int]) -> list[tuple[int, int]]:
    positions, days = run.find(np.array(hashes, dtype=np.uint64))
    return sorted(zip(positions.tolist(), days.tolist(), strict=True))


@pytest.mark.parametrize("length", [1, BLOCK - 1, BLOCK, BLOCK + 1, MANY])
def test_every_hash_is_found_with_its_day_and_no_other(tmp_path: Path, length: int) -> None:
    hashes = 10 * np.arange(length, dtype=np.uint64)
    run = SpilledRun(tmp_path / "run", hashes, np.arange(length).astype(np.uint16))
    assert len(run) == length
    assert _found(run, hashes.tolist()) == [(at, at) for at in range(length)]
    assert _found(run, (hashes + np.uint64(1)).tolist()) == []
    assert [one.tolist() for one in run.read()] == [hashes.tolist(), list(range(length))]
    assert run.bytes == 8 * (-(-length // BLOCK))
    run.delete()
    assert not list(tmp_path.iterdir())


def test_a_hash_that_several_rows_share_is_found_across_the_end_of_a_block(tmp_path: Path) -> None:
    hashes = np.sort(np.concatenate([np.arange(BLOCK - 1), [BLOCK, BLOCK, BLOCK], BLOCK + np.arange(1, 99)]))
    run = SpilledRun(tmp_path / "run", hashes.astype(np.uint64), np.arange(len(hashes)).astype(np.uint16))
    assert _found(run, [3, BLOCK]) == [(0, 3), (1, BLOCK - 1), (1, BLOCK), (1, BLOCK + 1)]


def test_what_lies_before_the_first_hash_or_is_padding_is_not_found(tmp_path: Path) -> None:
    run = SpilledRun(tmp_path / "run", np.array([5, 9], dtype=np.uint64), np.array([1, 2], dtype=np.uint16))
    assert _found(run, [0, 4, 9]) == [(2, 2)]
    assert _found(run, []) == []


def test_a_run_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SpilledRun(tmp_path / "no" / "run", np.array([1], dtype=np.uint64), np.array([1], dtype=np.uint16))


def test_what_a_dead_process_has_left_is_deleted_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    dead, living = tmp_path / "dead", tmp_path / "living"
    for folder in (dead, living):
        folder.mkdir()
        (folder / "run").touch()
        folder.with_suffix(".lock").touch()
    with living.with_suffix(".lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        place = SpillFolder(tmp_path).new_file()
        assert not place.exists()
        assert not dead.exists()
        assert not dead.with_suffix(".lock").exists()
        assert (living / "run").exists()
        assert sorted(tmp_path.glob("*.lock")) == sorted(
            [living.with_suffix(".lock"), place.parent.with_suffix(".lock")]
        )
