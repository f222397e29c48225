"""Evidently's interactive report of the window against the reference: a picture, not a judgement."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.stats.columns import numeric_values, text_values

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MOST_COLUMNS = 30
LESS = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
BANNER = """<div style="font: 15px/1.5 sans-serif; margin: 16px; padding: 12px 16px;
 border: 1px solid #ccc; border-left: 6px solid {colour}; background: #fff; color: #111">
<b>{title}</b><br>{lines}<br>
<span style="color: #555">What follows is Evidently's own view of two samples, with its own tests and
thresholds; it decides nothing in ctrain and may differ from the above.{notes}</span></div>"""


def write_html(
    path: Path,
    title: str,
    lines: Sequence[str],
    breached: bool,
    reference: pa.Table,
    current: pa.Table,
    kinds: Mapping[str, str],
    columns: Sequence[str],
) -> None:
    """Write the report of ``columns``, at most ``MOST_COLUMNS`` of them, headed by what ctrain says.

    Raises
    ------
    ValueError
        when no column has values on both sides.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    named = [name for name in columns if kinds.get(name, "text") != "text"]
    usable = [name for name in named if _has_values(reference, name) and _has_values(current, name)]
    shown = usable[:MOST_COLUMNS]
    if not shown:
        raise ValueError("no column has values in the reference and in the window")
    definition = DataDefinition(
        numerical_columns=[_harmless(name) for name in shown if kinds[name] != "categorical"],
        categorical_columns=[_harmless(name) for name in shown if kinds[name] == "categorical"],
    )
    before, now = (
        Dataset.from_pandas(_frame(one, shown, kinds), data_definition=definition)
        for one in (reference, current)
    )
    # A single column is drift, as it is for ctrain.
    snapshot = Report([DataDriftPreset(drift_share=1 / len(shown))]).run(now, before)
    notes = _notes(len(columns), shown, [name for name in named if name not in usable])
    banner = BANNER.format(
        colour="#D55E00" if breached else "#0072B2",
        title=html.escape(title),
        lines="<br>".join(html.escape(line) for line in lines),
        notes=html.escape(notes),
    )
    _write_whole(path, _headed(snapshot.get_html_str(as_iframe=False), banner))


def _has_values(table: pa.Table, name: str) -> bool:
    """An empty column breaks the whole report."""
    return name in table.column_names and table[name].null_count < table.num_rows


def _frame(table: pa.Table, columns: Sequence[str], kinds: Mapping[str, str]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    def values(name: str) -> Any:
        if kinds[name] == "categorical":
            texts = text_values(table, name).to_pylist()
            return pd.Series([one if one is None else _harmless(one) for one in texts], dtype=object)
        numbers = numeric_values(table, name)
        return np.where(np.isfinite(numbers), numbers, np.nan)

    return pd.DataFrame({_harmless(name): values(name) for name in columns})


def _harmless(text: str) -> str:
    """The text without what could end Evidently's script and begin another: it writes values as they are."""
    return text.replace("<", LESS)


def _notes(columns: int, shown: Sequence[str], empty: Sequence[str]) -> str:
    notes = f" It shows {len(shown)} of {columns} columns." if len(shown) < columns else ""
    return notes + (f" Without values on a side: {', '.join(empty)}." if empty else "")


def _headed(page: str, banner: str) -> str:
    place = page.index(">", page.index("<body")) + 1
    return page[:place] + banner + page[place:]


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
