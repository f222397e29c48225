"""Shared by all tests: services of the system, and no skip where CI promises that nothing is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Sequence

import pytest
from hypothesis import settings

settings.register_profile("ctrain", derandomize=True, database=None, deadline=None)
settings.load_profile("ctrain")  # the same examples in every run

DEAR = (("tests/e2e/", "server"), ("tests/integration/", "embedded"))
"""Folders, and what takes a minute or so to make for all of their tests: once, not by each worker."""
REQUIRE_SERVICES = "CTRAIN_REQUIRE_SERVICES"


def _everything_is_required() -> bool:
    return os.environ.get(REQUIRE_SERVICES) == "1"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker run the tests of a file (``--dist loadgroup``), and of files that share what is dear."""
    groups: dict[str, str] = {}
    for item in items:
        file = item.nodeid.partition("::")[0]
        shared = [(folder, name) for folder, name in DEAR if folder in file and name in _fixtures(item)]
        groups[file] = shared[0][1] if shared else groups.get(file, file)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.nodeid.partition("::")[0]]))


def _fixtures(item: pytest.Item) -> Sequence[str]:
    names: Sequence[str] = getattr(item, "fixturenames", ())
    return names


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
