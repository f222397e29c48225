"""Files of the past that are replayed instead of those that a policy names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.errors import InputError
from ctrain.policy.data import FilesSource

if TYPE_CHECKING:
    from ctrain.policy.data import PushSource
    from ctrain.policy.models import Policy


@dataclass(frozen=True, slots=True)
class Past:
    """Where rows and labels lie: files, folders or globs; None: where the policy says."""

    rows: Path | None = None
    labels: Path | None = None

    def read_by(self, policy: Policy) -> Policy:
        """The policy with these files as its sources; format and types of columns stay as it says.

        Raises
        ------
        InputError
            when there are to be files of labels, and the policy finds labels in the rows.
        """
        data, labels = policy.data, policy.data.labels
        if self.rows is not None:
            data = data.model_copy(update={"source": _files(self.rows, data.source)})
        if self.labels is not None:
            if labels.source is None:
                raise InputError(
                    f"--history-labels {self.labels}: {policy.policy} has its labels in the column "
                    f"{labels.label} of the rows, no data.labels.source that files could take the place of"
                )
            own = labels.model_copy(update={"source": _files(self.labels, labels.source)})
            data = data.model_copy(update={"labels": own})
        return policy.model_copy(update={"data": data})


AS_WRITTEN = Past()


def _files(path: Path, written: FilesSource | PushSource) -> FilesSource:
    """Relative to the working folder, as files that a person names are."""
    place = str(path.absolute())
    if isinstance(written, FilesSource):
        return written.model_copy(update={"path": place})
    return FilesSource(type="files", path=place)
