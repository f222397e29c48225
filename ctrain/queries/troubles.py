"""What keeps ctrain from its work on a policy: since when, why, and what to do; the gravest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ctrain.domain import Phase, PolicyName
from ctrain.engine.champions import UNREADABLE
from ctrain.engine.troubles import POLICY_REFUSED, TICK_FAILED
from ctrain.queries.answers import TroubleNow

if TYPE_CHECKING:
    from ctrain.domain.fleet import RunLine, TroubleLine
    from ctrain.ports import Transaction

Troubles = Mapping[PolicyName, tuple[TroubleNow, ...]]
ROLLBACK_FAILED = "rollback_failed"
"""The one trouble that no event of its own begins: it is a phase of the active run."""
_GRAVEST = (TICK_FAILED, UNREADABLE, ROLLBACK_FAILED, POLICY_REFUSED)
_TOLD = {
    TICK_FAILED: "its ticks fail, so nobody looks after it",
    UNREADABLE: "the registry cannot be read, so nothing is decided or promoted",
    ROLLBACK_FAILED: "a rollback has failed, so the new champion still serves; it is tried again",
    POLICY_REFUSED: "its file is refused, so at best the last good one is in force",
}
_TODO = {
    TICK_FAILED: "Every tick tries again; the daemon's log has the traceback.",
    UNREADABLE: "Rows are read and monitors judge as always; it goes on by itself once MLflow answers.",
    ROLLBACK_FAILED: "The run says what went wrong; the daemon tries again until the alias is back.",
    POLICY_REFUSED: "Correct the file (`ctrain validate FILE` checks it): the daemon takes it by itself.",
}


def troubles_of(tx: Transaction) -> Troubles:
    """The troubles that are under way, those of each policy by how grave they are."""
    return by_gravity(tx.trouble_lines(), tx.run_lines())


def by_gravity(lines: Iterable[TroubleLine], runs: Iterable[RunLine]) -> Troubles:
    """The troubles of each policy, the gravest first; a rollback that has failed is one."""
    found: defaultdict[PolicyName, list[TroubleNow]] = defaultdict(list)
    for one in lines:
        found[one.policy].append(TroubleNow(one.kind, one.at, one.message))
    for run in runs:
        if run.phase is Phase.ROLLBACK_FAILED:
            message = f"run {run.id}: {run.outcome_reason}".rstrip(": ")
            found[run.policy].append(TroubleNow(ROLLBACK_FAILED, run.phase_since, message))
    return {policy: tuple(sorted(some, key=_gravity)) for policy, some in found.items()}


def what_is_wrong(trouble: TroubleNow) -> str:
    """The trouble in a sentence without its stop: what it means, since when, and why."""
    return f"{_meaning(trouble)}: since {_since(trouble)}"


def in_short(trouble: TroubleNow) -> str:
    """What the trouble means, and why, where there is little room."""
    return f"{_meaning(trouble)}: {_why(trouble)}"


def what_to_do(trouble: TroubleNow) -> str:
    """What ends the trouble; empty when that is not known."""
    return _TODO.get(trouble.kind, "")


def registry_words(troubles: Sequence[TroubleNow]) -> str | None:
    """Since when and why the registry cannot be read; None while it answers."""
    return next((f"since {_since(one)}" for one in troubles if one.kind == UNREADABLE), None)


def _since(trouble: TroubleNow) -> str:
    return f"{trouble.since_at:%Y-%m-%d %H:%M} UTC: {_why(trouble)}"


def _meaning(trouble: TroubleNow) -> str:
    return _TOLD.get(trouble.kind, trouble.kind.replace("_", " "))


def _why(trouble: TroubleNow) -> str:
    return trouble.message.partition("\n")[0].rstrip(".")


def _gravity(trouble: TroubleNow) -> int:
    return _GRAVEST.index(trouble.kind) if trouble.kind in _GRAVEST else len(_GRAVEST)
