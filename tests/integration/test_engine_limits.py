"""What keeps a run from starting, and what starts one: limits, ``for``, schedules, freshness, edits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ctrain.domain import (
    Outcome,
    Phase,
    RequestKind,
    Status,
    Suppression,
    TriggerName,
)
from tests.support.runs import a_run
from tests.support.stories import POOR, TRAINED_UNTIL, ask_to_train, last_run
from tests.support.world import HOUR, POLICY, START, World

DAY = timedelta(days=1)
KNOWN = {"ctrain.window_start": START.isoformat(), "ctrain.cut_off": TRAINED_UNTIL.isoformat()}
NO_LIMITS = POLICY.replace("limits: {cooldown: 1d, min_new_labels: 50}\n", "")
UNTRIGGERED = NO_LIMITS.replace("triggers:\n  degraded: {any: [brier], for: 2h}\n", "")
POOR_IS_BAD = NO_LIMITS.replace("above: 0.24", "above: 0.19")
DEGRADED = TriggerName("degraded")


def with_limits(limits: str, policy: str = POOR_IS_BAD) -> str:
    return policy.replace("train:\n", f"limits: {limits}\ntrain:\n")


def with_triggers(triggers: str) -> str:
    return UNTRIGGERED.replace("train:\n", f"triggers: {triggers}\ntrain:\n")


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A poor champion that has served for a day and a half, and nothing that would trigger anything."""
    folder = tmp_path_factory.mktemp("poor") / "world"
    folder.mkdir()
    world = World(folder, policy_text=UNTRIGGERED, rows_per_hour=30)
    world.install(POOR, KNOWN)
    world.live(42, step=42)
    return world


def at_work(poor: World, folder: Path, policy: str) -> World:
    world = poor.branch(folder / "world")
    world.edit(policy)
    with world.store.write() as tx:
        tx.save_policy(world.name, world.watch.loaded.hash, "clicks.yaml", {}, world.clock.now())
    return world


def remember(world: World, *phases: Phase, ago: timedelta) -> None:
    """Put runs on record that ended so long ago, the last of them; each began an hour before its end."""
    for number, phase in enumerate(phases, start=1):
        ended_at = world.clock.now() - ago - HOUR * 2 * (len(phases) - number)
        run = a_run(number, phase, ended_at - HOUR, phase_since=ended_at, ended_at=ended_at)
        with world.store.write() as tx:
            tx.create_run(run)


def decided(world: World, trigger: str = "degraded") -> list[tuple[Outcome, Suppression | None]]:
    """What was decided on a trigger, each change once, oldest first."""
    return [(one.outcome, one.suppression) for one in world.decisions() if one.trigger == trigger]


LIMITS = {
    Suppression.COOLDOWN: ("{cooldown: 3d}", (Phase.CANCELLED,), "cooldown of 3d after the run that ended"),
    Suppression.BACKOFF: (
        "{cooldown: 1h, backoff: {after: [rejected], factor: 10, max: 7d}}",
        (Phase.REJECTED, Phase.REJECTED),
        "backoff after a run that ended REJECTED",
    ),
    Suppression.BUDGET: (
        "{budget: {runs: 2, per: 7d}}",
        (Phase.FAILED, Phase.FAILED),
        "2 runs in the last 7d",
    ),
    Suppression.NEW_LABELS: (
        "{min_new_labels: 5000}",
        (),
        "new labelled rows since the last training, 5000 needed",
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_suppresses_before_anything_is_trained(
    poor: World, tmp_path: Path, limit: Suppression
) -> None:
    limits, ended, reason = LIMITS[limit]
    world = at_work(poor, tmp_path, with_limits(limits))
    remember(world, *ended, ago=DAY)
    world.live(6)
    assert decided(world)[-1] == (Outcome.SUPPRESSED, limit)
    found = next(one for one in world.decisions() if one.suppression is limit)
    assert reason in found.reason
    assert len(world.runs()) == len(ended)
    assert world.launcher.started == []


@pytest.mark.parametrize("limit", [Suppression.COOLDOWN, Suppression.BACKOFF, Suppression.BUDGET])
def test_a_limit_that_has_passed_suppresses_no_more(poor: World, tmp_path: Path, limit: Suppression) -> None:
    limits, ended, _ = LIMITS[limit]
    world = at_work(poor, tmp_path, with_limits(limits))
    remember(world, *ended, ago=8 * DAY)
    world.live(6)
    assert len(world.runs()) == len(ended) + 1
    assert (Outcome.FIRED, None) in decided(world)


def test_a_limit_passes_by_the_clock_alone(poor: World, tmp_path: Path) -> None:
    volume = with_triggers("{volume: {new_labels: 100}}")
    world = at_work(poor, tmp_path, with_limits("{cooldown: 3d}", volume))
    remember(world, Phase.REJECTED, ago=DAY)
    world.live(1)
    assert decided(world, "volume") == [(Outcome.SUPPRESSED, Suppression.COOLDOWN)]
    world.clock.advance(2 * DAY)
    world.settle()
    assert [run.trigger for run in world.runs()] == ["degraded", "volume"]


def test_too_few_rows_to_train_on_suppress(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, POOR_IS_BAD.replace("{last: 36h}", "{last: 3h}"))
    world.live(6)
    assert decided(world)[-1] == (Outcome.SUPPRESSED, Suppression.INSUFFICIENT_DATA)
    answer = world.ask(RequestKind.TRIGGER).answer
    assert answer == (
        "refused: asked for by ada; suppressed: 90 labelled, matured rows in the training window, 125 needed"
    )
    assert world.runs() == []


def test_a_small_holdout_asks_for_more_rows(poor: World, tmp_path: Path) -> None:
    policy = POOR_IS_BAD.replace("{last: 36h}", "{last: 6h}\n  holdout: 0.1")
    world = at_work(poor, tmp_path, policy)
    assert world.ask(RequestKind.TRIGGER).answer.endswith(
        "180 labelled, matured rows in the training window, 200 needed"
    )
    assert world.runs() == []


def test_a_paused_policy_starts_nothing_until_it_is_resumed(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, POOR_IS_BAD)
    with world.store.write() as tx:
        tx.set_paused(world.name, True)
    world.live(4)
    assert decided(world)[-1] == (Outcome.SUPPRESSED, Suppression.PAUSED)
    shown = world.telemetry.counted
    assert (shown["paused", "clicks"], shown["decision_info", "clicks", "paused"]) == (1, 1)
    assert (
        world.ask(RequestKind.TRIGGER).answer == "refused: asked for by ada; suppressed: the policy is paused"
    )
    assert world.runs() == []
    with world.store.write() as tx:
        tx.set_paused(world.name, False)
    world.settle()
    assert [run.trigger for run in world.runs()] == ["degraded"]
    assert (shown["paused", "clicks"], shown["decision_info", "clicks", "fired"]) == (0, 1)
    assert shown["run_phase_age_seconds", "clicks"] == 0
    world.live(3)
    (run,) = world.runs()
    assert run.phase is Phase.SHADOWING
    age = (world.clock.now() - run.phase_since).total_seconds()
    assert shown["run_phase_age_seconds", "clicks"] == age > 0
    assert shown["shadow_margin", "clicks"] == world.watch.policy.shadow.margin


def test_a_person_passes_over_limits_that_only_spare_work(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, with_limits("{cooldown: 3d, min_new_labels: 5000}", UNTRIGGERED))
    remember(world, Phase.REJECTED, ago=HOUR)
    assert world.ask(RequestKind.TRIGGER).answer == "done: run clicks-2 started"
    assert "passes over: cooldown of 3d" in last_run(world).reason


def test_a_condition_must_hold_for_so_much_event_time(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, POOR_IS_BAD.replace("for: 2h", "for: 5h"))
    while not world.runs():
        world.live(1)
    with world.store.read() as tx:
        state = tx.trigger_state(world.name, DEGRADED)
        latest = tx.verdicts(world.name, limit=20)
    breached = [one for one in latest if one.monitor == "brier" and one.status is Status.BREACHED]
    seen_before = max(one.as_of for one in poor.verdicts() if one.monitor == "brier")
    judged = [one.as_of for one in breached if one.as_of > seen_before]
    assert state.met_since == min(judged)
    assert max(judged) == state.met_since + 5 * HOUR


def test_what_was_suppressed_by_a_run_is_looked_at_again_when_it_ends(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, POOR_IS_BAD)
    world.launcher.busy = True
    ask_to_train(world, fail=True)
    world.settle_but_wait()
    for _ in range(6):
        world.land()
        world.settle_but_wait()
    assert decided(world)[-1] == (Outcome.SUPPRESSED, Suppression.ACTIVE_RUN)
    assert len(world.runs()) == 1
    world.launcher.finish()
    world.settle()
    assert [run.trigger for run in world.runs()] == ["manual", "degraded"]
    assert world.runs()[0].phase is Phase.FAILED


HELD = "{stale: {any: [fresh], hold: 2h}}"
NIGHTLY = '{nightly: {cron: "0 3 * * *", timezone: Asia/Tokyo}}'


def test_a_schedule_is_made_up_for_once_after_downtime(poor: World, tmp_path: Path) -> None:
    """03:00 in Tokyo is 18:00 UTC of the day before."""
    world = at_work(poor, tmp_path, with_triggers(NIGHTLY))
    world.settle()
    world.ask(RequestKind.CANCEL, run=last_run(world).id)
    world.land(72)
    world.open()
    world.settle()
    world.open()
    world.settle()
    assert [run.created_at for run in world.runs()] == [START + 42 * HOUR, START + 114 * HOUR]
    assert "1 earlier missed, the oldest 2024-01-01 18:00 UTC" in world.runs()[0].reason
    assert "2 earlier missed, the oldest 2024-01-03 18:00 UTC" in world.runs()[1].reason
    with world.store.write() as tx:
        assert not tx.claim_occurrence(world.name, TriggerName("nightly"), START + 114 * HOUR)


def test_a_schedule_that_is_new_to_a_policy_has_missed_nothing(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, with_triggers(NIGHTLY))
    world.watch.schedules_since = {TriggerName("nightly"): world.clock.now()}
    world.settle()
    assert world.runs() == []
    world.live(24)
    assert [run.created_at for run in world.runs()] == [START + 66 * HOUR]
    assert "missed" not in last_run(world).reason


def test_a_schedule_fires_once_per_occurrence_whatever_restarts(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, with_triggers('{hourly: {cron: "30 * * * *", timezone: UTC}}'))
    world.edit(world.policy_text.replace("brier, not_worse_than_champion_by: 0.01", "brier, max: 0.0001"))
    for _ in range(4):
        world.open()
        world.settle()
        world.open()
        world.live(1)
    assert [run.phase for run in world.runs()] == [Phase.REJECTED] * 5
    assert len({run.created_at for run in world.runs()}) == 5


def test_stale_data_is_seen_by_the_clock_and_a_condition_on_it_can_last(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, with_triggers("{stale: {any: [fresh], for: 3h}}"))
    world.settle()
    for _ in range(8):
        world.clock.advance(HOUR)
        world.settle()
    fresh = [one for one in world.verdicts() if one.monitor == "fresh"]
    assert [one.status for one in fresh][-2:] == [Status.OK, Status.BREACHED]
    assert fresh[-1].as_of == START + 48 * HOUR
    assert world.runs() == []
    world.clock.advance(2 * HOUR)
    world.settle()
    assert [run.trigger for run in world.runs()] == ["stale"]


def test_a_condition_on_the_clock_is_held_from_the_last_moment_that_met_it(
    poor: World, tmp_path: Path
) -> None:
    world = at_work(poor, tmp_path, with_limits("{cooldown: 30d}", with_triggers(HELD)))
    remember(world, Phase.REJECTED, ago=HOUR)
    world.settle()
    for _ in range(12):
        world.clock.advance(HOUR)
        world.settle()
    last_met = world.clock.now()
    world.clock.advance(timedelta(minutes=30))
    world.hour = int((world.clock.now() - START) / HOUR)
    world.land()
    world.settle()
    with world.store.read() as tx:
        state = tx.trigger_state(world.name, TriggerName("stale"))
    assert (state.met_since, state.last_met_at) == (None, last_met)
    assert decided(world, "stale")[-1] == (Outcome.SUPPRESSED, Suppression.COOLDOWN)
    world.clock.advance(2 * HOUR)
    world.settle()
    assert decided(world, "stale")[-1] == (Outcome.NOT_MET, None)


def test_a_condition_met_by_verdicts_on_another_champion_begins_anew(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, with_limits("{cooldown: 2d}"))
    remember(world, Phase.REJECTED, ago=DAY)
    world.live(6)
    assert decided(world)[-1] == (Outcome.SUPPRESSED, Suppression.COOLDOWN)
    world.install(2.0, KNOWN)
    world.settle()
    world.clock.advance(2 * DAY)
    world.settle()
    assert decided(world)[-1] == (Outcome.NOT_MET, None)
    assert len(world.runs()) == 1


def test_a_run_keeps_the_policy_that_it_was_started_with(poor: World, tmp_path: Path) -> None:
    world = at_work(poor, tmp_path, UNTRIGGERED)
    world.launcher.busy = True
    ask_to_train(world)
    world.settle_but_wait()
    strict = UNTRIGGERED.replace("roc_auc, min: 0.55", "roc_auc, min: 0.9999")
    world.edit(strict)
    world.launcher.finish()
    world.settle()
    first = last_run(world)
    assert first.phase is Phase.SHADOWING
    assert "roc_auc >= 0.55: passed" in first.outcome_reason
    world.ask(RequestKind.CANCEL, run=first.id)
    world.ask(RequestKind.TRIGGER)
    second = last_run(world)
    assert second.phase is Phase.REJECTED
    assert "roc_auc >= 0.9999: failed" in second.outcome_reason
    assert second.policy_hash == world.watch.loaded.hash != first.policy_hash
