"""The streams of a catalogue as files that ``ctrain init`` reads, and a trainer that is the same for all.

A catalogue is a folder of Parquet files in stream order, with ``t`` (an instant or a row number) and
``target``. Columns ending in ``_leak`` are outcomes, those ending in ``_ref`` the data set's own model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ctrain.app.drafting import Wish, draft_policy, write_draft
from ctrain.app.drafts.pace import LEAST_INSTANTS

METADATA = frozenset({"partition", "batch", "year_meta", "row_in_file", "booking_t", "label_t"})
NOT_FEATURES = {"elec2": {"date"}, "bike_hourly": {"yr"}}
"""By the catalogue: a published column that is no time, and a number that grows with it."""
REGRESSIONS = frozenset({"bike_hourly", "valencia_no2", "metro_traffic"})
AGAINST_THE_REST = {"kdd99_10pct": "normal"}
"""Of 23 labels most are never seen again: normal connections against attacks, as the catalogue has it."""
SYNTHETIC = frozenset({"nannyml_car_loan"})
CHOSEN_ON = frozenset({"bike_hourly", "insects_gradual", "keystroke", "nannyml_car_loan", "nycflights13"})
"""Every second stream by name: these alone were looked at while the defaults were chosen."""

TRAINER = '''"""One model for all streams: gradient boosting on every row that it is given."""

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

ROUNDS, MOST_TREES = 50, 300


def train(rows, context):
    features, label = rows[list(context.feature_names)], rows[context.label]
    names = list(context.features["categorical"])
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=200)
    prepared = ColumnTransformer([("codes", codes, names)], remainder="passthrough")
    settings = {"learning_rate": 0.2, "early_stopping": False, "random_state": context.seed}
    settings["categorical_features"] = list(range(len(names))) or None
    if context.task == "regression":
        model = HistGradientBoostingRegressor(max_iter=ROUNDS, **settings)
    else:
        trees = label.nunique() if label.nunique() > 2 else 1
        rounds = min(ROUNDS, MOST_TREES // trees)
        model = HistGradientBoostingClassifier(max_iter=rounds, **settings)
    return make_pipeline(prepared, model).fit(features, label)
'''


@dataclass(frozen=True)
class Drafted:
    """A stream with its default policy."""

    name: str
    rows: int
    policy: Path


def names_in(folder: Path) -> list[str]:
    """The streams of a catalogue, by name."""
    return sorted(path.stem for path in folder.glob("*.parquet"))


def draft(catalogue: Path, name: str, folder: Path) -> Drafted:
    """Write the default policy of a stream into ``folder``, with the fixed trainer."""
    rows = _prepared(pq.read_table(catalogue / f"{name}.parquet"), name)
    folder.mkdir(parents=True)
    source = folder / f"{name}.parquet"
    pq.write_table(rows, source)
    timed = pa.types.is_timestamp(rows["t"].type) and pc.count_distinct(rows["t"]).as_py() >= LEAST_INSTANTS
    wish = Wish(
        name,
        source,
        "target",
        event_time="t" if timed else None,
        drop=() if timed else ("t",),
        task="regression" if name in REGRESSIONS else None,
        out=folder / "draft",
    )
    drafted = draft_policy(wish)
    write_draft(drafted)
    drafted.training.write_text(TRAINER, "utf-8")
    return Drafted(name, rows.num_rows, drafted.policy)


def _prepared(rows: pa.Table, name: str) -> pa.Table:
    """Features, ``t`` and ``target``; what has real times has their hour, weekday and month, too."""
    left_out = METADATA | NOT_FEATURES.get(name, set())
    known = [one for one in rows.column_names if not one.endswith(("_leak", "_ref")) and one not in left_out]
    rows = rows.select(known)
    if pa.types.is_timestamp(rows["t"].type):
        for part, function in {"hour": "hour", "weekday": "day_of_week", "month": "month"}.items():
            rows = rows.append_column(f"t_{part}", pc.call_function(function, [rows["t"]]))
    target = rows["target"]
    if name in AGAINST_THE_REST:
        target = pc.call_function("equal", [pc.cast(target, pa.string()), AGAINST_THE_REST[name]])
    if name not in REGRESSIONS:
        # Numbers of classes are names, not amounts.
        target = pc.cast(target, pa.string())
    return rows.set_column(rows.column_names.index("target"), "target", target)
