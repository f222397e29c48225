"""What a training is made of, told apart by digests of files and of code."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from ctrain.rows.workspace import FolderWorkspace


@pytest.fixture
def workspace(tmp_path: Path) -> FolderWorkspace:
    return FolderWorkspace(tmp_path / "runs")


def code(folder: Path) -> Path:
    (folder / "package").mkdir(parents=True)
    (folder / "train.py").write_text("a = 1\n")
    (folder / "package" / "more.py").write_text("b = 2\n")
    return folder


def test_a_file_has_the_digest_of_its_bytes_and_nothing_has_none(
    workspace: FolderWorkspace, tmp_path: Path
) -> None:
    file = tmp_path / "rows.bin"
    file.write_bytes(b"rows")
    assert workspace.digest(str(file)) == hashlib.sha256(b"rows").hexdigest()
    assert workspace.digest(str(tmp_path / "absent")) == ""


def test_tables_with_the_same_rows_have_one_digest(workspace: FolderWorkspace) -> None:
    whole = pa.table({"x": [1.0, None, 3.0], "k": ["a", "b", None]})
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    paths = [
        workspace.write(f"run-{number}", "rows.parquet", table) for number, table in enumerate((whole, parts))
    ]
    assert workspace.digest(paths[0]) == workspace.digest(paths[1])
    assert workspace.read(paths[1]) == whole
    assert workspace.digest(workspace.write("run-2", "rows.parquet", whole.slice(1))) != workspace.digest(
        paths[0]
    )


@pytest.mark.parametrize("rows", [0, 1, 5, 6, 7])
def test_what_is_written_in_pieces_is_read_whole(
    workspace: FolderWorkspace, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("ctrain.rows.workspace.ROW_GROUP", 3)
    table = pa.table({"x": pa.array(range(rows), pa.int64()), "k": pa.array(["a"] * rows, pa.string())})
    assert workspace.read(workspace.write("run-1", "rows.parquet", table)) == table


@pytest.mark.parametrize(
    "name",
    [
        ".venv/lib.py",
        "env/lib/site.py",
        "__pycache__/train.py",
        "package/notes.txt",
        "policy.yaml",
        "rows/2024/odd.py",
    ],
)
def test_what_is_no_code_of_the_policy_does_not_count(
    workspace: FolderWorkspace, tmp_path: Path, name: str
) -> None:
    folder = code(tmp_path / "code")
    before = workspace.digest(str(folder))
    (folder / "env").mkdir()
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("c = 3\n")
    assert workspace.digest(str(folder)) == before


@pytest.mark.parametrize("name", ["train.py", "package/more.py", "new.py"])
def test_every_python_file_counts(workspace: FolderWorkspace, tmp_path: Path, name: str) -> None:
    folder = code(tmp_path / "code")
    before = workspace.digest(str(folder))
    (folder / name).write_text("c = 3\n")
    assert workspace.digest(str(folder)) != before


def test_code_in_another_place_is_the_same_code(workspace: FolderWorkspace, tmp_path: Path) -> None:
    one, other = (code(tmp_path / name) for name in ("one", "other"))
    assert workspace.digest(str(one)) == workspace.digest(str(other))
    (other / "train.py").rename(other / "fit.py")
    assert workspace.digest(str(one)) != workspace.digest(str(other))
