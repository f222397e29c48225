"""What a person should know besides the decisions: why nothing may be decided at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ctrain.domain import Phase, Status, Verdict
from ctrain.engine.troubles import BLIND
from ctrain.policy.fields import format_duration
from ctrain.queries.answers import ChampionNow, PolicyStatus, RunNow
from ctrain.queries.troubles import what_is_wrong

SILENT_FOR = timedelta(days=1)
"""Without rows for longer than this, verdicts speak of the past."""


NO_DAEMON = "no daemon runs"
UNWATCHED = "no daemon watches it"
REMOVED = "its file was removed"


def notes_on(
    status: PolicyStatus, daemon: str | None, daemons: Sequence[str], now: datetime
) -> tuple[str, ...]:
    """One sentence per thing that keeps the policy from being decided on fresh, whole data."""
    nobody = UNWATCHED if daemons else NO_DAEMON
    if status.removed_at is not None:
        nobody = f"{REMOVED} at {status.removed_at:%Y-%m-%d %H:%M} UTC, and {UNWATCHED}"
    return tuple(_notes(status, nobody if daemon is None else "", now))


def before_champion(verdict: Verdict, champion: ChampionNow | None) -> str:
    """As of when a verdict is that cannot be about the present champion; empty for any other."""
    if champion is None or verdict.as_of >= champion.since_at:
        return ""
    return f" as of {verdict.as_of:%Y-%m-%d %H:%M} UTC, before version {champion.version} became the champion"


def blindness(run: RunNow | None) -> str:
    """Why a probation compares nothing, in a line; empty for whatever does."""
    if run is None or run.phase is not Phase.PROBATION or not run.outcome_reason.startswith(BLIND):
        return ""
    return run.outcome_reason.partition("\n")[0].rstrip(".:")


def _notes(status: PolicyStatus, nobody: str, now: datetime) -> Iterator[str]:
    if nobody:
        yield f"{nobody}: what stands here is what the last one saw"
    yield from map(what_is_wrong, status.troubles)
    if status.registry_trouble is None and status.champion is None:
        yield "there is no champion: nothing is compared, and the first run is judged by absolute gates"
    if status.run is not None and status.run.phase is Phase.AWAITING_APPROVAL:
        run = status.run.id
        yield f"run {run} waits for a person: see `ctrain show {run}`, then `ctrain approve` or `reject` it"
    if blind := blindness(status.run):
        yield blind
    yield from _on_data(status, now)
    inconclusive = [one for one in status.verdicts if one.status is Status.INCONCLUSIVE]
    for verdict in inconclusive:
        of_then = before_champion(verdict, status.champion)
        yield f"{verdict.monitor} {'was' if of_then else 'is'} INCONCLUSIVE{of_then}: {verdict.reason}"
    if status.open_requests:
        yield f"{status.open_requests} requests wait for a daemon"


def _on_data(status: PolicyStatus, now: datetime) -> Iterator[str]:
    data = status.data
    if data.newest_event_at is None:
        yield "no rows have been read yet"
    elif now - data.newest_event_at > SILENT_FOR:
        yield f"the newest row is {format_duration(now - data.newest_event_at)} old: verdicts are of then"
    if data.rows and not data.labels:
        yield "no labels have come yet: nothing can be trained or judged"
    for message in data.rejected_files:
        yield f"set aside: {message}"
