"""All promises, asked one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.chaos.checker.aliases import alias_faults
from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.history import history_faults
from tests.chaos.checker.limits import limit_faults
from tests.chaos.checker.rows import row_faults
from tests.chaos.checker.runs import run_faults
from tests.chaos.checker.statistics import statistics_faults

CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    history_faults,
    run_faults,
    alias_faults,
    limit_faults,
    row_faults,
    statistics_faults,
)


def broken_promises(evidence: Evidence) -> list[str]:
    """Return a line for everything that is not as promised; none: all promises were kept."""
    return [fault for check in CHECKS for fault in check(evidence)]
