"""Can a classifier tell the rows of a window from those of a reference, segment by segment?

Each segment has a classifier of its own, which is fitted and judged on its rows alone. One that cannot be
judged stops no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.analysis.separation import separate
from ctrain.stats.profile import event_microseconds

if TYPE_CHECKING:
    import pyarrow as pa

Request = Mapping[str, Any]


def answer_separation(folder: Path, request: Request) -> dict[str, Any]:  # noqa: ARG001 - the answer alone goes there
    """For each segment the rows of both sides, and what was found or why nothing could be.

    The importance of the features comes with what may turn out to be BREACHED.
    """
    import pyarrow.parquet as pq

    reference, current = pq.read_table(request["reference"]), pq.read_table(request["current"])
    return {
        "segments": [
            _told(
                request,
                number,
                _of_segment(reference, request, number),
                _of_segment(current, request, number),
            )
            for number in range(request["segments"])
        ]
    }


def answer_inside(folder: Path, request: Request) -> dict[str, Any]:  # noqa: ARG001 - the answer alone goes there
    """For each segment the AUC of windows inside its reference against the rest of it."""
    import pyarrow.parquet as pq

    reference = pq.read_table(request["reference"])
    segments = [_of_segment(reference, request, number) for number in range(request["segments"])]
    aucs: list[list[float]] = [[] for _ in segments]
    for place, (path, span) in enumerate(zip(request["windows"], request["spans_microseconds"], strict=True)):
        windows = pq.read_table(path)
        for number, rows in enumerate(segments):
            seed = request["seed"] + number * len(request["windows"]) + place
            auc = _inside(request, rows, _of_segment(windows, request, number), span, seed)
            aucs[number] += [] if auc is None else [auc]
    return {"aucs": aucs}


def _told(request: Request, number: int, reference: pa.Table, current: pa.Table) -> dict[str, Any]:
    rows = {"reference_rows": reference.num_rows, "current_rows": current.num_rows}
    if min(rows.values()) < request["min_rows"]:
        return rows
    try:
        found, importance = separate(
            reference,
            current,
            request["features"],
            request["period_microseconds"],
            request["seed"] + number,
            min_auc=request["min_auc"],
            alpha=request["alpha"],
        )
    except ValueError as error:
        return {**rows, "problem": str(error)}
    return {**rows, "auc": found.auc, "p_value": found.p_value, "importance": importance}


def _inside(
    request: Request, reference: pa.Table, window: pa.Table, span: tuple[int, int], seed: int
) -> float | None:
    """None for a window of which nothing can be said."""
    moments, (start, end) = event_microseconds(reference), span
    rest = reference.filter((moments < start) | (moments >= end))
    if min(window.num_rows, rest.num_rows) < request["min_rows"]:
        return None
    try:
        found, _ = separate(
            rest, window, request["features"], request["period_microseconds"], seed, importance=False
        )
    except ValueError:
        return None
    return found.auc


def _of_segment(rows: pa.Table, request: Request, number: int) -> pa.Table:
    return rows.filter(rows[request["segment_column"]].to_numpy() == number)
