"""The demo's folder: made by the demo, known by a marker, and only then ever cleared."""

from __future__ import annotations

import shutil
from pathlib import Path

from ctrain.errors import InputError
from ctrain.store.private import make_private_folder

MARKER = ".ctrain-demo"
DEFAULT_HOME = Path(".demo")
POLICY = "flight_delay.yaml"
POLICY_NAME = "flight-delay"


def prepare_home(home: Path) -> Path:
    """Return ``home``, absolute and empty but for the marker; an earlier demo in it is cleared away.

    Raises
    ------
    InputError
        when the folder holds things that no demo has put there; nothing is deleted then.
    """
    home = home.expanduser().absolute()
    if home.exists() and not home.is_dir():
        raise InputError(f"{home}: is a file; name a folder with --home")
    if home.is_dir() and any(home.iterdir()):
        if not (home / MARKER).is_file():
            raise InputError(f"{home}: is not empty and not of an earlier demo; name another with --home")
        _clear(home)
    make_private_folder(home)
    (home / MARKER).write_text("`ctrain demo` made this folder and clears it when it starts again.\n")
    return home


def _clear(home: Path) -> None:
    """Delete what the folder holds, never what a link in it points to; the marker goes last."""
    for entry in sorted(home.iterdir(), key=lambda entry: entry.name == MARKER):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def find_policy() -> Path:
    """Return the shipped policy of the demo: of the installed package, or of the source tree.

    Raises
    ------
    InputError
        when neither is there.
    """
    here = Path(__file__).parent
    for folder in (here / "policies", here.parents[1] / "policies"):
        if (folder / POLICY).is_file():
            return folder / POLICY
    raise InputError(f"{POLICY} is missing beside the installed package; install ctrain again")
