"""Work on samples of rows that libraries do which the daemon does not load: classifiers, pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from ctrain.domain.names import Json

ANALYSIS_ROLES = ("separation", "inside", "report")
"""What may be asked: tell two samples apart, windows of one sample from its rest, or pictures of both."""


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """One question on the tables that lie in the workspace under the owner ``key``.

    The answer is a file there, too, which appears whole: the same key has the same answer, also after
    a restart.
    """

    key: str
    role: Literal["separation", "inside", "report"]
    request: Json = field(default_factory=dict)
    timeout: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class AnalysisStatus:
    state: Literal["absent", "running", "done", "failed"]
    message: str = ""
    answer: Json = field(default_factory=dict)
    """Of a job that is done."""
