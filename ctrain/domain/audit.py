"""One event of the audited history with what ties it to the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

BEGINNING = "0" * 64
"""What the first event of a database has as the hash of its predecessor."""
UNREADABLE = "unreadable"
"""The one key of the content of a row that holds what no event can hold."""


@dataclass(frozen=True, slots=True)
class Link:
    """An event as it is stored: its number, the hash before it, its own, and what it says.

    ``content`` has the fields of an event; its instant is ISO text in UTC, and its evidence is as
    canonical JSON spells it.
    """

    number: int
    prev_hash: str
    hash: str
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """True when the hash is that of the content."""
        return UNREADABLE not in self.content and link_hash(self.prev_hash, self.content) == self.hash

    def __str__(self) -> str:
        about = [str(self.content.get(name)) for name in ("kind", "policy", "at") if self.content.get(name)]
        return f"event {self.number}" + (f" ({', '.join(about)})" if about else "")


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event at an instant: whoever keeps it notices when the history no longer leads to it."""

    number: int
    hash: str
    events: int
    """How many there were, those that have been taken away included."""
    at: datetime
    """Real time at which it was noted."""


def link_hash(previous: str, content: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over the predecessor's hash, a new line and the content as canonical JSON.

    >>> link_hash(BEGINNING, {"kind": "paused"})[:12]
    'dbe48ed17131'
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(f"{previous}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()
