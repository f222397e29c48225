"""A first policy for a model that is there already, by its signature and its kind of output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrain.app.drafts.wording import scalar
from ctrain.domain import Task

if TYPE_CHECKING:
    from ctrain.registry.adoption import AdoptionReport

METRICS = {Task.BINARY: "brier", Task.MULTICLASS: "log_loss", Task.REGRESSION: "absolute_error"}

DRAFT = """\
# A draft for {model} (version {version}). {instruction}
version: 1
policy: {policy}
model: {{name: {model}, task: {task}, metric: {metric}{python}}}
data:
  source: {rows}
  labels:
    source: {labels}
    id: {label_id}
    label: {label}
    matures_after: 1d             # (?) when a label can be trusted
  id: {id}
  event_time: {{column: {time}, timezone: {timezone}}}
  {prediction}
  {model_version}
  features:
{features}
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
class Known:
    """What a person has told about the rows that the model is served with."""

    policy: str
    module: str
    label: str
    id: str
    event_time: str
    timezone: str = "UTC"
    task: Task | None = None
    push: bool = False
    """Rows and labels come over HTTP."""


def draft_policy(report: AdoptionReport, known: Known | None = None) -> str:
    """Return the text of a policy for the model, with ``<...>`` where only a person knows what to write."""
    task = (known and known.task) or report.likely_task
    return DRAFT.format(
        **(_asked_for(report) if known is None else _filled_in(known)),
        model=scalar(report.model),
        version=report.version,
        python=f", python: {scalar(report.python)}" if report.python else "",
        task=task.value if task else "<binary, multiclass or regression>",
        metric=METRICS[task] if task else "<brier or absolute_error>",
        features="\n".join(
            f"    {kind}: [{', '.join(map(scalar, names))}]" for kind, names in report.features.items()
        ),
    )


def _asked_for(report: AdoptionReport) -> dict[str, str]:
    name = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in report.model)
    return {
        "instruction": "Replace what stands in <...>, then: ctrain validate THIS_FILE",
        "policy": scalar(name),
        "module": re.sub(r"\W|^(?=\d)", "_", report.model, flags=re.ASCII),
        "rows": "{type: files, path: <folder of the served rows>/*.parquet}",
        "labels": "{type: files, path: <folder of the labels>/*.parquet}",
        "label_id": "<id column of the labels>",
        "label": "<label column>",
        "id": "<id column>",
        "time": "<time column>",
        "timezone": "UTC",
        "prediction": "prediction: <column of the logged prediction>",
        "model_version": "model_version: <column that says which version served the row>",
    }


def _filled_in(known: Known) -> dict[str, str]:
    return {
        "instruction": _where_to(known),
        "policy": scalar(known.policy),
        "module": known.module,
        "rows": "{type: push}" if known.push else '{type: files, path: "data/rows/*"}',
        "labels": "{type: push}" if known.push else '{type: files, path: "data/labels/*"}',
        "label_id": scalar(known.id),
        "label": scalar(known.label),
        "id": scalar(known.id),
        "time": scalar(known.event_time),
        "timezone": known.timezone,
        "prediction": "# prediction: score            # (?) the score that production gave, if it logs it",
        "model_version": "# model_version: version       # (?) which version served the row, if it is logged",
    }


def _where_to(known: Known) -> str:
    if known.push:
        return f"Rows are sent to /v1/policies/{known.policy}/rows, labels to .../labels, over HTTP."
    return "Rows go to data/rows, labels to data/labels, as Parquet, CSV or JSON lines."
