from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from ctrain.demo.ledger import Means
from ctrain.demo.screen import LiveScreen, Page, PlainScreen, open_screen, status_line, tell
from ctrain.demo.sight import Sight
from ctrain.demo.story import Act
from ctrain.domain import Event, MonitorName, Phase, PolicyName, Run, RunId, Status, Verdict, Version
from tests.unit.demo.builders import day, first_model, fused, real_drift

NO_MEANS = Means(float("nan"), float("nan"), 0)


def _event(kind: str, run: Run | None, message: str = "because", at: float = 40) -> Event:
    run_id = None if run is None else RunId(run.id)
    return Event(PolicyName("flight-delay"), kind, day(at), "ctrain", message, run_id)


def _page(runs: Sequence[Run], events: Sequence[Event] = (), at: float = 40, means: Means = NO_MEANS) -> Page:
    verdict = Verdict(MonitorName("brier"), day(at), Status.BREACHED, 0.1912, 0.18, 5921, "above 0.18")
    sight = Sight(Version("1"), runs, [verdict], events, blocks=12)
    return Page(day(at), Act.REAL_DRIFT, 40_000, 38_000, sight, means, means, "127.0.0.1:9464")


def test_events_are_told_in_words_and_marked_where_they_are_staged() -> None:
    first, drift, burnt = first_model(), real_drift(Phase.SHADOWING), fused(Phase.PROBATION)
    events = [
        _event("run_accepted", first, "it passed its gates alone"),
        _event("promoted", first, "version 1 is the champion, the first one"),
        _event("run_training", drift),
        _event("alias_intent", None),
        _event("promoted", burnt, "version 4 is the champion instead of 2"),
    ]
    assert tell(Sight(Version("1"), [burnt, drift, first], [], events)) == [
        "2013-02-10  first model flight-delay-1 PROMOTED: version 1 is the champion, the first one",
        "2013-02-10  first model flight-delay-1 accepted: it passed its gates alone",
        "2013-02-10  STAGED flight-delay-4 PROMOTED: version 4 is the champion instead of 2",
    ]


def test_a_run_that_monitors_started_says_what_they_saw() -> None:
    drift = real_drift(Phase.TRAINING)
    seen = Verdict(MonitorName("inputs"), day(40), Status.BREACHED, 0.2, 0.1, 6099, "precipitation drifted")
    sight = Sight(
        Version("1"), [drift], [], [_event("run_queued", drift, "2 of 3")], grounds={drift.id: [seen]}
    )
    assert tell(sight) == [
        "2013-02-10  flight-delay-2 fired: 2 of 3",
        "            inputs: precipitation drifted",
    ]


def test_status_shows_the_phase_and_the_metric_beside_the_frozen_models() -> None:
    page = _page([real_drift(Phase.SHADOWING)], means=Means(0.151, 0.163, 900))
    assert status_line(page) == [
        "40,000 flights",
        "champion 1",
        "flight-delay-2 SHADOWING, 12 blocks",
        "Brier 14d: live 0.151, frozen 0.163",
        "(all: 0.1510, 0.1630)",
    ]


def test_status_marks_a_staged_run_and_leaves_out_what_is_not_known() -> None:
    assert status_line(_page([fused(Phase.TRAINING)])) == [
        "40,000 flights",
        "champion 1",
        "STAGED flight-delay-4 TRAINING",
    ]


def test_plain_lines_for_events_and_one_line_a_week() -> None:
    stream = io.StringIO()
    with PlainScreen(stream) as screen:
        for number in range(15):
            events = [_event("promoted", first_model(), at=9)] if number == 9 else []
            screen.show(_page([first_model()], events, at=number))
        screen.say(day(20), "a person speaks")
    lines = stream.getvalue().splitlines()
    assert [line[:10] for line in lines] == [
        "2013-01-01", "2013-01-08", "2013-01-10", "2013-01-15", "2013-01-21",
    ]  # fmt: skip
    assert lines[-1] == "2013-01-21  a person speaks"


def test_the_live_page_shows_verdicts_status_and_the_last_decisions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=160, height=50, force_terminal=True)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)
    with LiveScreen() as screen:
        screen.say(day(39), "$ ctrain trigger")
        screen.show(_page([real_drift(Phase.SHADOWING)], [_event("run_queued", real_drift())]))
    shown = stream.getvalue()
    for text in ("$ ctrain trigger", "fired: because", "BREACHED", "0.1912", "SHADOWING", "10 Feb 2013"):
        assert text in shown


def test_lines_are_plain_where_there_is_no_terminal() -> None:
    assert isinstance(open_screen(io.StringIO()), PlainScreen)
