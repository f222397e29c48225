"""Features whose values could not be read: on record when it begins, and when it is all of them.

Such a value counts as missing and costs no row; whether the share is bearable is for a quality monitor
to say. That there is anything of the kind is told without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from ctrain.domain import NO_VERSION, MonitorName

if TYPE_CHECKING:
    from ctrain.domain import Arrived
    from ctrain.engine.watch import Watch
    from ctrain.ports import Transaction

MEMORY = MonitorName("unread values")

Level = Literal["", "some", "all", "absent"]


def tell_unreadable(watch: Watch, tx: Transaction, arrived: Arrived) -> None:
    """Record what has become worse with the rows of one read, in its transaction."""
    if not arrived.rows.num_rows:
        return
    known = tx.detector(watch.name, MEMORY, NO_VERSION) or {}
    following = dict(known)
    for feature, level, message in _levels(watch, arrived):
        before = known.get(feature, "")
        if level and level != before and not (level == "some" and before):
            tx.append_event(watch.event("values_unread", f"{feature}: {message}; they count as missing"))
        if level or before:
            following[feature] = level or "some"
    if following != known:
        tx.save_detector(watch.name, MEMORY, NO_VERSION, following)


def _levels(watch: Watch, arrived: Arrived) -> Iterator[tuple[str, Level, str]]:
    rows = arrived.rows.num_rows
    for kind, names in watch.policy.data.features.by_kind.items():
        for name in names:
            wrong = int(np.count_nonzero(arrived.wrong.get(name, ())))
            absent = int(np.count_nonzero(arrived.absent.get(name, ())))
            given = rows - arrived.rows[name].null_count + wrong
            level: Level = "absent" if absent == rows else "all" if 0 < wrong == given else "some"
            message = f"{wrong} of {given} values mean nothing as {kind} values"
            if level == "absent":
                message = f"files with {rows} rows have no such column"
            elif level == "all":
                message = f"not one of {given} values is of the kind {kind}: the type has changed"
            yield name, level if wrong or absent == rows else "", message
