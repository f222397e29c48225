"""Names of things, and JSON as a type."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NewType

PolicyName = NewType("PolicyName", str)
RunId = NewType("RunId", str)
MonitorName = NewType("MonitorName", str)
TriggerName = NewType("TriggerName", str)
Version = NewType("Version", str)
"""Version of a registered model, as MLflow writes it: ``"1"``, ``"2"``..."""
NO_VERSION = Version("")
"""In the place of one: what is remembered whichever version is the champion."""

Json = Mapping[str, Any]
"""A JSON object: evidence and details that are stored and shown, never interpreted by type."""


class Task(StrEnum):
    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"
