"""Production as it would be: a service that scores flights with the champion, and its data exports.

Each hour's flights land as one Parquet file, with the score that was served and the version that
gave it; what became of the flights lands a day later. None of it knows of ctrain: the service asks
the registry which version the champion alias names, as any service that uses MLflow would.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ctrain.demo.flights import CATEGORICAL, FEATURES, LABELS
from ctrain.demo.ledger import Ledger
from ctrain.domain import Version

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LABELS_AFTER = timedelta(days=1)
HOUR = timedelta(hours=1)
Floats = NDArray[np.float64]
Predict = Callable[["pd.DataFrame"], Floats]
"""Features in, probability of a delay out."""


class Production:
    """Serves the flights of a table in the order of their departure, step by step."""

    def __init__(self, flights: pa.Table, folder: Path, load: Callable[[Version], Predict]) -> None:
        self._flights = flights
        self._load = load
        self._predictions = folder / "predictions"
        self._labels = folder / "labels"
        for one in (self._predictions, self._labels):
            one.mkdir(parents=True, exist_ok=True)
        self._scheduled = flights["scheduled_at"].to_numpy().astype("datetime64[us]")
        self._models: dict[Version, Predict] = {}
        self.first: Version | None = None
        """The first champion: scored beside every later one, and otherwise never touched again."""
        self.ledger = Ledger(flights["delayed"].to_numpy(zero_copy_only=False).astype(np.float64))

    def rows_between(self, start: datetime, end: datetime) -> slice:
        """Where the flights with ``start <= scheduled_at < end`` lie in the table."""
        borders = np.array([_instant(start), _instant(end)])
        first, last = np.searchsorted(self._scheduled, borders)
        return slice(int(first), int(last))

    def serve(self, start: datetime, end: datetime, champion: Version | None, *, staged: bool = False) -> int:
        """Score the flights of ``[start, end)`` and land them in hourly files; return how many.

        Without a champion there is nothing to serve: the rows land without a score.
        """
        rows = self.rows_between(start, end)
        table = self._flights.slice(rows.start, rows.stop - rows.start).drop_columns(list(LABELS))
        if table.num_rows == 0:
            return 0
        scores = None if champion is None else self._score(champion, table, rows, staged)
        table = _with_predictions(table, scores, champion)
        for hour in _hours(start, end):
            part = self.rows_between(hour, min(hour + HOUR, end))
            if part.stop > part.start:
                one = table.slice(part.start - rows.start, part.stop - part.start)
                _land(one, self._predictions / f"{hour:%Y-%m-%dT%H}.parquet")
        return table.num_rows

    def deliver_labels(self, start: datetime, end: datetime) -> int:
        """Land the labels that became known in ``[start, end)``, a day after departure was due.

        Cancelled and diverted flights never get one.
        """
        rows = self.rows_between(start - LABELS_AFTER, end - LABELS_AFTER)
        table = self._flights.slice(rows.start, rows.stop - rows.start).select(["flight_id", *LABELS])
        table = table.filter(table["delayed"].is_valid())
        if table.num_rows:
            _land(table, self._labels / f"{end:%Y-%m-%dT%H}.parquet")
        return table.num_rows

    def _score(self, champion: Version, table: pa.Table, rows: slice, staged: bool) -> Floats:
        if self.first is None:
            self.first = champion
        features = _frame(table)
        live = self._model(champion)(features)
        frozen = live if champion == self.first else self._model(self.first)(features)
        self.ledger.enter(rows, live, frozen, staged=staged)
        return live

    def _model(self, version: Version) -> Predict:
        if version not in self._models:
            self._models[version] = self._load(version)
        return self._models[version]


def mlflow_alias(tracking_uri: str, model: str, alias: str) -> Callable[[], Version | None]:
    """Return what reads which version the alias names; None when there is no such alias or model."""

    def read() -> Version | None:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            found = MlflowClient(tracking_uri).get_model_version_by_alias(model, alias)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise
        return Version(str(found.version))

    return read


def mlflow_loader(tracking_uri: str, model: str) -> Callable[[Version], Predict]:
    """Return what loads a version of ``model`` from the registry and predicts in this program."""

    def load(version: Version) -> Predict:
        import mlflow

        mlflow.set_tracking_uri(tracking_uri)
        loaded = mlflow.pyfunc.load_model(f"models:/{model}/{version}")

        def predict(features: pd.DataFrame) -> Floats:
            scores: Floats = np.asarray(loaded.predict(features), dtype=np.float64)
            return scores[:, 1] if scores.ndim == 2 else scores

        return predict

    return load


def _instant(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "us")


def _hours(start: datetime, end: datetime) -> list[datetime]:
    return [start + HOUR * step for step in range(-((start - end) // HOUR))]


def _frame(table: pa.Table) -> pd.DataFrame:
    frame = table.select(list(FEATURES)).to_pandas()
    return frame.astype(dict.fromkeys(CATEGORICAL, object))


def _with_predictions(table: pa.Table, scores: Floats | None, champion: Version | None) -> pa.Table:
    import pyarrow as pa

    none = pa.nulls(table.num_rows, pa.float64())
    versions = pa.array([champion] * table.num_rows, pa.string())
    table = table.append_column("score", none if scores is None else pa.array(scores, pa.float64()))
    return table.append_column("model_version", versions)


def _land(table: pa.Table, path: Path) -> None:
    """Write a file that appears under its name only when it is whole."""
    import pyarrow.parquet as pq

    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial, compression="zstd", use_dictionary=False, write_statistics=False)
    os.replace(partial, path)
