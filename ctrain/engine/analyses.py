"""Jobs of the analyst: waited for, tried again when they fail, and given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.domain import AnalysisStatus

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

ATTEMPTS = 3
RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 1800.0
"""An answer that has not come by then is taken for a failure: other monitors wait for the pane, too."""


def settled(watch: Watch, key: str, status: AnalysisStatus) -> AnalysisStatus | None:
    """The status when the job is done or has failed for good; None while it is to be waited for.

    What fails is tried again ``ATTEMPTS`` times; what never comes has failed, too.
    """
    now = watch.timer.monotonic()
    if status.state == "failed":
        return _after_failure(watch, key, status, now)
    if status.state == "done":
        for table in (watch.failures, watch.retry_at):
            table.pop(key, None)
        watch.retry_at.pop(f"{key} is due", None)
        return status
    due = watch.retry_at.setdefault(f"{key} is due", now + PATIENCE_SECONDS)
    return AnalysisStatus("failed", "it takes too long") if now > due else None


def _after_failure(watch: Watch, key: str, status: AnalysisStatus, now: float) -> AnalysisStatus | None:
    if key not in watch.retry_at:
        watch.failures[key] = watch.failures.get(key, 0) + 1
        watch.retry_at[key] = now + RETRY_SECONDS
        watch.telemetry.log("analysis_failed", policy=watch.name, job=key, message=status.message)
    if watch.failures[key] >= ATTEMPTS:
        return status
    if now >= watch.retry_at[key]:
        del watch.retry_at[key]
        watch.analyst.forget(key)
    return None
