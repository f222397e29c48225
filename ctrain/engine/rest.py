"""Rest: a policy of which nothing has moved is not looked at as a whole at every tick.

After a tick that left nothing to do a policy without a run rests, no longer than ``LONGEST``. Meanwhile a
tick asks only whether rows, labels or requests have come: one query, and a look at the files; and when the
champion alias is to be read again it reads that. What follows the clock alone (freshness, limits, schedules)
waits for the end of the rest; a schedule that becomes due before it, or a metrics server that is to be asked,
forbids it. In a busy daemon rows and labels end the rest only after a while, together with what comes then,
and rests that began together do not end together.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.engine.champions import sync_champion
from ctrain.engine.decide import due_schedules
from ctrain.engine.ingest import has_unread
from ctrain.engine.pace import LONGEST_WAIT
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
    if (
        _is_over(watch, rest)
        or watch.lease != rest.lease
        or _has_to_read(watch, rest)
        or _is_asked(watch)
        or _champion_moved(watch)
    ):
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


def _is_over(watch: Watch, rest: Rest) -> bool:
    """Its end waits for the policy's turn, as rows do; not once the clock has been set."""
    now, pane = watch.timer.monotonic(), watch.policy.data.pane
    if not timedelta(0) <= watch.clock.now() - rest.since < LONGEST + watch.pace.wait(pane):
        return True
    return now >= rest.ends_at and now >= watch.pace.due(watch.name, pane, rest.ends_at)


def _is_asked(watch: Watch) -> bool:
    with watch.store.read() as tx:
        return bool(tx.open_requests(watch.name))


def _champion_moved(watch: Watch) -> bool:
    """Also when the registry does not say, or shows a write that is to be reverted."""
    moved = sync_champion(watch)
    return moved or not watch.registry_view.readable or watch.registry_view.stale_write is not None


def begin_rest(watch: Watch) -> None:
    """Let the policy rest after a tick, when nothing is under way or about to be due."""
    now = watch.timer.monotonic()
    if not watch.may_rest or watch.behind or not watch.registry_view.readable:
        return
    if any(isinstance(one, PrometheusMonitor) for one in watch.policy.monitors.values()):
        return
    since = watch.clock.now()
    with watch.store.read() as tx:
        if tx.active_run(watch.name) is not None or due_schedules(watch, tx, since + LONGEST + LONGEST_WAIT):
            return
        state = tx.ingest_state(watch.name)
    ends = [now + LONGEST.total_seconds()]
    ends += [at for at in watch.retry_at.values() if at > now]
    watch.rest = Rest(since, min(ends), watch.lease, state)
