"""The registry, and work in child processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from ctrain.domain import JobStatus, ModelVersion, RunId, ScoreJob, ScoreStatus, TrainingJob, Version

if TYPE_CHECKING:
    import pyarrow as pa

    from ctrain.stats.grid import Grid
    from ctrain.stats.profile import Profile


class Registry(Protocol):
    """The model registry. Every call may raise TransientError when it cannot be reached."""

    def alias(self, model: str, alias: str) -> Version | None:
        """The version that the alias names, or None when there is no such alias (or model)."""

    def set_alias(self, model: str, alias: str, version: Version) -> None: ...

    def delete_alias(self, model: str, alias: str) -> None: ...

    def version(self, model: str, version: Version) -> ModelVersion: ...

    def find_version(self, model: str, run_id: RunId) -> ModelVersion | None:
        """The version registered by this run of ctrain (tag ``ctrain.run_id``), if any."""

    def digest(self, model: str, version: Version) -> str:
        """SHA-256 over the artifact as it lies in the registry now."""

    def annotate_run(
        self,
        mlflow_run_id: str,
        *,
        tags: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        artifacts: Mapping[str, str] | None = None,
        status: str | None = None,
    ) -> None:
        """Add to an MLflow run; ``artifacts`` maps file names to text; ``status`` ends the run."""

    def attach_files(self, mlflow_run_id: str, files: Mapping[str, str]) -> None:
        """Add files of this machine to an MLflow run: paths by the names that they get there."""

    def annotate_version(
        self, model: str, version: Version, *, tags: Mapping[str, str], description: str | None = None
    ) -> None: ...


class Launcher(Protocol):
    """Runs training somewhere. Idempotent by run id and attempt; survives the daemon."""

    def start(self, job: TrainingJob) -> None:
        """Start the job unless it runs or has ended already."""

    def poll(self, run_id: RunId, attempt: int, folder: str) -> JobStatus: ...

    def stop(self, run_id: RunId, attempt: int, folder: str) -> None:
        """Kill the job and its children; nothing to do when it is gone."""


class PaneCounter(Protocol):
    """Counts panes of a policy's row log on other machines; never waits."""

    def count(
        self, grid: Grid, pane: timedelta, stretches: Sequence[tuple[datetime, datetime]]
    ) -> Sequence[Mapping[datetime, Profile]] | None:
        """Return the panes that have rows, by their start, of the first stretches that are known by now.

        None: they are to be counted here.
        """


class Workspace(Protocol):
    """Files of runs and of scoring jobs: tables that children read and write."""

    def folder(self, run_id: RunId, attempt: int) -> str:
        """Absolute folder of one attempt of a run's training, created when absent."""

    def write(self, owner: str, name: str, table: pa.Table) -> str:
        """Write a Parquet file atomically under ``owner`` (a run id or a job); return its path.

        The same rows make the same bytes, however the table is put together.
        """

    def path(self, owner: str, name: str) -> str: ...

    def read(self, path: str) -> pa.Table | None:
        """The table, or None when the file is not there."""

    def place(self, path: str, folder: str, name: str) -> None:
        """Make the file at ``path`` available as ``folder/name`` without copying where possible."""

    def digest(self, path: str) -> str:
        """SHA-256 of a file, or of the Python files of a folder with their names; empty: neither is there."""

    def remove(self, owner: str) -> None:
        """Delete what lies under ``owner``."""


class Scorer(Protocol):
    """Scores rows with model versions in warm child processes; never blocks."""

    def submit(self, job: ScoreJob) -> None:
        """Queue the job unless its key is known already."""

    def poll(self, key: str) -> ScoreStatus: ...

    def forget(self, key: str) -> None:
        """Drop what is known of a finished job, so that it may be submitted again."""
