"""Which folders are watched, and for whom: those of the sources, or what is nearest above them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.engine.watch import Watch

REMOTE = ("nfs", "cifs", "smb", "afs", "ceph", "glusterfs", "lustre", "gpfs", "9p", "fuse.")
"""Beginnings of the types of file systems whose changes may be made by other machines."""


@runtime_checkable
class FolderSource(Protocol):
    """A source that finds what comes in folders."""

    def folders(self) -> list[str]:
        """Absolute paths; some may not exist yet."""

    def concerns(self, path: str) -> bool:
        """False when a change of what is at ``path``, in one of the folders, is no news."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which folders to watch, and for whom."""

    folders: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Device and inode by path: a folder that was replaced is another one."""
    readers: dict[str, list[tuple[PolicyName, FolderSource]]] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)
    """Paths that do not exist: once they do, other folders are to be watched."""

    def new_beside(self, before: Plan) -> set[PolicyName]:
        """The policies with a folder that they did not have before, or that has been replaced."""
        return {name for _, _, name in self._watched() - before._watched()}

    def _watched(self) -> set[tuple[str, tuple[int, int], PolicyName]]:
        return {
            (folder, identity, name)
            for folder, identity in self.folders.items()
            for name, _ in self.readers.get(folder, ())
        }

    def woken_by(self, paths: Iterable[str]) -> set[PolicyName]:
        """The policies to which a change at one of the paths may be news."""
        woken: set[PolicyName] = set()
        for path in paths:
            for name, source in self.readers.get(path.rpartition("/")[0], ()):
                if name not in woken and source.concerns(path):
                    woken.add(name)
        return woken


def plan_watching(watches: Mapping[PolicyName, Watch], remote: Iterable[str] = ()) -> Plan:
    """The folders of all sources, and for those that do not exist the nearest one above them that does.

    Folders under the ``remote`` mount points are left out.
    """
    plan = Plan()
    for name, watch in watches.items():
        sources: tuple[object, ...] = (watch.rows_source, watch.labels_source)
        for source in sources:
            if isinstance(source, FolderSource):
                for folder in source.folders():
                    _add(plan, folder, name, source, tuple(remote))
    return plan


def _add(plan: Plan, folder: str, name: PolicyName, source: FolderSource, remote: tuple[str, ...]) -> None:
    plan.readers.setdefault(folder, []).append((name, source))
    while folder not in plan.folders:
        identity = _identity(folder)
        if identity is not None:
            if not _is_under(folder, remote):
                plan.folders[folder] = identity
            return
        plan.awaited.add(folder)
        folder = folder.rpartition("/")[0] or "/"


def _is_under(folder: str, mounts: tuple[str, ...]) -> bool:
    if not mounts:
        return False
    real = os.path.realpath(folder)
    return any(real == one or real.startswith(one.rstrip("/") + "/") for one in mounts)


def _identity(folder: str) -> tuple[int, int] | None:
    """Device and inode of a folder, links followed; None when there is none."""
    try:
        found = os.stat(folder)  # noqa: PTH116 - a Path per folder would dominate
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def remote_mounts(mounts: str) -> list[str]:
    r"""Return the mount points of network file systems, from the text of ``/proc/mounts``.

    >>> remote_mounts("/dev/vda / ext4 rw 0 0\nhost:/x /mnt/my\\040data nfs4 rw 0 0\n")
    ['/mnt/my data']
    """
    rows = (line.split() for line in mounts.splitlines())
    found = [row[1] for row in rows if len(row) > 2 and row[2].startswith(REMOTE)]
    return [one.encode().decode("unicode_escape") if "\\" in one else one for one in found]


def read_mounts() -> str:
    """The text of ``/proc/mounts``; empty where there is none."""
    try:
        return Path("/proc/mounts").read_text()
    except OSError:
        return ""
