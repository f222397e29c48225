"""Somebody else moves the champion alias, at every point of the story: their choice stands, on record."""

from __future__ import annotations

import pytest

from tests.e2e.branches import ELSEWHERE, Ending
from tests.e2e.conftest import Told
from tests.e2e.moves import EXPECTED_PREVIOUS, IN_PROMOTION, MOVES

pytestmark = pytest.mark.slow  # a daemon for each move
SECONDS = 200.0
GOES_ON = "training"
"""A run that has not compared anything yet is compared with the champion that somebody chose."""


@pytest.fixture
def ending(told: Told, name: str) -> Ending:
    return told.endings[name].result(SECONDS)


@pytest.mark.parametrize("name", MOVES)
def test_choice_of_somebody_else_stands(ending: Ending, name: str) -> None:
    assert ending.aliases == {"champion": ELSEWHERE, "previous_champion": EXPECTED_PREVIOUS.get(name)}
    assert ending.known_champion == ELSEWHERE


@pytest.mark.parametrize("name", MOVES)
def test_it_is_on_record(ending: Ending, name: str) -> None:
    changed = [event for event in ending.events if event["kind"] == "champion_changed_outside"]
    assert len(changed) == 1
    assert f"version {ELSEWHERE} instead of version" in changed[0]["message"]
    assert changed[0]["message"].endswith("not by ctrain")


@pytest.mark.parametrize("name", [name for name in MOVES if name != GOES_ON])
def test_run_is_superseded(ending: Ending, name: str) -> None:
    assert ending.run["phase"] == "SUPERSEDED"
    assert ELSEWHERE in ending.run["outcome_reason"]
    assert ending.run["ended_at"] is not None


@pytest.mark.parametrize("name", MOVES)
def test_no_alias_move_of_ours_is_half_done(ending: Ending, name: str) -> None:
    outcomes = [intent["outcome"] for intent in ending.intents]
    promoted = {"probation": ["done", "done"], "while-a-block-is-committed": ["done", "done"]}
    assert outcomes == (["done", "superseded"] if name in IN_PROMOTION else promoted.get(name, ["done"]))
    kinds = [event["kind"] for event in ending.events]
    assert kinds.count("superseded") == (name in IN_PROMOTION)


@pytest.mark.parametrize("name", [GOES_ON])
def test_challenger_is_compared_with_the_champion_that_somebody_chose(ending: Ending, name: str) -> None:
    assert (ending.run["phase"], ending.run["champion_version"]) == ("SHADOWING", ELSEWHERE)
