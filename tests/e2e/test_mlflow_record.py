"""What somebody who opens MLflow sees of the story: what was trained, on what, why, and what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import load_text
from mlflow.entities import DatasetInput, Run

from tests.e2e.conftest import Told
from tests.e2e.mlflow_server import MlflowServer
from tests.e2e.state import comparable
from tests.e2e.story import Story, home_of
from tests.e2e.stream import POLICY

RANDOM_TAGS = {"ctrain.digest", "ctrain.content_digest", "ctrain.mlflow_run_id", "ctrain.policy_hash"}
REAL_TIME = {"ctrain.train_seconds", "train_seconds"}


@pytest.fixture(scope="module")
def client(server: MlflowServer) -> MlflowClient:
    return MlflowClient(server.uri, server.uri)


def runs_of(client: MlflowClient, story: Story) -> list[Run]:
    """The oldest first."""
    experiment = client.get_experiment_by_name(story.name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))


@pytest.fixture
def challenger(client: MlflowClient, told: Told) -> Run:
    return runs_of(client, told.undisturbed)[1]


def inputs_of(run: Run) -> list[DatasetInput]:
    assert run.inputs is not None
    return list(run.inputs.dataset_inputs)


def text_of(run: Run, name: str) -> str:
    return str(load_text(f"{run.info.artifact_uri}/{name}"))


def test_run_is_called_by_policy_time_and_trigger(challenger: Run) -> None:
    assert challenger.info.run_name == "steady 2024-01-02 12:00 degraded"
    assert challenger.info.status == "FINISHED"


def test_run_has_the_parameters_of_the_training(challenger: Run) -> None:
    params = challenger.data.params
    expected = {
        "entrypoint": "tree:train", "task": "binary", "rows": "384", "holdout": "0.2", "holdout_rows": "96",
        "estimator": "DecisionTreeClassifier", "estimator.max_depth": "3",
    }  # fmt: skip
    assert expected.items() <= params.items()
    assert params["window_start"] < params["window_end"] < "2024-01-02T08:00:00+00:00"


def test_run_has_the_metrics_of_both_models_on_the_holdout_and_of_the_comparison(challenger: Run) -> None:
    metrics = challenger.data.metrics
    assert metrics["holdout.brier"] == pytest.approx(0.13, abs=0.05)
    assert metrics["holdout.champion.brier"] == pytest.approx(0.65, abs=0.1)
    assert metrics["holdout.roc_auc"] > 0.8
    assert (metrics["shadow.blocks"], metrics["shadow.rows"]) == (20, 1200)
    assert (metrics["probation.blocks"], metrics["probation.rows"]) == (20, 1200)
    assert metrics["shadow.difference"] < -0.4
    assert metrics["probation.difference"] < -0.4


def test_run_has_the_data_set_of_its_training_window(challenger: Run) -> None:
    (dataset,) = inputs_of(challenger)
    source = json.loads(dataset.dataset.source)
    assert source == {
        "row_log": "steady",
        "from": challenger.data.params["window_start"],
        "to": challenger.data.params["window_end"],
    }
    assert json.loads(dataset.dataset.profile or "") == {"num_rows": 384}
    columns = json.loads(dataset.dataset.schema or "")["columns"]
    assert [column["name"] for column in columns] == ["x", "z", "y"]
    assert [(tag.key, tag.value) for tag in dataset.tags] == [("mlflow.data.context", "training")]
    assert len(dataset.dataset.digest) == 36


def test_run_says_why_it_began_and_how_it_ended(challenger: Run) -> None:
    why = "brier BREACHED: met since 2024-01-02 04:00 UTC (2h)"
    assert text_of(challenger, "reason.txt") == f"degraded: {why}\n"
    assert text_of(challenger, "policy.yaml") == POLICY.format(name="steady")
    assert text_of(challenger, "gates.txt").splitlines()[0].startswith("roc_auc >= 0.55: passed with 0.9")
    assert text_of(challenger, "outcome.txt").startswith("ACCEPTED: not worse than the margin of 0.02")
    expected = {
        "ctrain.run_id": "steady-2", "ctrain.policy": "steady", "ctrain.trigger": "degraded",
        "ctrain.reason": why, "ctrain.actor": "ctrain", "ctrain.gates": "passed",
        "ctrain.outcome": "ACCEPTED",
    }  # fmt: skip
    assert expected.items() <= challenger.data.tags.items()


def test_version_says_where_it_comes_from(client: MlflowClient, challenger: Run) -> None:
    version = client.get_model_version("steady", "2")
    assert version.run_id == challenger.info.run_id
    tags = version.tags
    expected = {
        "ctrain.run_id": "steady-2",
        "ctrain.window_start": challenger.data.params["window_start"],
        "ctrain.window_end": challenger.data.params["window_end"],
        "ctrain.cut_off": "2024-01-02T08:00:00+00:00",
        "ctrain.promoted_at": "2024-01-03T12:00:00+00:00",
        "ctrain.phase": "ACCEPTED",
        "ctrain.outcome": "ACCEPTED",
    }
    assert expected.items() <= tags.items()
    assert len(tags["ctrain.digest"]) == 64
    card = str(version.description)
    assert card.startswith("# steady, version 2\n\n**ACCEPTED: not worse than the margin")
    assert "- trained on 384 rows, 2024-01-02 " in card
    assert "\n## Probation: against the previous champion\n" in card


def test_aliases_name_the_champion_and_the_way_back(client: MlflowClient, told: Told) -> None:
    for story in (told.undisturbed, told.killed):
        aliases = client.get_registered_model(story.name).aliases
        assert {alias: str(version) for alias, version in aliases.items()} == {
            "champion": "2",
            "previous_champion": "1",
        }


def test_each_run_of_ctrain_is_one_run_and_one_version(client: MlflowClient, told: Told) -> None:
    for story in (told.undisturbed, told.killed):
        runs = [run.data.tags["ctrain.run_id"] for run in runs_of(client, story)]
        versions = client.search_model_versions(f"name = '{story.name}'")
        assert runs == [f"{story.name}-1", f"{story.name}-2"]
        assert sorted(one.tags["ctrain.run_id"] for one in versions) == runs
        home = comparable(home_of(story.folder), story.name, "SELECT id FROM runs ORDER BY number")
        assert [row["id"] for row in home] == ["NAME-1", "NAME-2"]


def test_kills_leave_no_mark_in_mlflow(client: MlflowClient, told: Told) -> None:
    assert _shown(client, told.killed) == _shown(client, told.undisturbed)


def _shown(client: MlflowClient, story: Story) -> list[Any]:
    """Everything that is neither random nor measured."""
    shown: list[Any] = []
    for run in runs_of(client, story):
        metrics = {key: value for key, value in run.data.metrics.items() if key not in REAL_TIME}
        artifacts = sorted(file.path for file in client.list_artifacts(run.info.run_id))
        shown += [run.info.status, _tags(run.data.tags, story), run.data.params, metrics, artifacts]
        shown += [(one.dataset.digest, one.dataset.profile) for one in inputs_of(run)]
    for version in ("1", "2"):
        found = client.get_model_version(story.name, version)
        shown += [_tags(found.tags, story), str(found.description).replace(story.name, "NAME")]
    return shown


def _tags(tags: dict[str, str], story: Story) -> dict[str, str]:
    left_out = RANDOM_TAGS | REAL_TIME
    return {key: text.replace(story.name, "NAME") for key, text in tags.items() if key not in left_out}
