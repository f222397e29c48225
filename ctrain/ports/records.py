"""What the store keeps of runs, policies and leases."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from ctrain.domain import (
    AliasIntent,
    Champion,
    Event,
    Json,
    MonitorName,
    Phase,
    PolicyName,
    PolicyRecord,
    Request,
    Run,
    RunId,
)
from ctrain.domain.leases import HeldLease


class RunTables(Protocol):
    def create_run(self, run: Run) -> None:
        """Raises StateConflict when the policy has an active run."""

    def run(self, run_id: RunId) -> Run | None: ...

    def active_run(self, policy: PolicyName) -> Run | None: ...

    def runs(self, policy: PolicyName | None = None, limit: int = 50) -> list[Run]:
        """Newest first."""

    def save_run(self, run: Run, *, expected: Phase) -> None:
        """Write all fields of ``run`` if it stands in ``expected``; else StateConflict."""

    def add_comparison_point(self, run_id: RunId, phase: Phase, at: datetime, point: Json) -> None: ...

    def comparison_points(self, run_id: RunId) -> list[tuple[Phase, datetime, Json]]: ...


class PolicyTables(Protocol):
    def save_policy(
        self,
        policy: PolicyName,
        policy_hash: str,
        path: str,
        identity: Json,
        now: datetime,
        main_monitor: MonitorName | None = None,
    ) -> None:
        """Register or refresh a policy; raises StateConflict when its identity changed.

        ``main_monitor`` is the one that tells best how its model does.
        """

    def policies(self) -> list[PolicyName]: ...

    def policy_record(self, policy: PolicyName) -> PolicyRecord | None: ...

    def remove_policy(self, policy: PolicyName, now: datetime) -> bool:
        """Note that it has no file any more, until it is saved again; False when that is known."""

    def set_paused(self, policy: PolicyName, paused: bool) -> None: ...

    def paused(self, policy: PolicyName) -> bool: ...

    def champion(self, policy: PolicyName) -> Champion | None:
        """The champion as last seen or set by ctrain; the registry is the truth."""

    def save_champion(self, policy: PolicyName, champion: Champion | None) -> None: ...

    def append_event(self, event: Event) -> int:
        """Return the number of the event."""

    def events(
        self, policy: PolicyName | None = None, run_id: RunId | None = None, limit: int = 100
    ) -> list[Event]:
        """Newest first."""

    def trouble(self, policy: PolicyName, begun: str, ended: str) -> Event | None:
        """The event with which a trouble began that has not ended; these kinds begin and end it."""

    def record_intent(self, intent: AliasIntent) -> None: ...

    def open_intent(self, policy: PolicyName) -> AliasIntent | None: ...

    def close_intent(self, intent_id: str, outcome: str, token: int | None = None) -> None:
        """Record how the plan ended, and under which fencing token."""

    def intents(self, policy: PolicyName, limit: int = 50) -> list[AliasIntent]: ...

    def add_request(self, request: Request) -> int: ...

    def open_requests(self, policy: PolicyName) -> list[Request]: ...

    def request(self, request_id: int) -> Request | None: ...

    def answer_request(self, request_id: int, answer: str) -> None: ...


class LeaseTables(Protocol):
    def database_now(self) -> datetime:
        """The present by the clock of the database, UTC: it alone decides who holds a lease."""

    def acquire_lease(self, name: str, holder: str, now: datetime, duration: timedelta) -> int | None:
        """Fencing token when the lease is ours now (kept or taken), None while another holds it."""

    def acquire_leases(
        self, names: Iterable[str], holder: str, now: datetime, duration: timedelta
    ) -> dict[str, int]:
        """Fencing tokens of those leases that are ours now (kept or taken), by name."""

    def renew_leases(self, holder: str, now: datetime, duration: timedelta) -> dict[str, int]:
        """Prolong every lease of the holder that has not run out; their fencing tokens by name."""

    def release_lease(self, name: str, holder: str) -> None: ...

    def release_leases(self, holder: str, names: Iterable[str] | None = None) -> None:
        """Give back those of the leases that ``holder`` has; without names all that it has."""

    def forget_leases(self, prefix: str, now: datetime) -> None:
        """Take those leases off the record whose names begin so and that nobody holds."""

    def live_leases(self, now: datetime) -> list[HeldLease]:
        """Every lease that is held at ``now``, by name."""

    def run_out_leases(self, prefix: str, now: datetime) -> list[HeldLease]:
        """Leases whose names begin so that ran out before ``now`` and that nobody gave back."""

    def lease_holder(self, name: str, now: datetime) -> str | None: ...

    def require_token(self, name: str, token: int) -> None:
        """Raise StateConflict unless ``token`` is the lease's newest and the lease was not given back.

        Called inside every write transaction of a daemon: one that was overtaken commits nothing.
        """

    def claim_home(self, home_id: str, path: str, now: datetime) -> tuple[str, str]:
        """Id and path of the one home of this database; the first that asks becomes it."""
