"""Every pair of phase and event against an expectation that is written down independently."""

from itertools import product

import pytest

from ctrain.domain import Phase
from ctrain.errors import IllegalTransition
from ctrain.lifecycle.transitions import TRANSITIONS, RunEvent, next_phase

EXPECTED = """
QUEUED            prepare>TRAINING fail>FAILED cancel>CANCELLED
TRAINING          trained>EVALUATING reject>REJECTED fail>FAILED cancel>CANCELLED
EVALUATING        pass>SHADOWING pass_first>PROMOTING await_approval>AWAITING_APPROVAL
EVALUATING        reject>REJECTED fail>FAILED cancel>CANCELLED
SHADOWING         promote>PROMOTING await_approval>AWAITING_APPROVAL reject>REJECTED fail>FAILED
SHADOWING         cancel>CANCELLED supersede>SUPERSEDED
AWAITING_APPROVAL approve>PROMOTING reject>REJECTED expire>EXPIRED fail>FAILED cancel>CANCELLED
AWAITING_APPROVAL supersede>SUPERSEDED
PROMOTING         promoted>PROBATION promoted_first>ACCEPTED fail>FAILED supersede>SUPERSEDED
PROBATION         accept>ACCEPTED roll_back>ROLLING_BACK cancel>ROLLING_BACK supersede>SUPERSEDED
ROLLING_BACK      rolled_back>ROLLED_BACK rollback_failed>ROLLBACK_FAILED supersede>SUPERSEDED
ROLLBACK_FAILED   roll_back>ROLLING_BACK supersede>SUPERSEDED
"""


def expected_moves() -> dict[tuple[Phase, RunEvent], Phase]:
    moves = {}
    for line in EXPECTED.split("\n"):
        if line:
            phase, *arrows = line.split()
            for arrow in arrows:
                event, after = arrow.split(">")
                moves[Phase(phase), RunEvent(event)] = Phase(after)
    return moves


MOVES = expected_moves()


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, RunEvent)))
def test_every_pair_moves_as_expected_or_is_refused(phase: Phase, event: RunEvent) -> None:
    if (phase, event) in MOVES:
        assert next_phase(phase, event) is MOVES[phase, event]
    else:
        with pytest.raises(IllegalTransition, match=f"{phase.value} does not accept '{event.value}'"):
            next_phase(phase, event)


def test_the_expectation_names_no_move_twice() -> None:
    assert len(MOVES) == EXPECTED.count(">")


def test_every_phase_can_be_reached() -> None:
    reached = {Phase.QUEUED}
    while new := {after for (before, _), after in TRANSITIONS.items() if before in reached} - reached:
        reached |= new
    assert reached == set(Phase)


@pytest.mark.parametrize("phase", list(Phase))
def test_ended_phases_have_no_exit_and_all_others_have_one(phase: Phase) -> None:
    exits = [event for before, event in TRANSITIONS if before is phase]
    assert bool(exits) is not phase.ended


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.ended])
def test_every_running_phase_can_come_to_an_end(phase: Phase) -> None:
    ahead = {phase}
    while new := {after for (before, _), after in TRANSITIONS.items() if before in ahead} - ahead:
        ahead |= new
    assert any(reached.ended for reached in ahead)


def test_cancel_is_refused_while_an_alias_moves() -> None:
    for phase in (Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED):
        with pytest.raises(IllegalTransition):
            next_phase(phase, RunEvent.CANCEL)


def test_nothing_reaches_promoting_past_gates() -> None:
    """Only a passed gate, a shadow that wants it, or an approval after one of them."""
    into = {(before, event) for (before, event), after in TRANSITIONS.items() if after is Phase.PROMOTING}
    assert into == {
        (Phase.EVALUATING, RunEvent.PASS_FIRST),
        (Phase.SHADOWING, RunEvent.PROMOTE),
        (Phase.AWAITING_APPROVAL, RunEvent.APPROVE),
    }


def test_the_message_says_what_would_be_accepted() -> None:
    with pytest.raises(IllegalTransition) as raised:
        next_phase(Phase.ROLLBACK_FAILED, RunEvent.CANCEL)
    assert str(raised.value) == (
        "a run that is ROLLBACK_FAILED does not accept 'cancel'; it accepts roll_back, supersede"
    )
    with pytest.raises(IllegalTransition, match="it has ended"):
        next_phase(Phase.ACCEPTED, RunEvent.CANCEL)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[Phase.ACCEPTED, RunEvent.CANCEL] = Phase.CANCELLED  # type: ignore[index]  # on purpose
