"""SHA-256 over the files of a model artifact."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

ADDED_BY_DOWNLOAD = "registered_model_meta"
"""MLflow writes this file into its copy when a registered version is downloaded."""

CHUNK_BYTES = 1 << 20

DESCRIPTIVE = frozenset(
    {
        "MLmodel",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        "input_example.json",
        "serving_input_example.json",
    }
)
"""Files that name a run or an environment, and say nothing about what the model has learned."""


def artifact_digest(folder: Path) -> str:
    """Hex SHA-256 over path and content of every file, in the order of the paths.

    Byte code caches do not count: they appear beside code wherever it is imported in place, and
    copies that are loaded here are freed of them.
    """
    return _digest(folder, _files(folder))


def content_digest(folder: Path) -> str:
    """The same without the files that differ between two trainings that learned the same."""
    return _digest(
        folder, (path for path in _files(folder) if path.relative_to(folder).as_posix() not in DESCRIPTIVE)
    )


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*"), key=lambda one: one.relative_to(folder).as_posix()):
        relative = path.relative_to(folder)
        if (
            path.is_file()
            and "__pycache__" not in relative.parts
            and relative.as_posix() != ADDED_BY_DOWNLOAD
        ):
            yield path


def _digest(folder: Path, files: Iterator[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """Hex SHA-256 of one file."""
    content = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()
