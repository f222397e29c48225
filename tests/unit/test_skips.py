"""A missing service skips with a reason at home, and fails where CI promises that it is there."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import pytest

@pytest.mark.service("no-such-program")
def test_drives_a_service():
    assert True

def test_skips_itself():
    pytest.skip("because")

def test_passes():
    assert True
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> pytest.Pytester:
    conftest = request.config.rootpath / "tests" / "conftest.py"
    pytester.makeconftest(conftest.read_text())
    pytester.makeini("[pytest]\nmarkers = service(name): x")
    pytester.makepyfile(SUITE)
    return pytester


def test_missing_service_skips_with_its_remedy(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CTRAIN_REQUIRE_SERVICES", raising=False)
    result = suite.runpytest("-rs")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*no-such-program is not installed; `make services` installs it*"])


def test_any_skip_fails_where_services_are_required(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTRAIN_REQUIRE_SERVICES", "1")
    suite.runpytest().assert_outcomes(passed=1, failed=1, errors=1)


def test_a_module_that_skips_itself_fails_where_services_are_required(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(test_module='import pytest\npytest.skip("x", allow_module_level=True)')
    monkeypatch.setenv("CTRAIN_REQUIRE_SERVICES", "1")
    suite.runpytest("test_module.py").assert_outcomes(errors=1)
