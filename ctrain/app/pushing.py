"""The spool of pushed batches as a server and a daemon use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from ctrain.app.faulting import planned_faults
from ctrain.domain.pushes import PushKind
from ctrain.errors import CtrainError
from ctrain.sources.push_contract import SpoolPlaces, contract_of

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch
    from ctrain.ports import Store, Telemetry, Timer
    from ctrain.settings import Settings
    from ctrain.sources.push_contract import Contract
    from ctrain.sources.push_files import SpoolFiles
    from ctrain.sources.push_spool import Spool

SWEEP_EVERY = timedelta(minutes=1)


def open_spool(settings: Settings, store: Store, timer: Timer, environ: Mapping[str, str]) -> Spool:
    """What takes batches for the policies of a home; raises InputError for faults that are not allowed."""
    from ctrain.sources.push_files import SpoolFiles
    from ctrain.sources.push_spool import Spool

    files = SpoolFiles()
    faults = planned_faults(environ)
    if faults is not None:
        from ctrain.faults import Around

        files = cast("SpoolFiles", Around(files, "spool", faults))
    return Spool(SpoolPlaces(settings.push_folder), store, timer, files)


class SpoolKeeper:
    """Clears away what was read of policies that are watched, and measures what was not.

    That it cannot is logged, and stops nothing.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        timer: Timer,
        telemetry: Telemetry,
        watched: Callable[[], Mapping[PolicyName, Watch]],
    ) -> None:
        self._places = SpoolPlaces(settings.push_folder)
        self._store = store
        self._timer = timer
        self._telemetry = telemetry
        self._watched = watched
        self._told: dict[PolicyName, str] = {}
        self._measured: set[tuple[PolicyName, PushKind]] = set()

    def keep(self) -> None:
        from ctrain.sources.push_sweep import sweep_spool

        for name, watch in self._watched().items():
            contract = contract_of(watch.policy)
            try:
                if contract.kinds:
                    sweep_spool(self._places, contract, self._store, self._timer.now())
                self._measure(name, contract)
                self._told.pop(name, None)
            except (CtrainError, OSError) as error:
                if self._told.get(name) != str(error):
                    self._telemetry.log("spool_not_swept", policy=name, message=str(error))
                self._told[name] = str(error)

    def _measure(self, name: PolicyName, contract: Contract) -> None:
        """Tell what waits; nothing waits any more of what the policy takes no longer."""
        from ctrain.sources.push_spool import Waiting, waiting_in

        for kind in PushKind:
            source = contract.source(kind)
            if source is None and (name, kind) not in self._measured:
                continue
            found, most = Waiting(0, 0), 1
            if source is not None:
                found = waiting_in(self._places, self._store, name, kind)
                most = source.max_unread
            self._telemetry.gauge("pushed_unread_bytes", found.bytes, policy=name, kind=kind.value)
            self._telemetry.gauge("pushed_unread_batches", found.batches, policy=name, kind=kind.value)
            self._telemetry.gauge("pushed_unread_ratio", found.bytes / most, policy=name, kind=kind.value)
            self._measured.add((name, kind))
