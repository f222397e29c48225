"""The programs that files of deploy/ are held against; `make tools` puts them into the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PLACES = (Path(sys.executable).parent, ROOT / ".venv" / "tools" / "bin")


def program(name: str) -> Path:
    """Where the program is; skips the test when it is nowhere."""
    found = [place / name for place in PLACES if (place / name).exists()]
    if not found:
        pytest.skip(f"{name} is not installed; `make tools` installs it")
    return found[0]


def ask(name: str, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What the program answers, without anything of the environment but a home that is not there."""
    return subprocess.run(
        [program(name), *map(str, arguments)],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
