"""The sources that a policy names, opened."""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.clocks import RealTimer
from ctrain.domain import PolicyName
from ctrain.domain.pushes import PushKind
from ctrain.errors import InputError
from ctrain.policy.data import FilesSource as FilesSpec
from ctrain.policy.data import PushSource
from ctrain.policy.models import ReferencePath
from ctrain.rows.columns import Column, label_columns, row_columns
from ctrain.sources.column_types import by_path
from ctrain.sources.files import FilesSource
from ctrain.sources.perils import Perils
from ctrain.sources.push_contract import SpoolPlaces
from ctrain.sources.push_files import SUFFIX
from ctrain.sources.reference_file import ReferenceTable

if TYPE_CHECKING:
    from ctrain.policy.models import Policy
    from ctrain.ports import ReferenceFile, Source, Timer


class FileSources:
    """``Sources`` of files; relative paths start at ``folder``, where the policy's file lies.

    What is pushed lies in files, too: below ``spool``. Without one it cannot be read. Which file is being
    read stands in ``marks``, a folder.
    """

    def __init__(
        self, timer: Timer | None = None, spool: Path | None = None, marks: Path | None = None
    ) -> None:
        self._timer = timer or RealTimer()
        self._spool = spool
        self._marks = marks

    def open_rows(self, policy: Policy, folder: Path) -> Source:
        columns = row_columns(policy.data, policy.model.task)
        return self._open(policy, policy.data.source, PushKind.ROWS, folder, columns)

    def open_labels(self, policy: Policy, folder: Path) -> Source | None:
        source = policy.data.labels.source
        if source is None:
            return None
        columns = label_columns(policy.data, policy.model.task)
        return self._open(policy, source, PushKind.LABELS, folder, columns)

    def _place(
        self, policy: Policy, spec: FilesSpec | PushSource, kind: PushKind, folder: Path
    ) -> tuple[FilesSpec, Path]:
        """The files to read, and where relative paths begin."""
        if not isinstance(spec, PushSource):
            return spec, folder
        if self._spool is None:
            raise InputError(
                f"the {kind} of {policy.policy} are pushed to a daemon: there are no files to read"
            )
        place = SpoolPlaces(self._spool).folder(PolicyName(policy.policy), kind)
        return FilesSpec(type="files", path=f"{escape(str(place))}/*{SUFFIX}"), place

    def _open(
        self,
        policy: Policy,
        asked: FilesSpec | PushSource,
        kind: PushKind,
        folder: Path,
        columns: Sequence[Column],
    ) -> Source:
        spec, base = self._place(policy, asked, kind, folder)
        return FilesSource(
            spec.path,
            base,
            columns,
            timer=self._timer,
            declared=spec.format,
            types=by_path(spec.types, columns),
            by_arrival=isinstance(asked, PushSource),
            perils=Perils(self._marks / f"{policy.policy}-{kind}" if self._marks is not None else None),
        )

    def open_reference(self, policy: Policy, folder: Path) -> ReferenceFile | None:
        if not isinstance(policy.reference, ReferencePath):
            return None
        return ReferenceTable(folder / policy.reference.path, policy)
