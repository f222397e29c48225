"""Refit: the gates judge the candidate, what goes on has been fitted on the held-out rows too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.domain import MonitorName, Phase, RequestKind, Run, TrainingJob, Version
from ctrain.engine.advance import refit
from ctrain.engine.advance.training_job import training_job
from ctrain.engine.moves import found_in, with_details
from ctrain.errors import PermanentError
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Policy
from tests.support.fakes import Model
from tests.support.slopes import slope_model
from tests.support.world import POLICY, World

REFIT = POLICY.replace("{last: 36h}", "{last: 36h}\n  refit: true\n  weights: {half_life: 1d}")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A poor champion, whose first successor stands before its gates."""
    world = World(tmp_path_factory.mktemp("before") / "world", policy_text=REFIT)
    world.install(-2.0)
    return world.reach(Phase.EVALUATING)


@pytest.fixture(scope="module")
def shadowed(before: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = before.branch(tmp_path_factory.mktemp("shadowed") / "world")
    world.settle()
    return world


def parsed(text: str) -> Policy:
    return parse_policy(text, Path("clicks.yaml"), {}).policy


def newest(world: World) -> Run:
    return world.runs()[-1]


def test_the_gates_judge_the_candidate_and_the_shadow_its_refit(shadowed: World) -> None:
    run = newest(shadowed)
    assert (run.phase, run.challenger_version, run.mlflow_run_id) == (Phase.SHADOWING, "3", "mlrun-3")
    assert found_in(run, "training")["candidate"]["version"] == "2"
    assert found_in(run, "evaluation")["gates"]["passed"]
    assert shadowed.registry.aliases["challenger"] == "3"
    assert shadowed.launcher.started == [(run.id, 1), (run.id, 2)]
    moves = [kind for kind in shadowed.kinds() if kind.startswith("run_")]
    assert moves == ["run_queued", "run_training", "run_evaluating", "run_shadowing"]
    assert shadowed.kinds().index("refit_begun") + 1 == shadowed.kinds().index("refitted")


def test_the_refit_has_all_rows_and_its_tags_say_so(shadowed: World) -> None:
    run = newest(shadowed)
    found = found_in(run, "training")
    first, second = (Path(shadowed.watch.workspace.folder(run.id, attempt)) for attempt in (1, 2))
    some, every = (pq.read_table(folder / "rows.parquet") for folder in (first, second))
    assert every.slice(0, some.num_rows) == some
    assert every.num_rows - some.num_rows == found["holdout_rows"]
    assert found["rows"] == every.num_rows == pq.read_table(second / "weights.parquet").num_rows
    candidate, refit = (shadowed.registry.versions[Version(one)].tags for one in ("2", "3"))
    assert candidate["ctrain.window_end"] == found["holdout_start"] < refit["ctrain.window_end"]
    assert refit["ctrain.window_end"] == refit["ctrain.cut_off"] == found["cut_off"]
    assert (refit["ctrain.refit_of"], candidate["ctrain.refitted_as"]) == ("2", "3")
    assert shadowed.registry.notes["mlrun-3"]["ctrain.gates"].startswith("passed by version 2")


def test_the_shadow_counts_no_row_that_the_refit_has_seen(shadowed: World) -> None:
    run = newest(shadowed)
    cut_off = datetime.fromisoformat(found_in(run, "training")["cut_off"])
    assert datetime.fromisoformat(found_in(run, "shadow")["origin"]) >= cut_off
    last = shadowed.watch.workspace.read(shadowed.watch.workspace.path(run.id, "holdout.parquet"))
    assert last is not None
    assert last["event_at"][-1].as_py() < cut_off


def test_the_card_of_each_says_what_it_is(shadowed: World) -> None:
    told = shadowed.registry.descriptions
    candidate = told[Version("2")]
    assert candidate.startswith(
        "# clicks, version 2\n\n**It passed the gates and was fitted again on all rows as version 3, "
        "which took its place**\n\n## Why it was trained\n\nTrigger `degraded`, "
    )
    found = found_in(newest(shadowed), "training")
    assert f"- trained on {found['candidate']['rows']:,} rows, " in candidate
    assert f"- held out for the gates: {found['holdout_rows']:,} rows, " in candidate
    assert "\n## Metrics on held-out rows\n\n| metric | this version" in candidate
    card = told[Version("3")]
    assert card.startswith("# clicks, version 3\n\n**SHADOWING: version 3 goes on, fitted on all rows")
    assert "- judged by the gates as version 2, without the last " in card
    assert "\n## Gates\n\n- roc_auc " in card


def test_what_the_candidate_was_chosen_for_is_fitted_again(shadowed: World) -> None:
    run = newest(shadowed)
    several = replace(
        shadowed.watch.loaded,
        policy=parsed(REFIT.replace("entrypoint: clicks:train", "candidates: [m:a, m:b]")),
    )
    watch = replace(shadowed.watch, loaded=several)
    first = with_details(run, "training", {"candidate": None})
    assert training_job(watch, first, 1, "").candidates == ("m:a", "m:b")
    candidate = {"version": "2", "result": {"selection": {"chosen": "m:b"}}}
    job = training_job(watch, with_details(run, "training", {"candidate": candidate}), 2, "")
    assert (job.entrypoint, job.candidates) == ("m:b", ())


def test_what_was_tuned_for_the_candidate_holds_for_its_refit_and_starts_the_next_search(
    shadowed: World,
) -> None:
    run = newest(shadowed)
    text = REFIT.replace(
        "retries: 1",
        "retries: 1\n  params: {depth: 1, rounds: 9}\n  tune: {space: {depth: {low: 1, high: 8}}}",
    )
    watch = replace(shadowed.watch, loaded=replace(shadowed.watch.loaded, policy=parsed(text)))
    first = with_details(run, "training", {"candidate": None})
    search = training_job(watch, first, 1, "").tune
    assert (search["sampler"], search["trials"], search["folds"], search["start"]) == ("tpe", 20, 3, {})
    assert search["space"] == {"depth": {"low": 1, "high": 8, "log": False, "step": None}}
    candidate = {"version": "2", "result": {"tuning": {"params": {"depth": 4}}}}
    job = training_job(watch, with_details(run, "training", {"candidate": candidate}), 2, "")
    assert (job.tune, job.context.params) == ({}, {"depth": 4, "rounds": 9})
    tag = job.registration["tags"]["ctrain.tuning"]
    champion = shadowed.registry.register(slope_model(1.0), {"ctrain.tuning": tag})
    again = training_job(watch, replace(first, champion_version=champion), 1, "")
    assert again.tune["start"] == {"depth": 4}
    gone = training_job(watch, replace(first, champion_version=Version("99")), 1, "")
    assert gone.tune["start"] == {}
    for edited in ("", "depth 4", "[4]", '{"loss": 1}', '{"params": 4}', "null"):
        odd = shadowed.registry.register(slope_model(1.0), {"ctrain.tuning": edited})
        assert training_job(watch, replace(first, champion_version=odd), 1, "").tune["start"] == {}


def test_what_a_person_gave_to_the_run_is_not_searched(shadowed: World) -> None:
    space = "{depth: {low: 1, high: 8}, rate: {low: 0.1, high: 1.0}, loss: {values: [log, true]}}"
    text = REFIT.replace("retries: 1", f"retries: 1\n  params: {{depth: 2}}\n  tune: {{space: {space}}}")
    watch = replace(shadowed.watch, loaded=replace(shadowed.watch.loaded, policy=parsed(text)))
    tag = {"ctrain.tuning": '{"params": {"depth": 3, "rate": 0.5}}'}
    champion = shadowed.registry.register(slope_model(1.0), tag)
    run = with_details(replace(newest(shadowed), champion_version=champion), "training", {"candidate": None})

    def job_with(**params: str) -> TrainingJob:
        return training_job(watch, with_details(run, "request", {"params": params}), 1, "")

    job = job_with(depth="9", loss="true", note="6")
    assert job.context.params == {"depth": 9, "loss": True, "note": "6"}
    assert (list(job.tune["space"]), job.tune["start"]) == (["rate"], {"rate": 0.5})
    whole = job_with(depth="deep", rate="1", loss="hinge")
    assert whole.context.params == {"depth": "deep", "rate": 1.0, "loss": "hinge"}
    assert whole.tune == {}


def test_reference_and_baselines_are_kept_for_the_refit(shadowed: World) -> None:
    with shadowed.store.read() as tx:
        assert tx.reference(shadowed.name, Version("3")) is not None
        assert tx.detector(shadowed.name, MonitorName("error"), Version("3")) is not None
        assert tx.reference(shadowed.name, Version("2")) is None


def trained_then(before: World, folder: Path, train: Callable[..., Model]) -> Run:
    """The run whose second training is ``train``, once it has ended."""
    world = before.branch(folder / "world")
    world.launcher.train = train
    world.settle()
    return newest(world)


def no_luck(rows: pa.Table, params: Mapping[str, object]) -> Model:
    raise ValueError("no luck")


def test_a_refit_that_fails_is_tried_again_and_then_ends_the_run(before: World, tmp_path: Path) -> None:
    run = trained_then(before, tmp_path, no_luck)
    assert run.phase is Phase.FAILED
    assert run.outcome_reason == "training failed 2 times; last: failed: no luck"
    assert found_in(run, "training")["attempt"] == 3


def test_a_refit_that_is_broken_is_rejected(before: World, tmp_path: Path) -> None:
    world = before.branch(tmp_path / "world")
    world.launcher.train = lambda rows, params: slope_model(-2.0)
    world.settle()
    run = newest(world)
    assert run.phase is Phase.REJECTED
    assert run.outcome_reason.startswith("the refit fails on rows that it was trained on: roc_auc")
    told = world.registry.descriptions
    assert "fitted again on all rows as version 3, which was rejected**" in told[Version("2")]
    assert told[Version("3")].startswith("# clicks, version 3\n\n**REJECTED: the refit fails")


def test_a_first_champion_is_a_refit_as_well(tmp_path: Path) -> None:
    world = World(
        tmp_path / "world",
        policy_text=REFIT.replace("degraded: {any: [brier], for: 2h}", "volume: {new_labels: 300}"),
    )
    run = newest(world.reach(Phase.ACCEPTED))
    assert world.registry.aliases["champion"] == run.challenger_version == "2"
    assert run.champion_version is None


def test_a_candidate_that_is_gone_from_the_registry_keeps_its_refit_from_nothing(
    before: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = before.branch(tmp_path / "world")

    def gone(*arguments: object, **options: object) -> None:
        raise PermanentError("there is no such version")

    monkeypatch.setattr(refit, "_tell_candidate", gone)
    world.settle()
    assert newest(world).phase is Phase.SHADOWING
    assert [name for name, _ in world.telemetry.logged].count("refit_not_told") == 1


def test_a_person_who_cancels_ends_the_refit_too(before: World, tmp_path: Path) -> None:
    world = before.branch(tmp_path / "world")
    world.launcher.busy = True
    for _ in range(10):
        world.tick()
    run = newest(world)
    assert (run.phase, world.launcher.started) == (Phase.EVALUATING, [(run.id, 1), (run.id, 2)])
    world.ask(RequestKind.CANCEL, run=run.id)
    assert newest(world).phase is Phase.CANCELLED
    assert world.launcher.stopped == [run.id]


def test_a_crash_between_the_trainings_changes_nothing(
    before: World, shadowed: World, tmp_path: Path
) -> None:
    world = before.branch(tmp_path / "world")
    for _ in range(20):
        world.open()
        world.tick()
    assert newest(world).challenger_version == "3"
    assert world.launcher.started == shadowed.launcher.started
    assert newest(world).details["evaluation"] == newest(shadowed).details["evaluation"]
