"""A policy that has been read and found valid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ctrain.policy.models import Policy


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A valid policy with the text it was read from."""

    policy: Policy
    text: str
    """As written: placeholders are not expanded."""
    path: Path
    """Absolute."""
    hash: str
    """SHA-256 of what the text says: comments and layout do not count, placeholders are not expanded."""

    @property
    def folder(self) -> Path:
        """Folder that relative paths of the policy start from, and that training code lies in."""
        return self.path.parent
