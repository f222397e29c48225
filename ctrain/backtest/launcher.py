"""Trainings on the virtual clock: a model is there once its training time has passed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from ctrain.backtest.registry import DIGEST_TAG, MemoryRegistry
from ctrain.backtest.trainer import Trained
from ctrain.domain import JobState, JobStatus, RunId, TrainingJob

if TYPE_CHECKING:
    from ctrain.backtest.clock import VirtualClock

NO_RUN_IN_MLFLOW = None
CONTENT_TAG = "ctrain.content_digest"


class Trains(Protocol):
    """Who does the work."""

    @property
    def total_seconds(self) -> float:
        """What all trainings took together, each counted once."""

    def submit(self, job: TrainingJob) -> str:
        """Queue the job; return the key of its result."""

    def result(self, key: str) -> Trained | None:
        """What has become of it; None while it is under way."""


@dataclass(slots=True)
class _Launched:
    job: TrainingJob
    started_at: datetime
    key: str
    status: JobStatus | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a training really took, and when it was started."""

    run_id: RunId
    started_at: datetime
    seconds: float
    rows: int
    trained: bool = True
    """False for a look that found no training worth while."""


class VirtualLauncher:
    """A ``Launcher`` whose trainings really run, and end at the virtual instant at which they would have.

    ``training_time`` is how long each takes on the virtual clock; None: as long as it really took.
    """

    def __init__(
        self,
        trainer: Trains,
        registry: MemoryRegistry,
        clock: VirtualClock,
        training_time: timedelta | None = None,
    ) -> None:
        self._trainer, self._registry, self._clock = trainer, registry, clock
        self._training_time = training_time
        self._launched: dict[str, _Launched] = {}
        """By folder: that of a refit is not that of the fit before it."""
        self.costs: list[Cost] = []
        """Of every training that has ended, in that order."""

    def start(self, job: TrainingJob) -> None:
        if job.folder not in self._launched:
            self._launched[job.folder] = _Launched(job, self._clock.now(), self._trainer.submit(job))

    def poll(self, run_id: RunId, attempt: int, folder: str) -> JobStatus:  # noqa: ARG002 - the folder names both
        launched = self._launched.get(folder)
        if launched is None:
            return JobStatus(JobState.ABSENT)
        if launched.status is None:
            ready_at = self._ready_at(launched)
            if ready_at is None or self._clock.now() < ready_at:
                return JobStatus(JobState.RUNNING)
            launched.status = self._ended(launched)
        return launched.status

    def stop(self, run_id: RunId, attempt: int, folder: str) -> None:  # noqa: ARG002 - the folder names both
        launched = self._launched.get(folder)
        if launched is not None and launched.status is None:
            launched.status = JobStatus(JobState.LOST, "training was stopped")

    @property
    def working(self) -> bool:
        """True while a training really runs."""
        return any(ready is None for ready in self._waited_for())

    def take_ended(self) -> bool:
        """True when a training has ended by now, on both clocks, and nobody has asked for it."""
        return any(ready is not None and ready <= self._clock.now() for ready in self._waited_for())

    @property
    def next_ready_at(self) -> datetime | None:
        """The next virtual instant at which a training ends; None when none is known."""
        return min((ready for ready in self._waited_for() if ready is not None), default=None)

    def _waited_for(self) -> list[datetime | None]:
        return [self._ready_at(one) for one in self._launched.values() if one.status is None]

    def _ready_at(self, launched: _Launched) -> datetime | None:
        """When the training ends on the virtual clock; None while that is not known yet."""
        trained = self._trainer.result(launched.key)
        if trained is None:
            return None
        return launched.started_at + self._took(trained)

    def _took(self, trained: Trained) -> timedelta:
        """On the virtual clock."""
        return timedelta(seconds=trained.seconds) if self._training_time is None else self._training_time

    def _ended(self, launched: _Launched) -> JobStatus:
        trained, job = self._trainer.result(launched.key), launched.job
        assert trained is not None
        was_trained, took = not trained.refused, self._took(trained).total_seconds()
        self.costs.append(
            Cost(job.run_id, launched.started_at, trained.seconds, trained.rows, trained=was_trained)
        )
        if trained.problem:
            return JobStatus(JobState.FAILED, trained.problem)
        if trained.refused:
            refused = {"refused": trained.refused, "train_seconds": took, **trained.notes}
            return JobStatus(JobState.SUCCEEDED, result={**refused, "mlflow_run_id": NO_RUN_IN_MLFLOW})
        tags = {**job.registration["tags"], DIGEST_TAG: trained.digest, CONTENT_TAG: trained.content_digest}
        version = self._registry.register(str(job.registration["model"]), trained.folder, tags)
        result = {
            "version": version.version,
            "mlflow_run_id": NO_RUN_IN_MLFLOW,
            "digest": trained.digest,
            "content_digest": trained.content_digest,
            "train_seconds": took,
            "importance": dict(trained.importance),
            **trained.notes,
        }
        return JobStatus(JobState.SUCCEEDED, result=result)
