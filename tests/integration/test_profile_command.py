"""``ctrain profile``: what is in the file, from one file or many, and how bad input is told."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from ctrain.app import sample_grid
from ctrain.app.profiling import profile_files, read_profile
from ctrain.app.scanning import TableFiles
from ctrain.cli import app
from ctrain.stats.grid import CategoricalGrid, NumericGrid

RNG = np.random.default_rng(11)
N = 3000
START = datetime(2024, 1, 1, tzinfo=UTC)
WORDS = np.array(["rain", "sun", "wind", "Sturm", "нов", "12:30"])
ROWS = pa.table(
    {
        "at": pa.array([START + timedelta(hours=hour) for hour in range(N)], pa.timestamp("us", "UTC")),
        "x": pa.array(RNG.normal(size=N), mask=RNG.uniform(size=N) < 0.1),
        "count": pa.array(RNG.integers(0, 9, N), pa.int32()),
        "flag": pa.array(RNG.uniform(size=N) < 0.3),
        "carrier": pa.array(RNG.choice(["AA", "UA"], N)).dictionary_encode(),
        "day": pa.array([date(2020, 1, 1) + timedelta(days=int(one)) for one in RNG.integers(0, 500, N)]),
        "month": pa.array([(START + timedelta(hours=hour)).month for hour in range(N)]),
        "note": pa.array([" ".join(RNG.choice(WORDS, RNG.integers(3, 12))) + f" {one}" for one in range(N)]),
        "key": pa.array([f"{one:032x}" for one in RNG.integers(0, 2**62, N)]),
        "tags": pa.array([[1, 2] if one % 3 else None for one in range(N)]),
        "nothing": pa.nulls(N),
    }
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["profile", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    pq.write_table(ROWS, path, row_group_size=700)
    return path


def described(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return {one["column"]: one for one in json.loads(result.stdout)["columns"]}


def test_every_kind_of_column_is_profiled(file: Path, tmp_path: Path) -> None:
    stored = tmp_path / "rows.profile"
    result = run(file, "-o", stored, "--event-time", "at", "--json")
    columns = described(result)
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["sources"]) == (N, ["rows.parquet"])
    assert summary["event_times"] == [(START + timedelta(hours=hour)).isoformat() for hour in (0, N - 1)]
    x = ROWS.column("x").drop_null().to_numpy()
    assert (columns["x"]["values"], columns["x"]["min"], columns["x"]["max"]) == (len(x), x.min(), x.max())
    assert columns["x"]["mean"] == pytest.approx(x.mean())
    assert columns["x"]["deviation"] == pytest.approx(x.std(ddof=1))
    assert columns["day"]["min"] >= (date(2020, 1, 1) - date(1970, 1, 1)).days
    words = [len(str(note).split()) for note in ROWS.column("note").to_pylist()]
    assert columns["note.words"]["mean"] == pytest.approx(np.mean(words))
    assert columns["tags"]["missing"] == pytest.approx(1 / 3)
    assert (columns["nothing"]["values"], columns["key"]["values"]) == (0, N)
    notes = {name: one["note"] for name, one in columns.items() if one["note"]}
    assert notes == {
        "month": "left out: it is the month of the event time",
        "key": "left out: almost every value is different, as in an id",
        "day": "left out: an instant or a date differs between any two windows",
    }
    grid = read_profile(stored).grid.columns
    assert "at" not in grid
    assert grid["flag"] == CategoricalGrid(("false", "true"), boolean=True)
    assert grid["carrier"] == CategoricalGrid(("AA", "UA"))
    assert grid["count"] == NumericGrid(tuple(map(float, range(9))))
    assert read_profile(stored).profile.columns["count"].distribution(grid["count"])[2:-1:2].tolist() == (
        np.bincount(ROWS.column("count").to_numpy()).tolist()
    )


def test_files_in_parts_count_as_the_whole(file: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.profile"
    assert run(file, "-o", whole).exit_code == 0
    folder = tmp_path / "parts"
    folder.mkdir()
    for place, start in enumerate(range(0, N, 1000)):
        part = ROWS.slice(start, 1000)
        pq.write_table(part.drop_columns(["x"]) if place == 2 else part, folder / f"{place}.parquet")
    parts = tmp_path / "parts.profile"
    found = described(run(folder, "-o", parts, "--against", whole, "--json"))
    assert found["x"]["values"] == 2000 - ROWS.column("x").slice(0, 2000).null_count
    one, other = read_profile(whole), read_profile(parts)
    assert one.grid == other.grid
    assert one.profile.rows == other.profile.rows == N
    for name, grid in one.grid.columns.items():
        if name != "x":
            counts = [stored.profile.columns[name].distribution(grid).tolist() for stored in (one, other)]
            assert counts[0] == counts[1]


def test_the_grid_of_a_large_file_comes_from_a_sample_and_counts_are_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_grid, "SAMPLED_ROWS", 5000)
    values, words = RNG.normal(size=150_000), RNG.choice([f"w{one}" for one in range(300)], 150_000)
    path = tmp_path / "large.parquet"
    pq.write_table(pa.table({"x": pa.array(values), "c": pa.array(words)}), path)
    stored = profile_files(TableFiles.find([path]))
    x, c = stored.grid.columns["x"], stored.grid.columns["c"]
    assert isinstance(x, NumericGrid)
    assert isinstance(c, CategoricalGrid)
    assert len(x.points) == 1024
    assert set(x.points) <= set(values.tolist())
    expected = np.bincount(x.locate(values), minlength=x.cells)
    assert stored.profile.columns["x"].distribution(x).tolist() == expected.tolist()
    assert expected[1::2].max() < 1000
    assert c.complete
    assert stored.profile.columns["c"].distribution(c)[:-1].tolist() == [
        int((words == one).sum()) for one in c.categories
    ]


def test_a_million_categories_stay_bounded(tmp_path: Path) -> None:
    rare = np.char.add("r", np.arange(200_000).astype(str))
    words = np.concatenate([rare, np.repeat(["often", "oftener"], [90_000, 120_000])])
    path = tmp_path / "many.parquet"
    pq.write_table(pa.table({"c": pa.array(words)}), path)
    stored = profile_files(TableFiles.find([path]))
    grid = stored.grid.columns["c"]
    assert isinstance(grid, CategoricalGrid)
    assert (len(grid.categories), grid.complete) == (2000, False)
    found = dict(zip(grid.categories, stored.profile.columns["c"].distribution(grid).tolist(), strict=False))
    assert (found["often"], found["oftener"]) == (90_000, 120_000)
    assert stored.profile.columns["c"].values == 410_000
    assert stored.profile.columns["c"].unseen == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("absent.parquet", "-o", "p"), "absent.parquet: no such file"),
        (("rows.parquet", "-o", "p", "--event-time", "when"), "no column 'when' for the event time"),
        (("rows.parquet", "-o", "p", "--event-time", "x"), "column 'x' holds double, no instants"),
        (("rows.parquet", "-o", "p", "--against", "rows.parquet"), "make it again with ctrain profile"),
        (("rows.parquet", "-o", "p", "--against", "old"), "make it again with ctrain profile"),
        (("rows.parquet", "-o", "p", "--against", "cut"), "make it again with ctrain profile"),
        (("clash.parquet", "-o", "p"), "'note.length' is a column and a statistic of a text column"),
        (("rows.parquet", "-o", "no/folder/p"), "cannot be written"),
    ],
)
def test_bad_input_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(file.parent)
    Path("old").write_bytes(b"ctrain-stored-profile-0\nxyz")
    Path("cut").write_bytes(b"ctrain-stored-profile-1\nxyz")
    pq.write_table(ROWS.select(["note"]).append_column("note.length", pa.array(range(N))), "clash.parquet")
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("p").exists()


def test_a_profile_takes_the_place_of_nothing_but_a_profile(file: Path, tmp_path: Path) -> None:
    rows = file.read_bytes()
    refused = run(file, "-o", file)
    assert refused.exit_code == 2
    assert refused.stderr == (
        f"{file}: cannot be written: it is there already, and no profile; name another file\n"
    )
    assert file.read_bytes() == rows
    stored = tmp_path / "rows.profile"
    stored.touch()
    assert [run(file, "-o", stored).exit_code for _ in range(2)] == [0, 0]


def test_files_without_rows_have_no_profile(tmp_path: Path) -> None:
    """Nor are they one side of a comparison."""
    empty, rows = tmp_path / "empty.parquet", tmp_path / "rows.parquet"
    whole = pa.table({"x": pa.array(np.arange(1000.0)), "k": pa.array(["a", "b"] * 500).dictionary_encode()})
    pq.write_table(whole.slice(0, 0), empty)
    pq.write_table(whole, rows)
    done = run(empty, "-o", tmp_path / "o.prof")
    assert (done.exit_code, done.stderr) == (2, f"{empty}: there is no row to count\n")
    assert not (tmp_path / "o.prof").exists()
    for sides in ((empty, rows), (rows, empty)):
        compared = CliRunner().invoke(app, ["compare", *map(str, sides)])
        assert (compared.exit_code, compared.stderr) == (2, f"{empty}: there is no row to compare\n")


def test_no_values_are_kept_as_one_chunk() -> None:
    kept = sample_grid._ColumnSample("k", pa.dictionary(pa.int32(), pa.string()))
    assert kept.values().to_pylist() == []


def test_the_table_names_every_column(file: Path, tmp_path: Path) -> None:
    result = run(file, "-o", tmp_path / "p")
    assert result.exit_code == 0
    for name in ("x", "count", "note.non_ascii"):
        assert name in result.stdout
    assert f"p: {N:,} rows, 17 columns, grid-" in result.stdout
