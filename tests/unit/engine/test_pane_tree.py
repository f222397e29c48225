"""Any stretch of panes is the merge of its panes, whatever was asked before and whoever counted them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from weakref import ref

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrain.domain import PolicyName
from ctrain.engine import pane_tree
from ctrain.engine.instants import EPOCH
from ctrain.engine.pane_tree import PaneTree, Stretch, split_point
from ctrain.engine.profile_memory import ProfileMemory
from ctrain.stats.grid import build_grid
from ctrain.stats.profile import Profile, merge, profile_table

HOUR = timedelta(hours=1)
POLICY = PolicyName("clicks")
FIRST = 473_001
"""Number of the first pane: an odd hour of 2023."""
PANES = 800
LARGEST = 1024


class MemoryStore:
    """Keeps panes in a dict, and counts what is read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int, datetime], tuple[bytes, int]] = {}
        self.reads = 0

    @contextmanager
    def read(self) -> Iterator[MemoryStore]:
        yield self

    write = read

    def save_panes(self, _: PolicyName, panes: Sequence[tuple[str, datetime, int, bytes, int]]) -> None:
        for grid, start, level, profile, rows in panes:
            assert (grid, level, start) not in self.rows, "made twice"
            self.rows[grid, level, start] = profile, rows

    def panes(
        self, _: PolicyName, grid: str, start: datetime, end: datetime, level: int = 0
    ) -> dict[datetime, bytes]:
        self.reads += 1
        return {key[2]: one[0] for key, one in self._between(grid, level, start, end)}

    def pane_rows(self, _: PolicyName, grid: str, start: datetime, end: datetime) -> dict[datetime, int]:
        return {key[2]: one[1] for key, one in self._between(grid, 0, start, end)}

    def _between(self, grid: str, level: int, start: datetime, end: datetime) -> list[Any]:
        return [
            item for item in self.rows.items() if item[0][:2] == (grid, level) and start <= item[0][2] < end
        ]


def at(number: int) -> datetime:
    return EPOCH + number * HOUR


def tree_of(store: MemoryStore, memory: ProfileMemory | None = None) -> PaneTree:
    return PaneTree(store, POLICY, HOUR, memory)  # type: ignore[arg-type]  # the methods that a tree calls


@pytest.fixture(scope="module")
def panes() -> dict[int, Profile]:
    """A profile for every hour, of 0 to 39 rows."""
    random = np.random.default_rng(5)
    grid = build_grid(pa.table({"x": pa.array(random.normal(size=4000))}), ["x"], [], size=64)
    rows = random.integers(0, 40, PANES)
    return {
        FIRST + place: profile_table(pa.table({"x": random.normal(0.001 * place, 1e6, rows[place])}), grid)
        for place in range(PANES)
    }


@pytest.fixture(scope="module")
def store(panes: dict[int, Profile]) -> MemoryStore:
    """All panes, saved as they close."""
    store = MemoryStore()
    fill(tree_of(store), store, panes)
    return store


def fill(tree: PaneTree, store: MemoryStore, panes: dict[int, Profile], batch: int = 1) -> None:
    for number, profile in panes.items():
        tree.add(profile.grid, number, profile, since=at(FIRST), largest=LARGEST)
        if (number + 1) % batch == 0:
            tree.save(store)  # type: ignore[arg-type]  # as above
            tree.saved()
    tree.save(store)  # type: ignore[arg-type]  # as above
    tree.saved()


def contents(profile: Profile) -> object:
    return {
        name: (one.rows, one.nulls, one.cells.tolist(), one.counts.tolist(), one.mean, one.squares)
        for name, one in profile.columns.items()
    }


@given(st.integers(0, 5000), st.integers(1, 3000))
def test_a_stretch_is_split_at_its_roundest_number(first: int, size: int) -> None:
    def zeros(number: int) -> float:
        return float("inf") if number == 0 else (number & -number).bit_length()

    split = split_point(first, first + size)
    assert zeros(split) == max(zeros(one) for one in range(first, first + size + 1))


@given(st.integers(0, 5000), st.integers(1, 3000))
def test_a_stretch_has_few_nodes(first: int, size: int) -> None:
    def nodes(one: Stretch) -> list[Stretch]:
        return [one] if one.level is not None else [*nodes(one.parts()[0]), *nodes(one.parts()[1])]

    found = nodes(Stretch("", first, first + size))
    assert [one.first for one in found] == [first, *(one.last for one in found[:-1])]
    assert found[-1].last == first + size
    assert len(found) <= 2 * size.bit_length()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_stretch_is_the_merge_of_its_panes(
    panes: dict[int, Profile], store: MemoryStore, data: st.DataObject
) -> None:
    first = data.draw(st.integers(FIRST, FIRST + PANES - 1))
    last = data.draw(st.integers(first + 1, FIRST + PANES))
    grid = panes[FIRST].grid
    found = tree_of(store).merged(grid, at(first), at(last))
    whole = merge([panes[number] for number in range(first, last)])
    column, expected = found.columns["x"], whole.columns["x"]
    assert found.rows == whole.rows
    assert (column.cells.tolist(), column.counts.tolist()) == (
        expected.cells.tolist(),
        expected.counts.tolist(),
    )
    assert column.mean == pytest.approx(expected.mean, rel=1e-9, abs=1.0)
    assert column.squares == pytest.approx(expected.squares, rel=1e-9)


def test_the_same_bits_whatever_was_asked_before(panes: dict[int, Profile], store: MemoryStore) -> None:
    grid = panes[FIRST].grid
    worn, other = tree_of(store), MemoryStore()
    fill(tree_of(other), other, panes, batch=500)
    assert other.rows == store.rows
    for end in range(FIRST + 300, FIRST + PANES, 7):
        for size in (3, 24, 290):
            slid = worn.merged(grid, at(end - size), at(end))
            assert contents(slid) == contents(tree_of(other).merged(grid, at(end - size), at(end)))


@pytest.mark.parametrize("size", [24, 600])
def test_a_window_that_moves_on_needs_few_merges(
    panes: dict[int, Profile], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, made = MemoryStore(), 0

    def counted(parts: list[Profile]) -> Profile:
        nonlocal made
        made += 1
        return merge(parts)

    monkeypatch.setattr(pane_tree, "merge", counted)
    tree, grid = tree_of(store), panes[FIRST].grid
    known = {number: profile for number, profile in panes.items() if number < FIRST + 640}
    fill(tree, store, known)
    tree.merged(grid, at(FIRST + 640 - size), at(FIRST + 640))
    made, store.reads = 0, 0
    for number in range(FIRST + 640, FIRST + PANES):
        tree.add(grid, number, panes[number], since=at(FIRST), largest=LARGEST)
        tree.merged(grid, at(number + 1 - size), at(number + 1))
    steps = PANES - 640
    assert made / steps < 5
    assert store.reads / steps < 2


def test_a_cold_window_reads_few_nodes(panes: dict[int, Profile], store: MemoryStore) -> None:
    store.reads = 0
    tree_of(store).merged(panes[FIRST].grid, at(FIRST + 13), at(FIRST + 13 + 720))
    assert store.reads <= 2 * 10


def test_memory_has_a_bound(panes: dict[int, Profile], store: MemoryStore) -> None:
    tree = tree_of(store, ProfileMemory(each=20_000))
    for end in range(FIRST + 600, FIRST + PANES, 10):
        tree.merged(panes[FIRST].grid, at(end - 500), at(end))
        assert tree.memory_bytes <= 20_000


def test_what_is_kept_says_the_same_in_a_fraction_of_the_memory(
    panes: dict[int, Profile], store: MemoryStore
) -> None:
    tree, numbers = tree_of(store), range(FIRST, FIRST + 100)
    grid = panes[FIRST].grid
    read = [tree.merged(grid, at(one), at(one + 1)).to_bytes() for one in numbers]
    store.reads = 0
    kept = [tree.merged(grid, at(one), at(one + 1)).to_bytes() for one in numbers]
    assert (kept, store.reads) == (read, 0)
    assert kept == [panes[one].to_bytes() for one in numbers]
    columns = [column for one in numbers for column in panes[one].columns.values()]
    size = sum(one.cells.nbytes + one.counts.nbytes for one in columns)
    assert tree.memory_bytes - len(columns) * pane_tree.COLUMN_BYTES <= size / 4


def test_windows_at_full_width_go_when_their_pane_is_saved(panes: dict[int, Profile]) -> None:
    store = MemoryStore()
    tree, grid = tree_of(store), panes[FIRST].grid
    fill(tree, store, {number: panes[number] for number in range(FIRST, FIRST + 10)})
    tree.add(grid, FIRST + 10, panes[FIRST + 10], since=at(FIRST), largest=LARGEST)
    counts = ref(tree.merged(grid, at(FIRST + 3), at(FIRST + 11)).columns["x"].counts)
    assert counts() is not None
    tree.save(store)  # type: ignore[arg-type]  # as above
    tree.saved()
    assert counts() is None


def test_the_policies_of_a_daemon_share_its_memory(panes: dict[int, Profile], store: MemoryStore) -> None:
    memory = ProfileMemory(each=20_000, together=30_000)
    trees = [tree_of(store, memory) for _ in range(3)]
    for end in range(FIRST + 600, FIRST + PANES, 40):
        for place in range(3):
            trees[place].merged(panes[FIRST].grid, at(end - 500), at(end))
            assert trees[place].memory_bytes <= 10_000
    del trees[1:]
    assert memory.share == 20_000


def test_a_pane_that_was_never_counted_is_an_error(panes: dict[int, Profile], store: MemoryStore) -> None:
    tree, grid = tree_of(store), panes[FIRST].grid
    with pytest.raises(LookupError, match="has not been counted"):
        tree.merged(grid, at(FIRST - 1), at(FIRST + 3))
    with pytest.raises(LookupError, match="no panes"):
        tree.merged(grid, at(FIRST), at(FIRST))


def test_what_is_missing_is_told_after_gaps_and_earlier_windows(panes: dict[int, Profile]) -> None:
    tree, grid = tree_of(MemoryStore()), panes[FIRST].grid
    for number in range(FIRST + 100, FIRST + 200):
        tree.add(grid, number, panes[number], since=at(FIRST + 100), largest=LARGEST)
    assert tree.missing(grid, at(FIRST + 100), at(FIRST + 202)) == [FIRST + 200, FIRST + 201]
    earlier = list(range(FIRST + 50, FIRST + 100))
    assert tree.missing(grid, at(FIRST + 50), at(FIRST + 200)) == earlier
    tree.add(grid, FIRST + 50, panes[FIRST + 50], since=at(FIRST + 50), largest=LARGEST)
    assert tree.missing(grid, at(FIRST + 50), at(FIRST + 200)) == earlier[1:]
    assert tree.missing(grid, at(FIRST + 300), at(FIRST + 302)) == [FIRST + 300, FIRST + 301]


def test_memory_is_given_back_when_a_grid_is_no_longer_in_force(panes: dict[int, Profile]) -> None:
    store = MemoryStore()
    tree = tree_of(store)
    fill(tree, store, panes)
    grid, held = panes[FIRST].grid, tree.memory_bytes
    tree.keep_only({grid, "another"})
    assert tree.memory_bytes == held > 0
    tree.keep_only({"another"})
    assert tree.memory_bytes == 0
    tree.merged(grid, at(FIRST), at(FIRST + 3))
    assert tree.memory_bytes > 0
    tree.keep_only({"another"})
    assert tree.memory_bytes == 0
