"""``ctrain adopt``: take over a champion that ctrain did not train.

The model is loaded and tried in a child, its digest is recorded on the version, so that a way back to
it can be verified, and a draft of a policy says what is known and what a person has to fill in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctrain.app.wiring import open_tracking
from ctrain.domain import Task, Version
from ctrain.errors import InputError, PermanentError

if TYPE_CHECKING:
    from ctrain.registry.adoption import AdoptionReport
    from ctrain.settings import Settings

PLAIN_WORD = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_][\w.-]*", re.ASCII | re.IGNORECASE)
METRICS = {Task.BINARY: "brier", Task.MULTICLASS: "log_loss", Task.REGRESSION: "absolute_error"}

DRAFT = """\
# A draft for {model} (version {version}). Replace what stands in <...>, then: ctrain validate THIS_FILE
version: 1
policy: {policy}
model: {{name: {model}, task: {task}, metric: {metric}}}
data:
  source: {{type: files, path: <folder of the served rows>/*.parquet}}
  labels:
    source: {{type: files, path: <folder of the labels>/*.parquet}}
    id: <id column of the labels>
    label: <label column>
    matures_after: 1d             # when a label can be trusted
  id: <id column>
  event_time: {{column: <time column>, timezone: UTC}}
  prediction: <column of the logged prediction>
  model_version: <column that says which version served the row>
  features:
    numeric: [{numeric}]
    categorical: [{categorical}]
  pane: 1h
  allowed_lateness: 1h
monitors:
  inputs: {{type: drift, window: 1d}}
  loss: {{type: change, hold: 1d}}
triggers:
  # Drift alone costs nothing; a loss that has risen does.
  degraded: {{any: [loss]}}
limits: {{cooldown: 1d, min_new_labels: 1000}}
train:
  entrypoint: {module}:train      # def train(rows, context) in {module}.py beside this file
  window: {{last: 30d}}
  timeout: 1h
gates:
  - {{metric: {metric}, not_worse_than_champion_by: 0.0}}
shadow: {{margin: 0.005, min_duration: 7d, max_duration: 28d}}
probation: {{duration: 14d}}
"""


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
            "features": {"numeric": list(report.numeric), "categorical": list(report.categorical)},
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
        )


def adopt_model(settings: Settings, model: str, version: str | None, actor: str) -> Adopted:
    """Record the digest of a champion from elsewhere and return a draft of its policy.

    Raises
    ------
    InputError
        when there is no such model or champion.
    PermanentError
        when the model cannot be loaded or does not predict.
    """
    from ctrain.registry.client import MlflowRegistry

    registry = MlflowRegistry(open_tracking(settings))
    try:
        wanted = Version(version) if version else registry.alias(model, "champion")
        if wanted is None:
            raise InputError(
                f"{model}: no version has the alias champion; name one with --version, "
                "or set the alias in MLflow"
            )
        report = registry.adopt(model, wanted)
        if not report.predicts:
            raise PermanentError(f"{model} version {wanted} cannot be taken over: {report.problem}")
        registry.annotate_version(
            model, wanted, tags={"ctrain.digest": report.digest, "ctrain.adopted_by": actor}
        )
    finally:
        registry.close()
    return Adopted(report, draft_policy(report))


def draft_policy(report: AdoptionReport) -> str:
    """The text of a policy for the model, with ``<...>`` where only a person knows."""
    task = report.likely_task
    name = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in report.model)
    return DRAFT.format(
        model=_scalar(report.model),
        version=report.version,
        policy=_scalar(name),
        task=task.value if task else "<binary, multiclass or regression>",
        metric=METRICS[task] if task else "<brier or absolute_error>",
        numeric=", ".join(map(_scalar, report.numeric)),
        categorical=", ".join(map(_scalar, report.categorical)),
        module=re.sub(r"\W|^(?=\d)", "_", report.model, flags=re.ASCII),
    )


def _scalar(text: str) -> str:
    """The text as YAML that means this text: quoted unless it is a plain word."""
    return text if PLAIN_WORD.fullmatch(text) else json.dumps(text)
