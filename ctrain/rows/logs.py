"""The row logs of a home, one for each policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.errors import InputError
from ctrain.policy.data import is_own_column
from ctrain.rows.held import HeldSegments
from ctrain.rows.log import ParquetRowLog
from ctrain.rows.memory import RowMemory, row_memory
from ctrain.rows.segments import SegmentFolder

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.policy.models import DataSpec
    from ctrain.ports import RowLog, Store


class ParquetRowLogs:
    """``RowLogs`` in a folder of the home, one sub-folder per policy.

    ``held_bytes`` is for row logs that are thrown away with their process: so much of each stays in memory.
    ``around`` may put something around the files of each. All share ``memory``; where it is not given, they
    have their part of what so many ``processes`` of a daemon may keep.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        held_bytes: int = 0,
        around: Callable[[SegmentFolder], SegmentFolder] | None = None,
        memory: RowMemory | None = None,
        processes: int = 1,
    ) -> None:
        self._folder = folder
        self._store = store
        self._held_bytes = held_bytes
        self._around = around
        self._memory = memory or row_memory(folder.with_name("known"), processes)

    def open(self, policy: PolicyName, data: DataSpec, task: str) -> RowLog:
        """Return the row log of a policy, as committed.

        Raises
        ------
        InputError
            when a feature has a name that the row log uses for a column of its own.
        """
        taken = [name for name in data.features.names if is_own_column(name)]
        if taken:
            raise InputError(
                f"{policy}: the feature {taken[0]!r} has a name that ctrain uses itself; "
                f"give it another one and name its column in data.columns"
            )
        files = SegmentFolder(self._folder, policy)
        if self._held_bytes:
            files = HeldSegments(self._folder, policy, self._held_bytes)
        if self._around is not None:
            files = self._around(files)
        return ParquetRowLog(files, self._store, policy, data, task, self._memory)
