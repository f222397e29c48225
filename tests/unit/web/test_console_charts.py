"""Pictures of the console: places worked out by hand, and nothing in them that a name could smuggle in."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as Xml

import pytest

from ctrain.domain import MonitorName, Phase, RunId, Status, TriggerName, Verdict, Version
from ctrain.queries.answers import PhaseTime
from ctrain.queries.champion_history import Reign
from ctrain.queries.heat import Cell, HeatMap, HeatRow
from ctrain.queries.sequence import ConfidenceSequence, SeqPoint
from ctrain.queries.series import MonitorSeries, Point
from ctrain.queries.timeline import RunBar, Timeline, TriggerMark
from ctrain.web.console.charts.bounds import sequence_chart
from ctrain.web.console.charts.heat import heat_chart, level_of
from ctrain.web.console.charts.lines import series_chart, status_strip, strip_chart
from ctrain.web.console.charts.scale import Period, Scale, round_step, scale_around
from ctrain.web.console.charts.spark import spark
from ctrain.web.console.charts.timeline import timeline_chart

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = Period(START, START + 24 * HOUR)
HOSTILE = "<script>alert('it')</script> & \"more\""


def elements(svg: str, kind: str) -> list[Xml.Element]:
    """Elements of the picture with this class; whatever is not well-formed raises."""
    return [one for one in Xml.fromstring(svg).iter() if kind in (one.get("class") or "").split()]


def series(*points: Point) -> MonitorSeries:
    newest = points[-1]
    verdict = Verdict(
        MonitorName("brier"), newest.as_of, newest.status, newest.value, newest.threshold, 9, ""
    )
    return MonitorSeries(MonitorName("brier"), "performance", "brier", points, verdict)


def point(hours: float, value: float | None, status: Status = Status.OK) -> Point:
    return Point(START + hours * HOUR, status, value, 0.2, 100)


def test_a_sparkline_goes_through_its_values() -> None:
    svg = spark((0.0, 1.0, 2.0))
    assert [one.get("d") for one in elements(svg, "line")] == ["M3 18.76L48 11L93 3.24"]
    assert elements(svg, "dot")[0].attrib["cx"] == "93"
    assert spark((1.0,)) == ""


def test_equal_values_are_a_level_line() -> None:
    assert elements(spark((5.0, 5.0)), "line")[0].get("d") == "M3 11L93 11"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0)), (-0.3, 0.3, (-0.2, 0.0, 0.2)), (10.0, 47.0, (10, 20, 30, 40))],
)
def test_ticks_are_round_numbers(low: float, high: float, ticks: tuple[float, ...]) -> None:
    assert Scale(low, high, 100, 0).ticks() == ticks


@pytest.mark.parametrize(("wanted", "step"), [(0.3, 0.5), (1.0, 1.0), (2.2, 2.5), (6.0, 10.0), (1e-7, 1e-7)])
def test_steps_are_round(wanted: float, step: float) -> None:
    assert round_step(wanted) == pytest.approx(step)


def test_what_lies_outside_a_scale_stays_in_the_picture() -> None:
    scale = scale_around([0.0, 10.0], 100, 0)
    assert (scale(-99.0), scale(99.0), round(scale(5.0), 9)) == (100, 0, 50)


@pytest.mark.parametrize(
    ("hours", "texts"),
    [
        (0.05, ["1 Mar", "00:01", "00:02", "00:03"]),
        (20, ["1 Mar", "06:00", "12:00", "18:00"]),
        (24 * 4, ["1 Mar", "2 Mar", "3 Mar", "4 Mar", "5 Mar"]),
        (24 * 20, ["2 Mar", "9 Mar", "16 Mar"]),
    ],
)
def test_dates_stand_at_round_instants(hours: float, texts: list[str]) -> None:
    assert [text for _, text in Period(START, START + hours * HOUR).ticks()] == texts


def test_a_line_is_broken_where_nothing_is_known() -> None:
    gap = point(6, None, Status.INCONCLUSIVE)
    svg = series_chart(
        series(point(0, 0.1), point(3, 0.1), gap, point(9, 0.1), point(12, 0.3, Status.BREACHED)), DAY
    )
    lines = [one.get("d") or "" for one in elements(svg, "line")]
    assert [re.findall(r"[ML]([\d.]+) ", line) for line in lines] == [["0", "125"], ["375", "500"]]
    assert [one.get("cx") for one in elements(svg, "breach")] == ["50%"]
    assert "now 0.3, threshold 0.2, BREACHED" in (Xml.fromstring(svg).get("aria-label") or "")


def test_equal_verdicts_are_one_piece_of_the_strip() -> None:
    bad = Status.BREACHED
    points = [point(0, 1.0), point(6, 1.0), point(12, 1.0, bad), point(18, 1.0, bad)]
    pieces = [Xml.fromstring(one) for one in status_strip(points, DAY, 0)]
    assert [(one.get("x"), one.get("width"), one.get("class")) for one in pieces] == [
        ("0%", "50%", "strip ok"),
        ("50%", "50%", "strip breached"),
    ]


@pytest.mark.parametrize(("kind", "pieces"), [("performance", []), ("freshness", [("0%", "100%")])])
def test_a_verdict_that_stands_until_there_is_another_fills_the_strip(
    kind: str, pieces: list[tuple[str, str]]
) -> None:
    """Of the clock's verdicts only changes are on record."""
    svg = strip_chart(replace(series(point(-48, 1.0), point(-30, 1.0)), kind=kind), DAY)
    assert [(one.get("x"), one.get("width")) for one in elements(svg, "strip")] == pieces


def test_bounds_close_in_on_the_limit() -> None:
    points = tuple(
        SeqPoint(START, blocks, 10 * blocks, mean, mean - width, mean + width)
        for blocks, mean, width in ((1, 0.0, 0.4), (2, 0.0, 0.2), (3, -0.1, 0.1))
    )
    svg = sequence_chart(ConfidenceSequence(Phase.SHADOWING, points, 0.05, 0.05, 200))
    scale = scale_around([-0.4, 0.3, 0.0, 0.05], 216, 16, zero=True)
    band = elements(svg, "band")[0].get("d") or ""
    assert [float(x) for x in re.findall(r"[ML]([\d.]+) ", band)] == [0, 500, 1000, 1000, 500, 0]
    limit = next(one for one in elements(svg, "limit") if one.tag == "line")
    assert float(limit.attrib["y1"]) == pytest.approx(scale(0.05), abs=0.01)
    label = Xml.fromstring(svg).get("aria-label")
    assert label == (
        "SHADOWING: mean difference -0.1 after 3 blocks, between -0.2 and +0; the limit is +0.05"
    )


def test_before_there_are_bounds_the_mean_is_drawn_alone() -> None:
    points = (SeqPoint(START, 1, 9, 0.1, None, None), SeqPoint(START, 2, 18, 0.2, None, None))
    svg = sequence_chart(ConfidenceSequence(Phase.PROBATION, points, None, None, None))
    assert (elements(svg, "band"), len(elements(svg, "line"))) == ([], 1)


def test_bounds_of_one_look_are_drawn_too() -> None:
    points = (SeqPoint(START, 1, 9, 0.1, None, None), SeqPoint(START, 2, 18, 0.2, 0.1, 0.3))
    [bar] = elements(sequence_chart(ConfidenceSequence(Phase.SHADOWING, points, None, None, None)), "whisker")
    scale = scale_around([0.1, 0.2, 0.3, 0.0], 216, 16, zero=True)
    assert (bar.get("x1"), bar.get("x2")) == ("100%", "100%")
    places = [float(bar.attrib[name]) for name in ("y1", "y2")]
    assert places == pytest.approx([scale(0.3), scale(0.1)], abs=0.01)


@pytest.mark.parametrize(
    ("ratio", "breached", "level"),
    [(0.0, False, "l0"), (0.2, False, "l1"), (0.79, False, "l3"), (1.4, False, "l5"), (1.4, True, "over")],
)
def test_a_cell_is_darker_the_nearer_to_its_threshold(ratio: float, breached: bool, level: str) -> None:
    assert level_of(Cell(START, ratio, ratio / 10, 0.1, breached)) == level


def test_a_breached_cell_is_marked_besides_its_colour() -> None:
    cells = (Cell(START, 0.5, 0.05, 0.1, False), None, Cell(START + 2 * HOUR, 2.0, 0.2, 0.1, True))
    heat = HeatMap(MonitorName("inputs"), "ks", START, HOUR, (HeatRow(HOSTILE, cells),))
    svg = heat_chart(heat)
    assert len(elements(svg, "cell")) == 2
    mark = [one for one in elements(svg, "over") if one.tag == "circle"]
    assert [one.get("cx") for one in mark] == ["83.33%"]
    assert "<script" not in svg


def test_the_timeline_has_a_lane_for_triggers_runs_and_champions() -> None:
    run = RunId(f'r"{HOSTILE}')
    phases = (
        PhaseTime(Phase.TRAINING, START + 6 * HOUR, START + 12 * HOUR, HOSTILE),
        PhaseTime(Phase.ACCEPTED, START + 12 * HOUR, None, HOSTILE),
    )
    mark = TriggerMark(TriggerName("daily"), "fired", None, HOSTILE, START + 6 * HOUR, START + 6 * HOUR, 1)
    held = TriggerMark(TriggerName("daily"), "suppressed", "cooldown", HOSTILE, START, START + 12 * HOUR, 9)
    bar = RunBar(
        run, Phase.ACCEPTED, TriggerName("daily"), "2", phases, START + 6 * HOUR, START + 12 * HOUR, HOSTILE
    )
    reign = Reign(Version("2"), START + 12 * HOUR, None, "promoted", HOSTILE, "ctrain", run, 1)
    svg = timeline_chart(Timeline(START, START + 24 * HOUR, (mark, held), (bar,), (reign,), ()))
    assert [one.get("cx") for one in elements(svg, "fired")] == ["25%"]
    assert [(one.get("x"), one.get("width")) for one in elements(svg, "suppressed")] == [("0%", "50%")]
    assert [(one.get("x"), one.get("width")) for one in elements(svg, "working")] == [("25%", "25%")]
    assert [one.get("class") for one in elements(svg, "ended")] == ["ended good"]
    assert [(one.get("x"), one.get("width")) for one in elements(svg, "reign")] == [("50%", "50%")]
    assert "<script" not in svg
