"""Why a batch that was pushed is not taken. Nothing of it is then on disk.

InputError
├── NoSuchPolicy     no daemon has ever watched a policy of this name
├── BadBatch         what was sent cannot be understood as rows
├── UnknownMedia     it is of a kind that is not taken
├── TooLarge         it is larger than a batch may be
└── BadRow           the policy could not use it: says which row and which column
StateConflict
├── NotPushed        the policy reads from somewhere else
└── OtherBatch       another batch was sent under the same id
TransientError
├── SpoolFull        too much waits to be read already
├── SpoolAway        the disk does not answer as it should
└── DiskFull         there is no room on the disk
"""

from __future__ import annotations

from ctrain.errors import InputError, StateConflict, TransientError


class NoSuchPolicy(InputError):
    """No daemon has ever watched a policy of this name."""


class BadBatch(InputError):
    """What was sent cannot be understood as rows."""


class UnknownMedia(InputError):
    """What was sent is of a kind that is not taken."""


class TooLarge(InputError):
    """More was sent than a batch may hold."""


class BadRow(InputError):
    """A row that the policy could not use; ``row`` counts from 0, None is all of them."""

    def __init__(self, message: str, row: int | None = None, column: str | None = None) -> None:
        place = f"row {row}: " if row is not None else ""
        super().__init__(place + message)
        self.row = row
        self.column = column


class NotPushed(StateConflict):
    """The policy reads from somewhere else."""


class OtherBatch(StateConflict):
    """Another batch was sent under the same id."""


class SpoolFull(TransientError):
    """Too much waits to be read already."""


class SpoolAway(TransientError):
    """The disk of the spool, or what lies there, is not as it should be; the database may be well."""


class DiskFull(TransientError):
    """There is no room on the disk."""
