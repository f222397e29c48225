"""Closed panes counted on the grids in force: each once, those of a new grid again in bounded slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from ctrain.domain import IngestState
from ctrain.engine.instants import DAY, EPOCH
from ctrain.engine.pane_tree import PaneTree
from ctrain.stats.profile import Profile, empty_profile, profile_panes

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.engine.watch import Watch
    from ctrain.stats.grid import Grid

ROWS_AT_ONCE = 500_000
"""Rows that are read together to be counted; a single pane may have more."""
PANES_AT_ONCE = 512
PANES_A_LOOK = 512
"""Panes that are counted in one tick; then the daemon's other policies have their turn."""
END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)


Read = Callable[[datetime, datetime], "pa.Table | None"]
"""Reads the rows of a stretch of time; None when they are not there yet."""


@dataclass(frozen=True, slots=True)
class CountedGrid:
    """A grid that panes are counted on, from the pane that begins at ``start`` on."""

    grid: Grid
    start: datetime
    of: Callable[[pa.Table], pa.Table] | None = None
    """The rows that belong on this grid, with its columns; None: all rows as they are."""


def pane_tree(watch: Watch) -> PaneTree:
    """The tree of the policy's panes."""
    tree = watch.panes
    if tree is None or tree.pane != watch.policy.data.pane:
        tree = watch.panes = PaneTree(watch.store, watch.name, watch.policy.data.pane, watch.profile_memory)
    return tree


def first_row_at(watch: Watch, state: IngestState) -> datetime | None:
    """Event time of the earliest punctual row that is kept; None before there is one.

    Until the first pane has closed a row may still arrive before it; after that it is looked up once.
    """
    if state.next_pane_at is None or watch.first_row_at is None:
        watch.first_row_at = _earliest(watch)
    return watch.first_row_at


def _earliest(watch: Watch) -> datetime | None:
    for day in _rows_a_day(watch, EPOCH, END_OF_TIME):
        rows = watch.row_log.read(day, day + DAY, include_late=False)
        if rows.num_rows:
            first: datetime = rows["event_at"][0].as_py()
            return first
    return None


def _rows_a_day(watch: Watch, start: datetime, end: datetime) -> dict[datetime, int]:
    found = watch.row_log.rows_a_day(start.date().isoformat(), end.date().isoformat())
    return {datetime.fromisoformat(day).replace(tzinfo=UTC): rows for day, rows in found.items()}


def count_panes(watch: Watch, grids: Sequence[CountedGrid], end: datetime, read: Read | None = None) -> bool:
    """Count what has not been counted of the panes before ``end``, all grids in one read of the rows.

    False when that is more than fits into one look, or when rows cannot be read yet: what was counted
    has been saved, the next look goes on. What a look leaves in ``fresh`` is to be saved with the verdicts.
    """
    tree = pane_tree(watch)
    missing = {one.grid.name: tree.missing(one.grid.name, one.start, end) for one in grids}
    wanted = sorted(set().union(*missing.values()))
    if (
        read is None
        and len(grids) == 1
        and len(wanted) > 1
        and _count_elsewhere(watch, grids[0], wanted, end)
    ):
        return False
    for first, last in _slices(watch, wanted[:PANES_A_LOOK]):
        rows = (read or _punctual(watch))(tree.start_of(first), tree.start_of(last))
        if rows is None:
            save_panes(watch)
            return False
        for one in grids:
            counted = [number for number in missing[one.grid.name] if first <= number < last]
            _count(tree, one, rows, counted, largest_node(end - one.start, tree.pane))
    if len(wanted) > PANES_A_LOOK:
        save_panes(watch)
        return False
    for one in grids:
        tree.known_until(one.grid.name, one.start, end)
    return True


def _count_elsewhere(watch: Watch, one: CountedGrid, numbers: Sequence[int], end: datetime) -> bool:
    """Take what others have counted of these panes; false when they are to be counted here."""
    if watch.pane_counter is None or one.of is not None:
        return False
    tree = pane_tree(watch)
    slices = list(_slices(watch, numbers))
    stretches = [(tree.start_of(first), tree.start_of(last)) for first, last in slices]
    found = watch.pane_counter.count(one.grid, tree.pane, stretches)
    if found is None:
        return False
    for (first, last), profiles in zip(slices, found, strict=False):
        own = [number for number in numbers if first <= number < last]
        _add(tree, one, profiles, own, largest_node(end - one.start, tree.pane))
    save_panes(watch)
    return True


def _punctual(watch: Watch) -> Read:
    return lambda start, end: watch.row_log.read(start, end, include_late=False)


def save_panes(watch: Watch) -> None:
    """Put what has been counted into the store in a transaction of its own."""
    tree = pane_tree(watch)
    if not tree.fresh:
        return
    with watch.store.write() as tx:
        watch.fence(tx)
        tree.save(tx)
    tree.saved()


def largest_node(reach: timedelta, pane: timedelta) -> int:
    """Panes of the largest node that fits into so long a stretch; at least 1."""
    return 1 << max((reach // pane).bit_length() - 1, 0)


def _count(tree: PaneTree, one: CountedGrid, rows: pa.Table, numbers: Sequence[int], largest: int) -> None:
    if not numbers:
        return
    own = rows if one.of is None else one.of(rows)
    _add(tree, one, profile_panes(own, one.grid, tree.pane), numbers, largest)


def _add(
    tree: PaneTree,
    one: CountedGrid,
    profiles: Mapping[datetime, Profile],
    numbers: Sequence[int],
    largest: int,
) -> None:
    """Put panes into the tree; those without a profile have no rows."""
    empty: Profile | None = None
    for number in numbers:
        profile = profiles.get(tree.start_of(number))
        if profile is None:
            profile = empty = empty or empty_profile(one.grid)
        tree.add(one.grid.name, number, profile, since=one.start, largest=largest)


def _slices(watch: Watch, numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First pane and end of what is read together: neighbours, with about as many rows as allowed.

    How many rows a pane has is not known before it is read; they are taken to be spread over the day.
    """
    if not numbers:
        return
    tree = pane_tree(watch)
    ends = tree.start_of(numbers[0]), tree.start_of(numbers[-1] + 1)
    by_day = _rows_a_day(watch, *ends) if len(numbers) > 1 else {}
    for _, run in groupby(enumerate(numbers), key=lambda item: item[1] - item[0]):
        first = last = next(run)[1]
        rows = 0.0
        for number in [first, *(number for _, number in run)]:
            start = tree.start_of(number)
            more = _expected(by_day, start, start + tree.pane)
            if number > first and (rows + more > ROWS_AT_ONCE or number - first >= PANES_AT_ONCE):
                yield first, number
                first, rows = number, 0.0
            last, rows = number, rows + more
        yield first, last + 1


def _expected(by_day: dict[datetime, int], start: datetime, end: datetime) -> float:
    """Rows of ``[start, end)`` if those of a day were spread evenly."""
    rows = 0.0
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        share = (min(end, day + DAY) - max(start, day)) / DAY
        rows += by_day.get(day, 0) * share
        day += DAY
    return rows
