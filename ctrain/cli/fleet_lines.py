"""A fleet with a policy in a line, the most pressing first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrain.cli.limit_lines import instant
from ctrain.cli.options import named
from ctrain.cli.output import print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctrain.queries.overview import FleetOverview, PolicyLineNow

COLUMNS = ("policy", "state", "champion", "run", "last trigger", "newest row", "why")


def print_fleet(fleet: FleetOverview) -> None:
    """Print who watches, every policy, and how many need a person."""
    from ctrain.queries.states import count_states, summary_of, urgency

    say(f"{told_daemons(fleet.daemons, silent=fleet.silent)}; it is {instant(fleet.now)} UTC")
    print_table(COLUMNS, [_row(one) for one in sorted(fleet.policies, key=urgency)])
    say(summary_of(count_states(fleet.policies), len(fleet.policies)))
    say("`ctrain status POLICY` shows one in full, `ctrain why POLICY` why nothing happens")


def told_daemons(holders: Sequence[str], *, silent: bool) -> str:
    """How many daemons live, and which; ``silent`` when their leases have run out."""
    if not holders:
        return "no daemon runs"
    who = ", ".join(map(named, holders))
    told = f"a daemon runs ({who})" if len(holders) == 1 else f"{len(holders)} daemons run ({who})"
    if silent:
        return f"{told}, but has not reached the database for longer than a lease lasts: see its log"
    return told


def _row(line: PolicyLineNow) -> list[str]:
    from ctrain.queries.states import states_of

    return [
        line.policy,
        ", ".join(states_of(line)),
        line.champion or "none",
        f"{line.run.id} {line.run.phase.value}" if line.run else "",
        f"{line.last_trigger.name}: {line.last_trigger.outcome}" if line.last_trigger else "",
        instant(line.newest_event_at),
        line.why,
    ]
