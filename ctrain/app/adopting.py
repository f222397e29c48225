"""``ctrain adopt``: take over a champion that ctrain did not train.

The model is loaded and tried in a child, its digest is recorded on the version, so that a way back to
it can be verified, and a draft of a policy says what is known and what a person has to fill in.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.app.drafts.of_model import draft_policy
from ctrain.app.wiring import open_tracking
from ctrain.domain import Task, Version
from ctrain.errors import InputError, PermanentError
from ctrain.registry.embedded import embedded_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctrain.registry.adoption import AdoptionReport
    from ctrain.registry.client import MlflowRegistry
    from ctrain.settings import Settings

NOT_INSTALLED = (
    "name an interpreter that has what the model's requirements.txt asks for with --python, or install it "
    "beside ctrain"
)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was found out about a champion, and a draft of its policy."""

    report: AdoptionReport
    draft: str

    def to_json(self) -> dict[str, Any]:
        report = self.report
        return {
            "model": report.model,
            "version": report.version,
            "digest": report.digest,
            "flavour": report.flavour,
            "output": report.output_kind,
            "task": report.likely_task.value if report.likely_task else None,
            "features": {kind: list(names) for kind, names in report.features.items()},
            "classes": list(report.classes),
            "policy": self.draft,
        }

    def text(self) -> str:
        report = self.report
        return (
            f"{report.model} version {report.version} loads and predicts ({report.flavour}, "
            f"{report.output_kind or 'unknown'} output)\n"
            f"digest {report.digest} is on record; its training window is not, so its reference will be "
            "the first rows that are seen\n"
            f"{_told_classes(report)}"
        )


def _told_classes(report: AdoptionReport) -> str:
    """How the labels of a model of several classes have to be called: another name is certain loss."""
    if report.likely_task is not Task.MULTICLASS:
        return ""
    numbered = tuple(map(str, range(report.outputs)))
    names = ", ".join(report.classes or numbered)
    why = "" if report.classes else ", for its columns have no names"
    return f"its classes are {names}{why}; labels have to be written like this\n"


def adopt_model(settings: Settings, model: str, version: str | None, actor: str, python: str = "") -> Adopted:
    """Record the digest of a champion from elsewhere and return a draft of its policy.

    ``python`` is the interpreter that loads it; empty: ctrain's own.

    Raises
    ------
    InputError
        when there is no such model, champion or interpreter.
    PermanentError
        when the model cannot be loaded or does not predict.
    """
    with _opened(settings) as (registry, remedy):
        report = _examined(registry, model, version, f"name one with --version, or {remedy}", python)
        registry.annotate_version(
            model, report.version, tags={"ctrain.digest": report.digest, "ctrain.adopted_by": actor}
        )
    return Adopted(report, draft_policy(report))


def examine_model(settings: Settings, model: str, python: str = "") -> AdoptionReport:
    """Return what the champion is and predicts; nothing is recorded.

    Raises
    ------
    InputError
        when there is no such model, champion or interpreter.
    PermanentError
        when the model cannot be loaded or does not predict.
    """
    with _opened(settings) as (registry, remedy):
        return _examined(registry, model, None, remedy, python)


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[MlflowRegistry, str]]:
    """The registry until it is not needed any more, and what helps who has named no champion there.

    None is made for this: one without models would only hide that another home or address was meant.
    """
    from ctrain.registry.client import MlflowRegistry

    if settings.tracking_uri is None and not embedded_database(settings.home).exists():
        raise InputError(
            f"{settings.home}: there is no MLflow here; name its home with --home, or a server with "
            "MLFLOW_TRACKING_URI"
        )
    tracking = open_tracking(settings)
    registry = MlflowRegistry(tracking)
    try:
        yield registry, _remedy(tracking)
    finally:
        registry.close()


def _remedy(tracking: str) -> str:
    return f"set the alias in MLflow ({tracking}; MLFLOW_TRACKING_URI names another)"


def _examined(
    registry: MlflowRegistry, model: str, version: str | None, remedy: str, python: str
) -> AdoptionReport:
    interpreter = _interpreter(python)
    wanted = Version(version) if version else registry.alias(model, "champion")
    if wanted is None:
        raise InputError(f"{model}: no version has the alias champion; {remedy}")
    report = registry.adopt(model, wanted, model_python=interpreter)
    if not report.predicts:
        missing = report.problem.startswith("ModuleNotFoundError")
        remedy = f"; {NOT_INSTALLED}" if missing else ""
        raise PermanentError(f"{model} version {wanted} cannot be taken over: {report.problem}{remedy}")
    return report


def _interpreter(python: str) -> str:
    """The program as a policy elsewhere names it, too."""
    if python and shutil.which(python) is None:
        raise InputError(f"--python: {python} is no program that can be run here")
    return str(Path.cwd() / python) if os.sep in python else python
