"""The draft of a policy for a champion from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from ctrain.app.adopting import Adopted, _examined
from ctrain.app.drafts.of_model import draft_policy
from ctrain.domain import Task, Version
from ctrain.errors import PermanentError
from ctrain.policy.available import unavailable_parts
from ctrain.policy.files import parse_policy
from ctrain.registry.adoption import AdoptionReport, SignatureColumn
from ctrain.registry.client import MlflowRegistry

COLUMNS = (SignatureColumn("size", "double", True), SignatureColumn("soil", "string", False))


def report(output: str, outputs: int, classes: tuple[str, ...]) -> AdoptionReport:
    return AdoptionReport(
        model="trees",
        version=Version("1"),
        digest="abc",
        flavour="sklearn",
        loader="mlflow.sklearn",
        python_version="3.11.2",
        columns=COLUMNS,
        output_kind=output,  # type: ignore[arg-type] # one of its literals
        outputs=outputs,
        classes=classes,
        loads=True,
        predicts=True,
        problem="",
    )


@pytest.mark.parametrize(
    ("output", "outputs", "classes", "task", "metric"),
    [
        ("probability", 3, ("ash", "elm", "oak"), Task.MULTICLASS, "log_loss"),
        ("class", 1, ("ash", "elm", "oak"), Task.MULTICLASS, "log_loss"),
        ("probability", 2, ("0", "1"), Task.BINARY, "brier"),
        ("value", 1, (), Task.REGRESSION, "absolute_error"),
    ],
)
def test_a_draft_can_be_run_once_it_is_filled_in(
    output: str, outputs: int, classes: tuple[str, ...], task: Task, metric: str
) -> None:
    found = report(output, outputs, classes)
    draft = draft_policy(found)
    assert Adopted(found, draft).to_json()["classes"] == list(classes)
    filled = re.sub(r"<([^>]+)>", lambda match: re.sub(r"\W", "_", match[1]), draft.partition("\n")[2])
    policy = parse_policy(filled, Path("trees.yaml"), {}).policy
    assert (policy.model.task, policy.model.metric) == (task, metric)
    assert unavailable_parts(policy) == []


@pytest.mark.parametrize(
    ("output", "outputs", "classes", "told"),
    [
        ("class", 1, ("ash", "elm", "oak"), "its classes are ash, elm, oak; labels have to be written like"),
        ("probability", 3, (), "its classes are 0, 1, 2, for its columns have no names; labels have to be"),
        ("probability", 2, ("0", "1"), None),
    ],
)
def test_what_labels_have_to_be_called_is_told(
    output: str, outputs: int, classes: tuple[str, ...], told: str | None
) -> None:
    text = Adopted(report(output, outputs, classes), "").text()
    assert (told in text) if told else ("classes" not in text)


class Refusing:
    """A registry whose model needs what is not installed."""

    def adopt(self, model: str, version: Version, *, model_python: str) -> AdoptionReport:
        problem = "ModuleNotFoundError: No module named 'lightgbm'"
        return replace(report("", 0, ()), loads=False, predicts=False, problem=problem)


def test_what_a_model_lacks_is_told_with_what_to_do() -> None:
    with pytest.raises(
        PermanentError, match="'lightgbm'; name an interpreter that has what the model's requirements"
    ):
        _examined(cast("MlflowRegistry", Refusing()), "trees", "1", "", "")


def test_booleans_and_dates_of_a_signature_are_features_of_their_kinds() -> None:
    kinds = {"size": "long", "soil": "string", "dry": "boolean", "felled on": "datetime"}
    columns = tuple(SignatureColumn(name, kind, True) for name, kind in kinds.items())
    draft = draft_policy(replace(report("value", 1, ()), columns=columns))
    assert (
        "  features:\n    numeric: [size]\n    categorical: [soil]\n    boolean: [dry]\n"
        '    date: ["felled on"]\n'
    ) in draft


def test_a_kind_of_output_that_says_nothing_is_left_to_a_person() -> None:
    assert "task: <binary, multiclass or regression>" in draft_policy(report("", 0, ()))
