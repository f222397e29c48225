"""Every threat of deploy/SECURITY.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "deploy" / "SECURITY.md").read_text()
THREATS = re.findall(r"^\| (?!threat |--- )(.+?) \| (.+?) \| (.+?) \|$", MODEL, re.MULTILINE)


def test_there_are_threats() -> None:
    assert len(THREATS) > 20


@pytest.mark.parametrize(("threat", "tests"), [(row[0], row[2]) for row in THREATS])
def test_every_threat_names_tests_that_exist(threat: str, tests: str) -> None:
    named = re.findall(r"`(tests/[^`]+?\.py)::(\w+)`", tests)
    assert named, threat
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists() or f"def {name}(" not in (ROOT / path).read_text()
    ]
    assert missing == []


@pytest.mark.parametrize("lock", ["requirements.lock", "tests/benchmarks/peers.lock", ".ci/audit.lock"])
def test_everything_is_installed_by_hash(lock: str) -> None:
    entries = re.split(r"^(?=\S)", (ROOT / lock).read_text(), flags=re.MULTILINE)
    pinned = [entry for entry in entries if re.match(r"[a-z0-9]", entry, re.IGNORECASE)]
    assert len(pinned) > 3
    assert [
        entry.splitlines()[0] for entry in pinned if "==" not in entry or "--hash=sha256:" not in entry
    ] == []
