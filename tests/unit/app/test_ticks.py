"""When a policy ticks again, what one policy's trouble means to the others, and how policies come and go."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ctrain.app import ticks
from ctrain.app.fault_net import BUSY_DELAY, FAULT_DELAY
from ctrain.app.stillness import STREAM_DELAY
from ctrain.app.ticker import Ticker
from ctrain.app.ticks import Rhythm, TickLoop
from ctrain.clocks import ACK_FILE, StreamClock, StreamClockFile
from ctrain.domain import PolicyName
from ctrain.engine.pace import Pace
from ctrain.engine.tick import Ticked
from ctrain.errors import PermanentError, StateConflict, TransientError
from ctrain.ports import Clock
from tests.support.fakes import FakeClock, QuietTelemetry

ADS, BIDS = PolicyName("ads"), PolicyName("bids")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
TICK = timedelta(seconds=10)
MINUTES = 60.0

Answer = Ticked | Exception
QUIET, MOVED, WAITING = Ticked(), Ticked(moved=True), Ticked(waiting=True)


class StillTimer:
    """Real time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Script:
    """Ticks that answer as told, the last answer for ever; keeps what they were given."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.seen: list[tuple[str, Any, bool]] = []
        self.asked: set[str] = set()

    def tick(self, watch: Any, *, read: bool = True) -> Ticked:
        self.seen.append((watch.name, watch.lease, read))
        answers = self.answers.get(watch.name, [QUIET])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def watch(self, name: PolicyName, mark: str = "") -> Any:
        script = self

        class Store:
            def read(self) -> Store:
                return self

            def __enter__(self) -> Store:
                return self

            def __exit__(self, *_: object) -> None:
                return None

            def open_requests(self, policy: PolicyName) -> list[str]:
                return ["a request"] if policy in script.asked else []

        policy = SimpleNamespace(data=SimpleNamespace(pane=TICK))
        return cast(
            Any,
            SimpleNamespace(name=name, lease=None, store=Store(), mark=mark, pace=Pace(), policy=policy),
        )


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setattr(ticks, "tick", script.tick)
    return script


@pytest.fixture
def timer() -> StillTimer:
    return StillTimer()


@pytest.fixture
def telemetry() -> QuietTelemetry:
    return QuietTelemetry()


@pytest.fixture
def make(script: Script, timer: StillTimer, telemetry: QuietTelemetry) -> Callable[..., TickLoop]:
    def loop(*names: PolicyName, clock: Clock | None = None) -> TickLoop:
        watches = {name: script.watch(name) for name in names}
        rhythm = Rhythm(tick=TICK, lease=timedelta(seconds=30))
        return TickLoop(watches, clock or FakeClock(NOON), timer, telemetry, rhythm)

    return loop


@pytest.mark.parametrize(
    ("answer", "delay"),
    [
        (QUIET, TICK),
        (Ticked(rests=True, due_in=timedelta(seconds=3)), timedelta(seconds=3)),
        (Ticked(rests=True, due_in=timedelta(0)), timedelta(0)),
        (Ticked(rests=True, due_in=timedelta(minutes=1)), TICK),
        (MOVED, timedelta(0)),
        (WAITING, BUSY_DELAY),
        (Ticked(moved=True, waiting=True), timedelta(0)),
        (TransientError("away", timedelta(seconds=3)), timedelta(seconds=3)),
        (TransientError("away", timedelta(hours=1)), TICK),
        (StateConflict("someone else won"), BUSY_DELAY),
        (PermanentError("no such version"), FAULT_DELAY),
        (ZeroDivisionError("a fault of ours"), FAULT_DELAY),
    ],
)
def test_what_a_tick_did_says_when_the_next_is_due(
    make: Callable[..., TickLoop], script: Script, answer: Answer, delay: timedelta
) -> None:
    script.answers[ADS] = [answer]
    assert make(ADS).take_turn(ADS) == delay


def test_conflicts_that_last_are_tried_less_and_less_often(
    make: Callable[..., TickLoop], script: Script
) -> None:
    lost = StateConflict("the token is fenced off")
    script.answers[ADS] = [*[lost] * 8, QUIET, lost]
    loop = make(ADS)
    delays = [loop.take_turn(ADS) for _ in range(10)]
    doubling = [BUSY_DELAY * 2**number for number in range(6)]
    assert delays == [*doubling, TICK, TICK, TICK, BUSY_DELAY]


def test_what_comes_wakes_no_policy_that_waits_for_more_anyway(
    make: Callable[..., TickLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[PolicyName] = []
    monkeypatch.setattr(Ticker, "wake", lambda _, name, __: woken.append(name))
    monkeypatch.setattr(ticks, "awaited", lambda watch: timedelta(seconds=3) if watch.name == ADS else None)
    loop = make(ADS, BIDS)
    for name in (ADS, BIDS, PolicyName("unknown")):
        loop.wake(name)
    assert woken == [BIDS]


def test_a_policy_that_went_is_not_waited_for(make: Callable[..., TickLoop]) -> None:
    loop = make(ADS)
    pace = loop.watched[ADS].pace
    pace.took(ADS, 100.0)
    loop.forget(ADS)
    assert pace.wait() == timedelta(0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransientError("away"), "transient"),
        (StateConflict("someone else won"), "state_conflict"),
        (PermanentError("no such version"), "error"),
        (ZeroDivisionError("a fault of ours"), "unexpected"),
    ],
)
def test_a_fault_is_counted_and_logged_and_the_other_policy_goes_on(
    make: Callable[..., TickLoop], script: Script, telemetry: QuietTelemetry, error: Exception, kind: str
) -> None:
    script.answers[ADS] = [error]
    loop = make(ADS, BIDS)
    loop.take_turn(ADS)
    assert loop.take_turn(BIDS) == TICK
    assert telemetry.counted["tick_failures_total", "ads", kind] == 1
    assert ("tick_last_success_timestamp_seconds", "ads") not in telemetry.counted
    assert telemetry.counted["tick_last_success_timestamp_seconds", "bids"] == NOON.timestamp()
    (event, fields), *others = telemetry.logged
    assert (event, fields["policy"], fields["message"], others) == ("tick_failed", "ads", str(error), [])
    assert ("traceback" in fields) == (kind == "unexpected")


def test_a_policy_whose_ticks_fail_keeps_no_other_waiting(
    make: Callable[..., TickLoop], script: Script
) -> None:
    loop = make(ADS)
    pace = loop.watched[ADS].pace
    pace.took(ADS, 20.0)
    assert pace.wait() > timedelta(0)
    script.answers[ADS] = [TransientError("the folder is away")]
    loop.take_turn(ADS)
    assert pace.wait() == timedelta(0)


def test_a_clock_that_cannot_be_read_is_a_fault_like_any_other(
    make: Callable[..., TickLoop], tmp_path: Path, telemetry: QuietTelemetry
) -> None:
    (tmp_path / "clock.json").write_text("{")
    assert make(ADS, clock=StreamClock(tmp_path)).take_turn(ADS) == FAULT_DELAY
    assert telemetry.counted["tick_failures_total", "ads", "error"] == 1


def test_how_long_nobody_has_looked_after_a_policy_is_known_before_it_has_ever_ticked_well(
    make: Callable[..., TickLoop], script: Script, timer: StillTimer, telemetry: QuietTelemetry
) -> None:
    """The alert on it counts from there, also where a daemon starts in the middle of the trouble."""
    script.answers = {ADS: [PermanentError("broken")]}
    loop = make()
    loop.watch(ADS, lambda: script.watch(ADS))
    timer.seconds = 60
    assert loop.take_turn(ADS) == FAULT_DELAY
    assert telemetry.counted["tick_last_success_timestamp_seconds", ADS] == NOON.timestamp()


def test_ready_once_every_policy_has_ticked_well(make: Callable[..., TickLoop], script: Script) -> None:
    script.answers[BIDS] = [TransientError("away"), QUIET]
    loop = make(ADS, BIDS)
    states = [loop.ready]
    for name in (ADS, BIDS, BIDS):
        loop.take_turn(name)
        states.append(loop.ready)
    assert states == [False, False, False, True]


def test_unhealthy_when_a_policy_has_not_ticked_well_for_long(
    make: Callable[..., TickLoop], script: Script, timer: StillTimer
) -> None:
    script.answers[BIDS] = [TransientError("away"), TransientError("away"), QUIET]
    loop = make(ADS, BIDS)
    loop.start()
    loop.stop()
    timer.seconds = MINUTES
    loop.take_turn(ADS)
    loop.take_turn(BIDS)
    healthy = [loop.healthy]
    timer.seconds = 2.5 * MINUTES
    for name in (ADS, BIDS, BIDS):
        loop.take_turn(name)
        healthy.append(loop.healthy)
    assert healthy == [True, False, False, True]


def test_alive_while_ticks_end_whatever_their_end_is(
    make: Callable[..., TickLoop], script: Script, timer: StillTimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.answers[ADS] = [TransientError("the database is away")]
    loop = make(ADS)
    timer.seconds = 60 * MINUTES
    loop.take_turn(ADS)
    alive = [loop.alive]

    def hang(*_: object, **__: object) -> Ticked:
        for minutes in (9, 2):
            timer.seconds += minutes * MINUTES
            alive.append(loop.alive)
        return QUIET

    monkeypatch.setattr(ticks, "tick", hang)
    loop.take_turn(ADS)
    assert [*alive, loop.alive] == [True, True, False, True]


def acknowledged(home: Path) -> datetime | None:
    path = home / ACK_FILE
    return datetime.fromisoformat(json.loads(path.read_text())["now"]) if path.exists() else None


@pytest.fixture
def stream(tmp_path: Path) -> StreamClockFile:
    file = StreamClockFile(tmp_path)
    file.set(NOON)
    return file


def test_stream_time_is_acknowledged_when_all_are_quiet_at_one_instant(
    make: Callable[..., TickLoop], script: Script, stream: StreamClockFile, tmp_path: Path
) -> None:
    script.answers[BIDS] = [MOVED, WAITING, QUIET]
    loop = make(ADS, BIDS, clock=StreamClock(tmp_path))
    assert loop.take_turn(ADS) == STREAM_DELAY
    assert loop.take_turn(BIDS) == timedelta(0)
    assert loop.take_turn(BIDS) == STREAM_DELAY
    assert acknowledged(tmp_path) is None
    later = NOON + timedelta(hours=1)
    stream.set(later)
    loop.take_turn(BIDS)
    assert acknowledged(tmp_path) is None
    loop.take_turn(ADS)
    assert acknowledged(tmp_path) == later


def test_between_two_instants_only_requests_are_looked_at(
    make: Callable[..., TickLoop], script: Script, stream: StreamClockFile, tmp_path: Path
) -> None:
    loop = make(ADS, clock=StreamClock(tmp_path))
    loop.take_turn(ADS)
    loop.take_turn(ADS)
    assert [read for _, _, read in script.seen] == [True]
    script.asked.add(ADS)
    loop.take_turn(ADS)
    script.asked.clear()
    loop.take_turn(ADS)
    assert [read for _, _, read in script.seen] == [True, False]
    stream.set(NOON + timedelta(hours=1))
    loop.take_turn(ADS)
    assert [read for _, _, read in script.seen] == [True, False, True]


def test_an_instant_that_is_set_once_more_is_done_anew(
    make: Callable[..., TickLoop], script: Script, stream: StreamClockFile, tmp_path: Path
) -> None:
    """Rows may have come since, and whoever set it waits for them."""
    loop = make(ADS, clock=StreamClock(tmp_path))
    loop.take_turn(ADS)
    assert stream.acknowledged(NOON)
    stream.set(NOON)
    assert not stream.acknowledged(NOON)
    loop.take_turn(ADS)
    loop.take_turn(ADS)
    assert [read for _, _, read in script.seen] == [True, True]
    assert stream.acknowledged(NOON)


@pytest.fixture
def standing(
    make: Callable[..., TickLoop], stream: StreamClockFile, tmp_path: Path, timer: StillTimer
) -> TickLoop:
    """Quiet at an instant of the stream that an hour of real time does not move."""
    loop = make(ADS, clock=StreamClock(tmp_path))
    loop.start()
    loop.stop()
    loop.take_turn(ADS)
    timer.seconds = 60 * MINUTES
    return loop


def test_a_clock_that_stands_is_no_illness(
    standing: TickLoop, script: Script, timer: StillTimer, telemetry: QuietTelemetry
) -> None:
    stood_still = standing.healthy
    standing.take_turn(ADS)
    assert (stood_still, standing.healthy) == (False, True)
    assert len(script.seen) == 1
    assert telemetry.counted["tick_last_success_timestamp_seconds", "ads"] == timer.now().timestamp()


def test_a_clock_that_stands_hides_no_store_that_is_away(
    standing: TickLoop, telemetry: QuietTelemetry
) -> None:
    def away() -> Any:
        raise TransientError("the database is away")

    cast(Any, standing.watched[ADS]).store.read = away
    standing.take_turn(ADS)
    assert not standing.healthy
    assert telemetry.counted["tick_last_success_timestamp_seconds", "ads"] == NOON.timestamp()


def test_between_two_instants_what_failed_is_tried_again(
    make: Callable[..., TickLoop], script: Script, stream: StreamClockFile, tmp_path: Path
) -> None:
    script.answers[ADS] = [QUIET, TransientError("the registry is away"), QUIET]
    loop = make(ADS, clock=StreamClock(tmp_path))
    loop.take_turn(ADS)
    script.asked.add(ADS)
    assert loop.take_turn(ADS) == TICK
    script.asked.clear()
    loop.take_turn(ADS)
    loop.take_turn(ADS)
    assert [read for _, _, read in script.seen] == [True, False, False]


def test_a_watch_that_replaces_another_ticks_even_if_the_old_one_was_quiet(
    make: Callable[..., TickLoop], script: Script, stream: StreamClockFile, tmp_path: Path
) -> None:
    loop = make(ADS, clock=StreamClock(tmp_path))
    loop.take_turn(ADS)
    loop.watch(ADS, lambda: script.watch(ADS, "new"))
    loop.take_turn(ADS)
    assert len(script.seen) == 2
    assert cast(Any, loop.watched[ADS]).mark == "new"


def test_a_watch_that_cannot_be_opened_leaves_the_old_one_in_force(
    make: Callable[..., TickLoop], script: Script
) -> None:
    def refuse() -> Any:
        raise StateConflict("another model goes by this name")

    loop = make(ADS)
    before = loop.watched[ADS]
    with pytest.raises(StateConflict):
        loop.watch(ADS, refuse)
    assert loop.watched[ADS] is before
    assert loop.take_turn(ADS) == TICK


def test_a_new_watch_is_opened_between_two_ticks_of_the_old_one(
    make: Callable[..., TickLoop], script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on, opened = threading.Event(), threading.Event(), threading.Event()

    def long_tick(watch: Any, **_: Any) -> Ticked:
        inside.set()
        assert go_on.wait(10)
        assert not opened.is_set()
        return QUIET

    def open_watch() -> Any:
        opened.set()
        return script.watch(ADS, "new")

    monkeypatch.setattr(ticks, "tick", long_tick)
    loop = make(ADS)
    delays: list[timedelta | None] = []
    ticking = threading.Thread(target=lambda: delays.append(loop.take_turn(ADS)))
    ticking.start()
    assert inside.wait(10)
    replacing = threading.Thread(target=loop.watch, args=(ADS, open_watch))
    replacing.start()
    go_on.set()
    for thread in (ticking, replacing):
        thread.join(10)
    assert delays == [TICK]
    assert opened.is_set()


def test_a_forgotten_policy_ticks_no_more(make: Callable[..., TickLoop], script: Script) -> None:
    loop = make(ADS, BIDS)
    loop.take_turn(ADS)
    loop.forget(BIDS)
    assert loop.take_turn(BIDS) is None
    assert [name for name, _, _ in script.seen] == [ADS]
    assert loop.ready
    assert list(loop.watched) == [ADS]


def test_a_policy_leaves_after_the_tick_that_finishes_it(
    make: Callable[..., TickLoop], script: Script
) -> None:
    loop = make(ADS)
    done = iter([False, False, True])
    loop.let_go(ADS, lambda: next(done))
    assert loop.take_turn(ADS) == TICK
    assert loop.take_turn(ADS) is None
    assert loop.watched == {}


def test_a_policy_that_comes_back_before_it_left_stays(make: Callable[..., TickLoop], script: Script) -> None:
    loop = make(ADS)
    done = iter([False, True])
    loop.let_go(ADS, lambda: next(done))
    loop.keep(ADS)
    assert loop.take_turn(ADS) == TICK
    assert list(loop.watched) == [ADS]


def test_a_token_that_was_won_again_is_used_from_the_next_tick_on(
    make: Callable[..., TickLoop], script: Script
) -> None:
    loop = make(ADS)
    loop.take_turn(ADS)
    loop.hold(ADS, ("policy:ads", 7))
    loop.take_turn(ADS)
    assert [lease for _, lease, _ in script.seen] == [None, ("policy:ads", 7)]
    loop.watch(ADS, lambda: script.watch(ADS, "new"))
    loop.take_turn(ADS)
    assert script.seen[-1][1] is None, "a new watch has the lease that it was opened with"


def test_a_policy_whose_ticks_fail_leaves_all_the_same(
    make: Callable[..., TickLoop], script: Script, telemetry: QuietTelemetry
) -> None:
    script.answers[ADS] = [PermanentError("its run cannot be moved on")]
    answers: list[bool | Exception] = [TransientError("the database is busy"), False, True]

    def done() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    loop = make(ADS, BIDS)
    loop.let_go(ADS, done)
    assert loop.take_turn(ADS) == FAULT_DELAY
    assert loop.take_turn(ADS) is None
    assert list(loop.watched) == [BIDS]
    assert not answers


def test_a_policy_that_parts_between_two_ticks_is_gone_at_once(
    make: Callable[..., TickLoop], script: Script
) -> None:
    loop, gone = make(ADS, BIDS), []
    loop.part(ADS, lambda: gone.append(list(loop.watched)))
    assert gone == [[BIDS]]
    assert loop.take_turn(ADS) is None
    assert script.seen == []


def test_a_policy_that_parts_during_a_tick_is_gone_at_its_end_and_nobody_waits(
    make: Callable[..., TickLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    gone: list[str] = []

    def long_tick(watch: Any, **_: Any) -> Ticked:
        inside.set()
        assert go_on.wait(10)
        raise StateConflict("the token is fenced off")

    monkeypatch.setattr(ticks, "tick", long_tick)
    loop = make(ADS)
    delays: list[timedelta | None] = []
    ticking = threading.Thread(target=lambda: delays.append(loop.take_turn(ADS)))
    ticking.start()
    assert inside.wait(10)
    loop.part(ADS, lambda: gone.append("ads"))
    assert (gone, loop.parting, list(loop.watched)) == ([], {ADS}, [ADS])
    go_on.set()
    ticking.join(10)
    assert (gone, loop.parting, list(loop.watched), delays) == (["ads"], set(), [], [None])


def test_whoever_has_the_turn_of_a_policy_lets_it_part_at_its_end(make: Callable[..., TickLoop]) -> None:
    """Also when it ticks no more, so that no tick would come to do it."""
    loop, gone = make(BIDS), []
    with loop._turn(ADS):
        loop.part(ADS, lambda: gone.append(set(loop.parting)))
        assert (gone, loop.parting) == ([], {ADS})
    assert (gone, loop.parting) == ([{ADS}], set())


def test_what_cannot_be_done_after_a_policy_parted_stops_nothing(
    make: Callable[..., TickLoop], telemetry: QuietTelemetry
) -> None:
    def fail() -> None:
        raise TransientError("the database does not answer")

    loop = make(ADS, BIDS)
    loop.part(ADS, fail)
    assert list(loop.watched) == [BIDS]
    assert [event for event, _ in telemetry.logged] == ["upkeep_failed"]


def test_how_late_ticks_begin_is_told_and_goes_into_the_pace(
    make: Callable[..., TickLoop], telemetry: QuietTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[Callable[[PolicyName, float], None]] = []
    monkeypatch.setattr(ticks, "Ticker", lambda _timer, told, _urgent: began.append(told))
    loop = make(ADS)

    def begin() -> timedelta:
        for _ in range(100):
            began[0](BIDS, 0.0)
            began[0](ADS, 3.0)
        assert telemetry.counted["tick_lateness_seconds",] == 3.0
        return loop.watched[ADS].pace.wait()

    assert begin() == timedelta(0), "at the beginning all are due at once"
    loop.take_turn(ADS)
    assert begin() > timedelta(seconds=10)


def test_a_policy_with_short_panes_is_urgent_and_one_that_went_is_not(
    make: Callable[..., TickLoop], script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    urgent: list[Callable[[PolicyName], bool]] = []
    monkeypatch.setattr(ticks, "Ticker", lambda _timer, _began, asked: urgent.append(asked))
    loop = make(ADS, BIDS)
    cast(Any, loop.watched[BIDS]).policy.data.pane = timedelta(seconds=1)
    assert [urgent[0](name) for name in (ADS, BIDS)] == [False, True]
    loop.forget(BIDS)
    assert not urgent[0](BIDS)


@pytest.mark.parametrize("leave", ["part", "forget", "let_go"])
def test_of_a_policy_that_goes_it_is_forgotten_how_its_ticks_went(
    script: Script, telemetry: QuietTelemetry, timer: StillTimer, leave: str
) -> None:
    forgotten: list[PolicyName] = []
    faltering = cast(Any, SimpleNamespace(forget=forgotten.append))
    rhythm = Rhythm(tick=TICK, lease=TICK)
    watches = {name: script.watch(name) for name in (ADS, BIDS)}
    loop = TickLoop(watches, FakeClock(NOON), timer, telemetry, rhythm, faltering)
    further: dict[str, list[Any]] = {"part": [lambda: None], "let_go": [lambda: True]}
    getattr(loop, leave)(ADS, *further.get(leave, ()))
    assert (list(loop.watched), forgotten) == ([BIDS], [ADS])


def test_a_policy_is_forgotten_at_once_only_between_two_ticks(
    make: Callable[..., TickLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = make(ADS)
    told: list[bool] = []

    def tick(watch: Any, **_: Any) -> Ticked:
        told.append(loop.forget_if_free(watch.name))
        return QUIET

    monkeypatch.setattr(ticks, "tick", tick)
    assert loop.take_turn(ADS) == TICK
    assert loop.forget_if_free(ADS)
    assert (told, list(loop.watched)) == ([False], [])
