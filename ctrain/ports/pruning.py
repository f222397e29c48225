"""Forgetting: what the store deletes because it has grown too old."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from ctrain.domain import PolicyName, Version


class PruneTables(Protocol):
    """Deletes what nothing stands on any more; events are never deleted."""

    def prune(
        self, policy: PolicyName, *, thinned_before: datetime, before: datetime, limit: int
    ) -> Mapping[str, int]:
        """Delete up to ``limit`` rows of each table; return how many, by table.

        Before ``thinned_before`` the first of each stretch of verdicts with one status stays, every firing,
        and the last comparison point of a phase; before ``before`` none of these. Always kept are the newest
        verdict of a monitor, the newest decision and occurrence of a trigger, and all of a run that has not
        ended.
        """

    def prune_versions(self, policy: PolicyName, kept: Collection[Version], newest: int) -> Mapping[str, int]:
        """Delete references and detectors of versions that are not in ``kept``; return rows by table.

        The ``newest`` references are kept whatever their version, and detectors as long as the reference.
        """
