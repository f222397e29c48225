"""Policies that have no file any more and a run that is half done: it is brought to an end all the same."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.engine.snapshots import tell_unusable
from ctrain.errors import CtrainError
from ctrain.policy.files import parse_policy

if TYPE_CHECKING:
    from ctrain.domain import PolicyName, Run, RunId
    from ctrain.policy.files import LoadedPolicy
    from ctrain.ports import Store, Telemetry


class Leftovers:
    """Finds them by the snapshots of their runs; what cannot be used is told once."""

    def __init__(self, store: Store, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry
        self._unreadable: set[RunId] = set()

    def find(self, known: Collection[PolicyName]) -> dict[PolicyName, LoadedPolicy]:
        """Those that are not among ``known`` and whose snapshot can be used."""
        with self._store.read() as tx:
            runs = [tx.active_run(name) for name in tx.policies() if name not in known]
        found = {run.policy: self._snapshot(run) for run in runs if run is not None}
        return {name: loaded for name, loaded in found.items() if loaded is not None}

    def _snapshot(self, run: Run) -> LoadedPolicy | None:
        """The policy of a run as it was when it began; None when that cannot be used any more."""
        try:
            return parse_snapshot(run.policy_text, run.policy_path)
        except CtrainError as error:
            tell_unusable(self._telemetry, run, error, self._unreadable)
            return None


def parse_snapshot(text: str, path: str) -> LoadedPolicy:
    """The policy of a run from its stored text and path."""
    return parse_policy(text, Path(path), os.environ)
