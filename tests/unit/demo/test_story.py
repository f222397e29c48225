from __future__ import annotations

from datetime import timedelta

import pytest

from ctrain.demo.home import find_policy
from ctrain.demo.story import (
    FIRST_REASON,
    FUSE_BURNS_FOR,
    Act,
    Scene,
    Staging,
    current_act,
    gone_wrong,
    next_staging,
    unmet,
)
from ctrain.domain import Phase
from ctrain.policy.files import load_policy
from ctrain.stats.sequential import MIN_BLOCKS
from tests.unit.demo.builders import first_model, fused, real_drift, run, scene, shuffled

BEFORE_FIRST = scene(23, champion=None)
FIRST_DUE = scene(24, champion=None)


@pytest.mark.parametrize(
    ("seen", "act"),
    [
        (BEFORE_FIRST, Act.FIRST_MODEL),
        (scene(25, first_model(Phase.TRAINING), champion=None), Act.FIRST_MODEL),
        (scene(25, first_model()), Act.REAL_DRIFT),
        (scene(60, first_model(), real_drift(Phase.PROBATION)), Act.REAL_DRIFT),
        (scene(60, first_model(), real_drift(Phase.REJECTED)), Act.REAL_DRIFT),
        (scene(85, first_model(), real_drift()), Act.SHUFFLED_LABELS),
        (scene(86, first_model(), real_drift(), shuffled()), Act.FUSE),
        (scene(110, first_model(), real_drift(), shuffled(), fused(Phase.PROBATION)), Act.FUSE),
        (scene(130, first_model(), real_drift(), shuffled(), fused()), Act.AFTERMATH),
        (scene(135, first_model(), real_drift(), shuffled(), fused()), Act.OVER),
    ],
)
def test_acts_follow_from_how_runs_ended(seen: Scene, act: Act) -> None:
    assert current_act(seen) is act


@pytest.mark.parametrize(
    ("seen", "staging"),
    [
        (BEFORE_FIRST, None),
        (FIRST_DUE, Staging(Act.FIRST_MODEL, FIRST_REASON)),
        (scene(25, first_model(Phase.TRAINING), champion=None), None),
        (scene(25, first_model()), None),
        (
            scene(85, first_model(), real_drift()),
            Staging(
                Act.SHUFFLED_LABELS,
                "STAGED: labels shuffled before training",
                {"staged": "shuffled_labels"},
            ),
        ),
        (
            scene(86, first_model(), real_drift(), shuffled()),
            Staging(
                Act.FUSE,
                "STAGED: a fuse on the calendar, the model is wrong from 2013-05-04 on",
                {"staged": "fuse", "fuse_at": "2013-05-04"},
            ),
        ),
        (scene(130, first_model(), real_drift(), shuffled(), fused()), None),
    ],
)
def test_what_a_person_does_next(seen: Scene, staging: Staging | None) -> None:
    assert next_staging(seen) == staging


def test_nothing_is_staged_while_a_run_is_active() -> None:
    second = real_drift(Phase.SHADOWING, number=3)
    assert next_staging(scene(85, first_model(), real_drift(), second)) is None


def test_a_losing_challenger_of_real_drift_is_waited_for_again() -> None:
    seen = scene(80, first_model(), real_drift(Phase.REJECTED))
    assert gone_wrong(seen) is None
    assert next_staging(seen) is None
    assert current_act(scene(120, first_model(), real_drift(Phase.REJECTED), real_drift(number=3))) is (
        Act.SHUFFLED_LABELS
    )


@pytest.mark.parametrize(
    "seen",
    [
        scene(25, first_model(Phase.REJECTED), champion=None),
        scene(86, first_model(), real_drift(), shuffled(Phase.ACCEPTED)),
        scene(130, first_model(), real_drift(), shuffled(), fused(Phase.ACCEPTED)),
        scene(130, first_model(), real_drift(), shuffled(), fused(Phase.REJECTED)),
    ],
)
def test_a_staged_run_that_ends_otherwise_is_told(seen: Scene) -> None:
    wrong = gone_wrong(seen)
    assert wrong is not None
    assert seen.runs[0].id in wrong


def test_what_was_promised_and_not_seen() -> None:
    assert unmet([fused(), shuffled(), real_drift(), first_model()]) == []
    assert unmet([]) == [
        "a first champion",
        "a challenger trained on real drift, promoted and kept",
        "the model of shuffled labels rejected",
        "the model with the fuse promoted and rolled back",
    ]


def test_a_run_that_a_person_started_is_no_real_drift() -> None:
    by_hand = run(2, Phase.ACCEPTED, reason="why not", ended=40)
    assert current_act(scene(41, first_model(), by_hand)) is Act.REAL_DRIFT


def test_the_fuse_burns_longer_than_a_shadow_and_shorter_than_shadow_and_probation() -> None:
    policy = load_policy(find_policy(), {}).policy
    assert isinstance(policy.shadow.block, timedelta)
    shortest_shadow = max(policy.shadow.min_duration, MIN_BLOCKS * policy.shadow.block)
    assert policy.shadow.max_duration < FUSE_BURNS_FOR < shortest_shadow + policy.probation.duration
