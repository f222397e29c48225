"""A search for parameters: Optuna proposes, validation in the order of time judges.

Needs optuna in the interpreter that trains, and nothing of it anywhere else.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ctrain.child.search_space import grid, inside, is_whole, left_out, step_of, told_left_out
from ctrain.child.trials import Elsewhere
from ctrain.child.validation import metric_of, validation_loss

OF_THE_SEARCH = frozenset({"optuna", "colorlog"})
"""Modules that no model needs, once its parameters have been found."""

if TYPE_CHECKING:
    import optuna
    import pandas as pd


def tune(
    function: Callable[[Any, Any], Any],
    job: Mapping[str, Any],
    rows: pd.DataFrame,
    weights: Any,
    elsewhere: Elsewhere | None = None,
) -> dict[str, Any]:
    """``params`` with the least ``loss``, and how they were found.

    The champion's parameters are tried first, then the policy's own, as far as the space has them: a
    search that finds nothing better ends where it began. A trial that fails is passed over; when all
    fail, the last one's error is raised. With ``elsewhere`` others compute them, several at a time.
    ``left_out`` are those of the champion's parameters that the space has not, or not with their values.
    """
    library = _optuna()
    spec, seed = job["tune"], int(job["context"]["seed"])
    failures: list[Exception] = []
    foreign = left_out(spec["space"], spec["start"])
    if foreign:
        print(told_left_out(foreign))

    def objective(trial: optuna.Trial) -> float:
        params = {name: _suggested(trial, name, one) for name, one in spec["space"].items()}
        try:
            if elsewhere is not None:
                return elsewhere(trial.number, params)
            return validation_loss(function, job, rows, weights, params, folds=spec["folds"])
        except Exception as error:
            print(f"trial {trial.number} with {params} fails:", traceback.format_exc(), sep="\n")
            failures.append(error)
            # To a sampler a failed trial tells nothing; from one that was given up it learns to stay away.
            raise library.TrialPruned from error

    started = time.monotonic()
    study = library.create_study(sampler=_sampler(library, spec, seed))
    for start in _starts(job) if spec["sampler"] != "grid" else ():
        study.enqueue_trial(start, skip_if_exists=True)
    together = int(spec.get("together", 1)) if elsewhere is not None else 1
    study.optimize(objective, spec["trials"], timeout=spec["timeout_seconds"], n_jobs=together)
    done = [trial for trial in study.trials if trial.state == library.trial.TrialState.COMPLETE]
    if not done:
        raise failures[-1]
    print(f"best of {len(done)} trials: {study.best_params}, {metric_of(job)} {study.best_value:.6g}")
    return {
        "params": study.best_params,
        "loss": study.best_value,
        "metric": metric_of(job),
        "sampler": spec["sampler"],
        "folds": spec["folds"],
        "trials": len(study.trials),
        "failed": len(failures),
        "warm_start": _loss_of_champions(study.trials[0], spec),
        "left_out": foreign,
        "seconds": round(time.monotonic() - started, 3),
    }


def _loss_of_champions(first: optuna.trial.FrozenTrial, spec: Mapping[str, Any]) -> float | None:
    """The loss of the first trial where it had the champion's parameters, all of them; else None.

    The space may not hold them any longer, or have a parameter that the champion was not searched for.
    """
    kept = inside(spec["space"], spec["start"])
    whole = len(kept) == len(spec["space"]) and first.params == kept
    return first.value if whole and spec["sampler"] != "grid" else None


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise RuntimeError("train.tune needs optuna in the interpreter that trains (train.python)") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _sampler(optuna: Any, spec: Mapping[str, Any], seed: int) -> Any:
    if spec["sampler"] == "grid":
        return optuna.samplers.GridSampler(
            {name: grid(one) for name, one in spec["space"].items()}, seed=seed
        )
    kinds = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
    return kinds[spec["sampler"]](seed=seed)


def _suggested(trial: optuna.Trial, name: str, parameter: Mapping[str, Any]) -> Any:
    if "values" in parameter:
        return trial.suggest_categorical(name, list(parameter["values"]))
    low, high, log, step = (
        parameter["low"],
        parameter["high"],
        parameter.get("log", False),
        step_of(parameter),
    )
    if is_whole(parameter):
        return trial.suggest_int(name, low, high, log=log, step=step or 1)
    return trial.suggest_float(name, low, high, log=log, step=step)


def _starts(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is tried first: the champion's parameters, then the policy's; those that the space has."""
    space = job["tune"]["space"]
    given = [job["tune"]["start"], job["context"]["params"]]
    return [one for one in (inside(space, params) for params in given) if one]
