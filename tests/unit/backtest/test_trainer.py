"""What a training took: also one that brought no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ctrain.backtest.clock import VirtualClock
from ctrain.backtest.launcher import VirtualLauncher
from ctrain.backtest.registry import MemoryRegistry
from ctrain.backtest.trainer import Trained, Trainer
from ctrain.domain import JobState, Json, TrainingJob
from tests.support.backtests import START
from tests.support.training import training_job


@dataclass
class SetTimer:
    """Real time that stands still until it is set."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Child:
    """Answers what it is told to."""

    on_message: Callable[[Json], None]
    on_exit: Callable[[], None]
    alive: bool = True
    sent: list[Json] = field(default_factory=list)

    def send(self, message: Json) -> None:
        self.sent.append(message)

    def kill(self) -> None:
        self.alive = False

    def last_words(self) -> str:
        return "killed"


@dataclass
class Nursery:
    timer: SetTimer = field(default_factory=SetTimer)
    children: list[Child] = field(default_factory=list)

    def bear(self, _command: Any, _environment: Any, **told: Any) -> Child:
        self.children.append(Child(**told))
        return self.children[-1]

    def raises(self) -> None:
        child = self.children[-1]
        child.on_message({"key": child.sent[-1]["key"], "ok": False, "message": "ValueError: no"})

    def dies(self) -> None:
        self.children[-1].kill()
        self.children[-1].on_exit()


@pytest.fixture
def nursery(monkeypatch: pytest.MonkeyPatch) -> Nursery:
    found = Nursery()
    monkeypatch.setattr("ctrain.backtest.trainer.LineChild", found.bear)
    return found


class KnowsItAll:
    """Has trained what it is asked for in a minute."""

    total_seconds = 60.0

    def submit(self, _: TrainingJob) -> str:
        return "key"

    def result(self, key: str) -> Trained:
        return Trained(folder=key, seconds=60.0, rows=200, digest="a", content_digest="a")


def a_job(folder: Path, timeout: timedelta) -> TrainingJob:
    return training_job(folder, folder / "code", "one", timeout=timeout)


@pytest.mark.parametrize(
    ("happens", "seconds", "problem"),
    [
        (Nursery.raises, 90.0, "ValueError: no"),
        (Nursery.dies, 90.0, "the training child died: killed"),
        (lambda _: None, 600.0, "training was stopped after its timeout of 600 s"),
    ],
)
def test_what_fails_takes_its_time(
    tmp_path: Path, nursery: Nursery, happens: Callable[[Nursery], None], seconds: float, problem: str
) -> None:
    """It would in production, too, where the budget of training time counts it."""
    trainer = Trainer(tmp_path / "trainings", nursery.timer, importance=False, environ={})
    job = a_job(tmp_path, timedelta(minutes=10))
    clock = VirtualClock(START)
    launcher = VirtualLauncher(trainer, MemoryRegistry(), clock)
    launcher.start(job)
    nursery.timer.seconds = 90.0
    happens(nursery)
    nursery.timer.seconds = 601.0
    assert launcher.poll(job.run_id, 1, job.folder).state is JobState.RUNNING
    assert launcher.next_ready_at == START + timedelta(seconds=seconds)
    clock.move_to(START + timedelta(seconds=seconds))
    status = launcher.poll(job.run_id, 1, job.folder)
    assert (status.state, status.message) == (JobState.FAILED, problem)
    assert [(one.seconds, one.rows) for one in launcher.costs] == [(seconds, 200)]
    assert trainer.total_seconds == seconds


def test_the_end_of_its_log_is_told_of_what_fails(tmp_path: Path, nursery: Nursery) -> None:
    """The folder of a backtest is gone when a person reads why."""
    trainer = Trainer(tmp_path / "trainings", nursery.timer, importance=False, environ={})
    job = a_job(tmp_path, timedelta(minutes=10))
    key = trainer.submit(job)
    (Path(job.folder) / "train.log").write_text("reading rows\nModuleNotFoundError: pandas\n")
    nursery.raises()
    found = trainer.result(key)
    assert found is not None
    assert found.problem == "ValueError: no\nreading rows\nModuleNotFoundError: pandas"


@pytest.mark.parametrize(("asked", "seconds"), [(None, 60.0), (timedelta(hours=1), 3600.0)])
def test_the_engine_is_told_what_a_training_takes_on_its_clock(
    tmp_path: Path, asked: timedelta | None, seconds: float
) -> None:
    """What budgets and prices of trainings go by; what it costs is what it really took."""
    job, clock = a_job(tmp_path, timedelta(hours=2)), VirtualClock(START)
    launcher = VirtualLauncher(KnowsItAll(), MemoryRegistry(), clock, asked)
    launcher.start(job)
    clock.move_to(START + timedelta(seconds=seconds))
    assert launcher.poll(job.run_id, 1, job.folder).result["train_seconds"] == seconds
    assert [one.seconds for one in launcher.costs] == [60.0]
