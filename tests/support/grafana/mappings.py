"""Phases, verdicts and reasons as numbers and words: what panels that show states have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

OF_JOB = 'job="$job"'
OF_POLICY = 'job="$job", policy=~"$policy"'

PHASES = {
    "QUEUED": "light-blue",
    "TRAINING": "blue",
    "EVALUATING": "dark-blue",
    "SHADOWING": "purple",
    "AWAITING_APPROVAL": "orange",
    "PROMOTING": "light-green",
    "PROBATION": "yellow",
    "ROLLING_BACK": "light-red",
    "ROLLBACK_FAILED": "dark-red",
}
"""Phases of a run that has not ended, as the panels number and colour them; 0 is no run."""
FAINT = "rgba(128, 128, 128, 0.25)"
VERDICT = (
    f'max by (monitor) (2 * ctrain_monitor_status{{{OF_POLICY}, status="BREACHED"}} '
    f'+ ignoring (status) ctrain_monitor_status{{{OF_POLICY}, status="INCONCLUSIVE"}})'
)
VERDICTS = {0: ("OK", "green"), 1: ("inconclusive", "yellow"), 2: ("breached", "red")}


def word_map(words: Mapping[str, str]) -> list[Json]:
    """Words that people know for those of a label."""
    options = {
        word: {"color": "text", "index": place, "text": text}
        for place, (word, text) in enumerate(words.items())
    }
    return [{"options": options, "type": "value"}]


def value_map(states_of: Mapping[int, tuple[str, str]]) -> list[Json]:
    """Words and colours for numbers."""
    options = {
        str(number): {"color": colour, "index": place, "text": text}
        for place, (number, (text, colour)) in enumerate(states_of.items())
    }
    return [{"options": options, "type": "value"}]


def phase_map() -> list[Json]:
    """Words and colours for the numbers of ``phase_number``."""
    words = {place: (name.lower().replace("_", " "), colour) for place, (name, colour) in _numbered()}
    return value_map({0: ("no run", FAINT), **words})


def phase_number(selector: str = OF_POLICY) -> str:
    """The phase of each policy's active run as a number, 0 without one."""
    parts = [f'{place} * ctrain_run_phase{{{selector}, phase="{name}"}}' for place, (name, _) in _numbered()]
    return f"max by (policy) ({' or '.join(parts)})"


def _numbered() -> list[tuple[int, tuple[str, str]]]:
    return list(enumerate(PHASES.items(), start=1))
