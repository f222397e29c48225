"""A refit has a version and an MLflow run of its own, beside those of the candidate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ctrain.child.registration import find_version
from ctrain.child.tracking import REFIT_TAG, RUN_TAG, find_or_create_run

CANDIDATE = SimpleNamespace(version="2", tags={RUN_TAG: "clicks-1"})
REFIT = SimpleNamespace(version="3", tags={RUN_TAG: "clicks-1", REFIT_TAG: "2"})


class Records:
    """What MLflow's client answers about the records of one run of ctrain."""

    def __init__(self, *known: Any) -> None:
        self.known = known
        self.created: dict[str, str] = {}

    def search_model_versions(self, where: str, max_results: int) -> list[Any]:
        return list(self.known)

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id="1", lifecycle_stage="active")

    def search_runs(self, experiments: list[str], where: str, max_results: int) -> list[Any]:
        return [SimpleNamespace(data=one, info=one.version) for one in self.known]

    def create_run(self, experiment_id: str, tags: dict[str, str], run_name: str) -> Any:
        self.created = tags
        return SimpleNamespace(info="new")


@pytest.mark.parametrize(("refit_of", "version"), [("", "2"), ("2", "3"), (None, "3"), ("7", None)], ids=str)
def test_versions_are_told_apart(refit_of: str | None, version: str | None) -> None:
    found = find_version(Records(CANDIDATE, REFIT), "clicks", "clicks-1", refit_of)  # type: ignore[arg-type]  # a stand-in
    assert (found and found.version) == version


@pytest.mark.parametrize(("tags", "run"), [({}, "2"), ({REFIT_TAG: "2"}, "3"), ({REFIT_TAG: "7"}, "new")])
def test_mlflow_runs_are_told_apart(tags: dict[str, str], run: str) -> None:
    registration = {"experiment": "clicks", "run_name": "clicks", "tags": {RUN_TAG: "clicks-1", **tags}}
    records = Records(CANDIDATE, REFIT)
    assert find_or_create_run(records, registration).info == run  # type: ignore[arg-type]  # as above
    assert records.created == ({} if run != "new" else registration["tags"])
