"""Policies that have no file any more: on record, so that nobody waits for a daemon to watch them.

One that is under watch is told of when it is let go. One whose file went while no daemon ran is found by the
next daemon: it was read from a folder whose policies this daemon watches, and is not there, or its file holds
another policy by now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.domain import Event
from ctrain.engine.watch import ACTOR

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch
    from ctrain.ports import Clock, Store

REMOVED = "policy_removed"


def tell_let_go(watch: Watch) -> None:
    """Put on record that the policy, which is watched here, has no file any more."""
    with watch.store.write() as tx:
        watch.fence(tx)
        if tx.remove_policy(watch.name, watch.clock.now()):
            tx.append_event(watch.event(REMOVED, _message(watch.loaded.path)))


def tell_gone(
    store: Store, clock: Clock, folders: Collection[Path], present: Mapping[PolicyName, Path]
) -> list[PolicyName]:
    """Put on record which policies of these folders have lost their files; ``present`` are those with one."""
    taken = {path.absolute() for path in present.values()}
    with store.read() as tx:
        records = [tx.policy_record(name) for name in tx.policies() if name not in present]
    gone = [
        one
        for one in records
        if one is not None and one.removed_at is None and _is_gone(Path(one.path).absolute(), folders, taken)
    ]
    for one in gone:
        with store.write() as tx:
            if tx.remove_policy(one.name, clock.now()):
                message = _message(Path(one.path))
                event = Event(one.name, REMOVED, clock.now(), ACTOR, message, policy_hash=one.policy_hash)
                tx.append_event(event)
    return [one.name for one in gone]


def _is_gone(path: Path, folders: Collection[Path], taken: Collection[Path]) -> bool:
    return path.parent in folders and (path in taken or not path.exists())


def _message(path: Path) -> str:
    why = "holds it no more" if path.exists() else "was removed"
    return f"{path.name} {why}: the policy is not watched any more"
