"""Alias moves from every place a crash or another person can leave the two aliases in."""

from datetime import UTC, datetime
from itertools import product
from typing import Literal

import pytest

from ctrain.domain import AliasIntent, PolicyName, Version
from ctrain.lifecycle.alias_steps import AliasStep, next_alias_step

OLD, OLDER, NEW, FOREIGN = Version("2"), Version("1"), Version("3"), Version("9")
STEPS = {step.value: step for step in AliasStep}


def intent(
    kind: Literal["promotion", "rollback", "adoption"],
    expected: tuple[Version | None, Version | None],
    new: tuple[Version, Version | None],
) -> AliasIntent:
    return AliasIntent(
        id="i",
        policy=PolicyName("p"),
        model="m",
        kind=kind,
        expected_champion=expected[0],
        expected_previous=expected[1],
        new_champion=new[0],
        new_previous=new[1],
        fencing_token=1,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


PROMOTION = intent("promotion", (OLD, OLDER), (NEW, OLD))
SECOND = intent("promotion", (OLD, None), (NEW, OLD))
FIRST = intent("promotion", (None, None), (NEW, None))
FIRST_WITH_LEFTOVER = intent("promotion", (None, OLDER), (NEW, None))
ROLLBACK = intent("rollback", (NEW, OLD), (OLD, None))
ROLLBACK_KEEPING = intent("rollback", (NEW, OLD), (OLD, NEW))
ADOPTION = intent("adoption", (OLD, OLDER), (OLD, OLDER))

TABLE = [
    # intent, champion now, previous now, step
    (PROMOTION, OLD, OLDER, "set_previous"),
    (PROMOTION, OLD, OLD, "set_champion"),
    (PROMOTION, OLD, FOREIGN, "superseded"),
    (PROMOTION, OLD, None, "superseded"),
    (PROMOTION, NEW, OLD, "done"),
    (PROMOTION, NEW, OLDER, "set_previous"),
    (PROMOTION, NEW, FOREIGN, "done"),
    (PROMOTION, NEW, None, "done"),
    (PROMOTION, FOREIGN, OLDER, "superseded"),
    (PROMOTION, FOREIGN, OLD, "restore_previous"),
    (PROMOTION, FOREIGN, FOREIGN, "superseded"),
    (PROMOTION, FOREIGN, None, "superseded"),
    (PROMOTION, None, OLDER, "superseded"),
    (PROMOTION, None, OLD, "restore_previous"),
    (PROMOTION, OLDER, OLDER, "superseded"),
    (PROMOTION, OLDER, OLD, "restore_previous"),
    (SECOND, OLD, None, "set_previous"),
    (SECOND, OLD, OLD, "set_champion"),
    (SECOND, OLD, FOREIGN, "superseded"),
    (SECOND, NEW, OLD, "done"),
    (SECOND, NEW, None, "set_previous"),
    (SECOND, FOREIGN, OLD, "restore_previous"),
    (SECOND, FOREIGN, None, "superseded"),
    (FIRST, None, None, "set_champion"),
    (FIRST, None, FOREIGN, "superseded"),
    (FIRST, NEW, None, "done"),
    (FIRST, NEW, FOREIGN, "done"),
    (FIRST, FOREIGN, None, "superseded"),
    (FIRST, FOREIGN, FOREIGN, "superseded"),
    (FIRST_WITH_LEFTOVER, None, OLDER, "set_previous"),
    (FIRST_WITH_LEFTOVER, None, None, "set_champion"),
    (FIRST_WITH_LEFTOVER, NEW, None, "done"),
    (FIRST_WITH_LEFTOVER, FOREIGN, None, "restore_previous"),
    (ROLLBACK, NEW, OLD, "set_previous"),
    (ROLLBACK, NEW, None, "set_champion"),
    (ROLLBACK, NEW, FOREIGN, "superseded"),
    (ROLLBACK, OLD, None, "done"),
    (ROLLBACK, OLD, OLD, "set_previous"),
    (ROLLBACK, OLD, FOREIGN, "done"),
    (ROLLBACK, FOREIGN, None, "restore_previous"),
    (ROLLBACK, FOREIGN, OLD, "superseded"),
    (ROLLBACK, None, None, "restore_previous"),
    (ROLLBACK_KEEPING, NEW, OLD, "set_previous"),
    (ROLLBACK_KEEPING, NEW, NEW, "set_champion"),
    (ROLLBACK_KEEPING, OLD, NEW, "done"),
    (ROLLBACK_KEEPING, FOREIGN, NEW, "restore_previous"),
    (ADOPTION, OLD, OLDER, "done"),
    (ADOPTION, OLD, FOREIGN, "done"),
    (ADOPTION, FOREIGN, OLDER, "superseded"),
]


@pytest.mark.parametrize(("plan", "champion", "previous", "step"), TABLE)
def test_the_next_step_follows_from_the_aliases(
    plan: AliasIntent, champion: Version | None, previous: Version | None, step: str
) -> None:
    assert next_alias_step(plan, champion, previous) is STEPS[step]


def carry_out(plan: AliasIntent, aliases: tuple[Version | None, Version | None]) -> list[AliasStep]:
    """Take steps until the end, as an undisturbed reconciler would."""
    champion, previous = aliases
    taken: list[AliasStep] = []
    while not taken or taken[-1] not in (AliasStep.DONE, AliasStep.SUPERSEDED):
        taken.append(next_alias_step(plan, champion, previous))
        assert len(taken) < 5, taken
        match taken[-1]:
            case AliasStep.SET_PREVIOUS:
                previous = plan.new_previous
            case AliasStep.RESTORE_PREVIOUS:
                previous = plan.expected_previous
            case AliasStep.SET_CHAMPION:
                champion = plan.new_champion
    return taken


PLANS = [PROMOTION, SECOND, FIRST, FIRST_WITH_LEFTOVER, ROLLBACK, ROLLBACK_KEEPING, ADOPTION]
ANYTHING = [None, OLDER, OLD, NEW, FOREIGN]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("aliases", list(product(ANYTHING, ANYTHING)))
def test_from_anywhere_a_move_ends_and_keeps_what_others_wrote(
    plan: AliasIntent, aliases: tuple[Version | None, Version | None]
) -> None:
    champion, previous = aliases
    taken = carry_out(plan, aliases)
    known = (plan.expected_champion, plan.new_champion)
    if champion not in known:
        assert taken[-1] is AliasStep.SUPERSEDED
        assert AliasStep.SET_CHAMPION not in taken
    if previous not in (plan.expected_previous, plan.new_previous):
        assert AliasStep.SET_PREVIOUS not in taken
        assert AliasStep.RESTORE_PREVIOUS not in taken


@pytest.mark.parametrize("plan", PLANS)
def test_an_undisturbed_move_writes_the_rollback_target_before_the_champion(plan: AliasIntent) -> None:
    taken = carry_out(plan, (plan.expected_champion, plan.expected_previous))
    wanted = []
    if plan.new_champion != plan.expected_champion:
        if plan.new_previous != plan.expected_previous:
            wanted.append(AliasStep.SET_PREVIOUS)
        wanted.append(AliasStep.SET_CHAMPION)
    assert taken == [*wanted, AliasStep.DONE]
