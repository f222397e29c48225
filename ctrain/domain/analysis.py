"""Work on samples of rows that libraries do which the daemon does not load: classifiers, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from ctrain.domain.names import Json, Version
from ctrain.domain.runs import Window


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """One question on the tables that lie in the workspace under the owner ``key``.

    The answer is a file there, too, which appears whole: the same key has the same answer, also after
    a restart.
    """

    key: str
    role: Literal["separation", "inside", "separation_by_segment", "inside_by_segment", "report", "backtest"]
    """Tell two samples apart, windows of one sample from its rest (both also segment by segment), or make
    pictures of both."""
    request: Json = field(default_factory=dict)
    timeout: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class AnalysisStatus:
    state: Literal["absent", "running", "done", "failed"]
    message: str = ""
    answer: Json = field(default_factory=dict)
    """Of a job that is done."""


@dataclass(frozen=True, slots=True)
class ChampionRows:
    """A sample of what a champion was trained on: where it lies, and what time it spans."""

    version: Version
    path: str
    window: Window
    rows: int
    left_out: Mapping[str, str]
    """Why columns of it should not be compared: they differ between any two windows."""
    segments: tuple[str, ...] = ()
    """Of a sample by segments: their names in the order of their numbers; the others come after them."""
