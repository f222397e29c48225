"""The wheel holds all that an installed ctrain needs, and nothing of the tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ctrain import __version__

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(folder / built.stdout.strip().splitlines()[-1]) as wheel:
        return set(wheel.namelist())


@pytest.mark.parametrize(
    "folder_and_ending",
    [("policies", ".yaml"), ("policies", ".py"), ("ctrain", ".py"), ("ctrain", ".typed"), ("ctrain", ".txt")],
)
def test_every_file_of_the_package_is_in_it(names: set[str], folder_and_ending: tuple[str, str]) -> None:
    folder, ending = folder_and_ending
    inside = "ctrain/demo/policies" if folder == "policies" else "ctrain"
    files = [
        path.relative_to(ROOT / folder)
        for path in (ROOT / folder).rglob(f"*{ending}")
        if "__pycache__" not in path.parts
    ]
    assert files
    assert [str(path) for path in files if f"{inside}/{path}" not in names] == []


def test_nothing_else_is_in_it(names: set[str]) -> None:
    assert {name.partition("/")[0] for name in names} == {"ctrain", f"ctrain-{__version__}.dist-info"}
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []
