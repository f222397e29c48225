"""Leases: one holder at a time, and a fencing token that grows with every new tenure.

Who holds what is decided by the clock of the database alone. Hosts may be wrong by minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, or_, select, text

from ctrain.domain.leases import HeldLease
from ctrain.errors import FencedOff
from ctrain.store import schema
from ctrain.store.access import TableAccess
from ctrain.store.prepared import Prepared

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

_LEASES = schema.leases
_HOMES = schema.homes
_NOW = {
    "sqlite": text("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"),
    "postgresql": text("SELECT clock_timestamp()"),
}
_TOKEN = Prepared(
    select(_LEASES.c.token, _LEASES.c.holder)
    .where(_LEASES.c.name == bindparam("lease"))
    .with_for_update(read=True)
)
AT_ONCE = 500
"""Leases in one statement."""


class LeaseAccess(TableAccess):
    """Implements ``ports.LeaseTables``."""

    def database_now(self) -> datetime:
        """The present by the clock of the database, UTC; a file's is that of this machine."""
        now: str | datetime = self._connection.execute(_NOW[self._connection.dialect.name]).scalar_one()
        return (datetime.fromisoformat(now) if isinstance(now, str) else now).astimezone(UTC)

    def acquire_lease(self, name: str, holder: str, now: datetime, duration: timedelta) -> int | None:
        """Fencing token when the lease is ours now (kept or taken), None while another holds it."""
        return self.acquire_leases([name], holder, now, duration).get(name)

    def acquire_leases(
        self, names: Iterable[str], holder: str, now: datetime, duration: timedelta
    ) -> dict[str, int]:
        """Fencing tokens of those leases that are ours now (kept or taken), by name.

        A holder that comes back before its lease ran out keeps its token. After that the token grows,
        also for the same holder: what it began under the old token is fenced off.
        """
        tenure: dict[str, Any] = {"holder": holder, "heartbeat_at": now, "expires_at": now + duration}
        tokens: dict[str, int] = {}
        for some in _batches(sorted(set(names))):
            these = _LEASES.c.name.in_(some)
            known = {row["name"] for row in self._all(select(_LEASES.c.name).where(these))}
            free: ColumnElement[bool] = or_(_LEASES.c.holder.is_(None), _LEASES.c.expires_at <= now)
            self._changed(_LEASES.update().where(these, free).values(token=_LEASES.c.token + 1, **tenure))
            ours = _LEASES.c.holder == holder
            self._changed(_LEASES.update().where(these, ours).values(**tenure))
            fresh = {"token": 1, **tenure}  # nosec B105 # a count that fences, no password
            new = [{"name": name, **fresh} for name in some if name not in known]
            if new:
                self._insert_new(_LEASES, new)
            rows = self._all(select(_LEASES.c.name, _LEASES.c.token).where(these, ours))
            tokens.update((row["name"], row["token"]) for row in rows)
        return tokens

    def renew_leases(self, holder: str, now: datetime, duration: timedelta) -> dict[str, int]:
        """Prolong every lease of the holder that has not run out; their fencing tokens by name."""
        ours = (_LEASES.c.holder == holder, _LEASES.c.expires_at > now)
        self._changed(_LEASES.update().where(*ours).values(heartbeat_at=now, expires_at=now + duration))
        return {row["name"]: row["token"] for row in self._all(select(_LEASES).where(*ours))}

    def release_lease(self, name: str, holder: str) -> None:
        """Give the lease back if ``holder`` has it; the token stays on record and goes on growing."""
        self.release_leases(holder, [name])

    def release_leases(self, holder: str, names: Iterable[str] | None = None) -> None:
        """Give back those of the leases that ``holder`` has; without names all that it has."""
        held = _LEASES.update().where(_LEASES.c.holder == holder).values(holder=None)
        if names is None:
            self._changed(held)
            return
        for some in _batches(names):
            self._changed(held.where(_LEASES.c.name.in_(some)))

    def forget_leases(self, prefix: str, now: datetime) -> None:
        """Take those leases off the record whose names begin so and that nobody holds; not policies' ones.

        The next token of a forgotten lease is 1 again.
        """
        named = _LEASES.c.name.startswith(prefix, autoescape=True)
        self._changed(
            _LEASES.delete().where(named, or_(_LEASES.c.holder.is_(None), _LEASES.c.expires_at <= now))
        )

    def live_leases(self, now: datetime) -> list[HeldLease]:
        """Every lease that is held at ``now``, by name."""
        columns = (_LEASES.c.name, _LEASES.c.holder, _LEASES.c.token, _LEASES.c.expires_at)
        held = select(*columns).where(_LEASES.c.holder.is_not(None), _LEASES.c.expires_at > now)
        return [HeldLease(**row) for row in self._all(held.order_by(_LEASES.c.name))]

    def run_out_leases(self, prefix: str, now: datetime) -> list[HeldLease]:
        """Leases whose names begin so that ran out before ``now`` and that nobody gave back."""
        columns = (_LEASES.c.name, _LEASES.c.holder, _LEASES.c.token, _LEASES.c.expires_at)
        named = _LEASES.c.name.startswith(prefix, autoescape=True)
        held = select(*columns).where(named, _LEASES.c.holder.is_not(None), _LEASES.c.expires_at <= now)
        return [HeldLease(**row) for row in self._all(held.order_by(_LEASES.c.name))]

    def lease_holder(self, name: str, now: datetime) -> str | None:
        """Who holds the lease at ``now``."""
        query = select(_LEASES.c.holder).where(_LEASES.c.name == name, _LEASES.c.expires_at > now)
        row = self._first(query)
        return None if row is None else row["holder"]

    def require_token(self, name: str, token: int) -> None:
        """Raise FencedOff unless ``token`` is the newest and the lease was not given back."""
        row = self._first(_TOKEN, lease=name)
        if row is None or row["holder"] is None or row["token"] != token:
            now_valid = "none" if row is None or row["holder"] is None else row["token"]
            raise FencedOff(f"lease {name}: token {token} is fenced off, valid is {now_valid}")

    def claim_home(self, home_id: str, path: str, now: datetime) -> tuple[str, str]:
        """Id and path of the one home of this database; the first that asks becomes it."""
        row = self._first(select(_HOMES.c.id, _HOMES.c.path).limit(1))
        if row is None:
            self._insert(_HOMES, {"id": home_id, "path": path, "since": now})
            return home_id, path
        return row["id"], row["path"]


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    left = iter(names)
    while some := list(islice(left, AT_ONCE)):
        yield some
