"""The replay against a daemon that plays by a script: the story, the ledger and the ways it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ctrain.clocks import StreamClockFile
from ctrain.demo.daemon import Stage
from ctrain.demo.production import Floats, Predict, Production
from ctrain.demo.replay import Cast, Plan, Replay
from ctrain.demo.screen import Page
from ctrain.demo.sight import Sight
from ctrain.demo.story import Act, Staging
from ctrain.demo.summary import Summary
from ctrain.domain import Phase, Run, Version
from ctrain.errors import TransientError
from tests.unit.demo.builders import day, first_model, fused, real_drift, shuffled

PROBATION = {"probation": {"since": "x"}}
LONG_ENOUGH = day(200)


class ScriptedDaemon(StreamClockFile):
    """Does at each instant what the script says; it is the clock's other side, too."""

    def __init__(self, home: Path, *, fails: Act | None = None) -> None:
        super().__init__(home)
        self.now = day(0)
        self.runs: list[Run] = []
        self.champion: Version | None = None
        self.given: list[Staging] = []
        self._fails = fails
        self._fuse: datetime | None = None

    def wait_until_quiet(self, now: datetime, timeout_seconds: float, alive: Callable[[], bool]) -> None:
        assert alive()
        self.now = now
        days = (now - day(0)).days
        if self.champion == "1" and days == 43:
            self.runs.append(real_drift(Phase.SHADOWING))
        if days == 63:
            self._replace(replace(real_drift(Phase.PROBATION), details=PROBATION))
            self.champion = Version("2")
        if days == 84:
            self._replace(replace(real_drift(), details=PROBATION))
        if self._fuse is not None and now >= self._fuse and self.runs[-1].phase is not Phase.ROLLED_BACK:
            self._burn(now)

    def _burn(self, now: datetime) -> None:
        assert self._fuse is not None
        run = self.runs[-1]
        if now < self._fuse + timedelta(days=6):
            self._replace(replace(run, phase=Phase.PROBATION))
            self.champion = Version("4")
        else:
            self._replace(replace(run, phase=Phase.ROLLED_BACK, ended_at=now))
            self.champion = Version("2")

    def _replace(self, run: Run) -> None:
        self.runs = [run if one.id == run.id else one for one in self.runs]

    def give(self, staging: Staging) -> str:
        self.given.append(staging)
        if staging.act is Act.FIRST_MODEL:
            self.champion = Version("1")
            self.runs.append(first_model())
        elif staging.act is Act.SHUFFLED_LABELS:
            self.runs.append(shuffled(Phase.ACCEPTED if self._fails is staging.act else Phase.REJECTED))
        else:
            burning = fused(Phase.SHADOWING)
            self.runs.append(replace(burning, details={**burning.details, **PROBATION}, created_at=self.now))
            self._fuse = datetime.fromisoformat(staging.params["fuse_at"]).replace(tzinfo=UTC)
        return "done"

    def look(self) -> Sight:
        return Sight(self.champion, tuple(reversed(self.runs)), [], [])

    def starting(self) -> bool:
        return False


class Audience:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.lines: list[str] = []

    def __enter__(self) -> Audience:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, page: Page) -> None:
        self.pages.append(page)

    def say(self, now: datetime, line: str) -> None:
        self.lines.append(line)


class Stopwatch:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 100.0


def _load(version: Version) -> Predict:
    """Version 2 is better than version 1; version 4 is wrong."""
    score = {"1": 0.5, "2": 0.25, "4": 1.0}[version]

    def predict(features: pd.DataFrame) -> Floats:
        return np.full(len(features), score)

    return predict


@pytest.fixture(scope="module")
def few(flights: pa.Table) -> pa.Table:
    return flights.take(pa.array(range(0, flights.num_rows, 400)))


def _play(
    few: pa.Table, home: Path, daemon: ScriptedDaemon, until: datetime = LONG_ENOUGH
) -> tuple[Summary, Audience]:
    audience = Audience()
    cast = Cast(
        production=Production(few, home / "stream", _load),
        clock=daemon,
        timer=Stopwatch(),
        champion=lambda: daemon.champion,
        watching=daemon,
        give_trigger=daemon.give,
        alive=lambda: True,
    )
    stage = Stage(home, Path("flight_delay.yaml"), "127.0.0.1:1")
    return Replay(stage, cast, audience, Plan(until=until)).play(started_seconds=40.0), audience


def test_the_whole_story(few: pa.Table, tmp_path: Path) -> None:
    daemon = ScriptedDaemon(tmp_path)
    summary, audience = _play(few, tmp_path, daemon)
    assert [staging.act for staging in daemon.given] == [Act.FIRST_MODEL, Act.SHUFFLED_LABELS, Act.FUSE]
    assert summary.unmet == ()
    assert [run.id for run in summary.runs] == [f"flight-delay-{number}" for number in (1, 2, 3, 4)]
    assert summary.seconds == 60.0
    assert audience.pages[-1].act is Act.OVER
    # shuffled labels at day 84, the fuse of 37 days a day later, 6 until it is found, and the week after
    assert (summary.ended_at - summary.started_at).days == 85 + 37 + 6 + 7
    assert len([line for line in audience.lines if line.startswith("$ ctrain trigger")]) == 3


def test_the_live_metric_is_that_of_what_was_served(few: pa.Table, tmp_path: Path) -> None:
    summary, audience = _play(few, tmp_path, ScriptedDaemon(tmp_path))
    assert summary.means.frozen == pytest.approx(0.25)
    assert summary.means.live < summary.means.frozen
    assert summary.means_with_staged.live > summary.means.live
    assert summary.means_with_staged.rows > summary.means.rows
    before = next(page for page in audience.pages if page.now == day(60))
    assert before.overall.rows == 0
    assert before.recent.live == before.recent.frozen


def test_labels_come_a_day_after_the_flights(few: pa.Table, tmp_path: Path) -> None:
    summary, _ = _play(few, tmp_path, ScriptedDaemon(tmp_path), until=day(10))
    assert summary.rows == Production(few, tmp_path, _load).rows_between(day(0), day(10)).stop
    assert 0 < summary.labels < summary.rows


def test_time_that_runs_out_leaves_promises_unmet(few: pa.Table, tmp_path: Path) -> None:
    summary, _ = _play(few, tmp_path, ScriptedDaemon(tmp_path), until=day(50))
    assert summary.ended_at == day(50)
    assert summary.unmet[0] == "a challenger trained on real drift, promoted and kept"


def test_a_staged_run_that_ends_otherwise_ends_the_demo(few: pa.Table, tmp_path: Path) -> None:
    daemon = ScriptedDaemon(tmp_path, fails=Act.SHUFFLED_LABELS)
    summary, audience = _play(few, tmp_path, daemon)
    assert summary.ended_at == day(85)
    assert "the model of shuffled labels rejected" in summary.unmet
    assert audience.lines[-1].startswith("not as told: flight-delay-3 (shuffled labels) ended ACCEPTED")


def test_a_daemon_that_stops_ends_the_demo(few: pa.Table, tmp_path: Path) -> None:
    class Dead(ScriptedDaemon):
        def wait_until_quiet(self, now: datetime, timeout_seconds: float, alive: Callable[[], bool]) -> None:
            StreamClockFile.wait_until_quiet(self, now, timeout_seconds, lambda: False)

    with pytest.raises(TransientError, match="the daemon stopped"):
        _play(few, tmp_path, Dead(tmp_path))
