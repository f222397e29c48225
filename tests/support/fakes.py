"""Stand-ins for the world outside the engine: a registry, a launcher and a scorer that answer at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ctrain.domain import (
    AnalysisJob,
    AnalysisStatus,
    JobState,
    JobStatus,
    Json,
    MetricQuery,
    ModelVersion,
    RunId,
    Sample,
    ScoreJob,
    ScoreStatus,
    Series,
    TrainingJob,
    Version,
)
from ctrain.errors import PermanentError, TransientError
from ctrain.telemetry.catalog import CATALOG, Kind

Model = Callable[[pa.Table], np.ndarray]
"""Scores of a table of features."""


class FakeMetricServer:
    """Answers the next call after a question with what ``values`` holds.

    A text is a problem, a mapping the numbers of series.
    """

    def __init__(self) -> None:
        self.values: dict[str, float | str | Mapping[str, float]] = {}
        self.asked: list[MetricQuery] = []
        self._under_way: set[str] = set()

    def ask(self, key: str, query: MetricQuery) -> Sample | None:
        if key not in self._under_way:
            self._under_way.add(key)
            self.asked.append(query)
            return None
        self._under_way.remove(key)
        found = self.values[query.query]
        if isinstance(found, str):
            return Sample(query.at, problem=found)
        if isinstance(found, Mapping):
            return Sample(query.at, series={name: Series(one, query.at) for name, one in found.items()})
        return Sample(query.at, found, query.at)


class FakeClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime = datetime(2024, 1, 1, tzinfo=UTC)) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    def advance(self, by: timedelta) -> None:
        self.instant += by


class FakeTimer:
    """Real time that passes one second at each look, so that nothing waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds


@dataclass
class FakeRegistry:
    """Versions and aliases in memory; ``down`` makes every call fail as an unreachable server does."""

    versions: dict[Version, ModelVersion] = field(default_factory=dict)
    models: dict[Version, Model] = field(default_factory=dict)
    digests: dict[Version, str] = field(default_factory=dict)
    aliases: dict[str, Version] = field(default_factory=dict)
    writes: list[tuple[str, Version | None]] = field(default_factory=list)
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    attached: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files by MLflow run."""
    descriptions: dict[Version, str] = field(default_factory=dict)
    down: bool = False

    def register(
        self, model: Model, tags: Mapping[str, str], digest: str = "", *, recorded: bool = True
    ) -> Version:
        """A new version; ``recorded`` says whether its digest is on record, as ctrain's training does."""
        version = Version(str(len(self.versions) + 1))
        self.digests[version] = digest or f"digest-{version}"
        full = {**tags, **({"ctrain.digest": self.digests[version]} if recorded else {})}
        self.versions[version] = ModelVersion(
            "model", version, f"models:/model/{version}", f"mlrun-{version}", full
        )
        self.models[version] = model
        return version

    def _reach(self) -> None:
        if self.down:
            raise TransientError("the registry does not answer")

    def alias(self, model: str, alias: str) -> Version | None:
        self._reach()
        return self.aliases.get(alias)

    def set_alias(self, model: str, alias: str, version: Version) -> None:
        self._reach()
        if version not in self.versions:
            raise PermanentError(f"there is no version {version} of {model}")
        self.aliases[alias] = version
        self.writes.append((alias, version))

    def delete_alias(self, model: str, alias: str) -> None:
        self._reach()
        self.aliases.pop(alias, None)
        self.writes.append((alias, None))

    def version(self, model: str, version: Version) -> ModelVersion:
        self._reach()
        if version not in self.versions:
            raise PermanentError(f"there is no version {version} of {model}")
        return self.versions[version]

    def find_version(self, model: str, run_id: RunId) -> ModelVersion | None:
        self._reach()
        return next((one for one in self.versions.values() if one.tags.get("ctrain.run_id") == run_id), None)

    def digest(self, model: str, version: Version) -> str:
        self._reach()
        return self.digests[version]

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
        self._reach()
        self.notes.setdefault(mlflow_run_id, {}).update(tags or {})

    def attach_files(self, mlflow_run_id: str, files: Mapping[str, str]) -> None:
        self._reach()
        content = {name: Path(path).read_bytes() for name, path in files.items()}
        self.attached.setdefault(mlflow_run_id, {}).update(content)

    def annotate_version(
        self, model: str, version: Version, *, tags: Mapping[str, str], description: str | None = None
    ) -> None:
        self._reach()
        self.notes.setdefault(version, {}).update(tags)
        if description is not None:
            self.descriptions[version] = description
        known = self.versions[version]
        self.versions[version] = replace(known, tags={**known.tags, **tags})


@dataclass
class FakeLauncher:
    """Trains inline with ``train(rows, params) -> Model`` and registers the result."""

    registry: FakeRegistry
    train: Callable[[pa.Table, Mapping[str, object]], Model]
    started: list[tuple[RunId, int]] = field(default_factory=list)
    stopped: list[RunId] = field(default_factory=list)
    results: dict[tuple[RunId, int], JobStatus] = field(default_factory=dict)
    running: dict[tuple[RunId, int], TrainingJob] = field(default_factory=dict)
    busy: bool = False
    """True keeps jobs running until ``finish``, as a training that takes its time."""
    importance: Mapping[str, float] = field(default_factory=dict)
    """What every training finds: share by feature."""

    def start(self, job: TrainingJob) -> None:
        key = (job.run_id, job.attempt)
        if key in self.results:
            return
        self.started.append(key)
        if self.busy:
            self.results[key] = JobStatus(JobState.RUNNING)
            self.running[key] = job
            return
        self.results[key] = self._finish(job)

    def finish(self) -> None:
        """Let every running job end."""
        self.busy = False
        for key, job in self.running.items():
            self.results[key] = self._finish(job)
        self.running.clear()

    def _finish(self, job: TrainingJob) -> JobStatus:
        rows = pq.read_table(Path(job.folder) / "rows.parquet")
        try:
            model = self.train(rows, job.context.params)
        except ValueError as error:
            return JobStatus(JobState.FAILED, str(error))
        version = self.registry.register(model, job.registration["tags"])
        result = {
            "version": version,
            "mlflow_run_id": f"mlrun-{version}",
            "digest": self.registry.digests[version],
            "train_seconds": 0.5,
            "importance": dict(self.importance),
        }
        return JobStatus(JobState.SUCCEEDED, result=result)

    def poll(self, run_id: RunId, attempt: int, folder: str) -> JobStatus:
        return self.results.get((run_id, attempt), JobStatus(JobState.ABSENT))

    def stop(self, run_id: RunId, attempt: int, folder: str) -> None:
        self.stopped.append(run_id)


PROBED: Json = {
    "latency_p50_ms": 1.0,
    "latency_p99_ms": 2.0,
    "batch_p50_ms": 3.0,
    "batch_p99_ms": 4.0,
    "batch_rows": 100,
    "predictions": 200,
    "size_bytes": 5000,
    "deterministic": True,
    "signature": [["x", "double"]],
}


@dataclass
class FakeScorer:
    """Scores inline with the registry's models; ``broken`` versions fail."""

    registry: FakeRegistry
    broken: set[Version] = field(default_factory=set)
    unfetched: set[Version] = field(default_factory=set)
    """Those whose artifacts the store does not give."""
    busy: bool = False
    """True takes jobs in and answers none."""
    states: dict[str, ScoreStatus] = field(default_factory=dict)
    scored: list[tuple[Version, int]] = field(default_factory=list)
    measured: dict[Version, Json] = field(default_factory=dict)
    """What probes of versions find, where it is not what they find of others."""

    def submit(self, job: ScoreJob) -> None:
        version = job.version.version
        if self.busy:
            self.states[job.key] = ScoreStatus("running")
            return
        if version in self.broken:
            self.states[job.key] = ScoreStatus("failed", "cannot load")
            return
        if version in self.unfetched:
            self.states[job.key] = ScoreStatus("failed", "503 Server Error", fetched=False)
            return
        rows = pq.read_table(job.rows_path)
        scores = self.registry.models[version](rows)
        scored = rows.select(["row_id"]).append_column("score", pa.array(scores))
        pq.write_table(scored, job.output_path)
        self.scored.append((version, rows.num_rows))
        measured = {**PROBED, **self.measured.get(version, {})} if job.probe else {}
        self.states[job.key] = ScoreStatus("done", measured=measured)

    def poll(self, key: str) -> ScoreStatus:
        return self.states.get(key, ScoreStatus("absent"))

    def forget(self, key: str) -> None:
        self.states.pop(key, None)


def unremarkable(job: AnalysisJob) -> Json:
    """Nothing is told apart, and pictures of nothing are made."""
    told = {"auc": 0.5, "p_value": 0.5, "reference_rows": 1000, "current_rows": 1000, "importance": {}}
    if job.role == "separation":
        return told
    if job.role.endswith("by_segment"):
        count = job.request["segments"]
        return {"segments": [told] * count, "aucs": [[0.5, 0.5, 0.5]] * count}
    return {"aucs": [0.5, 0.5, 0.5]} if job.role == "inside" else {"files": {}}


@dataclass
class FakeAnalyst:
    """Answers inline with ``answer(job)``; what raises OSError has failed. Answers are kept as files."""

    root: Path
    answer: Callable[[AnalysisJob], Json] = unremarkable
    busy: bool = False
    """True takes jobs in and answers none."""
    asked: list[AnalysisJob] = field(default_factory=list)
    states: dict[str, AnalysisStatus] = field(default_factory=dict)

    def submit(self, job: AnalysisJob) -> None:
        if self.poll(job.key).state != "absent":
            return
        self.asked.append(job)
        if self.busy:
            self.states[job.key] = AnalysisStatus("running")
            return
        try:
            found = self.answer(job)
        except OSError as error:
            self.states[job.key] = AnalysisStatus("failed", str(error))
            return
        folder = self.root / job.key
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "answer.json").write_text(json.dumps(found))

    def poll(self, key: str) -> AnalysisStatus:
        path = self.root / key / "answer.json"
        if path.exists():
            return AnalysisStatus("done", answer=json.loads(path.read_text()))
        return self.states.get(key, AnalysisStatus("absent"))

    def forget(self, key: str) -> None:
        self.states.pop(key, None)


@dataclass
class QuietTelemetry:
    """Keeps what was counted, for assertions; shows nothing."""

    counted: dict[tuple[str, ...], float] = field(default_factory=dict)
    logged: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        key = (name, *labels.values())
        self.counted[key] = self.counted.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.counted[name, *labels.values()] = value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.counted[name, *labels.values()] = seconds

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        self.steps.append(name)
        return nullcontext()

    def begin_policy(self, policy: str) -> None:
        self.forget(policy, *(name for name, metric in CATALOG.items() if metric.kind is Kind.GAUGE))

    def remove_policy(self, policy: str) -> None:
        self.counted = {key: value for key, value in self.counted.items() if policy not in key}

    def forget(self, policy: str, *names: str) -> None:
        gone = {key for key in self.counted if key[0] in names and policy in key}
        self.counted = {key: value for key, value in self.counted.items() if key not in gone}

    def log(self, event: str, **fields: object) -> None:
        self.logged.append((event, fields))
