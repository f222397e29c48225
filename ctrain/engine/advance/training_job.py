"""What a training child is told: the job, and how its version is registered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ctrain.domain import Json, Run, TrainingContext, TrainingJob
from ctrain.engine.moves import found_in
from ctrain.errors import PermanentError

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.policy.models import Policy


TUNING_TAG = "ctrain.tuning"
"""Of a version: what a search found, from which the next one starts."""


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
        tune={} if is_refit(run) else _tuning(watch, run),
        learnable=_look(watch, run),
        code_folder=str(watch.loaded.folder),
        python=policy.train.python or "",
        timeout=policy.train.timeout,
        memory_limit_bytes=policy.train.memory_limit,
        file_limit_bytes=policy.train.file_limit,
        env=policy.train.env,
        context=context,
        registration=_registration(watch, run),
        launcher=policy.train.launcher.told,
    )


def _chosen(run: Run) -> str:
    """The function that won among the candidates, where it has been judged by the gates; else empty."""
    candidate = found_in(run, "training").get("candidate") or {}
    return str(candidate.get("result", {}).get("selection", {}).get("chosen", ""))


def params_of(watch: Watch, run: Run) -> dict[str, Any]:
    """The policy's parameters, over them those of the person who asked, and for a refit those found best."""
    return {**watch.policy.train.params, **_asked(watch, run), **_tuned(run).get("params", {})}


def _asked(watch: Watch, run: Run) -> dict[str, Any]:
    """What a person gave to this run; of a parameter that is searched, in the type that the search has."""
    tune = watch.policy.train.tune
    space = tune.space if tune else {}
    asked = found_in(run, "request").get("params", {})
    return {name: space[name].read(text) if name in space else text for name, text in asked.items()}


def _tuned(run: Run) -> Json:
    """What a search found that the gates have judged already."""
    candidate = found_in(run, "training").get("candidate") or {}
    found: Json = candidate.get("result", {}).get("tuning") or {}
    return found


def _tuning(watch: Watch, run: Run) -> dict[str, Any]:
    """The search of what nobody gave to this run, from the champion's parameters on where they were found."""
    tune, asked = watch.policy.train.tune, _asked(watch, run)
    space = {name: one for name, one in tune.space.items() if name not in asked} if tune else {}
    if tune is None or not space:
        return {}
    known = _champions_params(watch, run)
    return {
        **tune.model_dump(mode="json", include={"sampler", "folds", "together"}),
        "trials": tune.wanted_trials,
        "timeout_seconds": tune.timeout.total_seconds() if tune.timeout else None,
        "space": {name: one.model_dump(mode="json") for name, one in space.items()},
        "start": {name: value for name, value in known.items() if name not in asked},
    }


def _look(watch: Watch, run: Run) -> dict[str, Any]:
    """The look before the training, where the rows for it are there."""
    asked, found = watch.policy.train.learnable, found_in(run, "training").get("learnable", {})
    if asked is None or is_refit(run) or "bound" not in found:
        return {}
    return {**asked.model_dump(), "bound": found["bound"], "output": watch.policy.model.output}


def _champions_params(watch: Watch, run: Run) -> dict[str, Any]:
    if run.champion_version is None:
        return {}
    try:
        tags = watch.registry.version(watch.policy.model.name, run.champion_version).tags
    except PermanentError:
        return {}
    return _params_of_search(tags.get(TUNING_TAG, "{}"))


def _params_of_search(tag: str) -> dict[str, Any]:
    """Empty where somebody has edited the tag to what no search writes."""
    try:
        params = json.loads(tag)["params"]
    except (ValueError, KeyError, TypeError):
        return {}
    return params if isinstance(params, dict) else {}


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
    if _tuned(run):
        tags[TUNING_TAG] = json.dumps(_tuned(run))
    return tags
