"""The replay: production, the stream's clock and the daemon in lock-step, until the story is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from ctrain.clocks import StreamClockFile, wait_for
from ctrain.demo import story
from ctrain.demo.daemon import Stage
from ctrain.demo.ledger import Means
from ctrain.demo.production import Production
from ctrain.demo.screen import Page, Screen
from ctrain.demo.sight import Sight
from ctrain.demo.story import Scene, Staging
from ctrain.demo.summary import Summary
from ctrain.errors import TransientError

if TYPE_CHECKING:
    from ctrain.domain import RunId, Verdict, Version
    from ctrain.ports import Timer

STARTS_AT = datetime(2013, 1, 1, tzinfo=UTC)
UNTIL = datetime(2013, 9, 1, tzinfo=UTC)
"""The story should be over long before; if it is not, it did not go as told."""
STEP = timedelta(days=1)
RECENT = timedelta(days=14)
STEP_TIMEOUT_SECONDS = 300.0
START_TIMEOUT_SECONDS = 120.0
SETTLE_SECONDS = 120.0


class Watching(Protocol):
    """The read side: what the daemon has done."""

    def look(self) -> Sight:
        """Return what is to be seen now."""

    def starting(self) -> bool:
        """True while a run waits to begin with the rows of this instant."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: production, the daemon's side and the person at the keyboard."""

    production: Production
    clock: StreamClockFile
    timer: Timer
    champion: Callable[[], Version | None]
    """Which version the champion alias names, as a service reads it from the registry."""
    watching: Watching
    give_trigger: Callable[[Staging], str]
    alive: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """From when to when, and in which steps."""

    starts_at: datetime = STARTS_AT
    until: datetime = UNTIL
    step: timedelta = STEP


class Replay:
    """One performance; ``play`` returns when the story is over, went wrong, or time is up."""

    def __init__(self, stage: Stage, cast: Cast, screen: Screen, plan: Plan) -> None:
        self._stage = stage
        self._cast = cast
        self._screen = screen
        self._plan = plan
        self._rows = 0
        self._labels = 0
        self._retrained_at: datetime | None = None
        self._grounds: dict[RunId, Sequence[Verdict]] = {}

    def play(self, started_seconds: float) -> Summary:
        """Play to the end; ``started_seconds`` is the timer's reading when the demo began."""
        now = self._plan.starts_at
        self._quiet(now, START_TIMEOUT_SECONDS)
        sight = self._cast.watching.look()
        while now < self._plan.until:
            end = min(now + self._plan.step, self._plan.until)
            self._produce(now, end, sight)
            now = end
            self._quiet(now, STEP_TIMEOUT_SECONDS)
            sight = self._cast.watching.look()
            self._grounds |= sight.grounds
            scene = Scene(self._plan.starts_at, now, sight.champion, sight.runs)
            act = story.current_act(scene)
            self._show(now, act, sight)
            if act is story.Act.OVER or self._stuck(scene):
                break
            self._stage_next(scene)
        return self._summary(now, sight, self._cast.timer.monotonic() - started_seconds)

    def _produce(self, start: datetime, end: datetime, sight: Sight) -> None:
        champion = self._cast.champion()
        production = self._cast.production
        if self._retrained_at is None and production.first is not None and champion != production.first:
            self._retrained_at = start
        fused = story.run_of(sight.runs, story.Act.FUSE)
        staged = champion is not None and fused is not None and fused.challenger_version == champion
        self._rows += production.serve(start, end, champion, staged=staged)
        self._labels += production.deliver_labels(start, end)

    def _quiet(self, now: datetime, timeout_seconds: float) -> None:
        self._cast.clock.set(now)
        self._cast.clock.wait_until_quiet(now, timeout_seconds, self._cast.alive)

    def _stuck(self, scene: Scene) -> bool:
        wrong = story.gone_wrong(scene)
        if wrong is not None:
            self._screen.say(scene.now, f"not as told: {wrong}")
        return wrong is not None

    def _stage_next(self, scene: Scene) -> None:
        """Give the trigger of the next act; its run begins with the rows of this very instant."""
        staging = story.next_staging(scene)
        if staging is None:
            return
        self._screen.say(scene.now, f"$ ctrain trigger flight-delay --reason {staging.reason!r}")
        self._screen.say(scene.now, self._cast.give_trigger(staging))
        if not wait_for(lambda: not self._cast.watching.starting(), SETTLE_SECONDS):
            raise TransientError(
                f"the run did not begin within {SETTLE_SECONDS:.0f} s; the daemon's log says why"
            )

    def _show(self, now: datetime, act: story.Act, sight: Sight) -> None:
        page = Page(
            now=now,
            act=act,
            rows=self._rows,
            labels=self._labels,
            sight=sight,
            overall=self._means(self._retrained_at, now, without_staged=True),
            recent=self._means(now - RECENT, now),
            metrics_address=self._stage.listen,
        )
        self._screen.show(page)

    def _means(self, start: datetime | None, end: datetime, *, without_staged: bool = False) -> Means:
        """Means over the flights whose labels have come by ``end``."""
        production = self._cast.production
        known = end - timedelta(days=1)
        if start is None or start >= known:
            return Means(float("nan"), float("nan"), 0)
        return production.ledger.means(production.rows_between(start, known), without_staged=without_staged)

    def _summary(self, now: datetime, sight: Sight, seconds: float) -> Summary:
        return Summary(
            started_at=self._plan.starts_at,
            ended_at=now,
            rows=self._rows,
            labels=self._labels,
            runs=tuple(reversed(sight.runs)),
            grounds=self._grounds,
            means=self._means(self._retrained_at, now, without_staged=True),
            means_with_staged=self._means(self._retrained_at, now),
            seconds=seconds,
            home=self._stage.home,
            unmet=tuple(story.unmet(sight.runs)),
        )
