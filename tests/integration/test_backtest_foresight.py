"""The future is planted in the data: nothing of a backtest sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ctrain.backtest.perform import Choices
from ctrain.backtest.result import Happening
from ctrain.domain import PolicyName
from tests.support.backtests import HOUR, POLICY, START, Played, make_rows, play, write_history
from tests.support.fakes import Model

HOURS, TURN = 84, 36
PLANTED_AT = 64
PER_HOUR = 20
MATURES_AFTER = 2 * HOUR
CHOICES = Choices(baselines=(), starts_at=START + 24 * HOUR, ends_at=START + HOURS * HOUR, step=2 * HOUR)

UNTIL_SOON = replace(CHOICES, ends_at=START + (PLANTED_AT + 6) * HOUR)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("plain")
    return play(folder / "room", write_history(folder / "data", make_rows(HOURS, TURN)), CHOICES)


def planted(rows: pa.Table) -> pa.Table:
    """Another future from an hour on: other categories, far wider values, labels the other way round."""
    strange = {
        "x": pc.multiply(rows["x"], 20.0),
        "kind": pa.array([f"new-{number}" for number in range(rows.num_rows)]),
        "y": pc.subtract(1.0, rows["y"]),
    }
    for name, values in strange.items():
        rows = replaced(rows, name, values)
    return rows


def replaced(rows: pa.Table, name: str, values: object) -> pa.Table:
    """Another column from the planted hour on."""
    later = pc.greater_equal(rows["t"], pa.scalar(float(PLANTED_AT)))
    return rows.set_column(rows.schema.get_field_index(name), name, pc.if_else(later, values, rows[name]))


def verdicts(played: Played) -> list[tuple[str, datetime, float | None, int]]:
    """Oldest first."""
    with played.state().read() as tx:
        found = tx.verdicts(PolicyName("clicks"), limit=10_000)[::-1]
    return [(one.monitor, one.as_of, one.value, one.n) for one in found]


def before(events: list[Happening], instant: datetime) -> list[Happening]:
    return [event for event in events if event.at <= instant]


def test_another_future_changes_nothing_before_it(played: Played, tmp_path: Path) -> None:
    """Grids, categories, clips, verdicts, gates: whatever had looked ahead would decide otherwise."""
    other = play(
        tmp_path / "room", write_history(tmp_path / "data", planted(make_rows(HOURS, TURN))), CHOICES
    )
    instant = START + (PLANTED_AT - 2) * HOUR
    assert before(list(played.found.events), instant) == before(list(other.found.events), instant)
    for feature, looks in played.found.drift.items():
        known = [look for look in looks if look.as_of <= instant]
        assert known == [look for look in other.found.drift[feature] if look.as_of <= instant]
        assert known
    assert played.found.events != other.found.events


def test_other_answers_change_nothing_until_they_have_matured(played: Played, tmp_path: Path) -> None:
    """The first pane with one of them is judged when it is over and its labels have matured, not earlier."""
    rows = make_rows(HOURS, TURN)
    flipped = write_history(tmp_path / "data", replaced(rows, "y", pc.subtract(1.0, rows["y"])))
    found, other = verdicts(played), verdicts(play(tmp_path / "room", flipped, UNTIL_SOON))
    first = next(ours for ours, theirs in zip(found, other, strict=False) if ours != theirs)
    assert first[:2] == ("brier", START + (PLANTED_AT + 1) * HOUR + MATURES_AFTER)


REGRESSION = (
    POLICY.replace("task: binary, metric: brier", "task: regression, metric: absolute_error")
    .replace("metric: brier, window: 12h, above: 0.2", "metric: absolute_error, window: 12h, above: 1.0")
    .replace("{metric: roc_auc, min: 0.55}", "{metric: absolute_error, max: 9}")
)


def make_numbers(rows: pa.Table) -> pa.Table:
    """The answer is a number: twice ``x`` until the turn, and noise."""
    noise = np.random.default_rng(5).normal(0, 0.5, rows.num_rows)
    slope = np.where(rows["t"].to_numpy() < TURN, 2.0, -2.0)
    y = pa.array(slope * rows["x"].to_numpy() + noise)
    return rows.set_column(rows.schema.get_field_index("y"), "y", y)


def fit_line(rows: pa.Table, params: Mapping[str, object]) -> Model:
    x, y = rows["x"].to_numpy(), rows["y"].to_numpy()
    slope = float(x @ y / (x @ x))
    return lambda table: np.asarray(slope * table["x"].to_numpy())


def test_errors_are_clipped_at_what_was_known_before_the_shadow(tmp_path: Path) -> None:
    """Later errors a thousand times as large change neither the clip nor what was compared before them."""
    rows = make_numbers(make_rows(HOURS, TURN))
    wild = replaced(rows, "y", pc.multiply(rows["y"], 1000.0))
    runs = []
    for name, table in (("known", rows), ("wild", wild)):
        loaded = write_history(tmp_path / name, table, REGRESSION)
        found = play(tmp_path / f"{name}-room", loaded, UNTIL_SOON, fit=fit_line)
        with found.state().read() as tx:
            runs.append(tx.runs(PolicyName("clicks"), limit=10)[::-1])
    known, wilder = (one[1] for one in runs)
    assert known.created_at < START + PLANTED_AT * HOUR - MATURES_AFTER
    assert known.details["evaluation"]["scale"] > 1.0
    assert known.details["evaluation"] == wilder.details["evaluation"]
    assert known.details["shadow"]["scale"] == wilder.details["shadow"]["scale"]
    assert known.details["shadow"] == wilder.details["shadow"]


def test_the_end_of_history_changes_nothing_before_it(played: Played, tmp_path: Path) -> None:
    """Rows that do not exist cannot have been seen."""
    cut = make_rows(HOURS, TURN).slice(0, PLANTED_AT * PER_HOUR)
    choices = replace(CHOICES, ends_at=START + (PLANTED_AT - 2) * HOUR)
    short = play(tmp_path / "room", write_history(tmp_path / "data", cut), choices)
    assert list(short.found.events) == before(list(played.found.events), choices.ends_at or START)


def test_no_model_has_seen_a_label_before_it_matured(played: Played) -> None:
    queued = {event.run: event.at for event in played.found.events if event.kind == "run_queued"}
    assert len(queued) >= 2
    for run, (_, last) in played.trainer.seen.items():
        assert START + timedelta(hours=last) <= queued[str(run)] - MATURES_AFTER


def test_no_model_has_seen_the_rows_that_it_is_judged_on(played: Played) -> None:
    assert len(played.found.trainings) >= 2
    for training in played.found.trainings:
        last = START + timedelta(hours=played.trainer.seen[training.run][1])
        assert last < training.holdout_start < training.cut_off


def test_no_window_lies_inside_its_own_reference(played: Played) -> None:
    """Rows come evenly, so a window's rows say when it began."""
    known_until = {training.version: training.cut_off for training in played.found.trainings}
    looks = played.found.drift["x"]
    assert len({look.version for look in looks}) == 2
    for look in looks:
        assert look.as_of - timedelta(hours=look.rows / PER_HOUR) >= known_until[look.version]


@pytest.mark.parametrize("hours", [1, 10])
def test_a_model_serves_once_its_training_time_has_passed(tmp_path: Path, hours: int) -> None:
    choices = replace(CHOICES, ends_at=START + 40 * HOUR, training_time=timedelta(hours=hours))
    text = POLICY.replace("timeout: 1h", "timeout: 10h")
    found = play(tmp_path / "room", write_history(tmp_path / "data", make_rows(40, 99), text), choices).found
    assert found.judged_from == START + (24 + hours) * HOUR


def test_the_metric_is_that_of_the_model_in_force(played: Played) -> None:
    """Losses are computed once more from the timeline: first model until the promotion, then the other."""
    found, rows = played.found, played.history.known
    first, second = (event for event in found.events if event.kind == "promoted")
    assert found.policy.promotions == 1
    hours = rows["t"].to_numpy()
    labels = rows["label"].to_numpy()
    event_at = np.array([START + timedelta(hours=float(hour)) for hour in hours])
    before_it, after_it = (played.trainer.models[f"model-{one.version}"](rows) for one in (first, second))
    scores = np.where(event_at < second.at, before_it, after_it)
    judged = (event_at >= first.at) & (event_at < START + HOURS * HOUR - MATURES_AFTER)
    expected = float(((scores - labels)[judged] ** 2).mean())
    assert found.policy.metric == pytest.approx(expected, abs=1e-12)
    assert found.policy.rows == int(judged.sum())
