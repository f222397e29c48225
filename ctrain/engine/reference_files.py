"""References from a file of rows, or from a profile of one: built once for each content of the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ctrain.domain import Version
from ctrain.engine.references import build, decoded, fits, keep_reference, without_empty
from ctrain.engine.stored_references import from_stored
from ctrain.stats.reference import PREDICTION, Reference
from ctrain.stats.stored_profile import StoredProfile
from ctrain.stats.variability import PaneCounts

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch
    from ctrain.ports import ReferenceRows


def load_reference_file(watch: Watch) -> Reference:
    """The reference of the file as it is now.

    It is kept under the digest of its content and made again when that changes.

    Raises InputError when the file cannot be read, or lacks the features.
    """
    file = watch.reference_file
    assert file is not None
    version = Version(f"file:{file.digest()[:32]}")
    kept = watch.references.get(version)
    if kept is not None and fits(watch, kept):
        return kept
    with watch.store.read() as tx:
        stored = tx.reference(watch.name, version)
    reference = decoded(stored[1]) if stored is not None else None
    if reference is None or not fits(watch, reference):
        reference = _made(watch, version)
    watch.references.clear()
    watch.references[version] = reference
    return reference


def _made(watch: Watch, version: Version) -> Reference:
    file = watch.reference_file
    assert file is not None
    found = file.read()
    if isinstance(found, StoredProfile):
        reference = without_empty(from_stored(watch.policy, found))
        rows, origin = found.profile.rows, f"a profile of {', '.join(found.sources)}"
    else:
        reference, rows, origin = _of_rows(watch, found), found.table.num_rows, found.origin
    keep_reference(watch, version, reference, f"the reference is made from {origin} ({rows} rows)")
    return reference


def _of_rows(watch: Watch, rows: ReferenceRows) -> Reference:
    table = rows.table
    scored = table.select(["event_at", PREDICTION]).filter(table[PREDICTION].is_valid())
    reference = without_empty(build(watch, table, scored if scored.num_rows else None))
    return reference if rows.timed else _without_times(reference)


def _without_times(reference: Reference) -> Reference:
    """The reference of rows of which nobody knows when they were: how they vary in time is unknown."""
    none = np.zeros(0, dtype=np.int64)
    return replace(
        reference,
        starts=none,
        pane_rows=none,
        panes=dict.fromkeys(reference.panes, PaneCounts(none, np.zeros(1, dtype=np.int64), none, none)),
        segments={by: tuple(map(_without_times, own)) for by, own in reference.segments.items()},
        scores=_without_times(reference.scores) if reference.scores else None,
        _variability={},
    )
