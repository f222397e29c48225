"""What a training child is told: the job, and how its version is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctrain.domain import Run, TrainingContext, TrainingJob
from ctrain.engine.moves import found_in

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy


def training_job(watch: Watch, run: Run, attempt: int, folder: str) -> TrainingJob:
    """Everything the child needs to train this run."""
    policy, found = watch.policy, found_in(run, "training")
    features = policy.data.features.by_kind
    context = TrainingContext(
        policy=policy.policy,
        run_id=run.id,
        task=policy.model.task.value,
        label=policy.data.labels.label,
        features=features,
        window_start=found["window_start"],
        window_end=trained_until(run),
        params=params_of(watch, run),
    )
    return TrainingJob(
        run_id=run.id,
        attempt=attempt,
        folder=folder,
        entrypoint=_chosen(run) or policy.train.entrypoint or "",
        command=policy.train.command or (),
        candidates=() if _chosen(run) else policy.train.candidates or (),
        code_folder=str(watch.loaded.folder),
        python=policy.train.python or "",
        timeout=policy.train.timeout,
        memory_limit_bytes=policy.train.memory_limit,
        context=context,
        registration=_registration(watch, run),
    )


def _chosen(run: Run) -> str:
    """The function that won among the candidates, where it has been judged by the gates; else empty."""
    candidate = found_in(run, "training").get("candidate") or {}
    return str(candidate.get("result", {}).get("selection", {}).get("chosen", ""))


def params_of(watch: Watch, run: Run) -> dict[str, Any]:
    """The policy's parameters, and over them those that the person gave who asked for the run."""
    return {**watch.policy.train.params, **found_in(run, "request").get("params", {})}


def is_refit(run: Run) -> bool:
    """True once the gates have passed and the model is fitted again, on the held-out rows too."""
    return bool(found_in(run, "training").get("candidate"))


def refitting(run: Run) -> bool:
    """True until that fit has been collected."""
    return bool(found_in(run, "training").get("refitting"))


def trained_until(run: Run) -> str:
    """Event time at which the rows of the present training end."""
    found = found_in(run, "training")
    return str(found["cut_off"] if is_refit(run) else found["holdout_start"])


def _registration(watch: Watch, run: Run) -> dict[str, Any]:
    policy, found = watch.policy, found_in(run, "training")
    reason = f"{run.trigger}: {run.reason}"
    name = f"{policy.policy} {run.created_at:%Y-%m-%d %H:%M} {run.trigger}"
    params = {"holdout": str(policy.train.holdout), "holdout_rows": str(found["holdout_rows"])}
    return {
        "model": policy.model.name,
        "experiment": policy.policy,
        "run_name": f"{name} refit" if is_refit(run) else name,
        "dataset": f"{policy.policy} {found['window_start'][:10]} to {trained_until(run)[:10]}",
        "policy_text": run.policy_text,
        "reason": reason,
        "metric": policy.model.metric,
        "params": {"refit": "true"} if is_refit(run) else params,
        "tags": _tags(policy, run),
        "description": f"Trained by ctrain because of {reason}",
    }


def _tags(policy: Policy, run: Run) -> dict[str, str]:
    found = found_in(run, "training")
    tags = {
        "ctrain.run_id": run.id,
        "ctrain.policy": policy.policy,
        "ctrain.trigger": run.trigger,
        "ctrain.reason": run.reason[:400],
        "ctrain.actor": run.actor,
        "ctrain.policy_hash": run.policy_hash,
        "ctrain.window_start": found["window_start"],
        "ctrain.window_end": trained_until(run),
        "ctrain.cut_off": found["cut_off"],
    }
    if is_refit(run):
        tags["ctrain.refit_of"] = str(found["candidate"]["version"])
    return tags
