"""What of a worker's versions counts, and how it is told."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import pytest

from ctrain.launchers.dask_cluster import SHOWN, DaskCluster
from ctrain.launchers.dask_versions import Difference, differences, installed
from tests.support.training import ShiftedTimer

HERE = {"python": "3.11.7", "ctrain": "0.1.0", "mlflow": "3.17.2", "pyarrow": "25.0.1"}
WORKER = "tcp://10.0.0.7:41837"


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (HERE, []),
        (HERE | {"python": "3.11.2", "mlflow": "3.17.0", "pyarrow": "25.0.0"}, []),
        (HERE | {"python": "3.12.1"}, [f"{WORKER} has python 3.12.1, the daemon 3.11.7"]),
        (HERE | {"ctrain": "0.1.1"}, [f"{WORKER} has ctrain 0.1.1, the daemon 0.1.0"]),
        (
            HERE | {"mlflow": "3.9.0", "pyarrow": ""},
            [
                f"{WORKER} has mlflow 3.9.0, the daemon 3.17.2",
                f"{WORKER} has no pyarrow; the daemon has 25.0.1",
            ],
        ),
        (
            {"python": "3.11.7", "ctrain": "0.1.0", "mlflow": "3.17.2"},
            [f"{WORKER} has no pyarrow; the daemon has 25.0.1"],
        ),
        (
            Exception("ModuleNotFoundError(\"No module named 'ctrain'\")"),
            [f"{WORKER} has no ctrain; the daemon has 0.1.0"],
        ),
        (TimeoutError("it was lost meanwhile"), []),
    ],
)
def test_what_counts_of_a_workers_versions_is_told_by_worker_and_package(there: Any, told: list[str]) -> None:
    assert [str(one) for one in differences(HERE, {WORKER: there})] == told


def test_workers_are_told_apart() -> None:
    lacking = {"b": HERE | {"mlflow": ""}, "a": HERE | {"mlflow": "2.0"}, "c": HERE}
    assert [(one.place, one.there) for one in differences(HERE, lacking)] == [("a", "2.0"), ("b", "")]


def test_versions_are_those_of_the_distributions() -> None:
    assert installed() == {
        "python": platform.python_version(),
        **{name: version(name) for name in ("ctrain", "mlflow", "pyarrow")},
    }


def test_a_difference_outlives_the_way_from_the_agent() -> None:
    one = Difference(WORKER, "mlflow", "3.17.2", "")
    assert Difference.told(one.as_told()) == one


@pytest.mark.parametrize(("count", "lines"), [(0, 1), (SHOWN, 1 + SHOWN), (SHOWN + 2, 2 + SHOWN)])
def test_a_failure_is_told_with_a_few_differences(count: int, lines: int) -> None:
    cluster = DaskCluster(WORKER, ShiftedTimer(), {}, None)
    cluster.differences = tuple(Difference(f"worker-{n}", "mlflow", "3.17.2", "") for n in range(count))
    told = cluster.explained("no such luck").splitlines()
    assert told[0] == "no such luck"
    assert len(told) == lines
    assert (told[-1] == "and 2 differences more") == (count > SHOWN)
