"""Which segments are put together: few remain, and no row is rewritten often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from ctrain.domain import PolicyName, Segment, SegmentKind
from ctrain.rows.manifest import ABSORB_FROM, CROWDED, Manifest

DAY = "2026-01-01"


def segment(number: int, rows: int) -> Segment:
    return Segment(
        str(number), PolicyName("clicks"), SegmentKind.ROWS, DAY, f"{number}", rows, 1, number, None
    )


def write_all(sizes: Sequence[int]) -> tuple[Manifest, int, int]:
    """The manifest after writes of these sizes, the most segments there were, and the rows written in all."""
    manifest, most, written = Manifest([]), 0, 0
    for number, rows in enumerate(sizes):
        taken = manifest.absorbable(SegmentKind.ROWS, DAY, rows)
        assert taken == sorted(taken, key=lambda one: one.sequence)
        assert (
            taken
            == manifest.of(SegmentKind.ROWS, DAY)[len(manifest.of(SegmentKind.ROWS, DAY)) - len(taken) :]
        )
        whole = rows + sum(one.rows for one in taken)
        manifest.remove(one.id for one in taken)
        manifest.add([segment(number, whole)])
        written += whole
        most = max(most, len(manifest.of(SegmentKind.ROWS, DAY)))
    return manifest, most, written


@pytest.mark.parametrize("writes", [7, 8, 64, 511, 8640])
def test_equal_writes_gather_by_eights(writes: int) -> None:
    """As many segments as the digits of the number of writes, to base eight, add up to."""
    manifest, _, written = write_all([200] * writes)
    digits = [int(digit) for digit in f"{writes:o}"]
    held = Counter(one.rows for one in manifest.of(SegmentKind.ROWS, DAY))
    expected = {200 * 8**place: digit for place, digit in enumerate(reversed(digits)) if digit}
    assert held == expected
    assert written <= 200 * writes * len(digits)


@pytest.mark.parametrize("seed", range(3))
def test_any_writes_leave_few_segments_and_rewrite_little(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = np.exp(random.uniform(0, np.log(10_000), 3_000)).astype(int).tolist()
    _, most, written = write_all(sizes)
    assert most <= CROWDED + 20
    assert written <= 12 * sum(sizes)


def test_a_large_segment_is_not_rewritten_for_a_few_rows() -> None:
    manifest, _, _ = write_all([10**6, *([10] * 20 * ABSORB_FROM)])
    assert manifest.of(SegmentKind.ROWS, DAY)[0].rows == 10**6
