"""Leases: one holder at a time, and a fencing token that grows with every new tenure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from ctrain.errors import StateConflict
from ctrain.store import schema
from ctrain.store.access import TableAccess

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

_LEASES = schema.leases


class LeaseAccess(TableAccess):
    """Implements ``ports.LeaseTables``."""

    def acquire_lease(self, name: str, holder: str, now: datetime, duration: timedelta) -> int | None:
        """Fencing token when the lease is ours now (kept or taken), None while another holds it.

        A holder that comes back before its lease ran out keeps its token. After that the token grows,
        also for the same holder: what it began under the old token is fenced off.
        """
        tenure = {"holder": holder, "heartbeat_at": now, "expires_at": now + duration}
        ours = (_LEASES.c.holder == holder) & (_LEASES.c.expires_at > now)
        kept = _LEASES.update().where(_LEASES.c.name == name, ours).values(**tenure)
        if self._changed(kept) == 1:
            return self._token(name)
        free: ColumnElement[bool] = or_(_LEASES.c.holder.is_(None), _LEASES.c.expires_at <= now)
        taken = _LEASES.update().where(_LEASES.c.name == name, free)
        if self._changed(taken.values(token=_LEASES.c.token + 1, **tenure)) == 1:
            return self._token(name)
        return 1 if self._insert_once(_LEASES, {"name": name, "token": 1, **tenure}) else None

    def release_lease(self, name: str, holder: str) -> None:
        """Give the lease back if ``holder`` has it; the token stays on record and goes on growing."""
        held = _LEASES.update().where(_LEASES.c.name == name, _LEASES.c.holder == holder)
        self._changed(held.values(holder=None))

    def lease_holder(self, name: str, now: datetime) -> str | None:
        """Who holds the lease at ``now``."""
        query = select(_LEASES.c.holder).where(_LEASES.c.name == name, _LEASES.c.expires_at > now)
        row = self._first(query)
        return None if row is None else row["holder"]

    def require_token(self, name: str, token: int) -> None:
        """Raise StateConflict unless ``token`` is the newest and the lease was not given back."""
        query = select(_LEASES.c.token, _LEASES.c.holder).where(_LEASES.c.name == name)
        row = self._first(query.with_for_update(read=True))
        if row is None or row["holder"] is None or row["token"] != token:
            now_valid = "none" if row is None or row["holder"] is None else row["token"]
            raise StateConflict(f"lease {name}: token {token} is fenced off, valid is {now_valid}")

    def _token(self, name: str) -> int:
        return int(self._connection.execute(select(_LEASES.c.token).filter_by(name=name)).scalar_one())
