"""The sources that a policy names, opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.clocks import RealTimer
from ctrain.rows.columns import label_columns, row_columns
from ctrain.sources.files import FilesSource

if TYPE_CHECKING:
    from ctrain.policy.models import Policy
    from ctrain.ports import Source, Timer


class FileSources:
    """``Sources`` of files; relative paths start at ``folder``, where the policy's file lies."""

    def __init__(self, timer: Timer | None = None) -> None:
        self._timer = timer or RealTimer()

    def open_rows(self, policy: Policy, folder: Path) -> Source:
        columns = row_columns(policy.data, policy.model.task)
        return FilesSource(policy.data.source.path, folder, columns, timer=self._timer)

    def open_labels(self, policy: Policy, folder: Path) -> Source | None:
        source = policy.data.labels.source
        if source is None:
            return None
        columns = label_columns(policy.data, policy.model.task)
        return FilesSource(source.path, folder, columns, timer=self._timer)
