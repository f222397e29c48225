"""The sources that a policy names, opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.clocks import RealTimer
from ctrain.policy.models import ReferencePath
from ctrain.rows.columns import Column, label_columns, row_columns
from ctrain.sources.column_types import by_path
from ctrain.sources.files import FilesSource
from ctrain.sources.reference_file import ReferenceTable

if TYPE_CHECKING:
    from ctrain.policy.data import FilesSource as FilesSpec
    from ctrain.policy.models import Policy
    from ctrain.ports import ReferenceFile, Source, Timer


class FileSources:
    """``Sources`` of files; relative paths start at ``folder``, where the policy's file lies."""

    def __init__(self, timer: Timer | None = None) -> None:
        self._timer = timer or RealTimer()

    def open_rows(self, policy: Policy, folder: Path) -> Source:
        columns = row_columns(policy.data, policy.model.task)
        return self._open(policy.data.source, folder, columns)

    def open_labels(self, policy: Policy, folder: Path) -> Source | None:
        source = policy.data.labels.source
        if source is None:
            return None
        return self._open(source, folder, label_columns(policy.data, policy.model.task))

    def _open(self, spec: FilesSpec, folder: Path, columns: Sequence[Column]) -> Source:
        types = by_path(spec.types, columns)
        return FilesSource(spec.path, folder, columns, timer=self._timer, declared=spec.format, types=types)

    def open_reference(self, policy: Policy, folder: Path) -> ReferenceFile | None:
        if not isinstance(policy.reference, ReferencePath):
            return None
        return ReferenceTable(folder / policy.reference.path, policy)
