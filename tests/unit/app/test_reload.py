"""Policies that change, break and go away under a daemon: what stays in force, and what becomes of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ctrain.app import ticks
from ctrain.app.reload import PolicyFiles, Reloader
from ctrain.app.removing import tell_gone
from ctrain.app.ticks import Rhythm, TickLoop
from ctrain.domain import Phase, PolicyName, Request, RequestKind, RunId, Version
from ctrain.engine.tick import Ticked
from ctrain.errors import FencedOff, InputError, PolicyError, TransientError
from ctrain.lifecycle.approval import BOUND_TO, approval_wanted
from ctrain.policy.files import policy_identity
from ctrain.policy.fleet import load_fleet
from ctrain.policy.loaded import LoadedPolicy
from tests.support.fakes import FakeTimer
from tests.support.runs import run_under
from tests.support.world import HOUR, POLICY, START, World

CLICKS = PolicyName("clicks")


class Reloading:
    """A world whose policies lie in a folder of their own, under a daemon's reloader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "policies"
        self.folder.mkdir()
        self.file = self.folder / "clicks.yaml"
        self.world = World(folder / "world")
        self.write(POLICY)
        self.store, self.telemetry = self.world.store, self.world.telemetry
        self.opened: list[str] = []
        self.trouble: Exception | None = None
        self.removed: list[str] = []
        self.loop = TickLoop({}, self.world.clock, FakeTimer(), self.telemetry, Rhythm(tick=HOUR, lease=HOUR))
        self.reloader = Reloader(
            PolicyFiles([self.folder]),
            self.loop,
            self.store,
            self.telemetry,
            self.open_watch,
            removed=self.removed.append,
        )
        self.reloader.look()

    def open_watch(self, loaded: LoadedPolicy) -> Any:
        if self.trouble is not None:
            raise self.trouble
        name = PolicyName(loaded.policy.policy)
        with self.store.write() as tx:
            tx.save_policy(name, loaded.hash, str(loaded.path), policy_identity(loaded.policy), START)
        self.opened.append(name)
        return replace(self.world.watch, loaded=loaded)

    def write(self, text: str, name: str = "clicks.yaml") -> None:
        (self.folder / name).write_text(text)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.reloader.look()

    @property
    def succeeded(self) -> float:
        return self.telemetry.counted["config_last_reload_successful",]

    @property
    def cooldown(self) -> str:
        return str(self.loop.watched[CLICKS].policy.limits.cooldown)

    def refusals(self) -> list[str]:
        return [
            str(fields["message"]) for event, fields in self.telemetry.logged if event == "reload_refused"
        ]

    def start_run(self, phase: Phase) -> RunId:
        loaded = self.loop.watched[CLICKS].loaded
        run = run_under(loaded, phase, champion_version=Version("1"), challenger_version=Version("2"))
        with self.store.write() as tx:
            tx.create_run(run)
        return run.id

    def phase_of(self, run_id: RunId) -> Phase:
        with self.store.read() as tx:
            run = tx.run(run_id)
        assert run is not None
        return run.phase

    def end_run(self, run_id: RunId, phase: Phase) -> None:
        with self.store.write() as tx:
            run = tx.run(run_id)
            assert run is not None
            tx.save_run(replace(run, phase=phase, ended_at=START), expected=run.phase)


@pytest.fixture
def reloading(tmp_path: Path) -> Reloading:
    (tmp_path / "world").mkdir()
    return Reloading(tmp_path)


@pytest.fixture
def ticked(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What the next ticks do, one each; then they do nothing."""
    todo: list[Callable[[], object]] = []

    def tick(watch: Any, **_: Any) -> Ticked:
        if todo:
            todo.pop(0)()
        return Ticked()

    monkeypatch.setattr(ticks, "tick", tick)
    return todo


def test_a_valid_change_is_taken_over(reloading: Reloading) -> None:
    reloading.write(POLICY.replace("cooldown: 1d", "cooldown: 2d"))
    reloading.look()
    assert (reloading.cooldown, reloading.succeeded) == ("2 days, 0:00:00", 1.0)
    assert reloading.opened == [CLICKS, CLICKS]


def test_a_touched_file_that_says_the_same_changes_nothing(reloading: Reloading) -> None:
    reloading.write(POLICY + "\n# a remark\n")
    reloading.look(2)
    assert reloading.opened == [CLICKS]


def test_a_file_that_moved_is_opened_anew_for_its_relative_paths(reloading: Reloading) -> None:
    reloading.file.rename(reloading.folder / "renamed.yaml")
    reloading.look(3)
    assert reloading.opened == [CLICKS, CLICKS]
    assert reloading.loop.watched[CLICKS].loaded.path.name == "renamed.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\npolicy: [", "clicks.yaml:"),
        (POLICY.replace("cooldown: 1d", "cooldwon: 1d"), "limits.cooldwon"),
        (POLICY.replace("retries: 1", "retries: 1\n  launcher: {type: kubernetes}"), "train.launcher.type"),
    ],
)
def test_an_invalid_change_is_refused_and_the_last_good_one_stays(
    reloading: Reloading, text: str, message: str
) -> None:
    reloading.write(text)
    reloading.look(3)
    assert (reloading.cooldown, reloading.succeeded) == ("1 day, 0:00:00", 0.0)
    assert len(reloading.refusals()) == 1
    assert message in reloading.refusals()[0]
    reloading.write(POLICY)
    reloading.look()
    assert reloading.succeeded == 1.0


def test_one_invalid_file_does_not_remove_the_other_policy(reloading: Reloading) -> None:
    reloading.file.unlink()
    reloading.write("policy: [", "other.yaml")
    reloading.look(3)
    assert list(reloading.loop.watched) == [CLICKS]


def test_another_model_under_the_same_name_is_refused(reloading: Reloading) -> None:
    reloading.write(POLICY.replace("name: clicks", "name: other-model"))
    reloading.look()
    assert reloading.loop.watched[CLICKS].policy.model.name == "clicks"
    assert reloading.succeeded == 0.0
    assert "model" in reloading.refusals()[0]


def test_what_could_not_be_written_for_a_moment_is_tried_again(reloading: Reloading) -> None:
    reloading.trouble = TransientError("the database is locked by another process")
    reloading.write(POLICY.replace("cooldown: 1d", "cooldown: 2d"))
    reloading.look()
    assert reloading.succeeded == 0.0
    reloading.trouble = None
    reloading.look()
    assert (reloading.cooldown, reloading.succeeded) == ("2 days, 0:00:00", 1.0)


def test_a_lease_that_was_won_again_meanwhile_is_no_fault_of_the_file(reloading: Reloading) -> None:
    reloading.trouble = FencedOff("lease policy:clicks: token 1 is fenced off, valid is 2")
    reloading.write(POLICY.replace("cooldown: 1d", "cooldown: 2d"))
    reloading.look()
    reloading.trouble = None
    reloading.look()
    assert (reloading.cooldown, reloading.succeeded) == ("2 days, 0:00:00", 1.0)
    with reloading.store.read() as tx:
        assert [one for one in tx.events(CLICKS) if one.kind == "policy_refused"] == []


def test_a_refusal_that_cannot_be_put_on_record_now_is_later(reloading: Reloading) -> None:
    """Nor does it keep other files from being taken over."""
    watch = reloading.loop.watched[CLICKS]
    watch.lease = ("policy:clicks", 7)
    reloading.write(POLICY.replace("name: clicks", "name: other-model"))
    second = POLICY.replace("policy: clicks", "policy: views").replace("name: clicks", "name: views")
    reloading.write(second, "views.yaml")
    reloading.look()
    assert sorted(reloading.loop.watched) == ["clicks", "views"]
    watch.lease = None
    reloading.look()
    with reloading.store.read() as tx:
        assert [one.kind for one in tx.trouble_lines()] == ["policy_refused"]
    watch.lease = ("policy:clicks", 7)
    reloading.write(POLICY)
    reloading.look()
    watch.lease = None
    reloading.look()
    with reloading.store.read() as tx:
        assert tx.trouble_lines() == []


def test_a_second_policy_is_watched_from_the_next_look_on(reloading: Reloading) -> None:
    second = POLICY.replace("policy: clicks", "policy: views").replace("name: clicks", "name: views")
    reloading.write(second, "views.yaml")
    reloading.look()
    assert sorted(reloading.loop.watched) == ["clicks", "views"]


def test_a_file_that_is_missing_for_one_look_is_an_editor_at_work(reloading: Reloading) -> None:
    run_id = reloading.start_run(Phase.SHADOWING)
    reloading.file.unlink()
    reloading.look()
    reloading.write(POLICY)
    reloading.look(2)
    assert list(reloading.loop.watched) == [CLICKS]
    assert reloading.phase_of(run_id) is Phase.SHADOWING


def test_a_file_that_comes_back_with_a_mistake_is_refused_and_not_removed(reloading: Reloading) -> None:
    run_id = reloading.start_run(Phase.SHADOWING)
    reloading.file.unlink()
    reloading.look()
    reloading.write(POLICY.replace("cooldown: 1d", "cooldown: soon"))
    reloading.look(2)
    assert (list(reloading.loop.watched), reloading.cooldown) == ([CLICKS], "1 day, 0:00:00")
    assert reloading.phase_of(run_id) is Phase.SHADOWING
    reloading.file.unlink()
    reloading.look(2)
    assert list(reloading.loop.watched) == []


def test_a_folder_that_vanished_is_an_accident(reloading: Reloading) -> None:
    run_id = reloading.start_run(Phase.SHADOWING)
    reloading.file.unlink()
    reloading.folder.rmdir()
    reloading.look(3)
    assert list(reloading.loop.watched) == [CLICKS]
    assert reloading.phase_of(run_id) is Phase.SHADOWING
    assert (reloading.succeeded, reloading.refusals()) == (
        0.0,
        [f"{reloading.folder}: the folder of the policies is gone"],
    )


@pytest.mark.parametrize("accident", ["another file is broken", "the folder is gone"])
def test_a_file_that_was_missed_once_before_files_cannot_be_read_is_not_removed(
    reloading: Reloading, accident: str
) -> None:
    run_id = reloading.start_run(Phase.SHADOWING)
    reloading.file.unlink()
    reloading.look()
    if accident == "the folder is gone":
        reloading.folder.rmdir()
    else:
        reloading.write(POLICY)
        reloading.write("policy: [", "other.yaml")
    reloading.look(3)
    assert list(reloading.loop.watched) == [CLICKS]
    assert reloading.phase_of(run_id) is Phase.SHADOWING


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.TRAINING, Phase.EVALUATING, Phase.SHADOWING])
def test_a_removed_file_cancels_a_run_that_has_not_moved_the_alias(
    reloading: Reloading, phase: Phase
) -> None:
    run_id = reloading.start_run(phase)
    reloading.telemetry.gauge("champion_age_seconds", 1.0, policy=CLICKS)
    reloading.file.unlink()
    reloading.look(2)
    assert reloading.phase_of(run_id) is Phase.CANCELLED
    assert reloading.loop.watched == {}
    assert reloading.removed == [CLICKS]
    assert reloading.world.launcher.stopped == ([run_id] if phase is Phase.TRAINING else [])
    assert not [key for key in reloading.telemetry.counted if CLICKS in key]
    with reloading.store.read() as tx:
        run = tx.run(run_id)
    assert run is not None
    assert run.outcome_reason == "cancelled by ctrain: its policy file was removed"


def test_that_a_file_was_removed_and_came_back_is_on_record(reloading: Reloading) -> None:
    def record() -> tuple[bool, list[str]]:
        with reloading.store.read() as tx:
            found, events = tx.policy_record(CLICKS), tx.events(CLICKS)
        assert found is not None
        told = [one.message for one in events if one.kind == "policy_removed"]
        return found.removed_at is not None, told

    message = "clicks.yaml was removed: the policy is not watched any more"
    reloading.file.unlink()
    reloading.look(2)
    assert record() == (True, [message])
    reloading.write(POLICY)
    reloading.look()
    assert record() == (False, [message])
    reloading.loop.forget(CLICKS)
    reloading.file.unlink()
    elsewhere, clock = frozenset({reloading.folder.parent}), reloading.world.clock
    assert tell_gone(reloading.store, clock, elsewhere, {}) == []
    assert tell_gone(reloading.store, clock, {reloading.folder}, {CLICKS: reloading.file}) == []
    assert record() == (False, [message])
    for gone in ([CLICKS], []):
        assert tell_gone(reloading.store, clock, {reloading.folder}, {}) == gone
    assert record() == (True, [message, message])


@pytest.mark.parametrize("running", [True, False])
def test_a_policy_whose_file_has_another_name_in_it_is_not_waited_for(
    reloading: Reloading, running: bool
) -> None:
    """Otherwise it would count as one that has a file and that no daemon watches, for ever."""
    text = POLICY.replace("policy: clicks", "policy: views")
    if running:
        reloading.write(text)
        reloading.look(2)
    else:
        reloading.loop.forget(CLICKS)
        reloading.write(text)
        views, folder = {PolicyName("views"): reloading.file}, reloading.folder
        assert tell_gone(reloading.store, reloading.world.clock, {folder}, views) == [CLICKS]
    with reloading.store.read() as tx:
        found, events = tx.policy_record(CLICKS), tx.events(CLICKS)
    assert found is not None
    assert found.removed_at is not None
    assert [one.message for one in events] == [
        "clicks.yaml holds it no more: the policy is not watched any more"
    ]


@pytest.mark.parametrize(
    ("phase", "end"),
    [
        (Phase.PROMOTING, Phase.FAILED),
        (Phase.PROBATION, Phase.ACCEPTED),
        (Phase.ROLLING_BACK, Phase.ROLLED_BACK),
    ],
)
def test_a_removed_file_lets_a_run_finish_that_has_moved_the_alias(
    reloading: Reloading, ticked: list[Callable[[], object]], phase: Phase, end: Phase
) -> None:
    run_id = reloading.start_run(phase)
    reloading.file.unlink()
    reloading.look(3)
    assert reloading.loop.take_turn(CLICKS) is not None
    assert reloading.phase_of(run_id) is phase
    ticked.append(lambda: reloading.end_run(run_id, end))
    assert reloading.loop.take_turn(CLICKS) is None, "no tick after its end, in which a trigger could fire"
    assert reloading.loop.watched == {}


def test_a_run_that_a_person_approves_as_its_file_is_removed_is_finished_first(
    reloading: Reloading, ticked: list[Callable[[], object]]
) -> None:
    run_id = reloading.start_run(Phase.AWAITING_APPROVAL)
    with reloading.store.write() as tx:
        run = tx.run(run_id)
        assert run is not None
        wanted = approval_wanted(run, None, START)
        tx.save_run(replace(run, details={"approval": wanted}), expected=run.phase)
        told = {"run": run_id, **{name: wanted[name] for name in BOUND_TO}}
        tx.add_request(Request(0, CLICKS, RequestKind.APPROVE, "ada", START, told))
    reloading.file.unlink()
    reloading.look(2)
    assert reloading.phase_of(run_id) is Phase.PROMOTING
    assert list(reloading.loop.watched) == [CLICKS]
    ticked.append(lambda: reloading.end_run(run_id, Phase.FAILED))
    assert reloading.loop.take_turn(CLICKS) is None
    assert reloading.removed == [CLICKS]


def test_a_file_that_comes_back_while_its_run_finishes_is_watched_on(
    reloading: Reloading, ticked: list[Callable[[], object]]
) -> None:
    run_id = reloading.start_run(Phase.PROBATION)
    reloading.file.unlink()
    reloading.look(2)
    reloading.write(POLICY)
    reloading.look()
    ticked.append(lambda: reloading.end_run(run_id, Phase.ACCEPTED))
    assert reloading.loop.take_turn(CLICKS) is not None
    assert list(reloading.loop.watched) == [CLICKS]


def test_a_cancellation_that_was_overtaken_is_tried_after_the_next_tick(
    reloading: Reloading, ticked: list[Callable[[], object]]
) -> None:
    run_id = reloading.start_run(Phase.SHADOWING)
    watch = reloading.loop.watched[CLICKS]
    with reloading.store.write() as tx:
        token = tx.acquire_lease("daemon", "this daemon", START, HOUR)
    assert token is not None
    watch.lease = ("daemon", token - 1)
    reloading.file.unlink()
    reloading.look(2)
    assert reloading.phase_of(run_id) is Phase.SHADOWING
    reloading.loop.hold(CLICKS, ("daemon", token))
    assert reloading.loop.take_turn(CLICKS) is None
    assert reloading.phase_of(run_id) is Phase.CANCELLED


def test_files_tell_of_a_change_once(tmp_path: Path) -> None:
    file = tmp_path / "clicks.yaml"
    file.write_text(POLICY)
    files = PolicyFiles([tmp_path, file])
    seen = [files.touched(), files.touched()]
    file.write_text(POLICY + "\n")
    seen += [files.touched(), files.touched()]
    files.look_again()
    assert [*seen, files.touched()] == [True, False, True, False, True]
    (loaded,) = files.load({})
    assert loaded.path == file
    (tmp_path / "notes.txt").write_text("no policy")
    assert not files.touched()


def test_a_file_that_says_the_same_is_not_read_into_a_second_policy(tmp_path: Path) -> None:
    for name in ("clicks", "views"):
        (tmp_path / f"{name}.yaml").write_text(POLICY.replace("clicks", name))
    fleet = load_fleet([tmp_path], {})
    files = PolicyFiles([tmp_path], fleet)
    clicks, views = files.load({})
    assert (clicks, views) == tuple(fleet)
    assert clicks is fleet[0]
    (tmp_path / "clicks.yaml").write_text(POLICY + "# a word\n")
    changed, same = files.load({})
    assert (changed.hash, changed.text[-9:]) == (clicks.hash, "# a word\n")
    assert same is views
    (tmp_path / "clicks.yaml").write_text("policy: [")
    with pytest.raises(PolicyError, match=r"clicks\.yaml"):
        files.load({})
    (tmp_path / "clicks.yaml").write_text(POLICY + "# a word\n")
    assert files.load({})[0] is changed


def test_all_files_removed_is_no_policy_and_no_folder_is_refused(tmp_path: Path) -> None:
    files = PolicyFiles([tmp_path / "policies" / "clicks.yaml"])
    with pytest.raises(InputError, match="the folder of the policies is gone"):
        files.load({})
    (tmp_path / "policies").mkdir()
    assert files.load({}) == []


def test_a_refused_file_is_on_record_with_its_policy_and_so_is_its_end(reloading: Reloading) -> None:
    def told() -> list[tuple[str, str]]:
        with reloading.store.read() as tx:
            events = tx.events(CLICKS)
        return [(one.kind, one.message) for one in reversed(events) if one.kind.startswith("policy_")]

    reloading.write(POLICY.replace("pane: ", "pain: "))
    reloading.look(3)
    [(kind, message)] = told()
    assert kind == "policy_refused"
    assert re.search(r"; clicks\.yaml:\d+: data\.pain: unknown key", message)
    reloading.write(POLICY)
    reloading.look(2)
    assert told()[1:] == [("policy_accepted", "the policy's file is valid again")]
    reloading.write(POLICY + "# a comment\n")
    reloading.look(2)
    assert len(told()) == 2


def test_a_refusal_ends_however_much_was_written_since_it_began(reloading: Reloading) -> None:
    reloading.write("policy: [")
    reloading.look()
    for number in range(250):
        with reloading.store.write() as tx:
            tx.append_event(reloading.world.watch.event("run_queued", f"run {number}"))
    reloading.reloader.look_again()
    reloading.look()
    reloading.write(POLICY)
    reloading.look()
    with reloading.store.read() as tx:
        told = [one.kind for one in tx.events(CLICKS, limit=300) if one.kind.startswith("policy_")]
        assert tx.trouble_lines() == []
    assert told == ["policy_accepted", "policy_refused"], "once each"


def test_another_reader_of_the_files_tells_the_end_of_a_refusal_that_one_before_has_told(
    reloading: Reloading,
) -> None:
    with reloading.store.write() as tx:
        tx.append_event(
            reloading.world.watch.event("policy_refused", "clicks.yaml:3: data.pain: unknown key")
        )
    reloading.write("version: 1\npolicy: [")
    reloading.look(2)
    with reloading.store.read() as tx:
        assert len(tx.trouble_lines()) == 1
    reloading.write(POLICY)
    reloading.look()
    with reloading.store.read() as tx:
        assert tx.trouble_lines() == []


def test_a_reload_that_is_asked_for_says_what_is_wrong_with_files_nobody_has_touched(
    reloading: Reloading,
) -> None:
    reloading.write("version: 1\npolicy: [")
    reloading.look(2)
    assert "clicks.yaml:" in reloading.reloader.problem
    reloading.reloader.look_again()
    reloading.look()
    assert len(reloading.refusals()) == 2
    reloading.write(POLICY)
    reloading.look()
    assert reloading.reloader.problem == ""
