"""``ctrain init``: its files pass ``ctrain validate`` and train in a child, as the engine starts it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner, Result

from ctrain.child.entrypoint import load_training_function
from ctrain.child.frames import training_frame
from ctrain.cli import app
from ctrain.domain import JobState, TrainingContext
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Policy
from ctrain.sources.opening import FileSources
from tests.integration.conftest import Embedded
from tests.row_logs import FIRST, LAST, RowLogHarness
from tests.support.training import run_to_end, training_job

N = 600
START = datetime(2024, 1, 1, tzinfo=UTC)
RNG = np.random.default_rng(11)
X = RNG.normal(size=N)
NOISE = RNG.normal(size=N)

EVERY_TYPE: Mapping[str, Any] = {
    "order": pa.array([f"o{n:05d}" for n in range(N)]),
    "at": pa.array([START + timedelta(minutes=90 * n) for n in range(N)], pa.timestamp("ms", "UTC")),
    "whole": pa.array(RNG.integers(0, 50, N), pa.int16()),
    "huge": pa.array(RNG.integers(0, 2**60, N), pa.uint64()),
    "single": pa.array([None if n % 9 == 0 else x for n, x in enumerate(X)], pa.float32()),
    "double": pa.array(np.where(np.arange(N) % 50 == 0, np.inf, NOISE)),
    "price": pa.array([Decimal(n % 97) / 4 for n in range(N)], pa.decimal128(8, 2)),
    "member": pa.array([None if n % 11 == 0 else n % 3 == 0 for n in range(N)]),
    "colour": pa.array([["red", "green", None][n % 3] for n in range(N)]),
    "size": pa.array([["S", "M", "L"][n % 3] for n in range(N)]).dictionary_encode(),
    "review": pa.array([f"it {'really ' * (n % 5)}was a {n} of a thing" for n in range(N)]),
    "signed_up": pa.array([date(2020, 1, 1) + timedelta(days=n % 300) for n in range(N)]),
    "parts": pa.array([[1, 2]] * N),
    "empty": pa.nulls(N),
    "bought": pa.array([["no", "yes"][int(x + 0.3 * z > 0)] for x, z in zip(X, NOISE, strict=True)]),
}


def init(folder: Path, *options: str, columns: Mapping[str, Any] = EVERY_TYPE) -> Result:
    file = folder / "history.parquet"
    if not file.exists():
        pq.write_table(pa.table(dict(columns)), file)
    given = ["init", "shop", "--from", str(file), "--out", str(folder / "shop")]
    return CliRunner().invoke(app, [*given, *options])


@dataclass(frozen=True)
class Read:
    """A policy and its rows, as the engine would hand them to a training."""

    policy: Policy
    folder: Path
    rows: pa.Table

    @property
    def context(self) -> TrainingContext:
        data = self.policy.data
        task, by_kind = self.policy.model.task.value, data.features.by_kind
        return TrainingContext(
            "shop", "run-shop", task, data.labels.label, by_kind, "2024-01-01", "2024-02-01"
        )

    def train(self, rows: pd.DataFrame | None = None) -> Any:
        train = load_training_function(str(self.policy.train.entrypoint), self.folder)
        return train(training_frame(self.rows) if rows is None else rows, self.context)


def read(folder: Path, tmp_path: Path) -> Read:
    """Read the files of a policy through its sources into a row log."""
    file = folder / "shop.yaml"
    policy = parse_policy(file.read_text(), file, {}).policy
    sources, data = FileSources(), policy.data
    labels_source = sources.open_labels(policy, folder)
    assert labels_source is not None
    log = RowLogHarness(tmp_path / "log", data, policy.model.task.value)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for source, write in ((labels_source, log.labels), (sources.open_rows(policy, folder), log.rows)):
        found = source.read({}, 10**6)
        assert (found.rejected, found.lines) == ((), ())
        ingested = write(*(batch.table for batch in found.batches), now=now)
        assert (ingested.rejected, ingested.duplicates, ingested.late) == ({}, 0, 0)
    rows = log.log.read(FIRST, LAST)
    names = list(data.features.names)
    return Read(policy, folder, rows.select([*names, "label"]).rename_columns([*names, data.labels.label]))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of two test workers that wait for each other are a hundred times slower than none."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def every_type(tmp_path: Path) -> Read:
    done = init(tmp_path, "--label", "bought", "--event-time", "at", "--id", "order")
    assert done.exit_code == 0, done.output
    return read(tmp_path / "shop", tmp_path)


def test_what_is_written_is_valid_and_trains_in_a_child(every_type: Read, embedded: Embedded) -> None:
    validated = CliRunner().invoke(app, ["validate", str(every_type.folder)])
    assert validated.output == f"OK {every_type.folder / 'shop.yaml'} (shop)\n"
    assert every_type.policy.data.features.by_kind == {
        "numeric": ("whole", "huge", "single", "double", "price"),
        "categorical": ("colour", "size"),
        "boolean": ("member",),
        "date": (),
        "text": ("review",),
    }
    assert every_type.rows.num_rows == N
    job = training_job(embedded.home / "runs", every_type.folder, "run-shop", model="shop")
    entrypoint = str(every_type.policy.train.entrypoint)
    job = replace(job, context=every_type.context, entrypoint=entrypoint)
    pq.write_table(every_type.rows, Path(job.folder) / "rows.parquet")
    status = run_to_end(embedded.launcher(), job)
    log = (Path(job.folder) / "train.log").read_text()
    assert status.state is JobState.SUCCEEDED, log
    assert {line.partition(": ")[0] for line in log.splitlines() if ": " in line} >= {
        "boosting on all rows",
        "boosting on recent rows",
        "linear on all rows",
        "chosen",
    }
    importance = status.result["importance"]
    assert set(importance) == set(every_type.context.feature_names)
    assert sorted(importance, key=importance.__getitem__)[-2:] == ["double", "single"]


def test_rows_unlike_those_of_training_are_predicted(every_type: Read) -> None:
    rows = training_frame(every_type.rows)
    strange = rows.head(4).copy()
    strange[["colour", "size"]] = "unheard of"
    strange["review"] = np.nan
    strange[["single", "double"]] = [[np.nan, 1e300], [-np.inf, np.inf], [1e9, -1e9], [0.0, np.nan]]
    names = list(every_type.context.feature_names)
    train: Any = load_training_function(str(every_type.policy.train.entrypoint), every_type.folder)
    for build, _ in train.__globals__["CANDIDATES"].values():
        model = build(every_type.context).fit(rows[names], rows["bought"])
        assert np.isfinite(model.predict_proba(strange[names])).all()


@pytest.mark.parametrize(
    ("label", "metric", "most"),
    [(5 * X + NOISE, "absolute_error", 2.0), (np.digitize(X, [-0.5, 0.5]).astype(str), "brier", 0.2)],
)
def test_numbers_and_several_classes_are_learned(
    tmp_path: Path, label: Any, metric: str, most: float
) -> None:
    columns = {"x": X, "z": NOISE, "kind": ["a", "b", "c"] * 200, "y": label}
    done = init(tmp_path, "--label", "y", "--json", columns=columns)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["features"] == {"numeric": ["x", "z"], "categorical": ["kind"]}
    found = read(tmp_path / "shop", tmp_path)
    assert found.policy.model.metric == metric
    rows = training_frame(found.rows)
    model = found.train(rows.head(480))
    answer = rows.tail(120)[list(found.context.feature_names)]
    truth = rows.tail(120)["y"]
    if metric == "absolute_error":
        assert np.abs(model.predict(answer) - truth).mean() < most
    else:
        right = truth.to_numpy()[:, np.newaxis] == model.classes_
        assert ((model.predict_proba(answer) - right) ** 2).sum(axis=1).mean() / 2 < most


def test_columns_of_any_name_with_values_far_or_none_are_learned_from(tmp_path: Path) -> None:
    late = np.arange(N) >= 500
    columns = {
        "x": X,
        "since_may": np.where(late, NOISE, np.nan),
        "kind": [["a", "b"][n % 2] if late[n] else None for n in range(N)],
        "review__text": EVERY_TYPE["review"],
        "limit": np.where(np.arange(N) % 50 == 0, np.finfo(float).max, NOISE),
        "y": (X > 0).astype(int),
    }
    done = init(tmp_path, "--label", "y", columns=columns)
    assert done.exit_code == 0, done.output
    found = read(tmp_path / "shop", tmp_path)
    names = list(found.context.feature_names)
    assert set(names) == {*columns} - {"y"}
    rows = training_frame(found.rows)
    older, newer = rows.head(480), rows.tail(120)
    train: Any = load_training_function(str(found.policy.train.entrypoint), found.folder)
    for build, _ in train.__globals__["CANDIDATES"].values():
        model = build(found.context).fit(older[names], older["y"])
        assert (model.predict(newer[names]) == newer["y"]).mean() > 0.9


def test_rows_weigh_what_the_policy_says(every_type: Read) -> None:
    rows = training_frame(every_type.rows)
    train = load_training_function(str(every_type.policy.train.entrypoint), every_type.folder)
    rows["bought"] = np.where(np.arange(N) % 2, 1.0, 0.0)
    weights = pd.Series(np.where(np.arange(N) % 2, 1.0, 1e-6), name="sample_weight")
    model = train(rows, replace(every_type.context, sample_weight=weights))
    assert model.predict_proba(rows[list(every_type.context.feature_names)])[:, 1].mean() > 0.95


def test_newest_rows_of_one_class_alone_choose_no_candidate(every_type: Read) -> None:
    rows = training_frame(every_type.rows)
    rows["bought"] = np.where(np.arange(N) < 550, 0.0, 1.0)
    assert set(every_type.train(rows).classes_) == {0.0, 1.0}


def test_it_says_what_it_did_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    options = ("--label", "bought", "--drop", "huge", "--drop", "parts")
    done = init(tmp_path, *options)
    assert done.exit_code == 0, done.output
    for line in (
        "binary, 8 features, 600 rows",
        "note: no --event-time: the order of the rows is their time, one a second from 1970 on;"
        " a backtest takes that, production needs real times",
        "note: no --id: the rows were numbered",
        "note: files of labels hold 0 and 1: 0 is 'no', 1 is 'yes'",
        "note: order is left out: almost every value is different, as in an id",
        "note: at is left out: an instant or a date differs between any two windows",
        "note: empty is left out: it has no value",
        f"wrote {tmp_path / 'shop' / 'train_shop.py'}",
    ):
        assert line in done.stdout.splitlines()
    again = init(tmp_path, *options)
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr.endswith("is there already; --force replaces it, --out names another folder\n")
    assert init(tmp_path, *options, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--label", "colour", "--label", "bought"),
            "--label: got colour, bought; a policy predicts one column",
        ),
        (("--label", "bougth"), "has no column 'bougth'; did you mean bought?"),
        (("--label", "bought", "--event-time", "whole"), "--event-time: whole holds int16, no instants"),
        (("--label", "empty"), "--label: empty has no value in any of 600 rows"),
    ],
)
def test_bad_input_ends_with_2_and_one_sentence(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = init(tmp_path, *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "shop").exists()


def texts(columns: Mapping[str, Any]) -> dict[str, list[str]]:
    """Columns as they are written in a file of text."""
    found = pa.table(dict(columns)).select(["order", "at", "single", "colour", "bought"])
    return {
        name: ["" if one is None else str(one) for one in values.to_pylist()]
        for name, values in zip(found.column_names, found.columns, strict=True)
    }


def write_csv(path: Path) -> None:
    columns = texts(EVERY_TYPE)
    lines = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))


def write_json_lines(path: Path) -> None:
    found = pa.table(dict(EVERY_TYPE)).select(["order", "at", "single", "colour", "bought"])
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in found.to_pylist()))


@pytest.mark.parametrize(
    ("name", "write"), [("past.csv.gz", write_csv), ("past.jsonl", write_json_lines)], ids=["csv", "jsonl"]
)
def test_files_of_text_become_a_policy_that_reads_such_files(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)
    given = ["init", "shop", "--from", str(tmp_path / name), "--label", "bought", "--event-time", "at"]
    done = CliRunner().invoke(app, [*given, "--id", "order", "--out", str(tmp_path / "shop")])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "shop" / "shop.yaml").read_text()
    assert text.startswith(f"# Drafted by `ctrain init` from {name}: 600 rows from 2024-01-01 to")
    found = read(tmp_path / "shop", tmp_path)
    assert found.policy.data.features.by_kind["numeric"] == ("single",)
    assert found.policy.data.features.by_kind["categorical"] == ("colour",)
    assert found.policy.data.event_time.timezone is None, "the texts have offsets"
    assert found.rows.num_rows == N
    assert 'source: {type: files, path: "data/rows/*"}' in text


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "past.csv").write_text("x,y\n" + "1,0\n" * 150 + "1\n")
    done = CliRunner().invoke(app, ["init", "shop", "--from", str(tmp_path / "past.csv"), "--label", "y"])
    assert done.exit_code == 2
    assert "past.csv" in done.stderr
    assert "152" in done.stderr


def answer(monkeypatch: pytest.MonkeyPatch, *answers: str, options: Sequence[str] = ()) -> Result:
    monkeypatch.setattr("ctrain.cli.init.on_terminal", lambda: True)
    return CliRunner().invoke(app, ["init", *options], input="".join(f"{one}\n" for one in answers))


def test_on_a_terminal_it_asks_and_asks_again_for_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(Path("past.csv.gz"))
    done = answer(
        monkeypatch, "a/b", "shop", "gone.csv", "past.csv.gz", "bougth", "bought", "", "order", "mine"
    )
    assert done.exit_code == 0, done.output
    for line in (
        "Error: a/b: expected a name of letters",
        "Error: gone.csv: no such file",
        "Columns: order, at, single, colour, bought",
        "Error: there is no column 'bougth'; did you mean bought?",
        "Column that says when a row happened (-: their order does) [at]: ",
        "wrote mine/shop.yaml",
    ):
        assert line in done.output
    assert read(tmp_path / "mine", tmp_path).policy.data.event_time.column == "at"


def test_on_a_terminal_what_identifies_rows_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    numbers = list(range(N))
    columns: dict[str, list[Any]] = {
        "keys": [[n] for n in numbers],
        "shop_id": [n % 3 for n in numbers],
        "id": [None, *numbers[1:]],
    }
    columns |= {"paid": numbers, "orderId": numbers, "bought": [n % 2 for n in numbers]}
    pq.write_table(pa.table(columns), "past.parquet")
    done = answer(monkeypatch, "bought", "", "", "mine", options=["shop", "--from", "past.parquet"])
    assert done.exit_code == 0, done.output
    assert "Column that identifies a row (-: number them) [orderId]: " in done.output
    assert read(tmp_path / "mine", tmp_path).policy.data.id == "orderId"


def test_it_asks_for_nothing_optional_when_the_rest_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(Path("past.csv.gz"))
    done = answer(monkeypatch, options=["shop", "--from", "past.csv.gz", "--label", "bought"])
    assert done.exit_code == 0, done.output
    assert "Column that" not in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            (),
            "missing: NAME, of the policy and of the model; --from FILE of past rows, or --from-model MODEL;"
            " --label COLUMN, what the model predicts\n",
        ),
        (
            ("shop", "--from-model", "m", "--label", "y"),
            "missing: --event-time COLUMN, when a row happened; --id COLUMN, what identifies a row\n",
        ),
        (
            ("shop", "--from-model", "m", "--from", "past.csv"),
            "--from-model: --from is given, too; a policy is drafted from one of them\n",
        ),
    ],
)
def test_without_a_terminal_it_says_what_is_missing(options: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(app, ["init", *options], input="y\n")
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", message)
