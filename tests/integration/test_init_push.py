"""``ctrain init --push``: what it prints sends its batches, and they are the rows that files would hold."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from ctrain.app.drafts import batches
from ctrain.cli import app
from ctrain.domain import PolicyName
from ctrain.domain.pushes import PushKind
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Policy
from ctrain.sources.opening import FileSources
from ctrain.sources.push_contract import SpoolPlaces, contract_of
from ctrain.sources.push_spool import Sent, Spool
from tests.row_logs import FIRST, LAST, RowLogHarness
from tests.support.pages import blocks
from tests.support.pushes import StepTimer, StoreInMemory
from tests.support.reference import HANDBOOK

N = 250
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RNG = np.random.default_rng(5)
COLUMNS: dict[str, Any] = {
    "order": pa.array([2**62 + n for n in range(N)]),
    "at": pa.array(
        [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=90 * n) for n in range(N)], pa.timestamp("ns")
    ),
    "x": pa.array([None if n % 9 == 0 else x for n, x in enumerate(RNG.normal(size=N))], pa.float32()),
    "z": pa.array(np.where(np.arange(N) % 50 == 0, np.nan, RNG.normal(size=N))),
    "price": pa.array([Decimal(n % 97) / 4 for n in range(N)], pa.decimal128(8, 2)),
    "member": pa.array([None if n % 11 == 0 else n % 3 == 0 for n in range(N)]),
    "label": pa.array([["rød", "it's", None][n % 3] for n in range(N)]).dictionary_encode(),
    "parts": pa.array([[1, 2]] * N),
    "bought": pa.array([None if n % 10 == 0 else ["no", "yes"][n % 4 // 2] for n in range(N)]),
}
GIVEN = ("--label", "bought", "--event-time", "at", "--id", "order", "--timezone", "Europe/Oslo")
AS_THE_SHELL_RUNS_THEM = """
ctrain() { printf '%s\\n' "$*" >&2; case $1 in token) echo secret ;; esac; }
curl() { printf '%s\\0' "$@"; printf '\\n'; }
"""


def init(folder: Path, *options: str) -> Result:
    file = folder / "past orders.parquet"
    if not file.exists():
        pq.write_table(pa.table(COLUMNS).take(RNG.permutation(N)), file)
    return CliRunner().invoke(app, ["init", "shop", "--from", str(file), *GIVEN, *options])


def policy_in(folder: Path) -> Policy:
    file = folder / "shop.yaml"
    return parse_policy(file.read_text(), file, {}).policy


@dataclass(frozen=True)
class Call:
    """One call of curl."""

    words: tuple[str, ...]

    @property
    def url(self) -> str:
        return self.words[-1]

    @property
    def kind(self) -> PushKind:
        return PushKind(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def headers(self) -> dict[str, str]:
        given = [words for option, words in zip(self.words, self.words[1:], strict=False) if option == "-H"]
        return {name: value for name, _, value in (one.partition(": ") for one in given)}

    @property
    def body(self) -> bytes:
        if "-d" in self.words:
            return self.words[self.words.index("-d") + 1].encode()
        return Path(self.words[self.words.index("--data-binary") + 1].removeprefix("@")).read_bytes()

    @property
    def sent(self) -> Sent:
        batch = self.headers.get("Idempotency-Key") or parse_qs(urlsplit(self.url).query)["batch_id"][0]
        return Sent(self.headers["Content-Type"], self.body, batch)


def calls(commands: list[str]) -> list[Call]:
    """What a shell makes of the commands, with programs that only say how they are called."""
    script = AS_THE_SHELL_RUNS_THEM + "\n".join(commands)
    done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=True)
    (token,) = [line for line in done.stderr.splitlines() if line.startswith("token ")]
    assert re.fullmatch(r"token create \S+ --role writer", token)
    return [Call(tuple(line.split("\0")[:-1])) for line in done.stdout.splitlines()]


def spool_for(policy: Policy, home: Path) -> Spool:
    places = SpoolPlaces(home)
    places.open(contract_of(policy))
    store: Any = StoreInMemory()
    store.known = {PolicyName(policy.policy)}
    return Spool(places, store, StepTimer())


def logged(policy: Policy, folder: Path, sources: FileSources, log: Path) -> tuple[list[dict[str, Any]], int]:
    """The rows and labels as the row log holds them, and how many were there already."""
    held, repeated = RowLogHarness(log, policy.data, policy.model.task.value), 0
    labels = sources.open_labels(policy, folder)
    assert labels is not None
    for source, write in ((labels, held.labels), (sources.open_rows(policy, folder), held.rows)):
        ingested = write(*(one.table for one in source.read({}, 10**6).batches), now=NOW)
        assert (ingested.rejected, ingested.late) == ({}, 0)
        repeated += ingested.duplicates
    names = ["row_id", "event_at", "label", *policy.data.features.names]
    return held.log.read(FIRST, LAST).select(names).sort_by("row_id").to_pylist(), repeated


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_is_printed_sends_the_past_as_files_would_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_ROWS", 100)
    done = init(tmp_path, "--out", "it's mine", "--push")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "it's mine"
    assert CliRunner().invoke(app, ["validate", str(folder)]).exit_code == 0
    lines = done.stdout.splitlines()
    mine = """'it'"'"'s mine/shop.yaml'"""
    assert f"next: ctrain validate {mine}; ctrain run {mine}" in lines
    assert "wrote it's mine/past/rows" in lines
    sent = calls(lines[lines.index("while it runs, from another terminal:") + 1 :])
    assert [one.kind.value for one in sent] == ["rows"] * 3 + ["labels"] * 3 + ["rows", "labels"]
    assert {one.headers["Authorization"] for one in sent} == {"Bearer secret"}
    assert {urlsplit(one.url).netloc for one in sent} == {"127.0.0.1:9464"}
    policy = policy_in(folder)
    spool = spool_for(policy, tmp_path / "push")
    taken = [spool.take(PolicyName("shop"), one.kind, one.sent, NOW) for one in sent]
    assert [(one.repeated, one.warnings) for one in taken] == [(False, ())] * len(sent)
    found, repeated = logged(policy, folder, FileSources(spool=tmp_path / "push"), tmp_path / "sent")
    assert repeated == 2, "the row and the label that are shown were the newest of the past"
    assert init(tmp_path, "--out", "filed").exit_code == 0
    assert (found, 0) == logged(
        policy_in(tmp_path / "filed"), tmp_path / "filed", FileSources(), tmp_path / "read"
    )
    assert len(found) == N


def test_everything_else_of_the_policy_is_that_of_files(tmp_path: Path) -> None:
    assert init(tmp_path, "--out", "pushed", "--push").exit_code == 0
    assert init(tmp_path, "--out", "filed").exit_code == 0
    pushed, filed = (policy_in(tmp_path / name).model_dump(mode="json") for name in ("pushed", "filed"))
    assert pushed["data"].pop("source")["type"] == pushed["data"]["labels"].pop("source")["type"] == "push"
    assert filed["data"].pop("source")["type"] == filed["data"]["labels"].pop("source")["type"] == "files"
    assert pushed == filed


def test_batches_that_are_there_are_replaced_when_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_BYTES", 5000)
    assert init(tmp_path, "--push").exit_code == 0
    many = sorted((tmp_path / "shop" / "past" / "rows").iterdir())
    assert len(many) > 3
    assert max(one.stat().st_size for one in many) <= 5000
    again = init(tmp_path, "--push")
    assert (again.exit_code, "is there already; --force replaces it" in again.stderr) == (2, True)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert init(tmp_path, "--push", "--force").exit_code == 0
    past = tmp_path / "shop" / "past"
    assert sorted(str(one.relative_to(past)) for one in past.rglob("*")) == [
        *("labels", "labels/0001.jsonl", "rows", "rows/0001.jsonl")
    ]


def test_as_json_the_commands_are_a_list(tmp_path: Path) -> None:
    told = json.loads(init(tmp_path, "--push", "--json").stdout)
    assert told["rows"] == "shop/past/rows"
    assert len(calls(told["send"])) == 4


def test_rows_that_are_sent_need_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "past.csv"
    file.write_text("x,y\n" + "1,0\n2,1\n" * 100)
    given = ["init", "shop", "--from", str(file), "--label", "y", "--push"]
    done = CliRunner().invoke(app, given)
    assert (done.exit_code, done.stderr) == (2, "missing: --event-time COLUMN, when a row happened\n")
    monkeypatch.setattr("ctrain.cli.init.on_terminal", lambda: True)
    asked = CliRunner().invoke(app, given, input="-\nx\n-\n\n")
    assert "Error: there is no column '-'" in asked.output
    assert re.search(r"--event-time: x holds int64, no instants", asked.output)


def test_the_commands_of_the_cookbook_send_a_row_and_its_label(tmp_path: Path) -> None:
    (shown,) = blocks(HANDBOOK / "cookbook.md", "sh")
    sent = calls(shown.splitlines())
    assert [one.kind.value for one in sent] == ["rows", "labels"]
    file = HANDBOOK / "recipes" / "push.yaml"
    policy = parse_policy(file.read_text(), file, {}).policy
    assert {urlsplit(one.url).path.split("/")[3] for one in sent} == {policy.policy}
    spool = spool_for(policy, tmp_path / "push")
    taken = [
        spool.take(PolicyName(policy.policy), one.kind, one.sent, datetime(2026, 6, 15, tzinfo=UTC))
        for one in sent
    ]
    assert [(one.rows, one.warnings) for one in taken] == [(1, ()), (1, ())]
