"""Digests of artifacts: what they notice, and what they must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ctrain.child.artifact_digest import artifact_digest, content_digest


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "MLmodel").write_text("run_id: 1")
    (tmp_path / "model.pkl").write_bytes(b"weights")
    (tmp_path / "code" / "own.py").write_text("x = 1")
    return tmp_path


def test_the_digest_is_that_of_paths_and_contents(artifact: Path) -> None:
    # sha256sum of each file, then of the lines "path NUL digest" in the order of the paths
    assert artifact_digest(artifact) == "bba3d723f0eba57553516904258216133df5ef2ccb2390d05d79b1cf74e86a5e"


@pytest.mark.parametrize(
    ("change", "notices", "notices_content"),
    [
        (lambda folder: (folder / "model.pkl").write_bytes(b"other"), True, True),
        (lambda folder: (folder / "model.pkl").rename(folder / "model2.pkl"), True, True),
        (lambda folder: (folder / "code" / "new.py").write_text(""), True, True),
        (lambda folder: (folder / "MLmodel").write_text("run_id: 2"), True, False),
        (lambda folder: (folder / "registered_model_meta").write_text("added by a download"), False, False),
        (lambda folder: (folder / "code" / "__pycache__").mkdir(), False, False),
    ],
)
def test_what_a_digest_notices(
    artifact: Path, change: Callable[[Path], object], notices: bool, notices_content: bool
) -> None:
    before, content_before = artifact_digest(artifact), content_digest(artifact)
    change(artifact)
    assert (artifact_digest(artifact) != before) is notices
    assert (content_digest(artifact) != content_before) is notices_content


def test_byte_code_caches_do_not_count(artifact: Path) -> None:
    before = artifact_digest(artifact)
    cache = artifact / "code" / "__pycache__"
    cache.mkdir()
    (cache / "own.cpython-311.pyc").write_bytes(b"compiled")
    assert artifact_digest(artifact) == before
