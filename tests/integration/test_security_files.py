"""Other users of the machine: what ctrain makes is its owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.app.wiring import open_database
from ctrain.domain import PolicyName
from ctrain.errors import InputError
from ctrain.settings import Settings
from ctrain.store.private import make_private_file, make_private_folder
from tests.support.world import START


@pytest.fixture(autouse=True)
def generous() -> Iterator[None]:
    """A usual mask, and nothing stricter that would hide what is not asked for."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home_and_its_database_are_their_owners_alone(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path / "deep" / "home", {})
    store = open_database(settings)
    with store.write() as tx:
        tx.save_policy(PolicyName("clicks"), "h", "clicks.yaml", {}, START)
    assert mode(settings.home) == 0o700
    found = {path.name: oct(mode(path)) for path in settings.home.iterdir() if path.is_file()}
    assert {"state.db", "state.db-wal"} <= found.keys()
    assert {name: bits for name, bits in found.items() if bits != oct(0o600)} == {}


def test_a_database_elsewhere_is_its_owners_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "state.db"
    settings = Settings.load(tmp_path / "home", {"CTRAIN_DATABASE_URL": f"sqlite:///{elsewhere}"})
    open_database(settings)
    assert (mode(elsewhere.parent), mode(elsewhere)) == (0o700, 0o600)


@pytest.mark.parametrize(
    ("before", "after"), [(0o755, 0o750), (0o770, 0o770), (0o700, 0o700), (0o777, 0o770)]
)
def test_what_was_there_loses_what_everybody_may_do(tmp_path: Path, before: int, after: int) -> None:
    folder, file = tmp_path / "home", tmp_path / "file"
    folder.mkdir()
    file.write_text("kept")
    for path in (folder, file):
        path.chmod(before)
    make_private_folder(folder)
    make_private_file(file)
    assert (mode(folder), mode(file), file.read_text()) == (after, after, "kept")


def test_a_folder_of_everybody_is_no_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(InputError, match="every user may write there"):
        open_database(Settings.load(tmp_path, {}))
    assert mode(tmp_path) == 0o1777
