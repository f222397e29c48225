"""Pictures of what monitors said, for a person: each is made by itself, and one that fails costs no other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.analysis.pictured import Panel, first_pair, pair, panel

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PANELS = 6


def answer_report(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """``files`` by name, and ``failed``: why others could not be made.

    The request holds ``policy``, ``kinds`` of the features, the path of ``reference``, and ``monitors``,
    each with name, label, status, reason, window, the path of ``current`` rows, columns and history.
    """
    import pyarrow.parquet as pq

    reference = pq.read_table(request["reference"]) if request["reference"] else None
    made: dict[str, str] = {}
    failed: dict[str, str] = {}

    def make(name: str, write: Callable[[Path], bool]) -> None:
        try:
            if write(folder / name):
                made[name] = str(folder / name)
        except Exception as error:  # noqa: BLE001 - drawing libraries may fail in any way; the others go on
            traceback.print_exc()
            failed[name] = f"{type(error).__name__}: {error}"[:300]

    for monitor in request["monitors"]:
        _picture(request, monitor, reference, make)
    first = next((one for one in request["monitors"] if one["current"]), None)
    if reference is not None and first is not None:
        make("report.html", lambda path: _page(path, request, first, reference))
    return {"files": made, "failed": failed}


def _picture(
    request: Mapping[str, Any],
    monitor: Mapping[str, Any],
    reference: pa.Table | None,
    make: Callable[[str, Callable[[Path], bool]], None],
) -> None:
    import pyarrow.parquet as pq

    from ctrain.analysis.plots import plot_distributions, plot_history, plot_pair

    title = f"{request['policy']} · {monitor['name']} · {monitor['window']}"

    def history(path: Path) -> bool:
        return plot_history(path, f"{title}: {monitor['status']}", monitor["label"], monitor["history"])

    def distributions(path: Path) -> bool:
        if reference is None or not monitor["current"]:
            return False
        panels = _panels(request["kinds"], monitor, reference, pq.read_table(monitor["current"]))
        if panels:
            plot_distributions(path, title, panels)
        return bool(panels)

    def together(path: Path) -> bool:
        names = first_pair([one["column"] for one in monitor["columns"] if one["breached"]])
        if reference is None or not monitor["current"] or not monitor["joint"]:
            return False
        current = pq.read_table(monitor["current"])
        before, now = (pair(names, request["kinds"], one) for one in (reference, current))
        if before is None or now is None:
            return False
        plot_pair(path, title, (names[0], names[1]), before, now)
        return True

    make(f"{monitor['name']}-over-time.png", history)
    make(f"{monitor['name']}-together.png", together)
    make(f"{monitor['name']}-distributions.png", distributions)


def _panels(
    kinds: Mapping[str, str], monitor: Mapping[str, Any], reference: pa.Table, current: pa.Table
) -> Sequence[tuple[Panel, str, bool]]:
    """Of the columns that matter most, as far as there is something to show."""
    found: list[tuple[Panel, str, bool]] = []
    for column in monitor["columns"]:
        shown = panel(column["column"], kinds, reference, current)
        if shown is not None and all(column["column"] != one.column for one, _, _ in found):
            found.append((shown, column["sentence"], column["breached"]))
        if len(found) == MOST_PANELS:
            break
    return found


def _page(path: Path, request: Mapping[str, Any], monitor: Mapping[str, Any], reference: pa.Table) -> bool:
    import pyarrow.parquet as pq

    from ctrain.analysis.evidently_report import write_html

    lines = [
        f"{one['name']} {one['status']} ({one['window']}): {one['reason']}" for one in request["monitors"]
    ]
    foremost = [one["column"] for one in monitor["columns"] if one["column"] in request["kinds"]]
    columns = list(dict.fromkeys([*foremost, *request["kinds"]]))
    breached = any(one["status"] == "BREACHED" for one in request["monitors"])
    title = f"{request['policy']}: what drifted"
    current = pq.read_table(monitor["current"])
    write_html(path, title, lines, breached, reference, current, request["kinds"], columns)
    return True
