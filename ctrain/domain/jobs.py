"""Work for child processes: training and scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from ctrain.domain.models import ModelVersion
from ctrain.domain.names import Json, RunId, Task


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What a training function is told besides its rows.

    ``features`` is ``{"numeric": [...], "categorical": [...], "boolean": [...], "date": [...],
    "text": [...]}``: booleans come as 1 and 0, dates as days since 1970-01-01; ``params``
    are free-form values from the policy's ``train.params``; ``window`` is the event time that the rows span.
    ``sample_weight`` is a pandas Series with the index of the rows where the policy has
    ``train.weights``, else None.
    """

    policy: str
    run_id: str
    task: str
    label: str
    features: Mapping[str, tuple[str, ...]]
    window_start: str
    window_end: str
    seed: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    sample_weight: Any = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Numeric features, then those of the other kinds: the columns the model is fitted on."""
        return tuple(name for names in self.features.values() for name in names)


class JobState(StrEnum):
    ABSENT = "absent"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    """The process is gone and left no result: killed from outside, or the machine went down."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Everything a training child needs; ``folder`` holds its input, log and result."""

    run_id: RunId
    attempt: int
    folder: str
    """Absolute; ``rows.parquet`` lies there, ``result.json`` and ``train.log`` will."""
    entrypoint: str
    """``module:function`` in a file beside the policy."""
    code_folder: str
    python: str
    timeout: timedelta
    memory_limit_bytes: int
    context: TrainingContext
    registration: Json
    """Model name, experiment, tags, data set name and description for MLflow."""
    command: tuple[str, ...] = ()
    """Program and arguments that train instead of an entrypoint."""
    candidates: tuple[str, ...] = ()
    """Several entrypoints, of which the best on the newest rows trains."""
    tune: Json = field(default_factory=dict)
    """``sampler``, ``trials``, ``timeout_seconds``, ``folds``, ``space`` and ``start``, the parameters
    that are tried first; empty: nothing is tuned."""
    learnable: Json = field(default_factory=dict)
    """``rows``, ``require``, ``bound`` and ``output`` of a look before the training; empty: none."""
    env: tuple[str, ...] = ()
    """Names of further environment variables that the training may see."""
    file_limit_bytes: int = 0
    """Largest file that it may write; 0: as large as the disk."""
    launcher: Json = field(default_factory=dict)
    """``type``, ``address`` and ``resources`` of where it runs; empty: a process of this machine."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    state: JobState
    message: str = ""
    result: Json = field(default_factory=dict)
    """Of a job that succeeded: ``mlflow_run_id``, ``version``, ``digest``, ``train_seconds``, and
    ``importance``, the share of each feature (empty: not known). With ``refused``, a reason, there was
    no training, and there is no version."""


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """Score the rows of one Parquet file with one model version in a child process.

    The output has the columns ``row_id`` and ``score``: for a binary task the probability of the
    positive class (the label 0/1 itself where the model gives only classes), for multiclass a
    struct with the probability of each class, for regression the value. ``null`` where a row
    cannot be cast.
    """

    key: str
    """Names the work: the same key is never computed twice at once."""
    version: ModelVersion
    rows_path: str
    output_path: str
    features: tuple[str, ...]
    task: Task
    output: Literal["auto", "probability", "class", "value"]
    python: str
    digest: str | None = None
    """Checked before the model is loaded, when given."""
    probe: bool = False
    """Load the model in a child that has done nothing else, and measure what serving it costs, too."""
    launcher: Json = field(default_factory=dict)
    """Where it runs, as of a training."""


@dataclass(frozen=True, slots=True)
class ScoreStatus:
    state: Literal["absent", "running", "done", "failed"]
    message: str = ""
    seconds: float = 0.0
    measured: Json = field(default_factory=dict)
    """Of a probe: ``latency_p50_ms``, ``latency_p99_ms``, ``batch_p50_ms``, ``batch_p99_ms``,
    ``batch_rows``, ``predictions``, ``size_bytes``, ``deterministic`` and ``signature`` (name and type of
    each input)."""
    fetched: bool = True
    """False: it failed before there was a model, as its artifact could not be fetched."""
