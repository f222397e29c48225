"""What every monitor's module gives back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ctrain.domain import Champion, Json, MonitorName, Status, Verdict


@dataclass(frozen=True, slots=True)
class Assessed:
    """A verdict, and what the monitor remembers after the pane where it remembers anything."""

    verdict: Verdict
    memory: Json | None = None


def inconclusive(
    name: MonitorName, as_of: datetime, reason: str, champion: Champion | None = None
) -> Verdict:
    """The verdict of a monitor that cannot say anything, with the reason."""
    return Verdict(
        monitor=name,
        as_of=as_of,
        status=Status.INCONCLUSIVE,
        value=None,
        threshold=None,
        n=0,
        reason=reason,
        model_version=champion.version if champion else None,
    )
