"""Shared by all tests: services of the system, and no skip where CI promises that nothing is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import nullcontext

import pytest
from hypothesis import settings
from xdist.remote import Producer  # type: ignore[import-untyped]  # it has no types
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

from ctrain.children import THREAD_VARIABLES
from tests.support.prepared import PLACE
from tests.support.warm import warm_interpreter

os.environ.setdefault("CTRAIN_CONSOLE", "0")  # a second process beside each daemon is for tests that want one
for _variable in THREAD_VARIABLES:  # before numeric libraries are loaded: each worker has one core
    os.environ.setdefault(_variable, "1")
settings.register_profile("ctrain", derandomize=True, database=None, deadline=None)
settings.load_profile("ctrain")  # the same examples in every run

DEAR = {
    "the stories": ("tests/e2e/",),
    "trained versions": tuple(
        f"tests/integration/test_{name}.py" for name in ("dask_cluster", "registry", "scoring", "train_child")
    ),
}
"""What takes a minute or so to make for all tests of these files: once, not by each worker."""
STARTING = ("tests/e2e/", "tests/integration/")
"""Tests that start ctrain and its children again and again: in forks of a warm process, unless ``cold``."""
REQUIRE_SERVICES = "CTRAIN_REQUIRE_SERVICES"


def _everything_is_required() -> bool:
    return os.environ.get(REQUIRE_SERVICES) == "1"


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """One worker runs all tests of a file, and of the files that share what is dear."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((name for name, files in DEAR.items() if file.startswith(files)), file)


@pytest.hookimpl(optionalhook=True)  # there is none under ``-p no:xdist``
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is made once for all workers lies beside the folders of their own."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLACE, str(shared / "prepared"))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Around a test with its fixtures: which interpreter is the one that children are started with."""
    starts = item.nodeid.startswith(STARTING) and item.get_closest_marker("cold") is None
    with warm_interpreter() if starts else nullcontext():
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("service"):
        for name in marker.args:
            if shutil.which(name) is None:
                pytest.skip(f"{name} is not installed; `make services` installs it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure under CTRAIN_REQUIRE_SERVICES=1."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _everything_is_required():
        report.outcome = "failed"
        report.longrepr = f"skipped although {REQUIRE_SERVICES}=1: {call.excinfo and call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let no module slip through either that skips itself while it is collected."""
    report = yield
    if report.skipped and _everything_is_required():
        report.outcome = "failed"
        report.longrepr = f"collection skipped although {REQUIRE_SERVICES}=1: {report.longrepr}"
    return report
