"""The daemon around its loop: what it finds when it starts, and what it does for itself."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from ctrain.app.daemon import Daemon
from ctrain.app.home import HOME_ID, claim_home
from ctrain.app.ticks import Rhythm, TickLoop
from ctrain.clocks import RealTimer, StreamClock, StreamClockFile
from ctrain.domain import Phase, PolicyName, Request, RequestKind
from ctrain.domain.leases import daemon_lease, policy_lease
from ctrain.domain.pushes import PushKind, ReloadOutcome
from ctrain.errors import InputError, StateConflict
from ctrain.launchers.machine import started, this_machine
from ctrain.sources.push_body import ARROW
from ctrain.sources.push_contract import SpoolPlaces
from ctrain.sources.push_spool import Sent, Spool, Taken
from tests.support.fakes import FakeClock, QuietTelemetry
from tests.support.house import OTHER, VIEWS, House
from tests.support.notices import FakeNotifier
from tests.support.pushes import body_of
from tests.support.slopes import slope_model
from tests.support.world import START
from tests.waiting import wait_until

NEIGHBOUR = f"near:{os.getppid()}:{started(os.getppid())}:{this_machine()}"
"""A process that lives as long as this one, on this machine."""


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("left", "end"), [(Phase.ROLLING_BACK, Phase.ROLLED_BACK), (Phase.SHADOWING, Phase.CANCELLED)]
)
def test_a_run_whose_policy_has_no_file_is_brought_to_an_end(house: House, left: Phase, end: Phase) -> None:
    run_id = house.leave_run(left)
    with house.daemon(house.loaded(OTHER, "views.yaml")):
        wait_until(lambda: house.phase_of(run_id) is end, 20, f"the run is {end}")
        wait_until(lambda: "policy_removed" in house.heard.names(), 20, "its policy is let go")
        wait_until(lambda: 'policy="views"' in house.metrics(), 20, "the other policy ticks")
        assert 'policy="clicks"' not in house.metrics()
    assert house.world.registry.aliases["champion"] == "1"
    assert [one.id for one in house.world.runs()] == [run_id], "no trigger fired for it any more"


def test_a_snapshot_that_cannot_be_used_does_not_stop_the_other_policies(house: House) -> None:
    run_id = house.leave_run(Phase.PROBATION)
    with house.world.store.write() as tx:
        run = tx.run(run_id)
        assert run is not None
        tx.save_run(replace(run, policy_text="version: 2"), expected=Phase.PROBATION)
    with house.daemon(house.loaded(OTHER, "views.yaml")):
        wait_until(lambda: 'policy="views"' in house.metrics(), 20, "the other policy ticks")
    (fields,) = [fields for event, fields in house.heard.events if event == "snapshot_unreadable"]
    assert (fields["run"], fields["phase"]) == (run_id, "PROBATION")


def test_a_policy_that_another_daemon_took_ticks_no_more_and_the_daemon_goes_on(house: House) -> None:
    """As after a long sleep of the machine: the other one is elsewhere, and comes and goes."""
    lease = policy_lease(VIEWS)
    with house.daemon(house.loaded(OTHER, "views.yaml")):
        wait_until(lambda: 'ctrain_leader{policy="views"} 1.0' in house.metrics(), 20, "the policy ticks")
        with house.world.store.write() as tx:
            later = tx.database_now() + timedelta(minutes=5)
            assert tx.acquire_lease(lease, "the other one", later, timedelta(hours=1)) == 2
        wait_until(lambda: "lease_lost" in house.heard.names(), 20, "the loss is noticed")
        assert 'policy="views"' not in house.metrics()
        assert "ctrain_policies_held" in house.metrics()
        with house.world.store.write() as tx:
            tx.add_request(Request(0, VIEWS, RequestKind.ROLLBACK, "ann", START, {}))
            tx.release_lease(lease, "the other one")
        wait_until(lambda: not house.open_requests(VIEWS), 20, "it is taken again and ticks")
    assert house.errors == []
    (lost,) = [fields for event, fields in house.heard.events if event == "lease_lost"]
    assert (lost["policy"], lost["holder"], lost["trainings_killed"]) == ("views", "the other one", 0)
    with house.world.store.read() as tx:
        assert tx.live_leases(tx.database_now()) == [], "everything was given back"


def test_a_lease_that_ran_out_is_won_again_under_a_new_token(house: House) -> None:
    with house.daemon(house.loaded(OTHER, "views.yaml")):
        with house.world.store.write() as tx:
            holder = tx.lease_holder(policy_lease(VIEWS), tx.database_now())
            assert holder is not None
            tx.release_leases(holder)
        wait_until(lambda: "lease_won_again" in house.heard.names(), 20, "the lease is won again")
        with house.world.store.write() as tx:
            tx.add_request(Request(0, VIEWS, RequestKind.ROLLBACK, "ann", START, {}))
        wait_until(lambda: not house.open_requests(VIEWS), 20, "a tick writes under the new token")
    (fields,) = [fields for event, fields in house.heard.events if event == "lease_won_again"]
    assert (fields["policy"], fields["fence"]) == ("views", 2)


@pytest.mark.parametrize(
    ("changes", "on_stream", "holder", "why"),
    [
        ({}, False, "far:1:2:elsewhere", "a state in SQLite is for the daemons of one machine"),
        (
            {"database_url": "postgresql://db/ctrain"},
            *(False, "far:1:2:elsewhere", "an embedded MLflow is for the daemons of one machine"),
        ),
        ({}, True, NEIGHBOUR, "a home on the time of a stream has one daemon"),
    ],
)
def test_a_daemon_that_cannot_share_stays_away(
    house: House, changes: dict[str, Any], on_stream: bool, holder: str, why: str
) -> None:
    house.settings = replace(house.settings, **changes)
    shell = house.shell()
    if on_stream:
        StreamClockFile(house.settings.home).set(START)
        shell = replace(shell, clock=StreamClock(house.settings.home))
    with house.world.store.write() as tx:
        tx.acquire_lease(daemon_lease(holder), holder, tx.database_now(), timedelta(hours=1))
    daemon = Daemon(shell, [], [house.policies], house.listen, house.telemetry)
    daemon.stop()
    with pytest.raises(StateConflict) as refused:
        daemon.run()
    assert str(refused.value) == (
        f"another daemon ({holder}) watches this database; stop it; "
        f"if it died on another machine, wait 3 s ({why})"
    )


def test_a_database_has_one_home(house: House, tmp_path: Path) -> None:
    claim_home(house.settings, house.world.store)
    other = tmp_path / "other"
    other.mkdir()
    moved = replace(house.settings, home=other)
    with pytest.raises(InputError) as refused:
        claim_home(moved, house.world.store)
    known = (house.settings.home / HOME_ID).read_text().strip()
    assert str(refused.value).startswith(
        f"--home {other}: the database belongs to another home, first used as {house.settings.home}."
    )
    remedy = f"echo {known} > {other / HOME_ID}"
    assert str(refused.value).endswith(remedy)
    (other / HOME_ID).write_text(f"{known}\n")
    claim_home(moved, house.world.store)
    (other / HOME_ID).write_text("\n")
    with pytest.raises(InputError, match="expected the id of the home, found nothing"):
        claim_home(moved, house.world.store)


def test_what_a_daemon_does_for_itself_goes_on_after_a_fault(tmp_path: Path) -> None:
    telemetry = QuietTelemetry()
    rhythm = Rhythm(tick=timedelta(hours=1), lease=timedelta(hours=1))
    loop = TickLoop({}, FakeClock(), RealTimer(), telemetry, rhythm)
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise StateConflict("the database is locked")

    loop.start()
    loop.every(timedelta(milliseconds=20), fail)
    wait_until(lambda: len(calls) > 2, 20, "three calls")
    loop.stop()
    (event, fields), *_ = telemetry.logged
    assert (event, fields["message"]) == ("upkeep_failed", "the database is locked")


def test_channels_are_told_of_what_happened_and_metrics_say_so(house: House) -> None:
    notifier = FakeNotifier()
    shell = replace(house.shell(), notifier=notifier)
    house.shell = lambda: shell  # type: ignore[method-assign]  # with a channel that remembers
    notify = '\nnotify: [{on: [champion_found], url: "https://chat.example/hook", group_wait: 0s}]\n'
    house.world.registry.aliases["champion"] = house.world.registry.register(slope_model(2.0), {})
    with house.daemon(house.loaded(OTHER + notify, "views.yaml")):
        wait_until(lambda: notifier.sent, 20, "the channel is told")
        delivered = 'ctrain_notifications_total{outcome="delivered",policy="views"} 1.0'
        wait_until(lambda: delivered in house.metrics(), 20, "the metric says so")
    [(channel, message)] = notifier.sent
    assert (channel.name, [one.kind for one in message.notices]) == ("1", ["champion_found"])


def test_a_file_is_noticed_at_once_however_long_the_ticks_are(house: House) -> None:
    hour = timedelta(hours=1)
    house.settings = replace(house.settings, tick=hour, registry_poll=hour)
    house.world.registry.aliases["champion"] = house.world.registry.register(slope_model(2.0), {})
    near = OTHER.replace("path: rows", "path: ../rows").replace("path: labels", "path: ../labels")
    with house.daemon(house.loaded(near, "views.yaml")):
        wait_until(lambda: "ctrain_folders_watched 2.0" in house.metrics(), 20, "both folders are watched")
        for hours in (1, 2, 3):
            house.world.land()
            house.wait_for_rows(hours * house.world.rows_per_hour)
        rows = [
            line for line in house.metrics().splitlines() if line.startswith("ctrain_rows_ingested_total")
        ]
        assert rows == [f'ctrain_rows_ingested_total{{policy="views"}} {3 * house.world.rows_per_hour}.0']


def test_a_pushed_batch_is_noticed_at_once_and_counts_once(house: House) -> None:
    hour = timedelta(hours=1)
    house.settings = replace(house.settings, tick=hour, registry_poll=hour)
    pushed = OTHER.replace("{type: files, path: rows/*.parquet}", "{type: push}")
    loaded = house.loaded(pushed, "views.yaml")
    places = SpoolPlaces(house.settings.push_folder)
    spool = Spool(places, house.world.store, house.timer)
    rows = [house.world.produce().rows for _ in range(2)]

    def push(number: int) -> Taken:
        sent = Sent(ARROW, body_of(rows[number], ARROW), f"b{number}")
        return spool.take(VIEWS, PushKind.ROWS, sent, house.world.clock.now())

    with house.daemon(loaded):
        wait_until(lambda: "ctrain_folders_watched 2.0" in house.metrics(), 20, "the spool is watched")
        assert not push(0).repeated
        house.wait_for_rows(house.world.rows_per_hour)
    assert (push(0).repeated, push(1).repeated) == (True, False), "no daemon is needed to take a batch"
    house.heard.events.clear()
    with house.daemon(loaded):
        house.wait_for_rows(2 * house.world.rows_per_hour)
    with house.world.store.read() as tx:
        assert tx.ingest_state(VIEWS).rows_total == 2 * house.world.rows_per_hour
        assert tx.ingest_state(VIEWS).duplicates_total == 0


def test_a_reload_that_is_asked_for_is_answered_by_the_daemon(house: House) -> None:
    store = house.world.store
    pushed = OTHER.replace("{type: files, path: rows/*.parquet}", "{type: push}")

    def answer(number: int) -> list[tuple[bool, str]]:
        def found() -> list[ReloadOutcome]:
            with store.read() as tx:
                return list(tx.reload_outcomes(number))

        wait_until(lambda: bool(found()), 20, f"reload {number} is answered")
        return [(one.succeeded, one.message) for one in found()]

    with house.daemon(house.loaded(pushed, "views.yaml")):
        with store.write() as tx:
            first = tx.ask_reload("token ops", START)
        assert answer(first) == [(True, "")]
        (house.policies / "views.yaml").write_text("version: 1\npolicy: [")
        with store.write() as tx:
            second = tx.ask_reload("token ops", START)
        [(succeeded, message)] = answer(second)
        assert (succeeded, f"{house.policies / 'views.yaml'}:" in message) == (False, True)
        assert "ctrain_config_last_reload_successful 0.0" in house.metrics()
        places = SpoolPlaces(house.settings.push_folder)
        assert places.contract(VIEWS) is not None, "the last good policy stays in force"
        (house.policies / "views.yaml").unlink()
        wait_until(lambda: places.contract(VIEWS) is None, 20, "nothing is taken for a policy without a file")


def test_a_hang_up_is_no_end(house: House) -> None:
    daemon = Daemon(house.shell(), [], [house.policies], house.listen, house.telemetry)
    heard = threading.Event()
    daemon._hang_up = heard.set
    before = signal.getsignal(signal.SIGHUP)
    with daemon._stopped_by_signals():
        os.kill(os.getpid(), signal.SIGHUP)
        assert heard.wait(10)
        assert not daemon._stopping.is_set()
    assert signal.getsignal(signal.SIGHUP) == before


def test_without_the_watch_no_folder_is_watched(house: House) -> None:
    house.settings = replace(house.settings, watch_folders=False)
    with house.daemon(house.loaded(OTHER, "views.yaml")):
        wait_until(
            lambda: 'tick_last_success_timestamp_seconds{policy="views"}' in house.metrics(), 20, "a tick"
        )
        assert "ctrain_folders_watched 0.0" in house.metrics()
    assert "folders" not in {one.name for one in threading.enumerate()}


def test_policies_that_rest_cost_the_daemon_one_query_each(house: House) -> None:
    """The daemon's own wiring lets them rest; what its other threads ask is not counted."""
    hour, me = timedelta(hours=1), threading.get_ident()
    house.settings = replace(house.settings, tick=hour, registry_poll=hour, lease=hour)
    house.world.registry.aliases["champion"] = house.world.registry.register(slope_model(2.0), {})
    names = [f"p{number}" for number in range(50)]
    fleet = [house.loaded(OTHER.replace("views", name), f"{name}.yaml") for name in names]
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if threading.get_ident() == me and statement != "BEGIN":
            asked.append(statement)

    with house.daemon(*fleet) as daemon:
        assert daemon._holdings is not None
        loop = daemon._holdings._loop
        wait_until(lambda: all(one.rest for one in loop.watched.values()), 60, "all of them rest")
        event.listen(house.world.store._engine, "before_cursor_execute", note)
        for name in names:
            loop.take_turn(PolicyName(name))
        event.remove(house.world.store._engine, "before_cursor_execute", note)
    assert len(asked) == len(names), Counter(asked)
