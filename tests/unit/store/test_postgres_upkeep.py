"""How ``pg_dump`` is called."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from ctrain.store import postgres_upkeep


@pytest.mark.parametrize(
    ("address", "password", "target"),
    [
        ("postgresql://ada:s3cret@db/ctrain", "s3cret", "postgresql://ada@db/ctrain"),
        ("postgresql://ada@db/ctrain?password=s3cret", "s3cret", "postgresql://ada@db/ctrain"),
        (
            "postgresql://ada:before@db/ctrain?sslmode=require&password=s3cret",
            "s3cret",
            "postgresql://ada@db/ctrain?sslmode=require",
        ),
        ("postgresql://ada@db/ctrain", None, "postgresql://ada@db/ctrain"),
    ],
)
def test_a_password_is_no_argument_wherever_the_address_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, password: str | None, target: str
) -> None:
    called: dict[str, Any] = {}

    def run(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        called.update(command=command, env=env)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    out = tmp_path / "state.dump"
    out.touch()
    postgres_upkeep.dump(make_url(address), out)
    assert called["command"][-1] == f"--dbname={target}"
    assert "s3cret" not in " ".join(called["command"])
    assert called["env"].get("PGPASSWORD") == password
