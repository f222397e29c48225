"""The wheel holds all that an installed ctrain needs, and nothing of the tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from ctrain import __version__

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return folder / built.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


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


@pytest.mark.slow
@pytest.mark.cold  # an environment of its own has an interpreter of its own
def test_installed_it_begins_a_policy_anywhere(wheel: Path, tmp_path: Path) -> None:
    """Of this repository the new environment has the wheel alone; what that depends on is lent to it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            list(map(str, command)), cwd=elsewhere, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python, ctrain = tmp_path / "venv/bin/python", tmp_path / "venv/bin/ctrain"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    installed = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (installed / "lent.pth").write_text(sysconfig.get_path("purelib"))
    assert run(python, "-c", "import ctrain; print(ctrain.__file__)").startswith(str(installed))

    rows = [f"r-{n},{n % 7},{'ab'[n % 2]},{int(n % 7 > 3)}" for n in range(400)]
    (elsewhere / "clicks.csv").write_text("\n".join(["id,dwell,kind,clicked", *rows, ""]))
    assert re.search(rf"\b{re.escape(__version__)}\b", run(ctrain, "--version"))
    told = run(ctrain, "init", "clicks", "--from", "clicks.csv", "--label", "clicked", "--id", "id")
    assert "clicks.yaml" in told
    assert {path.suffix for path in (elsewhere / "clicks").iterdir()} >= {".yaml", ".py"}
    checked = run(ctrain, "validate", "clicks/clicks.yaml")
    assert "clicks" in checked
