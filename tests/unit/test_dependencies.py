"""What ctrain imports is what it asks for: nothing comes by chance with another package."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.reference import ROOT

IMPORT = re.compile(
    r"^ *(?:import (?=[\w.]+(?: as \w+)?$)|from (?=[\w.]+ import ))(?P<name>\w+)", re.MULTILINE
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHOSEN_BY_NAME = frozenset(
    {"opentelemetry-exporter-otlp-proto-http", "opentelemetry-exporter-otlp-proto-grpc"}
)
"""Imported by a name that is put together."""
OURS = frozenset({"ctrain", "_typeshed"})
"""And what only type checkers know."""
DRIVERS = frozenset({"python-multipart", "tzdata"})
"""Imported by what ctrain imports: FastAPI, zoneinfo."""
NAMED_OTHERWISE = {
    "opentelemetry": "opentelemetry-sdk",
    "PIL": "pillow",
    "ruamel": "ruamel.yaml",
    "sklearn": "scikit-learn",
}
"""Distributions of packages that have other names."""
PARTS = {
    "cloudpickle": "mlflow-skinny",
    "markupsafe": "jinja2",
    "pillow": "matplotlib",
    "pydantic-core": "pydantic",
    "starlette": "fastapi",
}
"""What another package is made of, which fixes its version, and that package."""


def asked_for(*extras: str) -> set[str]:
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return {canonicalize_name(Requirement(one).name) for needed in lists for one in needed}


def imported(folder: Path) -> Iterator[str]:
    """The outermost packages that its files import."""
    for file in folder.rglob("*.py"):
        yield from (match["name"] for match in IMPORT.finditer(file.read_text()))


@pytest.fixture(scope="module")
def needed() -> set[str]:
    """The distributions of all packages that are imported and none of Python's own."""
    names = set(imported(ROOT / "ctrain")) - set(sys.stdlib_module_names) - OURS
    return {canonicalize_name(NAMED_OTHERWISE.get(name, name)) for name in names}


def test_every_package_that_is_imported_is_asked_for(needed: set[str]) -> None:
    assert needed - asked_for("dask", "demo", "otel") == PARTS.keys()


def test_every_package_that_is_asked_for_is_imported(needed: set[str]) -> None:
    assert asked_for("dask", "otel", "otel-grpc") - needed == CHOSEN_BY_NAME | DRIVERS


@pytest.mark.parametrize(("part", "whole"), PARTS.items())
def test_a_part_comes_with_its_whole(part: str, whole: str) -> None:
    assert part in {canonicalize_name(Requirement(one).name) for one in requires(whole) or []}
