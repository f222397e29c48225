"""Model versions, the champion, and plans to move its alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ctrain.domain.names import PolicyName, RunId, Version


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version in the registry. ``source`` loads it; ``tags`` are ctrain's and other people's."""

    model: str
    version: Version
    source: str
    mlflow_run_id: str | None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """SHA-256 of the artifact when it was registered by ctrain."""
        return self.tags.get("ctrain.digest")


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that the champion alias names, and since when production serves it."""

    version: Version
    since_at: datetime
    origin: Literal["promoted", "rolled_back", "adopted", "external", "first"]
    cut_off_at: datetime | None = None
    """No row with an event time at or after this instant was seen in training; None: unknown."""


@dataclass(frozen=True, slots=True)
class AliasIntent:
    """The plan of an alias move, on record before the registry is touched."""

    id: str
    policy: PolicyName
    model: str
    kind: Literal["promotion", "rollback", "adoption"]
    expected_champion: Version | None
    expected_previous: Version | None
    new_champion: Version
    new_previous: Version | None
    fencing_token: int
    created_at: datetime
    run_id: RunId | None = None
    actor: str = "ctrain"
    outcome: str = ""
    """Empty while open; then ``done``, ``superseded`` or ``reverted``."""
    closing_token: int | None = None
    """The fencing token under which it ended; another one than its own when it changed hands."""

    @property
    def changed_hands(self) -> bool:
        """True when another tenure of the lease ended it: whoever began it may be late with a write."""
        return self.closing_token is not None and self.closing_token != self.fencing_token
