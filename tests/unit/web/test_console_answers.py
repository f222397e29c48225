"""What pages are made of: series, maps, headlines, lists."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ctrain.domain import (
    FeatureVerdict,
    MonitorName,
    Phase,
    PolicyName,
    RunId,
    Status,
    TriggerName,
    Verdict,
    Version,
)
from ctrain.queries.answers import (
    ChampionNow,
    DataNow,
    DecisionNow,
    LimitsLeft,
    PolicyStatus,
    RunNow,
    TroubleNow,
    Why,
)
from ctrain.queries.headline import headline_of, notes_besides
from ctrain.queries.heat import heat_map
from ctrain.queries.notes import notes_on
from ctrain.queries.overview import ActiveRun, Health, PolicyLineNow
from ctrain.queries.sequence import sequences_of
from ctrain.queries.series import Point, thinned
from ctrain.queries.slices import slices_of
from ctrain.queries.states import summary_of
from ctrain.stats.sequential import ComparisonState
from ctrain.web.console.overview import listing
from ctrain.web.console.run_files import NOT_SHOWN, TAIL_BYTES, log_tail, picture_file, pictures

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_thinned_series_keeps_breaches_and_the_newest() -> None:
    statuses = [Status.OK] * 1000
    statuses[417] = Status.BREACHED
    points = [Point(NOW + number * HOUR, status, 0.1, 0.2, 9) for number, status in enumerate(statuses)]
    kept = thinned(points, 50)
    assert (len(kept), kept[-1]) == (50, points[-1])
    assert points[417] in kept
    assert list(kept) == sorted(kept, key=lambda one: one.as_of)
    assert thinned(points[:50], 50) == tuple(points[:50])


def verdict(hours: int, **effects: float) -> Verdict:
    features = tuple(
        FeatureVerdict(name, "ks", effect=effect, threshold=0.1, breached=effect > 0.1, n=9)
        for name, effect in effects.items()
    )
    untested = FeatureVerdict("id", "none", note="an id")
    at = NOW + hours * HOUR
    return Verdict(MonitorName("inputs"), at, Status.OK, 0.1, 0.1, 9, "", (*features, untested))


def test_a_map_shows_the_worst_of_each_slice_and_the_worst_feature_first() -> None:
    verdicts = [verdict(hours, a=0.02, b=0.3 if hours == 5 else 0.05) for hours in reversed(range(8))]
    heat = heat_map(verdicts, columns=4)
    assert heat is not None
    assert [row.feature for row in heat.rows] == ["b", "a"]
    assert [cell and round(cell.effect, 2) for cell in heat.rows[0].cells] == [0.05, 0.05, 0.3, 0.05]
    assert [cell.breached for cell in heat.rows[0].cells if cell] == [False, False, True, False]
    narrow = heat_map(verdicts, columns=4, features=1)
    assert narrow is not None
    assert (len(narrow.rows), narrow.left_out) == (1, 1)


def test_every_verdict_has_its_column_where_there_are_few() -> None:
    heat = heat_map([verdict(hours, a=0.01 * hours) for hours in reversed(range(7))])
    assert heat is not None
    assert [cell and round(cell.effect, 2) for cell in heat.rows[0].cells] == [
        0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06,
    ]  # fmt: skip


@pytest.mark.parametrize("count", [48, 49, 100, 239, 240])
def test_the_newest_verdict_is_in_the_last_column(count: int) -> None:
    heat = heat_map([verdict(hours, a=0.0001 * hours) for hours in reversed(range(count))])
    assert heat is not None
    assert all(heat.rows[0].cells)
    newest = heat.rows[0].newest
    assert newest is not None
    assert newest.as_of == NOW + (count - 1) * HOUR


def test_what_was_never_tested_has_no_map() -> None:
    assert heat_map([verdict(0)]) is None
    assert heat_map([]) is None


def test_a_sequence_has_no_bounds_while_they_are_infinite() -> None:
    looks: list[tuple[Phase, datetime, dict[str, Any]]] = [
        (
            Phase.SHADOWING,
            NOW + blocks * HOUR,
            {"blocks": blocks, "rows": blocks, "mean": 0.1, "lower": lower, "upper": -lower},
        )
        for blocks, lower in ((1, float("-inf")), (2, -0.5))
    ]
    (found,) = sequences_of(looks, None)
    assert [(one.lower, one.upper) for one in found.points] == [(None, None), (-0.5, 0.5)]
    (thin,) = sequences_of(looks * 500, None, most=100)
    assert (len(thin.points), thin.newest.blocks) == (100, 2)


def test_slices_share_alpha_as_the_shadow_judges_them() -> None:
    states = {name: ComparisonState() for name in ("a=1", "a=2", "a=3")}
    for number in range(40):
        step = 0.001 if number % 2 else -0.001
        states["a=1"] = states["a=1"].with_block(0.3 + step, 50)
        states["a=2"] = states["a=2"].with_block(-0.1 + step, 50)
    found = slices_of({"slices": {name: one.to_json() for name, one in states.items()}}, 0.05, 0.01)
    assert [(one.name, one.worse) for one in found] == [("a=1", True), ("a=2", False)]
    assert found[0].lower == states["a=1"].bounds(0.05 / 3).lower


def run(phase: Phase = Phase.SHADOWING) -> RunNow:
    ended = NOW if phase.ended else None
    return RunNow(
        RunId("r-1"), "clicks", phase, NOW, TriggerName("t"), "because", "ctrain", NOW, ended, None, None, ""
    )


def decision(suppression: str | None = None, outcome: str = "not_met") -> DecisionNow:
    needs = ("brier must be BREACHED",)
    return DecisionNow(TriggerName("worse"), outcome, suppression, "why", NOW, NOW, 1, needs, {})


def troubles(*kinds: str) -> tuple[TroubleNow, ...]:
    return tuple(TroubleNow(kind, NOW, "so it is.\nTraceback...") for kind in kinds)


CHAMPION = ChampionNow(Version("1"), NOW, "first", None)
STATUS = PolicyStatus(
    policy="clicks",
    paused=False,
    champion=CHAMPION,
    run=None,
    verdicts=(Verdict(MonitorName("brier"), NOW, Status.OK, 0.1, 0.2, 9, "fine"),),
    data=DataNow(None, NOW, NOW, 9, 9, 1.0, 0, 0, {}, ()),
    last_decision=None,
    open_requests=0,
)
LIMITS = LimitsLeft(None, False, NOW + HOUR, None, None, None, None)
WHY = Why("clicks", NOW, "daemon", STATUS.champion, (decision(),), STATUS.verdicts, LIMITS, ())
BREACHED = (replace(STATUS.verdicts[0], status=Status.BREACHED),)
UNKNOWN = (replace(STATUS.verdicts[0], status=Status.INCONCLUSIVE, reason="too few rows"),)


@pytest.mark.parametrize(
    ("status", "why", "tone", "text"),
    [
        ({}, {}, "calm", "Nothing needs doing: no trigger's condition is met."),
        ({}, {"daemon": None}, "trouble", "Nothing happens: no daemon runs."),
        (
            {"troubles": troubles("registry_unreadable"), "run": run()},
            {},
            "trouble",
            "The registry cannot be read, so nothing is decided or promoted: since 2026-03-01 00:00 UTC: so",
        ),
        (
            {"troubles": troubles("tick_failed")},
            {},
            "trouble",
            "Its ticks fail, so nobody looks after it: since",
        ),
        (
            {"troubles": troubles("policy_refused")},
            {},
            "trouble",
            "Its file is refused, so at best the last good one is in force: since 2026-03-01 00:00 UTC: so",
        ),
        (
            {
                "troubles": troubles("rollback_failed", "policy_refused"),
                "run": run(Phase.ROLLBACK_FAILED),
            },
            {},
            "trouble",
            "A rollback has failed, so the new champion still serves; it is tried again: since 2026-03-01",
        ),
        (
            {"troubles": troubles("tick_failed")},
            {"daemon": None},
            "trouble",
            "Nothing happens: no daemon runs.",
        ),
        ({"run": run()}, {}, "busy", "Run r-1 is comparing challenger and champion"),
        ({"run": run(Phase.AWAITING_APPROVAL)}, {}, "attention", "waits for a person"),
        ({"run": run(Phase.ROLLBACK_FAILED)}, {}, "trouble", "could not roll back"),
        ({}, {"limits": replace(LIMITS, paused=True)}, "attention", "Paused: no run starts"),
        (
            {},
            {"decisions": (decision("cooldown", "suppressed"),)},
            "attention",
            "worse would retrain, but the cooldown after the last run has not ended, until 2026-03-01 01:00",
        ),
        ({"verdicts": BREACHED}, {}, "attention", "brier breached, but no trigger's condition is met: brier"),
        ({"verdicts": UNKNOWN}, {}, "attention", "Nothing can be judged yet: too few rows."),
        (
            {"verdicts": UNKNOWN, "champion": replace(CHAMPION, since_at=NOW + HOUR)},
            {},
            "attention",
            "Nothing can be judged yet, as of 2026-03-01 00:00 UTC, before version 1 became the champion: ",
        ),
        ({"champion": None}, {}, "attention", "There is no champion yet."),
        ({}, {"decisions": ()}, "calm", "No trigger has been looked at yet."),
    ],
)
def test_the_headline_says_the_most_pressing_thing(
    status: dict[str, Any], why: dict[str, Any], tone: str, text: str
) -> None:
    found = headline_of(replace(STATUS, **status), replace(WHY, **why))
    assert found.tone == tone
    assert text in found.text


def test_a_trouble_that_ends_with_a_question_gets_no_stop() -> None:
    asks = TroubleNow("policy_refused", NOW, "clicks.yaml:7: data.pain: unknown key; did you mean pane?")
    assert headline_of(replace(STATUS, troubles=(asks,)), WHY).text.endswith("did you mean pane?")


def test_notes_do_not_repeat_the_headline() -> None:
    notes = (
        "no daemon runs: what stands here...",
        "run r-1 waits for a person: see...",
        "no labels have come",
    )
    why = replace(WHY, notes=notes, limits=replace(LIMITS, active_run=RunId("r-1")))
    assert notes_besides(STATUS, why) == ("no labels have come",)


def test_beside_a_trouble_the_other_troubles_and_the_run_are_notes() -> None:
    status = replace(STATUS, troubles=troubles("tick_failed", "policy_refused"), run=run())
    notes = notes_on(status, "daemon", ["daemon"], NOW)
    why = replace(WHY, notes=notes, limits=replace(LIMITS, active_run=RunId("r-1")))
    doing, other = notes_besides(status, why)
    assert doing == "Run r-1 is comparing challenger and champion on the same live rows."
    assert other.startswith("its file is refused, so at best the last good one is in force: since 2026-03-01")
    waits = replace(status, run=run(Phase.AWAITING_APPROVAL))
    notes = notes_on(waits, "daemon", ["daemon"], NOW)
    shown = notes_besides(waits, replace(why, notes=notes))
    assert [one.partition(":")[0] for one in shown] == [other.partition(":")[0], "run r-1 waits for a person"]
    unwatched = notes_besides(status, replace(why, notes=notes_on(status, None, [], NOW), daemon=None))
    assert [one.partition(",")[0] for one in unwatched] == ["its ticks fail", "its file is refused"]


@pytest.mark.parametrize(
    ("since", "told"),
    [
        (NOW, "brier is INCONCLUSIVE: too few rows"),
        (
            NOW + HOUR,
            "brier was INCONCLUSIVE as of 2026-03-01 00:00 UTC, before version 1 became the champion: "
            "too few rows",
        ),
    ],
)
def test_a_note_says_when_a_verdict_is_older_than_the_champion(since: datetime, told: str) -> None:
    status = replace(STATUS, verdicts=UNKNOWN, champion=replace(CHAMPION, since_at=since))
    assert notes_on(status, "daemon", ["daemon"], NOW) == (told,)


def line(name: str, health: Health = Health.OK, **changes: Any) -> PolicyLineNow:
    empty = PolicyLineNow(
        PolicyName(name), False, health, "", None, None, run=None, awaits_approval=False, last_trigger=None,
        newest_event_at=None, holder=None, unwatched=False, monitor=None, verdict_sequence=0,
        removed_at=None,
    )  # fmt: skip
    return replace(empty, **changes)


FLEET = [
    line("b-fine", newest_event_at=NOW),
    line("a-fine", newest_event_at=NOW - HOUR),
    line("c-bad", Health.BREACHED),
    line("d-waits", run=ActiveRun(RunId("r"), Phase.AWAITING_APPROVAL, NOW), awaits_approval=True),
    line("e-stuck", Health.TROUBLE, paused=True),
    line("f-alone", unwatched=True),
    line("g-gone", Health.BREACHED, removed_at=NOW),
]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["d-waits", "e-stuck", "f-alone", "c-bad", "a-fine", "b-fine", "g-gone"]),
        ({"sort": "name"}, ["a-fine", "b-fine", "c-bad", "d-waits", "e-stuck", "f-alone", "g-gone"]),
        ({"sort": "rows"}, ["c-bad", "d-waits", "e-stuck", "f-alone", "g-gone", "a-fine", "b-fine"]),
        ({"sort": "no such"}, ["d-waits", "e-stuck", "f-alone", "c-bad", "a-fine", "b-fine", "g-gone"]),
        ({"text": " FINE "}, ["a-fine", "b-fine"]),
        ({"state": "breached"}, ["c-bad"]),
        ({"state": "approval"}, ["d-waits"]),
        ({"state": "paused"}, ["e-stuck"]),
        ({"state": "unwatched"}, ["f-alone"]),
        ({"state": "removed"}, ["g-gone"]),
        ({"state": "<odd>", "text": "c"}, ["e-stuck", "c-bad"]),
    ],
)
def test_policies_are_narrowed_and_sorted(asked: dict[str, str], names: list[str]) -> None:
    words = {"text": "", "state": "", "sort": "health", **asked}
    assert [one.policy for one in listing(FLEET, **words, page=1).rows] == names


def test_the_list_is_paged_at_a_hundred() -> None:
    fleet = [line(f"p{number:03d}") for number in range(201)]
    last = listing(fleet, "", "", "name", 99)
    assert (last.page, last.pages, [one.policy for one in last.rows]) == (3, 3, ["p200"])
    assert (last.found, last.total, listing([], "", "", "name", -5).page) == (201, 201, 1)


def test_the_fleet_is_told_in_a_sentence() -> None:
    counts = listing(FLEET, "", "", "name", 1).counts
    assert summary_of(counts, 7) == ("7 policies: 1 trouble, 1 unwatched, 1 breached, 1 waiting for approval")


def test_the_end_of_the_newest_log_is_shown(tmp_path: Path) -> None:
    for attempt, text in (
        ("attempt-2", "old\n"),
        ("attempt-10", "".join(f"{n}\x1b[31m\n" for n in range(300))),
    ):
        folder = tmp_path / "r-1" / attempt
        folder.mkdir(parents=True)
        (folder / "train.log").write_text(text)
    tail = log_tail(tmp_path, "r-1", {})
    assert tail is not None
    assert (tail.attempt, tail.cut, len(tail.lines)) == ("attempt-10", True, 200)
    assert (tail.lines[0], tail.lines[-1]) == ("100�[31m", "299�[31m")
    assert log_tail(tmp_path, "r-2", {}) is None


def test_a_log_is_shown_without_what_the_training_was_given(tmp_path: Path) -> None:
    attempt = tmp_path / "r-1" / "attempt-1"
    attempt.mkdir(parents=True)
    (attempt / "job.json").write_text(json.dumps({"env": ["WAREHOUSE_DSN"]}))
    (attempt / "train.log").write_text("connects by h1dden-word, s3cret-key\n")
    environ = {"WAREHOUSE_DSN": "h1dden-word", "MY_TOKEN": "s3cret-key"}
    for of_daemon in (True, False):
        tail = log_tail(tmp_path, "r-1", environ, of_daemon=of_daemon)
        assert tail is not None
        assert tail.lines == ("connects by ***, ***",)
    stranger = log_tail(tmp_path, "r-1", {}, of_daemon=False)
    assert stranger is not None
    assert stranger.lines == (NOT_SHOWN.format("WAREHOUSE_DSN"),)


def test_no_half_of_a_secret_begins_a_log(tmp_path: Path) -> None:
    attempt = tmp_path / "r-1" / "attempt-1"
    attempt.mkdir(parents=True)
    rest = "y" * (TAIL_BYTES - 13)
    (attempt / "train.log").write_text(f"said s3cret-s3cret-s3cret\n{rest}\n")
    tail = log_tail(tmp_path, "r-1", {"MY_TOKEN": "s3cret-s3cret-s3cret"})
    assert tail is not None
    assert (tail.lines, tail.cut) == ((rest,), True)


def test_only_pictures_of_the_run_can_be_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "r-1" / "explanation"
    folder.mkdir(parents=True)
    (tmp_path / "secret.html").write_text("no")
    for name in ("inputs.html", "inputs.png", "rows.parquet"):
        (folder / name).write_text("x")
    assert pictures(tmp_path, "r-1") == ("inputs.html", "inputs.png")
    assert picture_file(tmp_path, "r-1", "inputs.png") == folder / "inputs.png"
    assert picture_file(tmp_path, "r-1", "rows.parquet") is None
    assert picture_file(tmp_path, "r-1", "../../secret.html") is None
