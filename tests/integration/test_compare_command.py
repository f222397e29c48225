"""``ctrain compare`` on files of rows and on profiles: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp
from typer.testing import CliRunner, Result

from ctrain.cli import app

RNG = np.random.default_rng(1)
N = 2000
WIND = RNG.normal(10, 3, N)
GUSTS = RNG.normal(14, 3, N)
CARRIERS = RNG.choice(["AA", "UA"], N, p=[0.7, 0.3])
OTHER_CARRIERS = RNG.choice(["AA", "B6"], N, p=[0.7, 0.3])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Return a reference, the same rows again, and rows that drifted."""
    tables = {
        "reference": {"wind": WIND, "carrier": CARRIERS, "gone": WIND},
        "same": {"wind": WIND, "carrier": CARRIERS, "gone": WIND},
        "drifted": {"wind": np.where(GUSTS > 20, np.inf, GUSTS), "carrier": OTHER_CARRIERS},
    }
    paths = []
    for name, columns in tables.items():
        paths.append(tmp_path / f"{name}.parquet")
        pq.write_table(pa.table({column: pa.array(values) for column, values in columns.items()}), paths[-1])
    return paths[0], paths[1], paths[2]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def columns_of(result: Result) -> dict[str, Any]:
    return {one["column"]: one for one in json.loads(result.stdout)["columns"]}


def test_equal_files_end_with_0(files: tuple[Path, Path, Path]) -> None:
    result = run(files[0], files[1])
    assert result.exit_code == 0
    assert "no drift in 3 columns" in result.stdout


def test_drift_ends_with_3_and_names_the_columns(files: tuple[Path, Path, Path]) -> None:
    result = run(files[0], files[2])
    assert result.exit_code == 3
    assert "breached: 3 of 3 columns: wind, carrier, gone" in result.stdout
    assert "gone: not in the current table" in result.stdout


def test_json_holds_the_figures_of_scipy(files: tuple[Path, Path, Path]) -> None:
    result = run(files[0], files[2], "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout).keys() == {"columns", "breached"}
    found = columns_of(result)
    wind = ks_2samp(WIND, np.where(GUSTS > 20, np.inf, GUSTS))
    names = ["AA", "B6", "UA"]
    observed = [[np.count_nonzero(side == name) for name in names] for side in (CARRIERS, OTHER_CARRIERS)]
    carrier = chi2_contingency(observed, correction=False)
    adjusted = false_discovery_control([wind.pvalue, carrier.pvalue])
    for name, test, expected, p_adjusted in (
        ("wind", "ks", wind, adjusted[0]),
        ("carrier", "chi2", carrier, adjusted[1]),
    ):
        assert found[name]["test"] == test
        assert found[name]["statistic"] == pytest.approx(expected.statistic, rel=1e-9)
        assert found[name]["p_value"] == pytest.approx(expected.pvalue, abs=1e-9)
        assert found[name]["p_adjusted"] == pytest.approx(p_adjusted, abs=1e-9)
        assert found[name]["breached"] is True
    assert (found["gone"]["test"], found["gone"]["statistic"], found["gone"]["breached"]) == (
        "schema",
        None,
        True,
    )


def test_the_minimum_effect_and_the_rate_are_obeyed(files: tuple[Path, Path, Path]) -> None:
    assert not columns_of(run(files[0], files[2], "--json", "--min-effect", "0.9"))["wind"]["breached"]
    assert not columns_of(run(files[0], files[2], "--json", "--fdr", "0"))["wind"]["breached"]


def test_folders_are_read_whole(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for place in range(2):
        (folder / f"{place}.parquet").write_bytes(files[0].read_bytes())
    assert columns_of(run(files[0], folder, "--json"))["wind"]["n_current"] == 2 * N


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "current.parquet: no such file"),
        (b"not a Parquet file", "current.parquet: cannot be read as parquet: "),
        (b"", "current.parquet: cannot be read as parquet: "),
        (
            pa.table({"else": [1]}),
            "no columns in common: the reference has wind, carrier, gone; current has else",
        ),
        (pa.table({"wind": pa.array([], pa.float64())}), "there is no row to compare"),
    ],
)
def test_bad_input_ends_with_2_and_says_why(
    files: tuple[Path, Path, Path], tmp_path: Path, content: bytes | pa.Table | None, message: str
) -> None:
    current = tmp_path / "current.parquet"
    if isinstance(content, bytes):
        current.write_bytes(content)
    elif content is not None:
        pq.write_table(content, current)
    result = run(files[0], current)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_an_empty_folder_is_bad_input(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run(files[0], tmp_path / "empty")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{tmp_path}/empty: no *.parquet, *.csv, ")


def profiled(path: Path, *options: str | Path) -> Path:
    stored = path.with_suffix(".profile")
    result = CliRunner().invoke(app, ["profile", str(path), "-o", str(stored), *map(str, options)])
    assert result.exit_code == 0, result.stderr
    return stored


def test_profiles_and_rows_agree_in_every_combination(files: tuple[Path, Path, Path]) -> None:
    expected = columns_of(run(files[0], files[2], "--json"))
    reference = profiled(files[0])
    current = profiled(files[2], "--against", reference)
    for pair in ((reference, files[2]), (files[0], current), (reference, current)):
        result = run(*pair, "--json")
        assert result.exit_code == 3
        found = columns_of(result)
        assert list(found) == ["wind", "carrier", "gone"]
        for name in ("n_reference", "n_current", "null_rate_reference", "test", "breached"):
            assert [found[one][name] for one in found] == [expected[one][name] for one in found]
        assert found["carrier"]["statistic"] == pytest.approx(expected["carrier"]["statistic"])
        distance, bound = found["wind"]["statistic"], found["wind"]["error_bound"]
        assert 0 < bound < 0.01
        assert distance <= expected["wind"]["statistic"] + 1e-12
        assert distance >= expected["wind"]["statistic"] - bound


def test_profiles_on_different_grids_name_the_command_that_helps(files: tuple[Path, Path, Path]) -> None:
    reference, current = profiled(files[0]), profiled(files[2])
    result = run(reference, current)
    assert result.exit_code == 2
    assert f"ctrain profile drifted.parquet -o {current} --against {reference}" in result.stderr


def test_exact_needs_rows_on_both_sides(files: tuple[Path, Path, Path]) -> None:
    reference = profiled(files[0])
    result = run(reference, files[2], "--exact")
    assert (result.exit_code, result.stderr.strip()) == (
        2,
        f"--exact compares rows, and {reference} is a profile",
    )


def test_large_files_are_counted_on_a_grid_unless_exact(tmp_path: Path) -> None:
    paths = []
    rng = np.random.default_rng(3)
    for name, shift in (("one", 0.0), ("other", 0.05)):
        values = rng.normal(shift, 1, 100_001)
        paths.append(tmp_path / f"{name}.parquet")
        pq.write_table(
            pa.table({"x": pa.array(values), "c": pa.array(np.where(values > 1, "high", "low"))}), paths[-1]
        )
    x, y = (pq.read_table(path).column("x").to_numpy() for path in paths)
    expected = ks_2samp(x, y).statistic
    counted = columns_of(run(*paths, "--json"))["x"]
    assert 0 < counted["error_bound"] < 0.01
    assert counted["statistic"] <= expected <= counted["statistic"] + counted["error_bound"]
    exact = columns_of(run(*paths, "--json", "--exact"))["x"]
    assert (exact["statistic"], exact["error_bound"]) == (pytest.approx(expected), 0.0)


def test_texts_are_read_as_parquet_is(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    table = pq.read_table(files[2])
    finite = table.filter(np.isfinite(table.column("wind").to_numpy()))
    pq.write_table(finite, files[2])
    pacsv.write_csv(finite, tmp_path / "drifted.csv")
    lines = "".join(json.dumps(row) + "\n" for row in finite.to_pylist())
    (tmp_path / "drifted.jsonl").write_text(lines)
    expected = columns_of(run(files[0], files[2], "--json"))
    for name in ("drifted.csv", "drifted.jsonl"):
        assert columns_of(run(files[0], tmp_path / name, "--json")) == expected
    reference = profiled(files[0])
    counted = [columns_of(run(reference, path, "--json")) for path in (files[2], tmp_path / "drifted.csv")]
    assert counted[0] == counted[1]
