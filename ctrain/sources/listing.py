"""The files that match a directory or glob, by name alone: nothing is opened here."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.errors import InputError, TransientError
from ctrain.sources.formats import DeclaredFormat, format_of, names_of, siblings_of

if TYPE_CHECKING:
    from ctrain.ports import Timer

_GLOB = re.compile(r"[*?\[]")
_ANY_DATA = "/"
"""In the place of a name: any file of the format."""
_SETTLED_SECONDS = 0.05
"""A folder whose last change is older than this shows any further change by its own time stamp."""
_RELIST_SECONDS = 60.0
"""Folders are listed again after this time, whatever their time stamps say."""

_NEWEST_FOLDERS = 20
"""Of each depth: in older ones changes are found by looking alone."""


@dataclass(slots=True)
class _Folder:
    stamp: tuple[int, int, int]
    listed_at: float
    settled: bool
    names: frozenset[str] = frozenset()
    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    """Regular files and links."""


class _Found(Mapping[str, str]):
    """Absolute paths by names that are relative to ``root``, and kept once: folders have many files."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.join(root, "")  # noqa: PTH118 - with a slash at its end
        self._names: dict[str, str | None] = {}
        """None: the path is the root and the name."""

    def __getitem__(self, name: str) -> str:
        relative = self._names[name]
        return self._root + (name if relative is None else relative)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def add(self, relative: str) -> None:
        name = _readable(relative)
        self._names[name] = None if name is relative else relative

    def remove(self, relative: str) -> None:
        self._names.pop(_readable(relative), None)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_same_folder(path: str, other: Path) -> bool:
    """False, too, where either is not there."""
    try:
        return os.path.samefile(path, other)  # noqa: PTH121 - a Path per folder would dominate
    except OSError:
        return False


class Listing:
    """Finds the files under ``base`` that match ``pattern``.

    A pattern without wildcards is a file, with what rotation makes of a log, or a folder whose files of
    the declared format are read, those of sub-folders included. Names that begin with a dot or an
    underscore are temporary files of writers and are passed over; so are linked folders. With a timer,
    a folder that has not changed is not listed again.

    Raises
    ------
    InputError
        when the pattern leaves its own root by ``..`` after a wildcard.
    """

    def __init__(
        self, pattern: str, base: Path, timer: Timer | None = None, declared: DeclaredFormat = "auto"
    ) -> None:
        parts = list(Path(base, pattern).parts)
        fixed = next((at for at, part in enumerate(parts) if _GLOB.search(part)), len(parts))
        tail = parts[fixed:]
        matches: dict[str, re.Pattern[str]] = {}
        if not tail:
            is_file = format_of(pattern) is not None or (declared != "auto" and Path(pattern).suffix != "")
            if not is_file or Path(*parts).is_dir():
                tail = ["**"]
            else:
                tail = [parts.pop()]
                found = format_of(tail[0], declared)
                if found is not None and found.kind != "parquet":
                    matches = {tail[0]: siblings_of(tail[0])}
            fixed = len(parts)
        if ".." in tail:
            raise InputError(f"{pattern}: '..' after a wildcard would leave the folder of the files")
        self.root = Path(*parts[:fixed])
        if tail[-1] == "**":
            matches[_ANY_DATA] = names_of(declared)
            tail = [*tail, _ANY_DATA]
        self._parts = tuple(tail)
        globs = {part: re.compile(fnmatch.translate(part)) for part in tail if part != "**"}
        self._patterns = globs | matches
        self._timer = timer
        self._folders: dict[str, _Folder] = {}
        self._without_dots: str | None = None
        """A path of the root that has no "..", as it was found last."""
        self._looked_at: dict[str, _Folder | None] = {}
        """What this look has shown of a folder: ``**`` comes by twice."""
        self._shown: dict[tuple[str, str], _Folder] = {}
        self._found = _Found(self.root)
        self.generation = 0
        """Changes whenever the answer of ``files`` does."""

    def files(self) -> Mapping[str, str]:
        """Return the absolute path of every match by its path relative to the root.

        A byte of that which is no UTF-8 is written out: it goes into cursors, messages and the row log.
        """
        self._looked_at.clear()
        shown = {(prefix, part): folder for prefix, folder, part in self._walk("", self._parts)}
        for place, folder in shown.items():
            self._show(*place, self._shown.get(place), folder)
        for place in self._shown.keys() - shown.keys():
            self._show(*place, self._shown[place], None)
        self._shown = shown
        return self._found

    def folders(self) -> list[str]:
        """Return the absolute paths of the root and of the newest folders that were found in it.

        The newest are those that come last by name, at each depth: data that arrives is in one of them.
        Those whose names are no text cannot be watched, and are left out.
        """
        depths: dict[int, list[str]] = {}
        for prefix in filter(_is_text, list(self._folders)):
            depths.setdefault(prefix.count("/"), []).append(prefix)
        depths.pop(0, None)
        newest = [prefix for at in sorted(depths) for prefix in sorted(depths[at])[-_NEWEST_FOLDERS:]]
        root = self._absolute()
        return [root, *(f"{root}/{prefix}".rstrip("/") for prefix in newest)]

    def _absolute(self) -> str:
        """The root without "..": links before one are followed, others may be turned elsewhere and stay."""
        if ".." not in self.root.parts:
            return str(self.root.absolute())
        known = self._without_dots
        if known is None or not _is_same_folder(known, self.root):
            known = self._without_dots = str(self.root.resolve())
        return known

    def may_match(self, path: str) -> bool:
        """Return True when what is at ``path``, in one of the folders, may change the answer of ``files``."""
        _, _, name = path.rpartition("/")
        if name.startswith((".", "_")):
            return False
        if self._patterns[self._parts[-1]].match(name):
            return True
        return len(self._parts) > 1 and Path(path).is_dir()

    def _show(self, prefix: str, part: str, before: _Folder | None, after: _Folder | None) -> None:
        """Take the difference between two states of a folder over into what was found."""
        if before is after:
            return
        old = before.files if before is not None else set()
        new = after.files if after is not None else set()
        matches = self._patterns[part].match
        for name in old - new:
            self._found.remove(prefix + name)
        for name in filter(matches, new - old):
            self._found.add(prefix + name)
        self.generation += 1

    def _walk(self, prefix: str, parts: tuple[str, ...]) -> Iterator[tuple[str, _Folder, str]]:
        if prefix not in self._looked_at:
            self._looked_at[prefix] = self._list(prefix)
        folder = self._looked_at[prefix]
        if folder is None:
            return
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._walk(prefix, rest)
            for name in sorted(folder.folders):
                yield from self._walk(f"{prefix}{name}/", parts)
        elif not rest:
            yield prefix, folder, part
        else:
            for name in sorted(folder.folders):
                if self._patterns[part].match(name):
                    yield from self._walk(f"{prefix}{name}/", rest)

    def _list(self, prefix: str) -> _Folder | None:
        """Return the entries of a folder; the same object while nothing in it has changed."""
        path = self.root / prefix
        looked_at = self._timer.now().timestamp() if self._timer else 0.0
        try:
            found = path.stat()
            before = self._folders.get(prefix)
            stamp = (found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            if before is not None and self._is_current(before, stamp):
                return before
            names = frozenset(os.listdir(path))  # noqa: PTH208 - names alone: a Path per file would dominate
        except (FileNotFoundError, NotADirectoryError):
            self._folders.pop(prefix, None)
            return None
        except OSError as error:
            raise TransientError(f"{path}: the folder cannot be listed: {error.strerror}") from error
        after = before if before is not None and before.names == names else self._sort(path, names, before)
        after.stamp, after.listed_at = stamp, self._monotonic()
        after.settled = looked_at - stamp[0] / 1e9 > _SETTLED_SECONDS
        self._folders[prefix] = after
        return after

    def _is_current(self, folder: _Folder, stamp: tuple[int, int, int]) -> bool:
        if not folder.settled or folder.stamp != stamp:
            return False
        return self._monotonic() - folder.listed_at < _RELIST_SECONDS

    def _monotonic(self) -> float:
        return self._timer.monotonic() if self._timer else 0.0

    @staticmethod
    def _sort(path: Path, names: frozenset[str], before: _Folder | None) -> _Folder:
        """Tell files, folders and links apart; only names that are new are looked at."""
        folder = _Folder((0, 0, 0), 0.0, False, names)
        gone = set()
        if before is not None:
            folder.files = before.files & names
            folder.folders = before.folders & names
        for name in names - before.names if before is not None else names:
            if name.startswith((".", "_")):
                continue
            try:
                mode = (path / name).lstat().st_mode
            except FileNotFoundError:
                gone.add(name)
                continue
            if stat.S_ISDIR(mode):
                folder.folders.add(name)
            elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                folder.files.add(name)
        folder.names -= gone
        return folder


def _readable(name: str) -> str:
    return name if name.isascii() else os.fsencode(name).decode(errors="backslashreplace")
