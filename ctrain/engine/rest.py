"""Rest: a policy of which nothing has moved is not looked at as a whole at every tick.

After a tick that left nothing to do a policy without a run rests until the champion alias is to be read
again, and no longer than ``LONGEST``. Meanwhile a tick asks only whether rows, labels or requests have come:
one query, and a look at the files. What follows the clock alone (freshness, limits, schedules) waits for
the end of the rest; a schedule that becomes due before it, or a metrics server that is to be asked,
forbids it. In a busy daemon rows and labels end the rest only after a while, together with what comes then.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ctrain.engine.decide import due_schedules
from ctrain.engine.ingest import has_unread
from ctrain.engine.watch_memory import Rest
from ctrain.policy.monitors import PrometheusMonitor

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

LONGEST = timedelta(minutes=1)


def is_resting(watch: Watch) -> bool:
    """True while the policy rests and nothing has come that ends it."""
    rest = watch.rest
    if rest is None:
        return False
    over = watch.timer.monotonic() >= rest.ends_at or not _is_recent(watch, rest.since)
    if over or watch.lease != rest.lease or _has_to_read(watch, rest) or _is_asked(watch):
        watch.rest = None
    return watch.rest is not None


def awaited(watch: Watch) -> timedelta | None:
    """How long the policy still leaves there what has come; None: nothing has that it knows of."""
    rest = watch.rest
    if rest is None or rest.unread_since is None:
        return None
    due = watch.pace.due(watch.name, watch.policy.data.pane, rest.unread_since)
    return timedelta(seconds=max(due - watch.timer.monotonic(), 0.0))


def _has_to_read(watch: Watch, rest: Rest) -> bool:
    if rest.unread_since is None and has_unread(watch, rest.state):
        watch.rest = replace(rest, unread_since=watch.timer.monotonic())
    return awaited(watch) == timedelta(0)


def _is_recent(watch: Watch, since: datetime) -> bool:
    return timedelta(0) <= watch.clock.now() - since < LONGEST


def _is_asked(watch: Watch) -> bool:
    with watch.store.read() as tx:
        return bool(tx.open_requests(watch.name))


def begin_rest(watch: Watch) -> None:
    """Let the policy rest after a tick, when nothing is under way or about to be due."""
    view, now = watch.registry_view, watch.timer.monotonic()
    if not watch.may_rest or watch.behind or not view.readable or view.read_at is None:
        return
    if any(isinstance(one, PrometheusMonitor) for one in watch.policy.monitors.values()):
        return
    since = watch.clock.now()
    with watch.store.read() as tx:
        if tx.active_run(watch.name) is not None or due_schedules(watch, tx, since + LONGEST):
            return
        state = tx.ingest_state(watch.name)
    ends = [now + LONGEST.total_seconds(), view.read_at + watch.registry_poll_seconds]
    ends += [at for at in watch.retry_at.values() if at > now]
    watch.rest = Rest(since, min(ends), watch.lease, state)
