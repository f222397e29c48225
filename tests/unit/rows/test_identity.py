"""Ids by hash: found where they are, never lost to a collision."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ctrain.rows.identity import RowIndex, hash_ids


def test_every_id_is_found_on_its_day_whatever_the_runs() -> None:
    rng = np.random.default_rng(1)
    index = RowIndex()
    expected: dict[int, int] = {}
    for _ in range(40):
        hashes = rng.integers(0, 2**64, size=int(rng.integers(1, 300)), dtype=np.uint64)
        days = rng.integers(0, 60, size=len(hashes)).astype(np.uint16)
        index.add(hashes, days)
        expected.update(zip(hashes.tolist(), days.tolist(), strict=True))
    known = np.array(list(expected), dtype=np.uint64)
    unknown = rng.integers(0, 2**64, size=500, dtype=np.uint64)
    positions, days = index.find(np.concatenate([known, unknown]))
    assert dict(zip(positions.tolist(), days.tolist(), strict=True)) == {
        at: expected[one] for at, one in enumerate(known.tolist())
    }
    assert len(index) == len(expected)
    assert index.bytes == 10 * len(expected)


def test_few_runs_remain_however_many_are_added() -> None:
    index = RowIndex()
    for at in range(1000):
        index.add(np.array([at], dtype=np.uint64), np.array([1], dtype=np.uint16))
    assert len(index._runs) <= 10


def test_a_hash_that_two_rows_share_gives_both_days() -> None:
    index = RowIndex()
    index.add(np.array([7, 7, 9], dtype=np.uint64), np.array([1, 2, 3], dtype=np.uint16))
    index.add(np.array([7], dtype=np.uint64), np.array([4], dtype=np.uint16))
    positions, days = index.find(np.array([8, 7, 9], dtype=np.uint64))
    assert sorted(zip(positions.tolist(), days.tolist(), strict=True)) == [(1, 1), (1, 2), (1, 4), (2, 3)]


def test_days_are_forgotten() -> None:
    index = RowIndex()
    index.add(np.array([1, 2, 3], dtype=np.uint64), np.array([1, 2, 1], dtype=np.uint16))
    index.forget([1])
    positions, days = index.find(np.array([1, 2, 3], dtype=np.uint64))
    assert (positions.tolist(), days.tolist()) == ([1], [2])


@pytest.mark.parametrize("offset", [0, 3])
def test_hashes_depend_on_the_text_alone(offset: int) -> None:
    texts = ["", "a", "b", "\0a", "a\0", "12345678", "123456789", "x" * 100, "é", "2013-1-1-UA-1545-EWR"]
    whole = hash_ids(pa.array(texts))
    assert len(set(whole.tolist())) == len(texts)
    assert hash_ids(pa.array(texts).slice(offset)).tolist() == whole[offset:].tolist()
    assert [hash_ids(pa.array([one]))[0] for one in texts] == whole.tolist()


def test_hashes_of_numbered_ids_are_spread_evenly() -> None:
    hashes = hash_ids(pa.array([str(at) for at in range(100_000)]))
    assert len(np.unique(hashes)) == 100_000
    counts = np.bincount((hashes >> np.uint64(56)).astype(int), minlength=256)
    # Chi-squared with 255 degrees of freedom: 99.99 % of even spreads lie below 347.7 (scipy.stats.chi2.ppf).
    assert ((counts - 100_000 / 256) ** 2 / (100_000 / 256)).sum() < 347.7
