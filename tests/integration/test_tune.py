"""``ctrain tune`` over a change of the data, without a child; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from ctrain.app.tuning import Wanted, tune
from ctrain.backtest.frontier import Tuned
from ctrain.backtest.history import load_history
from ctrain.backtest.perform import Room
from ctrain.backtest.stage import Crew
from ctrain.cli import app
from ctrain.errors import InputError
from ctrain.store import open_store
from tests.support.backtests import HOUR, POLICY, START, SlopeScorer, SlopeTrainer, make_rows, write_history
from tests.support.fakes import FakeAnalyst

COMMENTED = (
    POLICY.replace("min_new_labels: 50}", "min_new_labels: 50}  # kept")
    .replace("pane: 1h", "pane: 4h")
    .replace("block: 1h", "block: 4h")
)
WANTED = Wanted(trials=3, starts_at=START + 12 * HOUR)


def search(folder: Path, rows: pa.Table, wanted: Wanted = WANTED) -> Tuned:
    loaded = write_history(folder / "data", rows, COMMENTED)
    trainer = SlopeTrainer()
    crew = Crew(trainer, SlopeScorer(trainer), FakeAnalyst)
    shares: dict[str, list[float]] = {}
    room = Room(
        folder / "room",
        lambda path: open_store(f"sqlite:///{path}", durable=False),
        crew,
        lambda name, share: shares.setdefault(name, []).append(share),
    )
    found = tune(loaded, load_history(loaded.policy, loaded.folder), room, wanted, {})
    assert [(told[0], told[-1], told) for told in shares.values()] == [
        (0.0, 1.0, sorted(told)) for told in shares.values()
    ]
    assert list(shares) == ["search", "rest"]
    return found


def test_the_search_never_sees_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels of the rest turned round change what the rest says, and nothing of the search."""
    rows = make_rows(68, 30)
    one = search(tmp_path / "one", rows)
    assert START + 50 * HOUR < one.split_at <= START + 56 * HOUR
    later = pc.greater_equal(rows["at"], pa.scalar(one.split_at, pa.timestamp("us", "UTC")))
    turned = pc.if_else(later, pc.subtract(1.0, rows["y"]), rows["y"])
    other = search(tmp_path / "other", rows.set_column(rows.schema.get_field_index("y"), "y", turned))
    assert [(tried.changes, tried.search) for tried in one.shown] == [
        (tried.changes, tried.search) for tried in other.shown
    ]
    assert one.picked.text == other.picked.text
    assert one.rest != other.rest
    assert one.untouched.changes == {}
    assert one.trials + one.refused == 3
    assert set(one.rest) == {tried.number for tried in one.shown}
    assert not any((tmp_path / "one" / "room").iterdir())
    monkeypatch.setattr("ctrain.app.tuning.run_tuning", lambda *_: one)
    document = tmp_path / "found.json"
    done = CliRunner().invoke(app, ["tune", "clicks.yaml", "--json", str(document)])
    assert done.exit_code == 0, done.output
    assert "The search never sees the rest." in done.output
    assert one.verdict in done.output
    assert f"picked: trial {one.picked.number}, the cheapest within 0.5%" in done.output
    assert one.difference in done.output
    found = json.loads(document.read_text())
    assert found["untouched"]["rest"]["metric"] == one.rest[0].metric
    assert found["picked"]["changes"].keys() == one.picked.changes.keys()


def test_history_that_is_too_short_to_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"too short to split: .* lie before .* needs 200 on either side"):
        search(tmp_path, make_rows(40, 99))


def test_what_the_command_refuses(tmp_path: Path) -> None:
    fixed = POLICY.replace("{any: [brier], for: 2h}", "{cron: '0 3 * * *', timezone: UTC}").replace(
        "limits: {cooldown: 2h, min_new_labels: 50}\n", ""
    )
    write_history(tmp_path, make_rows(12, 99), fixed)
    path = str(tmp_path / "clicks.yaml")
    for arguments, message in (
        ((path,), "there is nothing to tune"),
        ((path, "--timeout", "soon"), "--timeout soon: expected a duration such as"),
        ((path, "--trials", "0"), "--trials"),
    ):
        done = CliRunner().invoke(app, ["tune", *arguments])
        assert done.exit_code == 2
        assert message in done.output
