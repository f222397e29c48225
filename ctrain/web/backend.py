"""What pages and API need of the rest of ctrain; wired in ``ctrain.app``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ctrain.errors import TransientError
from ctrain.web.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctrain.domain import PolicyName, Request, RequestKind, Run, RunId
    from ctrain.ports import Clock, Store, Timer
    from ctrain.queries import FleetQueries
    from ctrain.settings import Settings
    from ctrain.sources.push_spool import Spool


class NobodyActs(TransientError):
    """No daemon lives that would do what is asked for; the message says what to do."""


@dataclass(frozen=True, slots=True)
class DaemonAnswer:
    """What the daemon said to a scrape or a probe."""

    status: int
    body: bytes
    content_type: str


class DaemonPages(Protocol):
    """Metrics and health of the daemon whose child this is."""

    def fetch(self, path: str, accept: str = "") -> DaemonAnswer:
        """The daemon's answer; TransientError when it gives none."""


class Actions(Protocol):
    """What people ask for: put on record here, done by a daemon."""

    def ask(
        self,
        policy: PolicyName,
        kind: RequestKind,
        actor: str,
        arguments: Mapping[str, Any],
        key: str = "",
        sent: Mapping[str, Any] | None = None,
    ) -> Request:
        """The request as it stands on record; the earlier one when ``key`` was used for the same before.

        ``sent`` is what the caller sent, where ``arguments`` hold more than that.

        Raises
        ------
        InputError
            when there is no such policy, or ``key`` was used for something else.
        NobodyActs
            when it would be done later by surprise: a trigger alone waits for the next daemon.
        """

    def earlier(
        self, policy: PolicyName, kind: RequestKind, actor: str, sent: Mapping[str, Any], key: str
    ) -> Request | None:
        """The request that ``key`` was used for before; InputError when that was something else."""

    def set_paused(self, policy: PolicyName, paused: bool, actor: str) -> None:
        """Pause or resume; InputError when there is no such policy."""

    def awaiting(self, run_id: RunId) -> tuple[Run, dict[str, Any]]:
        """A run that waits for approval, and what an answer is bound to; InputError, StateConflict."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Everything that the application is built on."""

    settings: Settings
    store: Store
    queries: FleetQueries
    clock: Clock
    timer: Timer
    actions: Actions
    rules: Rules = field(default_factory=Rules)
    spool: Spool | None = None
    """Takes batches that are pushed; None: none are taken."""
    daemon: DaemonPages | None = None
    """None: a server of its own, beside no daemon."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """What placeholders of policies stand for."""
    redact: Callable[[str], str] = lambda text: text
    """Takes secrets out of a text."""
    log: Callable[..., None] = lambda *_, **__: None
    """Takes the name of an event and its fields."""
