"""Where pushed batches lie, and what a policy takes: written by the daemon that watches it.

Whoever receives a batch judges it by the policy in force, whatever its file says meanwhile, and needs
no policy file for it.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ctrain.domain import PolicyName, Task
from ctrain.domain.pushes import PushKind
from ctrain.errors import InputError
from ctrain.policy.data import DataSpec, PushSource
from ctrain.sources.push_refusals import SpoolAway

if TYPE_CHECKING:
    from ctrain.policy.models import Policy

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_CONTRACT = "contract.json"


@dataclass(frozen=True, slots=True)
class Contract:
    """What a policy says of the rows and labels that it takes."""

    policy: PolicyName
    task: Task
    data: DataSpec

    def source(self, kind: PushKind) -> PushSource | None:
        """What the policy says of batches of this kind; None when it takes none."""
        found = self.data.source if kind is PushKind.ROWS else self.data.labels.source
        return found if isinstance(found, PushSource) else None

    @property
    def kinds(self) -> tuple[PushKind, ...]:
        return tuple(kind for kind in PushKind if self.source(kind) is not None)


def contract_of(policy: Policy) -> Contract:
    """Return what a policy says of what it takes."""
    return Contract(PolicyName(policy.policy), policy.model.task, policy.data)


class SpoolPlaces:
    """Paths under the folder of all spools; no name of a policy leads out of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, policy: PolicyName, kind: PushKind) -> Path:
        """Where batches lie that wait to be read."""
        return self._of(policy) / kind.value

    def incoming(self, policy: PolicyName) -> Path:
        """Where batches are written, on the same disk."""
        return self._of(policy) / "incoming"

    def open(self, contract: Contract) -> None:
        """Make known what the policy takes now; batches that wait are left alone.

        Raises
        ------
        SpoolAway
            when the disk cannot be written.
        """
        path = self._of(contract.policy) / _CONTRACT
        try:
            if not contract.kinds:
                path.unlink(missing_ok=True)
                return
            for kind in contract.kinds:
                self.folder(contract.policy, kind).mkdir(parents=True, exist_ok=True)
            self.incoming(contract.policy).mkdir(exist_ok=True)
            text = _written(contract)
            if not path.exists() or path.read_text() != text:
                partial = path.with_name(f".{uuid.uuid4().hex}.partial")
                partial.write_text(text)
                os.replace(partial, path)
        except OSError as error:
            raise SpoolAway(f"{path.parent}: cannot be written: {error}") from error

    def close(self, policy: PolicyName) -> None:
        """Take nothing for the policy any more."""
        (self._of(policy) / _CONTRACT).unlink(missing_ok=True)

    def contract(self, policy: PolicyName) -> Contract | None:
        """What the policy takes; None when it takes nothing.

        Raises
        ------
        SpoolAway
            when it cannot be read: a daemon of another version may be at it.
        """
        path = self._of(policy) / _CONTRACT
        try:
            found = json.loads(path.read_text())
            return Contract(policy, Task(found["task"]), DataSpec.model_validate(found["data"]))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, ValidationError) as error:
            raise SpoolAway(f"{path}: what the policy takes cannot be read: {error}") from error

    def _of(self, policy: PolicyName) -> Path:
        if _NAME.fullmatch(policy) is None:
            raise InputError(f"{policy!r} is no name of a policy")
        return self._root / policy


def _written(contract: Contract) -> str:
    data = contract.data.model_dump(mode="json", by_alias=True)
    return json.dumps({"task": contract.task.value, "data": data}, sort_keys=True)
