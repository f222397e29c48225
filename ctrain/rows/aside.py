"""What was set aside: source rows and lines that cannot be used, why, and where each was found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctrain.domain import FUTURE

if TYPE_CHECKING:
    from ctrain.domain import RejectedLine, SourceBatch

REASONS = ("", "null_id", "null_time", "naive_time", FUTURE, "bad_value")


def origin_of(reasons: npt.NDArray[np.int8], group: Sequence[SourceBatch]) -> pa.Table:
    """Return why each source row that cannot be used is none, and where it was found."""
    chosen = np.flatnonzero(reasons)
    paths = np.repeat([batch.path for batch in group], [batch.table.num_rows for batch in group])
    places = np.concatenate([batch.first_row + np.arange(batch.table.num_rows) for batch in group])
    numbers = [np.full(one.table.num_rows, -1) if one.lines is None else one.lines for one in group]
    lines = np.concatenate(numbers)[chosen]
    return pa.table(
        {
            "reason": pa.array([REASONS[one] for one in reasons[chosen]], pa.string()),
            "source_path": pa.array(paths[chosen].tolist(), pa.string()),
            "source_row": pa.array(places[chosen], pa.int64()),
            "source_line": pa.array(lines, pa.int64(), mask=lines < 0),
        }
    )


def side_by_side(source: pa.Table, origin: pa.Table) -> pa.Table:
    """Return both; a column of the source that is named as one of ours gets another name."""
    taken = {*source.column_names, *origin.column_names}
    for name in set(source.column_names) & set(origin.column_names):
        renamed = next(other for n in count(2) if (other := f"{name}_{n}") not in taken)
        source = source.rename_columns({name: renamed})
    for name in origin.column_names:
        source = source.append_column(name, origin[name])
    return source


def lines_table(lines: Sequence[RejectedLine]) -> pa.Table:
    """Return lines of files that are no rows."""
    return pa.table(
        {
            "text": pa.array([one.text for one in lines], pa.string()),
            "message": pa.array([one.message for one in lines], pa.string()),
            "reason": pa.array([one.reason for one in lines], pa.string()),
            "source_path": pa.array([one.path for one in lines], pa.string()),
            "source_line": pa.array([one.line for one in lines], pa.int64()),
        }
    )
