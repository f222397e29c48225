"""Reuse: rows, code and parameters that were trained on before give the version that they gave then.

What a training is made of is hashed when its rows are ready. Not known, and so never reused, is what a
command runs, and what a training function reads by itself that logs its own model. Versions of libraries
do not count: a training that should be repeated under new ones has ``train.reuse: false`` or a new line
of code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctrain.domain import Json, Run, Version
from ctrain.engine.advance.training_job import params_of
from ctrain.engine.advance.training_rows import ROWS_FILE, files_of
from ctrain.engine.moves import found_in
from ctrain.errors import PermanentError

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

RUNS_LOOKED_AT = 200
NOT_PART_OF_IT = frozenset(
    {"window", "holdout", "min_rows", "weights", "refit", "reuse", "learnable"}
    | {"timeout", "retries", "launcher", "memory_limit", "file_limit"}
)
"""Keys of ``train`` that say which rows there are (their content counts), or how long to be patient."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A training of the same that ended well: its run, and what its child answered."""

    run: Run
    result: Json

    @property
    def version(self) -> Version:
        return Version(str(self.result["version"]))


def known_training(watch: Watch, run: Run, *, refit: bool) -> dict[str, Any]:
    """The fingerprint of the training to come, with the digests of its rows and of the folder of its code.

    Where there was one like it, its run and its result.
    """
    files = files_of(watch, refit=refit)
    data = {name: watch.workspace.digest(watch.workspace.path(run.id, of)) for name, of in files.items()}
    code = watch.workspace.digest(str(watch.loaded.folder))
    mark = _fingerprint(watch, run, list(data.values()), code, refit=refit)
    found = {"fingerprint": mark, "data_digest": data[ROWS_FILE], "code_digest": code}
    earlier = _earlier_training(watch, run, mark)
    if earlier is None:
        return {**found, "reused": "", "result": {}}
    return {**found, "reused": earlier.run.id, "result": {**earlier.result, "train_seconds": 0.0}}


def tell_reused(watch: Watch, run: Run, found: Json) -> Callable[[Transaction], None]:
    """What to do in the transaction that goes on without a training: say so."""

    def tell(tx: Transaction) -> None:
        if found["reused"]:
            version = found["result"]["version"]
            told = f"nothing is trained: version {version} of run {found['reused']} is made of the same"
            tx.append_event(watch.event("training_reused", told, run_id=run.id))

    return tell


def _fingerprint(watch: Watch, run: Run, data: list[str], code: str, *, refit: bool) -> str:
    """SHA-256 over rows, weights, code, parameters and interpreter; empty: there is no telling."""
    policy = watch.policy
    train = policy.train
    if train.command is not None or not train.reuse:
        return ""
    made_of = {
        "files": data,
        "code": code,
        "train": train.model_dump(mode="json", exclude=set(NOT_PART_OF_IT)),
        "params": params_of(watch, run),
        "task": policy.model.task.value,
        "metric": policy.model.metric,
        "features": policy.data.features.by_kind,
        "label": policy.data.labels.label,
        "refit": refit,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()


def _earlier_training(watch: Watch, run: Run, mark: str) -> Earlier | None:
    """The newest training with this fingerprint whose version is still in the registry as it was."""
    if not mark:
        return None
    with watch.store.read() as tx:
        runs = tx.runs(watch.name, limit=RUNS_LOOKED_AT)
    for one in runs:
        for training in _trainings(found_in(one, "training")):
            if one.id != run.id and training.get("fingerprint") == mark and training.get("result"):
                earlier = Earlier(one, training["result"])
                if not earlier.result.get("unverified_holdout") and _still_there(watch, earlier):
                    return earlier
    return None


def _trainings(found: Json) -> tuple[Json, ...]:
    """What a run has trained: its refit and the candidate before it, or just one."""
    return (found, found["candidate"]) if "candidate" in found else (found,)


def _still_there(watch: Watch, earlier: Earlier) -> bool:
    try:
        known = watch.registry.version(watch.policy.model.name, earlier.version)
    except PermanentError:
        return False
    return known.digest is not None and known.digest == earlier.result.get("digest")
