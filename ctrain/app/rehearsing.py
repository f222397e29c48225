"""``ctrain clock``: a home that lives in the past, one instant after another, as long as a person wants.

Rows that happened long ago are judged, retrained on and compared as they would have been at the time: the
present of such a home is what somebody set last, and its daemon says when nothing is left to do then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ctrain.app.asking import living_daemon
from ctrain.app.wiring import open_existing_database
from ctrain.clocks import StreamClock, StreamClockFile, open_clock, wait_for
from ctrain.errors import InputError, TransientError
from ctrain.ports import Store
from ctrain.settings import Settings
from ctrain.store.private import make_private_folder

LOOK_SECONDS = 1.0
"""How often it is looked whether the daemon that is waited for still runs."""
FIRST_YEAR, LAST_YEAR = 1970, 2200
"""Windows, deadlines and retention reach to either side of the present, within the calendar."""


@dataclass(frozen=True, slots=True)
class Present:
    """What time it is in a home."""

    now: datetime
    rehearsal: bool
    """The home is on a clock that a person sets."""
    done: bool | None = None
    """The daemon has done all that can be done by now; None: no daemon runs, or nobody waited."""


def read_present(settings: Settings) -> Present:
    """Return what time it is in a home."""
    clock = open_clock(settings.home)
    return Present(clock.now(), isinstance(clock, StreamClock))


def set_present(settings: Settings, wanted: datetime | timedelta, wait: timedelta) -> Present:
    """Move the present of a home forward, and wait until its daemon has done what can be done by then.

    A home that does not exist is made, on a clock of its own for ever.

    Raises
    ------
    InputError
        when the home is on the machine's clock, the state lies outside of it, or time would go back.
    TransientError
        when the daemon ends meanwhile.
    """
    _check_home(settings)
    before = read_present(settings)
    if isinstance(wanted, timedelta):
        if not before.rehearsal:
            raise InputError("a first instant is needed, such as 2026-05-01; after that +1d is one")
        wanted = before.now + wanted
    if not FIRST_YEAR <= wanted.year <= LAST_YEAR:
        raise InputError(f"year {wanted.year}: expected an instant from {FIRST_YEAR} to {LAST_YEAR}")
    wanted = wanted.astimezone(UTC)
    if before.rehearsal and wanted < before.now:
        raise InputError(f"it is {before.now:%Y-%m-%d %H:%M} UTC in {settings.home}: time does not go back")
    make_private_folder(settings.home)
    clock = StreamClockFile(settings.home)
    clock.set(wanted)
    return Present(wanted, True, _settled(settings, clock, wanted, wait))


def _check_home(settings: Settings) -> None:
    home = settings.home
    if not read_present(settings).rehearsal and (home / "state.db").exists():
        raise InputError(f"{home}: is on the machine's clock; name a home of its own for a rehearsal: --home")
    if settings.database_url != f"sqlite:///{home / 'state.db'}":
        raise InputError("CTRAIN_DATABASE_URL: a rehearsal keeps its state in its home; unset the variable")
    if settings.tracking_uri is not None:
        raise InputError("MLFLOW_TRACKING_URI: a rehearsal moves no real aliases; unset the variable")


def _settled(settings: Settings, clock: StreamClockFile, now: datetime, wait: timedelta) -> bool | None:
    store = _store(settings)
    if store is None or living_daemon(store) is None:
        return None
    ended = wait.total_seconds()
    while ended > 0:
        if wait_for(lambda: clock.acknowledged(now), min(LOOK_SECONDS, ended)):
            return True
        ended -= LOOK_SECONDS
        if living_daemon(store) is None:
            raise TransientError("the daemon stopped; its log says why")
    return False


def _store(settings: Settings) -> Store | None:
    return open_existing_database(settings) if (settings.home / "state.db").exists() else None
