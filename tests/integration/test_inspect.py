"""``status``, ``runs``, ``show`` and ``why`` on a home as a daemon leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ctrain.app.lease import this_holder
from ctrain.cli import app
from ctrain.domain import (
    AliasIntent,
    Champion,
    Decision,
    Event,
    IngestState,
    MonitorName,
    Outcome,
    Phase,
    PolicyName,
    Request,
    RequestKind,
    Run,
    RunId,
    Status,
    Suppression,
    TriggerName,
    Verdict,
    Version,
)
from ctrain.errors import InputError
from ctrain.ports import Store, Transaction
from ctrain.queries import FleetQueries
from ctrain.queries.headline import headline_of
from ctrain.store import open_store
from tests.support.fakes import FakeClock
from tests.support.runs import a_run

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CLICKS = PolicyName("clicks")

POLICY = """
version: 1
policy: clicks
model: {name: clicks, task: binary, metric: brier}
data:
  source: {type: files, path: rows/*.parquet}
  labels: {source: {type: files, path: labels/*.parquet}, id: id, label: y, matures_after: 2h}
  id: id
  event_time: {column: at}
  features: {numeric: [x]}
  pane: 1h
  allowed_lateness: 1h
monitors: {fresh: {type: freshness, max_age: 6h}}
triggers: {nightly: {cron: "0 3 * * *", timezone: UTC}}
limits: {cooldown: 6h, min_new_labels: 50}
train: {entrypoint: "clicks:train", window: {last: 4d}, timeout: 1h}
shadow: {min_duration: 1d, max_duration: 8d}
probation: {duration: 2d}
"""

runner = CliRunner()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def store(home: Path) -> Store:
    opened: Store = open_store(f"sqlite:///{home / 'state.db'}")
    with opened.write() as tx:
        tx.save_policy(CLICKS, "hash-1", str(home.parent / "clicks.yaml"), {"model": "clicks"}, START)
    return opened


@pytest.fixture
def write(store: Store) -> Callable[[Callable[[Transaction], object]], None]:
    def commit(change: Callable[[Transaction], object]) -> None:
        with store.write() as tx:
            change(tx)

    return commit


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START + 2 * DAY)


@pytest.fixture
def queries(store: Store, clock: FakeClock) -> FleetQueries:
    return FleetQueries(store, clock, {})


def begun(**changes: Any) -> Run:
    """The first run, under ``POLICY``."""
    return a_run(**{"policy_text": POLICY, "champion_version": Version("1"), **changes})


def walk(tx: Transaction, run: Run, *phases: Phase) -> Run:
    """Move the run through ``phases``, an hour each, with the events that the engine writes."""
    tx.create_run(run)
    tx.append_event(event("run_queued", START, run.id))
    for hours, phase in enumerate(phases, start=1):
        at = START + hours * HOUR
        moved = replace(run, phase=phase, phase_since=at, ended_at=at if phase.ended else None)
        tx.save_run(moved, expected=run.phase)
        tx.append_event(event(f"run_{phase.value.lower()}", at, run.id, f"now {phase.value}"))
        run = moved
    return run


def event(kind: str, at: datetime = START, run_id: RunId | None = None, message: str = "") -> Event:
    return Event(CLICKS, kind, at, "ctrain", message or kind, run_id, "hash-1")


def a_verdict(monitor: str, status: Status, reason: str = "because") -> Verdict:
    return Verdict(MonitorName(monitor), START + HOUR, status, 0.31, 0.24, 400, reason)


TRAINED = (Phase.TRAINING, Phase.EVALUATING)


def test_a_policy_that_has_seen_nothing(queries: FleetQueries) -> None:
    (status,) = queries.status().policies
    assert (status.policy, status.champion, status.run, status.verdicts) == ("clicks", None, None, ())
    assert (status.data.rows, status.data.label_coverage) == (0, None)
    assert queries.status().daemon is None
    notes = queries.why(CLICKS).notes
    assert [note.partition(":")[0] for note in notes] == [
        "no daemon runs",
        "there is no champion",
        "no rows have been read yet",
    ]


def test_a_monitor_that_was_taken_out_is_told_no_more(
    queries: FleetQueries, write: Callable[..., None]
) -> None:
    write(lambda tx: tx.record_verdict(CLICKS, "hash-1", a_verdict("inputs", Status.BREACHED)))
    assert queries.status().policies[0].breached == ("inputs",)
    later = replace(a_verdict("brier", Status.OK), as_of=START + 2 * HOUR)
    write(lambda tx: tx.record_verdict(CLICKS, "hash-2", later))
    (status,) = queries.status().policies
    assert [one.monitor for one in status.verdicts] == ["brier"]
    assert [one.monitor for one in queries.why(CLICKS).verdicts] == ["brier"]


def test_status_shows_champion_run_verdicts_and_data(
    queries: FleetQueries, write: Callable[..., None]
) -> None:
    state = IngestState(
        watermark=START + HOUR,
        newest_event_at=START + 2 * HOUR,
        rows_total=400,
        labels_total=300,
        late_total=4,
        duplicates_total=2,
        rejected_total={"future_time": 1},
    )

    def live(tx: Transaction) -> None:
        tx.save_champion(CLICKS, Champion(Version("1"), START, "adopted"))
        tx.save_ingest_state(CLICKS, state)
        tx.append_event(event("file_rejected", message="a.parquet: truncated"))
        for one in (a_verdict("inputs", Status.OK), a_verdict("brier", Status.BREACHED)):
            tx.record_verdict(CLICKS, "hash-1", one)
        walk(tx, begun(), *TRAINED, Phase.SHADOWING)
        tx.set_paused(CLICKS, True)

    write(live)
    (status,) = queries.status(CLICKS).policies
    assert status.champion is not None
    assert (status.champion.version, status.champion.origin) == ("1", "adopted")
    assert status.run is not None
    assert (status.run.id, status.run.phase) == ("clicks-1", Phase.SHADOWING)
    assert status.run.phase_since == START + 3 * HOUR
    assert [one.monitor for one in status.verdicts] == ["brier", "inputs"]
    assert status.breached == ("brier",)
    assert status.data.label_coverage == 0.75
    assert status.data.rejected == {"future_time": 1}
    assert status.data.rejected_files == ("a.parquet: truncated",)
    assert status.paused


def test_daemons_and_who_watches_what_are_seen_by_their_leases(store: Store, queries: FleetQueries) -> None:
    with store.write() as tx:
        now = tx.database_now()
        tx.acquire_lease("daemon:vm:7", "vm:7", now, HOUR)
        tx.acquire_lease("daemon:host:42", "host:42", now, HOUR)
        tx.acquire_lease("daemon:host:1", "host:1", now - 2 * HOUR, HOUR)
    fleet = queries.status()
    assert (fleet.daemon, fleet.daemons) == ("host:42", ("host:42", "vm:7"))
    assert [one.holder for one in fleet.policies] == [None]
    unwatched = queries.why(CLICKS)
    assert (unwatched.daemon, unwatched.notes[0].partition(":")[0]) == (None, "no daemon watches it")
    told = headline_of(queries.status().policies[0], unwatched)
    assert (told.text, told.todo[:31]) == (
        "Nothing happens: no daemon watches it.",
        "Give the policy's file to a dae",
    )
    with store.write() as tx:
        tx.remove_policy(CLICKS, START)
    removed = queries.why(CLICKS)
    assert removed.notes[0].startswith(
        "its file was removed at 2024-01-01 00:00 UTC, and no daemon watches it: "
    )
    told = headline_of(queries.status().policies[0], removed)
    assert (told.tone, told.text) == (
        "attention",
        "Nothing happens: its file was removed at 2024-01-01 00:00 UTC.",
    )
    with store.write() as tx:
        tx.acquire_lease("policy:clicks", "vm:7", now, HOUR)
    assert [one.holder for one in queries.status().policies] == ["vm:7"]
    assert queries.why(CLICKS).daemon == "vm:7"


def test_a_daemon_that_lives_and_does_not_reach_the_database_is_told(store: Store, home: Path) -> None:
    """As on a full disk: its lease has run out, and nobody has given it back."""
    holder = this_holder()
    with store.write() as tx:
        tx.acquire_lease(f"daemon:{holder}", holder, tx.database_now() - 2 * HOUR, HOUR)
    told = runner.invoke(app, ["status", "--home", str(home)], env={"COLUMNS": "120"}).output
    assert told.startswith("a daemon runs (process ")
    assert "), but has not reached the database for longer than a lease lasts: see its log; it is " in told
    why = runner.invoke(app, ["why", CLICKS, "--home", str(home)], env={"COLUMNS": "120"}).output
    assert "no daemon watches it" in why
    with store.write() as tx:
        tx.release_leases(holder)
    again = runner.invoke(app, ["status", "--home", str(home)], env={"COLUMNS": "120"}).output
    assert again.startswith("no daemon runs;")


def test_status_names_all_daemons_and_the_one_that_watches(store: Store, home: Path) -> None:
    def told() -> str:
        return runner.invoke(app, ["status", "--home", str(home)], env={"COLUMNS": "120"}).output

    def live(name: str, holder: str) -> None:
        with store.write() as tx:
            tx.acquire_lease(name, holder, tx.database_now(), HOUR)

    assert told().startswith("no daemon runs;")
    live("daemon:vm:7:1:x", "vm:7:1:x")
    assert told().startswith("a daemon runs (process 7 on vm);")
    assert any("watched by" in line and "nobody" in line for line in told().splitlines())
    with store.write() as tx:
        tx.remove_policy(CLICKS, START)
    assert "nobody: its file was removed at 2024-01-01 00:00" in told()
    with store.write() as tx:
        tx.save_policy(CLICKS, "hash-1", str(home.parent / "clicks.yaml"), {"model": "clicks"}, START)
    live("policy:clicks", "vm:7:1:x")
    assert "watched by" not in told()
    live("daemon:host:42:1:y", "host:42:1:y")
    assert told().startswith("2 daemons run (process 42 on host, process 7 on vm);")
    assert any("watched by" in line and "process 7 on vm" in line for line in told().splitlines())


def test_many_policies_are_told_in_a_line_each_the_most_pressing_first(
    home: Path, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    def fill(tx: Transaction) -> None:
        for number in range(6):
            name = PolicyName(f"p{number}")
            tx.save_policy(name, "hash-1", f"/{name}.yaml", {"model": "clicks"}, START)
            tx.record_verdict(
                name, "hash-1", a_verdict("inputs", Status.BREACHED if number == 4 else Status.OK)
            )
        tx.append_event(event("tick_failed", message="tick_failed: no such column"))

    write(fill)
    write(lambda tx: walk(tx, begun(), *TRAINED, Phase.SHADOWING))
    shown = runner.invoke(app, ["status", "--home", str(home)]).output.splitlines()
    assert [line.split()[0] for line in shown[2:-2]] == ["clicks", "p4", "p0", "p1", "p2", "p3", "p5"]
    assert shown[2].split()[1:3] == ["trouble,", "running"]
    assert "clicks-1 SHADOWING" in shown[2]
    assert shown[2].endswith("its ticks fail, so nobody looks after it: tick_failed: no such column")
    assert shown[-2] == "7 policies: 1 trouble, 1 breached"
    alone = runner.invoke(app, ["status", "p4", "--home", str(home)]).output
    assert "because" in alone, "with the verdicts"
    answer = runner.invoke(app, ["status", "--home", str(home), "--json"]).output
    assert len(json.loads(answer)["policies"]) == 7, "for a program there is all of it"


def test_troubles_are_told_by_status_and_why_until_they_end(
    queries: FleetQueries, write: Callable[..., None], home: Path
) -> None:
    begun_as = {
        "policy_refused": (
            "policy_accepted",
            "its file is refused, so at best the last good one is in force",
        ),
        "registry_unreadable": ("registry_readable", "the registry cannot be read"),
        "tick_failed": ("tick_recovered", "its ticks fail, so nobody looks after it"),
    }
    for kind in begun_as:
        write(lambda tx, kind=kind: tx.append_event(event(kind, message=f"{kind}: so it is\nmore")))
    for _ in range(250):
        write(lambda tx: tx.append_event(event("chatter")))
    (status,) = queries.status().policies
    assert [one.kind for one in status.troubles] == ["tick_failed", "registry_unreadable", "policy_refused"]
    assert status.registry_trouble == "since 2024-01-01 00:00 UTC: registry_unreadable: so it is"
    notes = queries.why(CLICKS).notes
    shown = runner.invoke(app, ["status", "--home", str(home)], env={"COLUMNS": "160"}).output
    why = runner.invoke(app, ["why", "clicks", "--home", str(home)], env={"COLUMNS": "160"}).output
    for kind, (_, told) in begun_as.items():
        (note,) = [one for one in notes if one.startswith(told)]
        assert note.endswith(f": since 2024-01-01 00:00 UTC: {kind}: so it is")
        assert f"- {told}" in why
    places = [shown.index(f"trouble  │ {words}") for words in ("its ticks", "the registry", "its file")]
    assert places == sorted(places)
    overview = queries.overview().policies[0].why
    assert overview == "its ticks fail, so nobody looks after it: tick_failed: so it is"
    assert notes[1].startswith("its ticks fail")
    for end, _ in begun_as.values():
        write(lambda tx, end=end: tx.append_event(event(end)))
    (status,) = queries.status().policies
    assert (status.troubles, status.registry_trouble) == ((), None)
    assert "so it is" not in " ".join(queries.why(CLICKS).notes)


def test_show_tells_phases_gates_comparison_and_alias_moves(
    queries: FleetQueries, write: Callable[..., None]
) -> None:
    details = {
        "training": {"rows": 800, "holdout_rows": 200, "result": {"train_seconds": 1.5}},
        "evaluation": {"gates": {"passed": True, "results": []}},
    }

    def live(tx: Transaction) -> None:
        run = walk(tx, begun(details=details), *TRAINED, Phase.SHADOWING)
        for hour in range(3):
            point = {"blocks": hour + 1, "rows": 40 * hour, "mean": -0.01, "lower": -0.02, "upper": 0.0}
            tx.add_comparison_point(run.id, Phase.SHADOWING, START + hour * HOUR, point)
        intent = AliasIntent(
            *("i1", CLICKS, "clicks", "promotion", Version("1"), None, Version("2"), Version("1"), 1),
            created_at=START,
            run_id=run.id,
        )
        tx.record_intent(intent)

    write(live)
    detail = queries.show(RunId("clicks-1"))
    assert [(one.phase, one.lasted) for one in detail.phases] == [
        (Phase.QUEUED, HOUR),
        (Phase.TRAINING, HOUR),
        (Phase.EVALUATING, HOUR),
        (Phase.SHADOWING, None),
    ]
    assert detail.training["rows"] == 800
    (comparison,) = detail.comparisons
    assert (comparison.looks, comparison.point["blocks"]) == (3, 3)
    (move,) = detail.alias_moves
    assert (move.kind, move.new_champion, move.outcome) == ("promotion", "2", "open")


def test_the_last_phase_of_an_ended_run_lasts_no_time(
    queries: FleetQueries, write: Callable[..., None]
) -> None:
    write(lambda tx: walk(tx, begun(), *TRAINED, Phase.REJECTED))
    assert queries.show(RunId("clicks-1")).phases[-1].lasted == timedelta(0)


def test_why_gives_the_newest_decision_of_each_trigger_and_what_it_needs(
    queries: FleetQueries, write: Callable[..., None]
) -> None:
    evidence = {
        "monitors": {
            "inputs": {"status": "BREACHED", "value": 0.4, "threshold": 0.1},
            "error": {"status": "OK", "value": 3.0, "threshold": 37.0},
        }
    }
    decisions = [
        Decision(TriggerName("degraded"), Outcome.NOT_MET, "inputs BREACHED, error OK", evidence=evidence),
        Decision(
            TriggerName("volume"),
            Outcome.NOT_MET,
            "40 of 100",
            evidence={"new_labels": 40, "threshold": 100},
        ),
        Decision(TriggerName("nightly"), Outcome.SUPPRESSED, "due", Suppression.COOLDOWN),
    ]
    for at in (START, START + HOUR):
        for one in decisions:
            write(lambda tx, one=one, at=at: tx.record_decision(CLICKS, "hash-1", one, at))
    found = {one.trigger: one for one in queries.why(CLICKS).decisions}
    assert set(found) == {"degraded", "volume", "nightly"}
    assert found[TriggerName("degraded")].needs == ("error must be BREACHED (it is OK: 3, threshold 37)",)
    assert found[TriggerName("volume")].needs == ("60 more labelled rows must come",)
    assert found[TriggerName("nightly")].needs == ("the cooldown must end",)
    assert all((one.since_at, one.seen_count) == (START, 2) for one in found.values())


def test_decisions_that_stand_no_more_are_not_told(queries: FleetQueries, write: Callable[..., None]) -> None:
    """Of a trigger that was taken out, and of a person who was told to wait for a run that has ended."""
    manual = Decision(TriggerName("manual"), Outcome.SUPPRESSED, "asked for by ann", Suppression.ACTIVE_RUN)
    nightly = Decision(TriggerName("nightly"), Outcome.NOT_MET, "nothing is due")
    gone = Decision(TriggerName("gone"), Outcome.SUPPRESSED, "met", Suppression.BUDGET)

    def look(at: datetime, *decisions: Decision) -> list[str]:
        for one in decisions:
            write(lambda tx, one=one: tx.record_decision(CLICKS, "hash-1", one, at))
        return [one.trigger for one in queries.why(CLICKS).decisions]

    assert look(START, gone, nightly) == ["gone", "nightly"]
    assert look(START + HOUR, nightly) == ["nightly"]
    write(lambda tx: walk(tx, begun(), *TRAINED))
    assert look(START + 2 * HOUR, manual, nightly) == ["manual", "nightly"]
    ended = begun(phase=Phase.REJECTED, ended_at=START + 3 * HOUR)
    write(lambda tx: tx.save_run(ended, expected=Phase.EVALUATING))
    assert look(START + 2 * HOUR) == ["nightly"]
    assert look(START + 4 * HOUR, manual, nightly) == ["nightly"]


LIMITED = POLICY.replace(
    "limits: {cooldown: 6h, min_new_labels: 50}",
    "limits: {cooldown: 6h, min_new_labels: 50, budget: {runs: 1, per: 7d}, "
    "backoff: {after: [rejected], factor: 4, max: 7d}}",
)


def test_why_says_how_long_limits_hold_back(
    queries: FleetQueries, clock: FakeClock, write: Callable[..., None]
) -> None:
    write(lambda tx: walk(tx, begun(policy_text=LIMITED), *TRAINED, Phase.REJECTED))
    ended = START + 3 * HOUR
    clock.instant = ended + HOUR
    limits = queries.why(CLICKS).limits
    assert limits.cooldown_until == ended + 6 * HOUR
    assert limits.backoff_until == ended + 24 * HOUR
    assert (limits.budget_runs_left, limits.budget_frees_at) == (0, START + 7 * DAY)
    assert limits.min_new_labels == 50
    clock.instant = START + 8 * DAY
    limits = queries.why(CLICKS).limits
    assert (limits.cooldown_until, limits.backoff_until) == (None, None)
    assert (limits.budget_runs_left, limits.budget_frees_at) == (1, None)


def test_the_policy_file_in_force_wins_over_the_snapshot_of_a_run(
    queries: FleetQueries, home: Path, clock: FakeClock, write: Callable[..., None]
) -> None:
    write(lambda tx: walk(tx, begun(policy_text=POLICY), *TRAINED, Phase.REJECTED))
    (home.parent / "clicks.yaml").write_text(POLICY.replace("cooldown: 6h", "cooldown: 12h"))
    clock.instant = START + 4 * HOUR
    assert queries.why(CLICKS).limits.cooldown_until == START + 15 * HOUR


def test_a_snapshot_that_no_longer_parses_leaves_limits_unknown(
    queries: FleetQueries, write: Callable[..., None]
) -> None:
    write(lambda tx: walk(tx, begun(policy_text="version: 99"), *TRAINED, Phase.REJECTED))
    limits = queries.why(CLICKS).limits
    assert (limits.cooldown_until, limits.budget_runs_left) == (None, None)


def test_why_warns_of_stale_rows_inconclusive_monitors_and_open_requests(
    queries: FleetQueries, write: Callable[..., None]
) -> None:
    def live(tx: Transaction) -> None:
        tx.save_ingest_state(CLICKS, IngestState(newest_event_at=START, rows_total=5))
        tx.record_verdict(CLICKS, "hash-1", a_verdict("brier", Status.INCONCLUSIVE, "5 of 100 rows"))
        tx.add_request(Request(0, CLICKS, RequestKind.TRIGGER, "ann", START))

    write(live)
    notes = queries.why(CLICKS).notes
    assert "the newest row is 2d old: verdicts are of then" in notes
    assert "no labels have come yet: nothing can be trained or judged" in notes
    assert "brier is INCONCLUSIVE: 5 of 100 rows" in notes
    assert "1 requests wait for a daemon" in notes


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda q: q.status(PolicyName("clix")), "there is no policy clix here; known: clicks"),
        (lambda q: q.runs(PolicyName("clix")), "there is no policy clix here; known: clicks"),
        (lambda q: q.why(PolicyName("clix")), "there is no policy clix here; known: clicks"),
        (lambda q: q.show(RunId("x-1")), "there is no run x-1; the newest runs: none yet"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    queries: FleetQueries, ask: Callable[[FleetQueries], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ask(queries)


COMMANDS = [["status"], ["runs"], ["show", "clicks-1"], ["why", "clicks"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one[0])
def test_commands_print_tables_and_json(
    home: Path, write: Callable[..., None], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    def live(tx: Transaction) -> None:
        tx.save_champion(CLICKS, Champion(Version("1"), START, "adopted"))
        tx.record_verdict(CLICKS, "hash-1", a_verdict("brier", Status.BREACHED))
        run = begun(details={"training": {"rows": 800, "result": {"train_seconds": 1.5}}})
        run = walk(tx, run, *TRAINED, Phase.REJECTED)
        tx.add_comparison_point(run.id, Phase.SHADOWING, START, {"blocks": 3, "rows": 40, "mean": 0.1})
        decision = Decision(TriggerName("nightly"), Outcome.SUPPRESSED, "due", Suppression.COOLDOWN)
        tx.record_decision(CLICKS, "hash-1", decision, START)

    write(live)
    text = runner.invoke(app, [*command, "--home", str(home)])
    assert text.exit_code == 0, text.output
    assert "clicks" in text.output
    answer = runner.invoke(app, [*command, "--home", str(home), "--json"])
    assert answer.exit_code == 0, answer.output
    assert "clicks" in json.dumps(json.loads(answer.output))


def test_show_has_both_models_on_the_same_rows_and_what_serving_costs(
    home: Path, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    probe = {"latency_p50_ms": 1.25, "latency_p99_ms": 2.5, "size_bytes": 1234567}
    metrics = {"challenger": {"brier": 0.181}, "paired": {"brier": 0.172}, "champion": {"brier": 0.194}}
    evaluation = {**metrics, "fair_rows": 90, "serving": {"challenger": probe, "champion": probe}}
    write(lambda tx: walk(tx, begun(details={"evaluation": evaluation}), *TRAINED, Phase.SHADOWING))
    shown = runner.invoke(app, ["show", "clicks-1", "--home", str(home)]).output
    lines = [line.replace("│", " ").split() for line in shown.splitlines()]
    assert ["brier", "0.181", "0.172", "0.194"] in lines
    assert ["p50", "in", "ms", "1.25", "1.25"] in lines
    assert ["size", "in", "bytes", "1,234,567", "1,234,567"] in lines


@pytest.mark.parametrize(
    ("training", "trained", "named"),
    [({}, ["clicks-1"], "clicks-1"), ({"reused": "clicks-0"}, ["clicks-0"], "clicks-0"), ({}, [], None)],
    ids=["its own", "of the run whose version it took", "none yet"],
)
def test_show_names_a_training_log_that_is_there(
    home: Path,
    write: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    training: dict[str, str],
    trained: list[str],
    named: str | None,
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    write(lambda tx: walk(tx, begun(details={"training": training}), Phase.TRAINING))
    (home / "runs" / "clicks-1").mkdir(parents=True)
    for name in trained:
        (home / "runs" / name / "attempt-1").mkdir(parents=True)
        (home / "runs" / name / "attempt-1" / "train.log").touch()
    shown = runner.invoke(app, ["show", "clicks-1", "--home", str(home)]).output
    assert [f"/{named}/attempt-*/train.log" in shown, "train.log" in shown] == [named is not None] * 2


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one[0])
def test_commands_end_with_2_where_there_is_no_home(tmp_path: Path, command: list[str]) -> None:
    result = runner.invoke(app, [*command, "--home", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert "no ctrain home here" in result.output
