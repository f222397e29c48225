"""Replays that end otherwise than with a comparison, and what simple strategies leave out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from ctrain.app.backtesting import open_crew
from ctrain.backtest.history import load_history
from ctrain.backtest.perform import Choices, make_plan
from ctrain.backtest.strategies import STRATEGIES
from ctrain.backtest.trainer import Trained, Trainer
from ctrain.domain import TrainingJob
from ctrain.engine import retention
from ctrain.engine.retention import forget
from ctrain.errors import PermanentError
from ctrain.scoring.pool import ScorerPool
from ctrain.settings import Retention
from tests.support.backtests import HOUR, POLICY, START, SlopeTrainer, make_rows, play, write_history

CHOICES = Choices(baselines=(), starts_at=START + 24 * HOUR, ends_at=START + 60 * HOUR, step=4 * HOUR)


def test_without_a_first_model_there_is_nothing_to_compare(tmp_path: Path) -> None:
    text = POLICY.replace("roc_auc, min: 0.55", "roc_auc, min: 0.999")
    loaded = write_history(tmp_path / "data", make_rows(60, 99), text)
    with pytest.raises(PermanentError, match=r"no first model came into force .* roc_auc >= 0\.999: failed"):
        play(tmp_path / "room", loaded, CHOICES)


def test_a_first_model_that_could_not_be_trained_is_said(tmp_path: Path) -> None:
    text = POLICY.replace("window: {last: 12h}", "window: {last: 12h}\n  min_rows: 1000")
    loaded = write_history(tmp_path / "data", make_rows(60, 99), text)
    with pytest.raises(PermanentError, match=r"no first model .* suppressed: 240 labelled, matured rows"):
        play(tmp_path / "room", loaded, CHOICES)


def test_the_first_model_is_the_same_for_all_though_the_policy_would_have_trained_before(
    tmp_path: Path,
) -> None:
    """When it is asked for first there are too few labels; a schedule would not wait until it is again."""
    text = POLICY.replace("triggers:", "triggers:\n  often: {every: 2h}")
    loaded = write_history(tmp_path / "data", make_rows(40, 99), text)
    choices = Choices(
        baselines=("never",), starts_at=START + 6 * HOUR, ends_at=START + 40 * HOUR, step=2 * HOUR
    )
    played = play(tmp_path / "room", loaded, choices)
    found = played.found
    first, *_ = found.events
    assert (first.at, first.trigger) == (START + 30 * HOUR, "manual")
    assert found.judged_from == START + 30 * HOUR + timedelta(minutes=1)
    assert [event.at for event in found.events if event.kind == "run_queued"][1:2] == [START + 34 * HOUR]
    assert len(set(played.trainer.seen)) == 2
    assert found.baselines["never"].retrains == 0


def test_runs_that_follow_each_other_without_end_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A condition that stays met, and no limit: on a virtual clock that stands still it never ends."""
    monkeypatch.setattr("ctrain.backtest.replay.MOST_TICKS", 60)
    text = POLICY.replace("limits: {cooldown: 2h, min_new_labels: 50}", "limits: {}")
    loaded = write_history(tmp_path / "data", make_rows(60, 30), text.replace("min: 0.55", "min: 0.7"))
    with pytest.raises(PermanentError, match=r"limits\.cooldown and limits\.min_new_labels"):
        play(tmp_path / "room", loaded, CHOICES, seconds=0.0)


def test_simple_strategies_train_on_the_same_rows_and_serve_what_passes_the_gates(tmp_path: Path) -> None:
    choices = Choices(
        baselines=("never", "periodic", "always"), starts_at=START + 24 * HOUR, step=4 * HOUR, grid_steps=4
    )
    loaded, told = write_history(tmp_path / "data", make_rows(72, 30)), dict[str, list[float]]()
    found = play(
        tmp_path / "room",
        loaded,
        choices,
        progress=lambda name, share: told.setdefault(name, []).append(share),
    ).found
    # How often the periodic strategy trains is known when the policy has been played.
    assert list(told) == ["policy", "never", "always", *(f"periodic-{phase}" for phase in range(1, 5))]
    assert list(found.baselines) == ["never", "periodic", "always"]
    for shares in told.values():
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert shares == sorted(shares)
    never, always = found.baselines["never"], found.baselines["always"]
    assert (never.retrains, never.promotions, never.train_seconds) == (0, 0, 0)
    periodic = found.baselines["periodic"]
    assert periodic.retrains == found.policy.retrains
    assert len(set(periodic.phases)) == 4
    assert periodic.metric == pytest.approx(sum(periodic.phases) / 4)
    assert always.retrains == 3
    assert always.runs == {"ACCEPTED": always.promotions, "REJECTED": 3 - always.promotions}
    assert {one.rows for one in (found.policy, *found.baselines.values())} == {never.rows}
    assert always.metric < never.metric


def test_strategies_side_by_side_find_what_each_finds_alone(tmp_path: Path) -> None:
    choices = Choices(
        baselines=("never", "always", "adwin", "periodic"),
        starts_at=START + 24 * HOUR,
        step=4 * HOUR,
        grid_steps=4,
    )
    loaded = write_history(tmp_path / "data", make_rows(72, 30))
    alone, beside = (
        play(tmp_path / f"room-{at_once}", loaded, choices, side_by_side=at_once).found.to_json()
        for at_once in (1, 4)
    )
    assert beside == alone


def test_a_strategy_waits_for_its_training_however_many_come_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings are done one at a time: the last of many strategies may wait for hours."""
    hours, looks = count(1), dict[str, int]()
    leaping = SimpleNamespace(monotonic=lambda: next(hours) * 3600.0, sleep=lambda _: None)
    monkeypatch.setattr("ctrain.clocks.time", leaping)
    result = SlopeTrainer.result

    def later(self: SlopeTrainer, key: str) -> Trained | None:
        looks[key] = looks.get(key, 0) + 1
        return result(self, key) if looks[key] > 40 else None

    monkeypatch.setattr(SlopeTrainer, "result", later)
    loaded = write_history(tmp_path / "data", make_rows(36, 99))
    found = play(tmp_path / "room", loaded, replace(CHOICES, ends_at=START + 32 * HOUR)).found
    assert found.judged_from == START + 24 * HOUR + timedelta(minutes=1)


NIGHT = "limits: {blackout: [{from: '22:00', to: '06:00', timezone: UTC}], "
HALVES = [
    f"{{from: '{start}', to: '{end}', timezone: UTC}}"
    for start, end in (("00:00", "09:00"), ("09:00", "00:00"))
]
EVER = f"limits: {{blackout: [{', '.join(HALVES)}], "


@pytest.mark.parametrize(
    ("starts_at", "step", "training", "names", "asked_at", "judged_from"),
    [
        pytest.param(26.0, 4.0, 0.0, STRATEGIES, 30.0, 30.0, id="a start in the blackout"),
        pytest.param(24.0, 24.0, 0.0, ("never",), 30.0, 30.0, id="each look in the blackout"),
        pytest.param(21.5, 4.0, 1.0, ("never",), 21.5, 30.0, id="a training that ends in the blackout"),
    ],
)
def test_a_nightly_blackout_leaves_all_strategies_the_same_rows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    starts_at: float,
    step: float,
    training: float,
    names: tuple[str, ...],
    asked_at: float,
    judged_from: float,
) -> None:
    """And the same first model, which is asked for when a daemon would start it."""
    submit, asked = SlopeTrainer.submit, []

    def noted(self: SlopeTrainer, job: TrainingJob) -> str:
        asked.append((job.run_id, job.context.window_end))
        return submit(self, job)

    monkeypatch.setattr(SlopeTrainer, "submit", noted)
    choices = Choices(
        baselines=names,
        starts_at=START + starts_at * HOUR,
        step=step * HOUR,
        training_time=training * HOUR,
        grid_steps=3,
        phases=1,
    )
    text = POLICY.replace("limits: {", NIGHT)
    loaded = write_history(tmp_path / "data", make_rows(54, 36), text)
    played = play(tmp_path / "room", loaded, choices)
    found = played.found
    assert found.events[0].at == START + asked_at * HOUR
    assert found.judged_from == START + judged_from * HOUR
    instants = played.history.known["event_at"].to_pylist()
    rows = sum(found.judged_from <= at < found.judged_until for at in instants if at is not None)
    assert {name: one.rows for name, one in found.baselines.items()} == dict.fromkeys(names, rows)
    assert found.policy.rows == rows > 0
    firsts = [end for run, end in asked if run == found.events[0].run]
    assert firsts == [firsts[0]] * (1 + len(names))
    begun = [event.at.hour for event in found.events if event.kind in {"run_queued", "promoted"}]
    assert [hour for hour in begun if not 6 <= hour < 22] == []


def test_a_blackout_without_an_end_is_said(tmp_path: Path) -> None:
    loaded = write_history(tmp_path / "data", make_rows(60, 99), POLICY.replace("limits: {", EVER))
    with pytest.raises(PermanentError, match=r"no run was started outside limits\.blackout"):
        play(tmp_path / "room", loaded, CHOICES)


def test_drift_is_told_from_the_first_model_on_and_what_else_features_lack_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon would forget those of half a day ago here."""
    soon = Retention(verdicts=12 * HOUR, history=12 * HOUR)
    monkeypatch.setattr(retention, "forget", lambda tx, name, now, _: forget(tx, name, now, soon))
    text = POLICY.replace(
        "monitors:", "monitors:\n  whole: {type: quality, window: 4h, max_null_rate: 0.1, min_rows: 50}"
    ).replace("triggers:", "triggers:\n  volume: {new_labels: 100}")
    found = play(tmp_path / "room", write_history(tmp_path / "data", make_rows(60, 99), text), CHOICES).found
    assert START + 24 * HOUR < min(look.as_of for look in found.drift["x"]) < START + 36 * HOUR
    assert {look.version for look in found.drift["x"]} == {"1"}
    assert "paused" not in found.policy.suppressed


def test_a_look_that_ends_a_run_is_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time counts; everything of it is as in the daemon."""
    train = SlopeTrainer.submit

    def refuse(self: SlopeTrainer, job: TrainingJob) -> str:
        if not job.learnable:
            return train(self, job)
        assert (Path(job.folder) / "judged.parquet").exists()
        assert (Path(job.folder) / "past.parquet").exists()
        key = f"refused-{len(self.trained)}"
        look = {"verdict": "not_learnable", "reason": "why", "seconds": 5.0, "rows": 480}
        self.trained[key] = Trained(
            seconds=5.0, rows=480, refused="not learnable: why", notes={"learnable": look}
        )
        return key

    monkeypatch.setattr(SlopeTrainer, "submit", refuse)
    text = POLICY.replace("window: {last: 12h}", "window: {last: 24h}\n  learnable: {require: true}")
    loaded = write_history(tmp_path / "data", make_rows(60, 30, per_hour=60), text)
    found = play(tmp_path / "room", loaded, CHOICES).found
    rejected = found.policy.runs["REJECTED"]
    assert rejected > 0
    assert set(found.policy.runs) <= {"REJECTED", "TRAINING"}
    assert (found.policy.retrains, found.policy.promotions) == (0, 0)
    assert (found.policy.train_seconds, found.policy.rows_trained) == (5.0 * rejected, 480 * rejected)
    assert "not learnable: why" in {one.message for one in found.events}


def test_what_training_may_see_is_told_by_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of user code reach the terminal, the document and the page."""

    def fail(self: SlopeTrainer, _: TrainingJob) -> str:
        self.trained["failed"] = Trained(seconds=5.0, problem="OSError: nobody knows canary-hunter2")
        return "failed"

    for kind in (Trainer, ScorerPool):
        monkeypatch.setattr(kind, "warm_up", lambda *_: None)  # no child is needed
    monkeypatch.setattr(SlopeTrainer, "submit", fail)
    text = POLICY.replace("window: {last: 12h}", "window: {last: 12h}\n  env: [DB_PLACE]\n  retries: 0")
    environ = {"DB_PLACE": "canary-hunter2"}
    loaded = write_history(tmp_path / "data", make_rows(60, 99), text, environ)
    with (
        open_crew(loaded, environ) as crew,
        pytest.raises(PermanentError, match=r"failed: OSError: nobody knows \*\*\*$"),
    ):
        play(tmp_path / "room", loaded, CHOICES, redact=crew.redact)


def test_a_training_that_failed_is_tried_again_when_it_would_be_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds later, not at the next step of four hours."""
    submit, calls = SlopeTrainer.submit, count(1)

    def fail_once(self: SlopeTrainer, job: TrainingJob) -> str:
        key = submit(self, job)
        if next(calls) == 1:
            self.trained[key] = Trained(seconds=self.seconds, problem="OSError: the disk is full")
        return key

    monkeypatch.setattr(SlopeTrainer, "submit", fail_once)
    loaded = write_history(tmp_path / "data", make_rows(60, 99))
    played = play(tmp_path / "room", loaded, CHOICES, seconds=60.0)
    with played.state().read() as tx:
        first = tx.runs(None)[-1]
    assert first.details["training"]["failures"] == ["failed: OSError: the disk is full"]
    again = datetime.fromisoformat(first.details["training"]["started_at"]) - first.created_at
    assert timedelta(seconds=70) <= again < timedelta(seconds=71)
    assert played.found.judged_from - first.created_at < timedelta(seconds=132)


@pytest.mark.parametrize(("asked", "closely"), [(None, 1.0), (20.0, 3.0), (6.0, 1.0), (0.5, 0.5)])
def test_a_shadow_is_looked_at_eight_times_as_often_where_panes_allow(
    tmp_path: Path, asked: float | None, closely: float
) -> None:
    loaded = write_history(tmp_path, make_rows(72, 30))
    history = load_history(loaded.policy, loaded.folder)
    plan = make_plan(loaded.policy, history, Choices(step=asked * HOUR if asked else None))
    assert (plan.step, plan.shadow_step) == ((asked or 1.0) * HOUR, closely * HOUR)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, START + 11.95 * HOUR),
        (START + 10 * HOUR, START + 10 * HOUR),
        (START + 13 * HOUR, START + 13 * HOUR),
        (START + 9_000 * HOUR, START + 14 * HOUR),
    ],
    ids=["the last row", "as asked", "labels mature", "long after the last row"],
)
def test_a_replay_ends_when_all_is_known_at_the_latest(
    tmp_path: Path, asked: datetime | None, expected: datetime
) -> None:
    loaded = write_history(tmp_path, make_rows(12, 99))
    history = load_history(loaded.policy, tmp_path)
    plan = make_plan(loaded.policy, history, Choices(starts_at=START + 4 * HOUR, ends_at=asked))
    assert (plan.ends_at, plan.step) == (expected, HOUR)
