"""The cursor of a source of files: which files have been read, in 28 characters each.

A file that is done is one fixed-width entry in a text that only grows at its end: 8 characters each
for its name, its stat fingerprint and its content, 4 for its number of rows (base64). A file that is
being read has an entry of its own by path. Fingerprints save work, nothing else: when one differs,
the content decides. Files of text have positions beside that, because they may grow.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from ctrain.domain import Json
from ctrain.sources.column_types import ColumnType
from ctrain.sources.cursor_shape import require_sound
from ctrain.sources.fingerprints import fingerprint
from ctrain.sources.positions import Position, Positions

VERSION = 1
ENTRY = 28
SET_ASIDE = "////"
"""In the place of the number of rows: the file was set aside, not read."""
NO_ROWS = "AAAA"
MOST_ROWS = 64**4 - 2
SPARE_ENTRIES = 100
"""Entries of files that are gone are kept until there are so many of them, and half are gone."""


@dataclass(frozen=True, slots=True)
class Done:
    """What is remembered of a file that needs no more reading."""

    stat: str
    content: str
    rows: int | None
    """None: it was set aside."""


@dataclass(frozen=True, slots=True)
class Open:
    """What is remembered of a file that a limit ended in the middle."""

    content: str
    offset: int
    rows: int


@dataclass(slots=True)
class Ledger:
    """A cursor that is being worked on; ``cursor()`` gives it back as JSON.

    ``settings`` identifies what the policy asks of a file: when it changes, files that were set
    aside are tried again. ``ignored`` are the unused columns that have been noted, ``types`` those that
    columns of text have for good, ``headers`` the first lines of CSV files.
    """

    settings: str
    done: dict[str, str] = field(default_factory=dict)
    open: dict[str, Open] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    positions: Positions = field(default_factory=Positions)
    types: dict[str, ColumnType] = field(default_factory=dict)
    headers: list[str] = field(default_factory=list)
    _text: str | None = ""
    _given: Json | None = None

    @classmethod
    def load(cls, cursor: Json, settings: str) -> Ledger:
        """Return the ledger that a cursor describes.

        Raises
        ------
        PermanentError
            when another version of ctrain has written the cursor, or it is damaged.
        """
        if not cursor:
            return cls(settings, _given=cursor)
        require_sound(cursor, VERSION)
        text: str = cursor["done"]
        done = {text[at : at + 8]: text[at + 8 : at + ENTRY] for at in range(0, len(text), ENTRY)}
        open_files = {path: Open(*entry) for path, entry in cursor["open"].items()}
        ledger = cls(
            settings,
            done,
            open_files,
            tuple(cursor["ignored"]),
            Positions(cursor.get("positions", "")),
            dict(cursor.get("types", {})),
            list(cursor.get("headers", [])),
            text,
            cursor,
        )
        if cursor["settings"] != settings:
            ledger._try_again()
        return ledger

    def describes(self, cursor: Json) -> bool:
        """True when nothing differs between this ledger and the cursor, so it need not be loaded."""
        return self._given is not None and self._given == cursor

    def known(self, path: str) -> Done | None:
        entry = self.done.get(fingerprint(path.encode()))
        if entry is None:
            return None
        rows = None if entry[16:] == SET_ASIDE else int.from_bytes(base64.b64decode(entry[16:]), "big")
        return Done(entry[:8], entry[8:16], rows)

    def finish(self, path: str, done: Done) -> None:
        """Remember that a file needs no more reading."""
        key = fingerprint(path.encode())
        rows = SET_ASIDE if done.rows is None else _packed(done.rows)
        entry = f"{done.stat}{done.content}{rows}"
        appended = key not in self.done and self._text is not None
        self._text = f"{self._text}{key}{entry}" if appended else None
        self.done[key] = entry
        self.open.pop(path, None)
        self._given = None

    def refresh(self, path: str, stat: str) -> None:
        """Remember a new fingerprint of the same content; saved when something else is."""
        key = fingerprint(path.encode())
        self.done[key] = stat + self.done[key][8:]
        self._text = None

    def stop_at(self, path: str, position: Open) -> None:
        """Remember where in a file a limit ended the read."""
        self.open[path] = position
        self._given = None

    def move(self, name: str, position: Position) -> None:
        """Remember how far a file of text has been read; it is not set aside any more."""
        if self.done.pop(fingerprint(name.encode()), None) is not None:
            self._text = None
        self.positions.put(name, position)
        self._given = None

    def fix_type(self, path: str, column_type: ColumnType) -> None:
        self.types[path] = column_type
        self._given = None

    def number_of(self, header: str) -> int:
        """Return the number, from 1 on, under which the first line of a CSV file is kept."""
        if header not in self.headers:
            self.headers.append(header)
            self._given = None
        return self.headers.index(header) + 1

    @property
    def has_read(self) -> bool:
        """True when rows of some file were usable."""
        return bool(self.types) or any(not one.endswith((SET_ASIDE, NO_ROWS)) for one in self.done.values())

    def ignore(self, columns: tuple[str, ...]) -> None:
        self.ignored = columns
        self._given = None

    def forget_absent(self, present: Mapping[str, object]) -> None:
        """Drop files that are gone, once they are many; an empty folder may be one not mounted."""
        if not present or len(self.done) + len(self.positions) < 2 * len(present) + SPARE_ENTRIES:
            return
        self.positions.keep_only(present)
        kept = {fingerprint(path.encode()) for path in present}
        self.done = {key: entry for key, entry in self.done.items() if key in kept}
        self.open = {path: entry for path, entry in self.open.items() if path in present}
        self._text, self._given = None, None

    def cursor(self) -> Json:
        """Return the cursor; the very one that was given when nothing has changed since."""
        if self._given is None:
            if self._text is None:
                self._text = "".join(key + entry for key, entry in self.done.items())
            self._given = {
                "version": VERSION,
                "settings": self.settings,
                "done": self._text,
                "open": {path: [one.content, one.offset, one.rows] for path, one in self.open.items()},
                "ignored": list(self.ignored),
                **self._of_texts(),
            }
        return self._given

    def _of_texts(self) -> Json:
        if not len(self.positions):
            return {}
        return {
            "positions": self.positions.text(),
            "types": dict(self.types),
            "headers": list(self.headers),
        }

    def _try_again(self) -> None:
        kept = {key: entry for key, entry in self.done.items() if not entry.endswith(SET_ASIDE)}
        if len(kept) < len(self.done) or self.ignored:
            self.done, self.ignored = kept, ()
            self._text, self._given = None, None


def _packed(rows: int) -> str:
    return base64.b64encode(min(rows, MOST_ROWS).to_bytes(3, "big")).decode()
