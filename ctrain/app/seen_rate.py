"""How many rows a day come to a policy, as its files tell so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.policy.data import FilesSource
from ctrain.sources.listing import Listing

if TYPE_CHECKING:
    from pathlib import Path

    from ctrain.policy.models import Policy

ROWS_READ = 20_000
"""From the first event on; of a longer history the beginning is taken for the whole."""
FEWEST_ROWS = 100
"""Fewer tell nothing of a rate."""


def seen_rows_per_day(policy: Policy, folder: Path) -> float | None:
    """Return the rate of the rows that lie there; None where too few do, or they are pushed.

    Raises
    ------
    CtrainError, OSError
        when they cannot be read.
    """
    source = policy.data.source
    if (
        not isinstance(source, FilesSource)
        or not Listing(source.path, folder, declared=source.format).files()
    ):
        return None
    from ctrain.rows.instants import FAR, MICROSECONDS_A_DAY, microseconds_of
    from ctrain.rows.normalise import normalise_rows
    from ctrain.sources.opening import FileSources

    batches = FileSources().open_rows(policy, folder).read({}, ROWS_READ).batches
    rows = normalise_rows(batches, policy.data, policy.model.task, FAR).table
    events = microseconds_of(rows["event_at"].combine_chunks())
    if len(events) < FEWEST_ROWS or events.min() == events.max():
        return None
    return float(len(events) * MICROSECONDS_A_DAY / (int(events.max()) - int(events.min())))
