"""What a worker of a dask cluster does for scores: it asks warm children of its own, and waits.

A model is loaded in a child only; the children end with the worker, or when nobody has asked for a while.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from ctrain.clocks import RealTimer
from ctrain.domain import Json, ModelVersion, ScoreJob, ScoreStatus, Task
from ctrain.launchers.dask_trials import ALIVE
from ctrain.scoring.pool import ScorerPool

PAUSE_SECONDS = 0.01
CHILDREN = 2


@cache
def _pool(tracking_uri: str) -> ScorerPool:
    return ScorerPool(tracking_uri, RealTimer(), max_children=CHILDREN)


def score(job: Mapping[str, Any]) -> Json:
    """The fields of a score status; the scores lie in the job's file."""
    output = f"{job['output_path']}.{uuid.uuid4().hex}"
    told = {name: job[name] for name in ScoreJob.__dataclass_fields__ if name in job}
    asked = ScoreJob(
        **{
            **told,
            "key": output,
            "version": ModelVersion(**job["version"]),
            "task": Task(job["task"]),
            "features": tuple(job["features"]),
            "output_path": output,
            "launcher": {},
        }
    )
    if not Path(asked.rows_path).exists():
        return asdict(ScoreStatus("failed", f"a worker does not see {asked.rows_path}; home must be shared"))
    status = _ended(_pool(job["tracking_uri"]), asked)
    if status.state == "done":
        os.replace(output, job["output_path"])
    return asdict(status)


def _ended(pool: ScorerPool, job: ScoreJob) -> ScoreStatus:
    """How it ended; children end with a worker that has lost its scheduler: that asks another worker."""
    from distributed import get_worker

    worker = get_worker()
    pause = threading.Event()
    pool.submit(job)
    while (status := pool.poll(job.key)).state == "running":
        if worker.status.name not in ALIVE:
            pool.close()
            return ScoreStatus("failed", "the worker has lost its scheduler")
        pause.wait(PAUSE_SECONDS)
    pool.forget(job.key)
    return status
