"""What a statement raises when the database refused it, in words that all databases share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ctrain.errors import StateConflict

ILLEGAL_PHASE = "illegal phase change"
"""What the guard of the runs says when it refuses an UPDATE."""


class DuplicateRow(StateConflict):
    """A unique constraint refused a row; the message names the columns."""


@contextmanager
def duplicate_means(reason: str) -> Iterator[None]:
    """Say in a person's words what it means that a row of the block exists already."""
    try:
        yield
    except DuplicateRow as error:
        raise StateConflict(reason) from error
