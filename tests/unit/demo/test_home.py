from __future__ import annotations

from pathlib import Path

import pytest

from ctrain.demo.home import MARKER, find_policy, prepare_home
from ctrain.errors import InputError


def test_a_new_folder_is_made_and_marked(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "a" / "demo")
    assert home.is_absolute()
    assert [entry.name for entry in home.iterdir()] == [MARKER]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert prepare_home(tmp_path) == tmp_path
    assert (tmp_path / MARKER).is_file()


def test_an_earlier_demo_is_cleared_away(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "demo")
    (home / "stream" / "predictions").mkdir(parents=True)
    (home / "stream" / "predictions" / "x.parquet").write_text("x")
    (home / "state.db").write_text("x")
    prepare_home(home)
    assert [entry.name for entry in home.iterdir()] == [MARKER]


@pytest.mark.parametrize("name", ["notes.txt", ".hidden"])
def test_a_strangers_folder_is_refused_and_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="not of an earlier demo; name another with --home"):
        prepare_home(tmp_path)
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / MARKER).exists()


def test_what_a_link_points_to_is_kept(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    home = prepare_home(tmp_path / "demo")
    (home / "link").symlink_to(outside, target_is_directory=True)
    prepare_home(home)
    assert not (home / "link").exists()
    assert (outside / "file").read_text() == "mine"


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        prepare_home(tmp_path / "file")


def test_the_shipped_policy_is_found_with_its_training_code() -> None:
    policy = find_policy()
    assert policy.is_file()
    assert (policy.parent / "flight_delay.py").is_file()
    assert (policy.parent / "flight_delay_staged.py").is_file()
