"""``ctrain init --from-model``: a first policy for a model that is registered, by its signature."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.app.adopting import examine_model
from ctrain.app.drafts.asked import check_free, check_name, check_nameable, check_time_zone, module_name
from ctrain.app.drafts.of_model import Known, draft_policy
from ctrain.app.drafts.sending import sending_commands
from ctrain.app.drafts.text import training_text
from ctrain.domain import Task
from ctrain.errors import InputError
from ctrain.policy.files import parse_policy

if TYPE_CHECKING:
    from ctrain.registry.adoption import AdoptionReport
    from ctrain.settings import Settings

EXAMPLES = {"numeric": 0.5, "categorical": "a", "boolean": True, "date": "2026-01-31"}
"""A value of each kind of feature."""


@dataclass(frozen=True, slots=True)
class ModelWish:
    """What was asked for."""

    name: str
    model: str
    label: str
    event_time: str
    id: str
    timezone: str = "UTC"
    task: str | None = None
    out: Path | None = None
    push: bool = False
    """Rows and labels come over HTTP."""
    python: str = ""
    """The interpreter that loads the model; empty: ctrain's own."""


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """What will be written for a model, and what was found out about it."""

    policy: Path
    training: Path
    text: str
    report: AdoptionReport
    known: Known

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where rows and labels are to be put; empty when they come over HTTP."""
        data = self.policy.parent / "data"
        return () if self.known.push else (data / "rows", data / "labels")

    @property
    def send(self) -> tuple[str, ...]:
        """The commands that send a row and a label, where these come over HTTP."""
        if not self.known.push:
            return ()
        known, report = self.known, self.report
        values = {known.id: "1", known.event_time: "2026-01-31T08:00:00Z"}
        features = {name: EXAMPLES[kind] for kind, names in report.features.items() for name in names}
        row, label = json.dumps({**values, **features}), json.dumps({known.id: "1", known.label: 1})
        return tuple(sending_commands(known.policy, row, label))

    def write(self) -> None:
        """Write the files, the policy last, and the folders that it reads.

        Raises
        ------
        InputError
            when the folder cannot be written to.
        """
        try:
            for folder in (self.policy.parent, *self.folders):
                folder.mkdir(parents=True, exist_ok=True)
            self.training.write_text(training_text(self.policy.stem), "utf-8")
            self.policy.write_text(self.text, "utf-8")
        except OSError as error:
            raise InputError(f"--out {self.policy.parent}: cannot be written to: {error.strerror}") from error

    def to_json(self) -> dict[str, Any]:
        report = self.report
        return {
            "policy": str(self.policy),
            "training": str(self.training),
            **dict(zip(("rows", "labels"), map(str, self.folders), strict=False)),
            **({"send": list(self.send)} if self.send else {}),
            "model": report.model,
            "version": report.version,
            "features": {kind: list(names) for kind, names in report.features.items()},
        }


def draft_for_model(settings: Settings, wish: ModelWish, *, force: bool = False) -> ModelDraft:
    """Return the draft of a policy for the champion of a registered model; nothing is written.

    Raises
    ------
    InputError
        when there is no such champion, its signature or output do not say enough, or a file of the draft
        exists and ``force`` does not allow to replace it.
    """
    folder = wish.out if wish.out is not None else Path(wish.name)
    module = module_name(wish.name)
    policy, training = folder / f"{wish.name}.yaml", folder / f"{module}.py"
    check_name(wish.name)
    check_time_zone(wish.timezone)
    check_free((policy, training), force)
    for option, column in (("--label", wish.label), ("--event-time", wish.event_time), ("--id", wish.id)):
        check_nameable(option, column)
    asked = _asked_task(wish.task)
    report = examine_model(settings, wish.model, wish.python)
    _check_told_enough(report, asked)
    known = Known(wish.name, module, wish.label, wish.id, wish.event_time, wish.timezone, asked, wish.push)
    text = draft_policy(report, known)
    parse_policy(text, policy, {})
    return ModelDraft(policy, training, text, report, known)


def _asked_task(task: str | None) -> Task | None:
    known = [one.value for one in Task]
    if task is not None and task not in known:
        raise InputError(f"--task: expected {', '.join(known)}, got {task}")
    return Task(task) if task is not None else None


def _check_told_enough(report: AdoptionReport, asked: Task | None) -> None:
    if not any(report.features.values()):
        raise InputError(
            f"{report.model} version {report.version} has no signature that names its inputs; log it with"
            " signature=mlflow.models.infer_signature(rows, predictions), or start from rows with --from FILE"
        )
    if asked is None and report.likely_task is None:
        raise InputError(
            f"{report.model} version {report.version}: its output does not say what it predicts;"
            " add --task binary, --task multiclass or --task regression"
        )
