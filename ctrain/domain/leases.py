"""Names of leases, and what stands on record of one.

A daemon holds one lease for itself, by which the others see that it lives, and one for each policy that
it watches. All end by the clock of the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ctrain.domain.names import PolicyName

POLICY_LEASE = "policy:"
DAEMON_LEASE = "daemon:"


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease that somebody holds now."""

    name: str
    holder: str
    token: int
    expires_at: datetime


def policy_lease(policy: PolicyName) -> str:
    """The name of the lease by which a daemon watches the policy."""
    return f"{POLICY_LEASE}{policy}"


def daemon_lease(holder: str) -> str:
    """The name of the lease by which a daemon shows that it lives."""
    return f"{DAEMON_LEASE}{holder}"


def watching(held: Iterable[HeldLease], policy: PolicyName) -> str | None:
    """The daemon that watches the policy; None when only commands or nobody holds it.

    >>> held = [HeldLease(name, "vm:42", 1, datetime.max) for name in ("daemon:vm:42", "policy:clicks")]
    >>> watching(held, PolicyName("clicks")), watching(held, PolicyName("views"))
    ('vm:42', None)
    """
    living = list(held)
    daemons = {one.holder for one in living if one.name == daemon_lease(one.holder)}
    holders = (one.holder for one in living if one.name == policy_lease(policy))
    return next((one for one in holders if one in daemons), None)


def leased_policy(name: str) -> PolicyName | None:
    """The policy whose lease this is; None when it is another lease.

    >>> leased_policy("policy:clicks"), leased_policy("daemon:vm:42")
    ('clicks', None)
    """
    return PolicyName(name.removeprefix(POLICY_LEASE)) if name.startswith(POLICY_LEASE) else None
