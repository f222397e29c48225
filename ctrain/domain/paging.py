"""Rows of long lists with the numbers by which they are paged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ctrain.domain.decisions import Decision
from ctrain.domain.runs import Run


@dataclass(frozen=True, slots=True)
class NumberedRun:
    number: int
    run: Run


@dataclass(frozen=True, slots=True)
class NumberedDecision:
    """A decision with its latest reason, and for how long it has been the same."""

    number: int
    decision: Decision
    first_seen_at: datetime
    last_seen_at: datetime
    seen_count: int
