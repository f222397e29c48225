"""Blocks of text cut into records: lines, or for CSV lines that quotes may join.

A quote counts at the beginning of a field only, as everywhere. A quoted field that is followed by
anything but a delimiter, or that is not closed within ``MOST_QUOTED_BYTES``, makes the line it
begins on a broken one; reading goes on with the next line, so that a stray quote costs one line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

MOST_QUOTED_BYTES = 2**20
"""A quoted field that spans more lines than fit in so much is taken for a stray quote."""
_NEWLINE, _QUOTE, _RETURN = b"\n"[0], b'"'[0], b"\r"[0]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Whole records at the beginning of a block; what follows the last one is not whole yet."""

    data: bytes
    ends: Integers
    """Where each record ends, its newline included."""
    lines: Integers
    """On which line each begins, the first is 0."""
    broken: frozenset[int] = frozenset()
    """Records that are a line with a stray quote."""

    @property
    def starts(self) -> Integers:
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]]) if len(self.ends) else self.ends

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def line_count(self) -> int:
        if not len(self.ends):
            return 0
        last = int(self.starts[-1])
        return int(self.lines[-1]) + self.data.count(b"\n", last, self.size)

    def first(self, count: int) -> Records:
        """Return the first so many records."""
        if len(self.ends) <= count:
            return self
        kept = frozenset(one for one in self.broken if one < count)
        return Records(self.data, self.ends[:count], self.lines[:count], kept)

    def blank(self) -> npt.NDArray[np.bool_]:
        """Tell which records are empty lines."""
        starts, sizes = self.starts, self.ends - self.starts
        content = np.frombuffer(self.data, np.uint8)
        if not len(starts):
            return np.zeros(0, np.bool_)
        found: npt.NDArray[np.bool_] = (sizes == 1) | ((sizes == 2) & (content[starts] == _RETURN))
        return found

    def text(self, index: int) -> bytes:
        """Return one record without its newline."""
        start = int(self.ends[index - 1]) if index else 0
        return self.data[start : int(self.ends[index])].rstrip(b"\r\n")

    def joined(self, chosen: npt.NDArray[np.bool_]) -> bytes:
        """Return the bytes of the chosen records."""
        if chosen.all():
            return self.data[: self.size]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
        limits = np.concatenate([np.zeros(1, np.int64), self.ends])
        view = memoryview(self.data)
        runs = zip(limits[edges[::2]].tolist(), limits[edges[1::2]].tolist(), strict=True)
        return b"".join(view[first:last] for first, last in runs)


def count_fields(data: bytes, ends: Integers, delimiter: str) -> Integers | None:
    """Return how many fields each record has; None when a quote stands where none should."""
    content = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(content == ord(delimiter))
    quotes = np.flatnonzero(content == _QUOTE)
    if len(quotes):
        if len(quotes) % 2 or not _are_regular(content, quotes, ord(delimiter)):
            return None
        marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
    return np.bincount(np.searchsorted(ends, marks, side="right"), minlength=len(ends)) + 1


def cut_lines(data: bytes) -> Records:
    """Return the lines of a block that end in it."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE) + 1
    return Records(data, ends, np.arange(len(ends), dtype=np.int64))


def cut_delimited(data: bytes, delimiter: str, *, final: bool = False) -> Records:
    r"""Return the CSV records of a block that end in it.

    In the ``final`` block a quote that is not closed will not be: its line is a broken one.

    >>> cut_delimited(b'a,"b\n""c"\nd,e\nf', ",").lines.tolist()
    [0, 2]
    """
    whole = cut_lines(data)
    if b'"' not in data:
        return whole
    content = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(content == _QUOTE)
    if not _are_regular(content, quotes, ord(delimiter)) or (final and len(quotes) % 2):
        return _cut_one_by_one(data, delimiter, final)
    outside = np.searchsorted(quotes, whole.ends) % 2 == 0
    records = Records(
        data, whole.ends[outside], whole.lines[np.concatenate([[True], outside])[:-1]][: int(outside.sum())]
    )
    if len(data) - records.size > MOST_QUOTED_BYTES and len(quotes) % 2:
        return _cut_one_by_one(data, delimiter, final)
    return records


def _are_regular(content: npt.NDArray[np.uint8], quotes: Integers, delimiter: int) -> bool:
    """True when every quote opens or closes a field, or is one of a pair inside a field."""
    opening, closing = quotes[::2], quotes[1::2]
    before = content[np.maximum(opening - 1, 0)]
    opens = (opening == 0) | (before == delimiter) | (before == _NEWLINE)
    opens[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    last = len(content) - 1
    after = content[np.minimum(closing + 1, last)]
    closes = (
        (closing == last)
        | (after == delimiter)
        | (after == _NEWLINE)
        | (after == _RETURN)
        | (after == _QUOTE)
    )
    return bool(opens.all() and closes.all())


def _cut_one_by_one(data: bytes, delimiter: str, final: bool) -> Records:
    whole, unfinished = _patterns(delimiter)
    ends: list[int] = []
    lines: list[int] = []
    broken: set[int] = set()
    at = line = 0
    while at < len(data):
        found = whole.match(data, at)
        if found is not None:
            end = found.end()
        else:
            end = data.find(b"\n", at) + 1
            may_become_whole = not final and len(data) - at <= MOST_QUOTED_BYTES
            if not end or (may_become_whole and unfinished.match(data, at)):
                break
            broken.add(len(ends))
        ends.append(end)
        lines.append(line)
        line += data.count(b"\n", at, end)
        at = end
    return Records(data, np.array(ends, np.int64), np.array(lines, np.int64), frozenset(broken))


@cache
def _patterns(delimiter: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Patterns of a whole record, and of one that may still become whole."""
    mark = re.escape(delimiter.encode())
    quoted = rb'"(?:[^"]++|"")*+'
    plain = rb'(?:[^"%b\n][^%b\n]*+)?+' % (mark, mark)
    field = rb'(?:%b"|%b)' % (quoted, plain)
    whole = rb"%b(?:%b%b)*+\r?\n" % (field, mark, field)
    unfinished = rb"(?:%b%b)*+(?:%b(?:\"\r?)?|%b)\Z" % (field, mark, quoted, plain)
    return re.compile(whole), re.compile(unfinished)
