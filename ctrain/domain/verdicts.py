"""What monitors say of their windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ctrain.domain.names import MonitorName, Version


class Status(StrEnum):
    """What a monitor says of its windows."""

    OK = "OK"
    BREACHED = "BREACHED"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """One column's part in a verdict; ``effect`` and ``threshold`` are on the test's own scale.

    NaN where there is no such number: a rule has no p-value, and what was not tested has nothing.
    """

    column: str
    test: str
    statistic: float = math.nan
    p_value: float = math.nan
    p_adjusted: float = math.nan
    effect: float = math.nan
    threshold: float = math.nan
    breached: bool = False
    n: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A monitor's answer as of the end of a closed pane."""

    monitor: MonitorName
    as_of: datetime
    status: Status
    value: float | None
    threshold: float | None
    n: int
    reason: str
    features: tuple[FeatureVerdict, ...] = ()
    model_version: Version | None = None
