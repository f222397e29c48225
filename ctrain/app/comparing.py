"""Comparing files, each of them rows or a profile of rows."""

from __future__ import annotations

from pathlib import Path

from ctrain.app.profiling import is_profile, profile_files, read_profile
from ctrain.app.scanning import TableFiles
from ctrain.errors import InputError
from ctrain.monitors.compare import EXACT_UP_TO, Comparison, compare_profiles, compare_tables
from ctrain.stats.stored_profile import StoredProfile


def compare_files(
    reference: Path, current: Path, *, fdr: float, min_effect: float, exact: bool = False
) -> Comparison:
    """Return how ``current`` differs from ``reference``: files or folders of rows, or profiles.

    Rows are compared with each other one by one up to 100,000 a side (or all of them: ``exact``);
    otherwise they are counted on the grid of the profile, or of the reference, without ever being
    in memory together.

    Raises
    ------
    InputError
        when a file cannot be read, two profiles are on different grids, or a profile has no rows
        that could be compared one by one.
    """
    stored = [read_profile(path) if is_profile(path) else None for path in (reference, current)]
    if exact and any(stored):
        path = reference if stored[0] else current
        raise InputError(f"--exact compares rows, and {path} is a profile")
    before, now = stored
    if before is None and now is None:
        return _compare_rows(reference, current, fdr, min_effect, exact)
    if before is not None and now is not None:
        _check_grids(before, now, reference, current)
    if now is None:
        now = profile_files(TableFiles.find([current]), against=before)
    if before is None:
        before = profile_files(TableFiles.find([reference]), against=now)
    return compare_profiles(before, now, fdr=fdr, min_effect=min_effect)


def _compare_rows(reference: Path, current: Path, fdr: float, min_effect: float, exact: bool) -> Comparison:
    files = TableFiles.find([reference]), TableFiles.find([current])
    most = None if exact else EXACT_UP_TO
    before = files[0].read(most)
    now = files[1].read(most) if before is not None else None
    if before is not None and now is not None:
        for path, table in ((reference, before), (current, now)):
            if not table.num_rows:
                raise InputError(f"{path}: there is no row to compare")
        return compare_tables(before, now, fdr=fdr, min_effect=min_effect, exact=True)
    stored = profile_files(files[0])
    return compare_profiles(stored, profile_files(files[1], against=stored), fdr=fdr, min_effect=min_effect)


def _check_grids(before: StoredProfile, now: StoredProfile, reference: Path, current: Path) -> None:
    if before.grid.name == now.grid.name:
        return
    rows = " ".join(now.sources) or "FILES"
    raise InputError(
        f"{reference} and {current} were counted on different grids; count the rows of the second on that "
        f"of the first: ctrain profile {rows} -o {current} --against {reference}"
    )
