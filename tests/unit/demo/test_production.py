from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.demo.flights import FEATURES
from ctrain.demo.ledger import Ledger, Means
from ctrain.demo.production import Floats, Predict, Production
from ctrain.domain import Version
from tests.unit.demo.builders import day

FIRST_DAY = 709
"""Flights that were due to leave on 1 January in UTC, as awk counts them; 8 of them did not arrive."""


class Shelf:
    """Models that say their version as a share; counts how often each was loaded."""

    def __init__(self) -> None:
        self.loaded: list[Version] = []

    def load(self, version: Version) -> Predict:
        self.loaded.append(version)

        def predict(features: pd.DataFrame) -> Floats:
            assert list(features.columns) == list(FEATURES)
            return np.full(len(features), int(version) / 10)

        return predict


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def production(flights: pa.Table, tmp_path: Path, shelf: Shelf) -> Production:
    return Production(flights.slice(0, 3000), tmp_path, shelf.load)


def _landed(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("*.parquet")))


def test_each_hour_lands_as_a_file_of_its_own(
    production: Production, tmp_path: Path, flights: pa.Table
) -> None:
    rows = production.serve(day(0), day(1), None)
    names = sorted(path.name for path in (tmp_path / "predictions").iterdir())
    assert rows == FIRST_DAY
    assert names[0] == "2013-01-01T10.parquet"
    assert len(names) == 14
    landed = _landed(tmp_path / "predictions")
    assert landed.select(["flight_id", "scheduled_at", *FEATURES]).equals(
        flights.slice(0, rows).select(["flight_id", "scheduled_at", *FEATURES])
    )
    assert not {"delayed", "arrival_delay"} & set(landed.column_names)


def test_without_a_champion_rows_land_without_a_score(production: Production, tmp_path: Path) -> None:
    rows = production.serve(day(0), day(1), None)
    landed = _landed(tmp_path / "predictions")
    assert landed["score"].null_count == landed["model_version"].null_count == rows
    assert landed.schema.field("score").type == pa.float64()
    assert landed.schema.field("model_version").type == pa.string()


def test_the_champion_scores_and_the_first_one_is_scored_beside_it(
    production: Production, tmp_path: Path, shelf: Shelf
) -> None:
    production.serve(day(0), day(1), Version("1"))
    production.serve(day(1), day(2), Version("3"))
    landed = _landed(tmp_path / "predictions")
    assert set(zip(landed["model_version"].to_pylist(), landed["score"].to_pylist(), strict=True)) == {
        ("1", 0.1),
        ("3", 0.3),
    }
    assert production.first == "1"
    assert shelf.loaded == ["1", "3"]
    second_day = production.ledger.means(production.rows_between(day(1), day(2)))
    assert second_day.live != second_day.frozen


def test_labels_land_a_day_later_and_never_for_flights_that_did_not_arrive(
    production: Production, tmp_path: Path
) -> None:
    assert production.deliver_labels(day(0), day(1)) == 0
    known = production.deliver_labels(day(1), day(2))
    landed = _landed(tmp_path / "labels")
    assert landed.column_names == ["flight_id", "delayed", "arrival_delay"]
    assert known == landed.num_rows == FIRST_DAY - 8
    assert landed["delayed"].null_count == 0


def test_steps_of_any_length_land_the_same_rows(
    flights: pa.Table, tmp_path: Path, shelf: Shelf, production: Production
) -> None:
    production.serve(day(0), day(2), Version("1"))
    fine = Production(flights.slice(0, 3000), tmp_path / "fine", shelf.load)
    for quarter in range(8):
        fine.serve(day(quarter / 4), day((quarter + 1) / 4), Version("1"))
    whole, pieces = tmp_path / "predictions", tmp_path / "fine" / "predictions"
    assert sorted(p.name for p in whole.iterdir()) == sorted(p.name for p in pieces.iterdir())
    assert _landed(whole).equals(_landed(pieces))


def test_ledger_counts_labelled_rows_that_both_have_scored() -> None:
    ledger = Ledger(np.array([1.0, 0.0, np.nan, 1.0, 0.0]))
    ledger.enter(slice(0, 2), np.array([1.0, 0.0]), np.array([0.0, 0.0]), staged=False)
    ledger.enter(slice(2, 4), np.array([0.0, 0.0]), np.array([1.0, 1.0]), staged=True)
    assert ledger.means(slice(0, 5)) == Means(live=1 / 3, frozen=1 / 3, rows=3)
    assert ledger.means(slice(0, 5), without_staged=True) == Means(live=0.0, frozen=0.5, rows=2)
    nothing = ledger.means(slice(4, 5))
    assert nothing.rows == 0
    assert np.isnan([nothing.live, nothing.frozen]).all()
