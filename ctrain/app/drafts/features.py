"""Which columns of a sample are features, of which kind, and why the others are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.app.drafts.wording import UNNAMEABLE, is_nameable
from ctrain.rows.instants import INSTANT, cast_date
from ctrain.stats.columns import as_floats, plain
from ctrain.stats.kinds import Role, role_of
from ctrain.stats.raw import Kind, kind_of
from ctrain.stats.screening import CLOCK_NOTE, ID_NOTE, TIME_NOTE, leave_out

EVENT_AT = "\0event_at"
"""Name of the event time in a sample: no file has a column of this name."""
_FEW = 100
"""Fewer values say nothing about a column."""
_MOSTLY = 0.9
_ID_WORDS = frozenset(("id", "ids", "uid", "uuid", "guid", "key", "index", "rowid"))
_ROUNDS = 2
_COMMA, _WITH_COMMAS = r"^-?\d+(\.\d{3})*,\d+$", r"^-?\d+(\.\d{3})*(,\d+)?$"
_GROUPED, _WITH_GROUPS = r"^-?\d{1,3}(,\d{3})+(\.\d+)?$", r"^-?\d{1,3}(,\d{3})*(\.\d+)?$"
_ENOUGH_DATES = 1000
"""Different texts of a column that say whether it holds dates."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Features by kind, and columns that are left out with the reason."""

    by_kind: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for names in self.by_kind.values() for name in names)


_KINDS = {
    Role.NUMERIC: "numeric",
    Role.CATEGORICAL: "categorical",
    Role.BOOLEAN: "boolean",
    Role.TEXT: "text",
}


def choose_features(sample: pa.Table, candidates: Sequence[str], known_times: bool) -> Chosen:
    """Return the features among the candidates.

    ``sample`` holds rows from all of the file with their event time in ``EVENT_AT``; without
    ``known_times`` that is only their order. Left out are ids, instants, what only grows with time,
    constants, and fields of the calendar that have not come round twice: within one round they are
    the date, of which nothing can be learned.
    """
    kinds: dict[str, list[str]] = {kind: [] for kind in _KINDS.values()}
    left_out = dict(_calendar_notes(sample, candidates, known_times))
    for name in candidates:
        reason = _written_as_texts(sample.column(name)) or left_out.get(name) or _unusable(sample, name)
        if reason is not None:
            left_out[name] = reason
            continue
        kinds[_KINDS[role_of(sample.column(name))]].append(name)
    kept = {kind: tuple(names) for kind, names in kinds.items() if names}
    return Chosen(kept, {name: left_out[name] for name in candidates if name in left_out})


def _calendar_notes(
    sample: pa.Table, candidates: Sequence[str], known_times: bool
) -> Iterator[tuple[str, str]]:
    shown = [name for name in candidates if _is_screened(sample.column(name))]
    ordered = sample.select([*shown, EVENT_AT]).sort_by(EVENT_AT)
    for name, note in leave_out(ordered, EVENT_AT).items():
        of_no_calendar = note in {ID_NOTE, CLOCK_NOTE, TIME_NOTE}
        if of_no_calendar or (known_times and not _comes_round(ordered.column(name))):
            yield name, note.removeprefix("left out: ")


def _is_screened(values: pa.ChunkedArray[Any]) -> bool:
    """Whether a column may follow the time; free text does not, though every text is another one."""
    kind = kind_of(values.type)
    if kind is Kind.TEXT:
        return role_of(values) is not Role.TEXT
    return kind is Kind.NUMBER or (kind is Kind.TIME and not pa.types.is_time(values.type))


def _comes_round(values: pa.ChunkedArray[Any]) -> bool:
    """Whether most values, in the order of time, have been there, gone and come again."""
    codes = np.unique([str(one) for one in plain(values).to_pylist()], return_inverse=True)[1]
    begun = np.concatenate([codes[:1], codes[1:][codes[1:] != codes[:-1]]])
    return bool(np.median(np.bincount(begun)) >= _ROUNDS)


def _unusable(sample: pa.Table, name: str) -> str | None:
    """Why a column is no feature, whatever the time; None: it is one."""
    if not is_nameable(name):
        return f"a policy cannot name it: {UNNAMEABLE}"
    values = sample.column(name)
    kind, role = kind_of(values.type), role_of(values)
    if kind is Kind.TIME:
        return "times of day are no kind of feature; make numbers of them"
    present = pc.drop_null(plain(values)) if kind is not Kind.OTHER else values
    if kind is Kind.EMPTY or not len(present):
        return "it has no value"
    if kind is Kind.OTHER:
        return _of_no_kind(values.type)
    if role is Role.PRESENCE:
        return ID_NOTE.removeprefix("left out: ")
    if pc.count_distinct(present, mode="only_valid").as_py() == 1 and len(present) == len(values):
        return "it has one value"
    return ID_NOTE.removeprefix("left out: ") if _is_numbered(values, name) else None


def _of_no_kind(type_: pa.DataType) -> str:
    remedy = "name nested fields in data.columns" if pa.types.is_nested(type_) else "make numbers of it"
    return f"{type_} is no kind of feature; {remedy}"


def _written_as_texts(values: pa.ChunkedArray[Any]) -> str | None:
    """Why texts of numbers or dates are no feature, however many are different; None: they are others."""
    stored = plain(values)
    if not (pa.types.is_string(stored.type) or pa.types.is_large_string(stored.type)):
        return None
    texts = pc.drop_null(stored)
    if _are_mostly(texts, _WITH_COMMAS, _COMMA):
        return "it holds numbers with decimal commas; write them with points to learn from it"
    if _are_mostly(texts, _WITH_GROUPS, _GROUPED):
        return "it holds numbers with commas between thousands; write them without to learn from it"
    return TIME_NOTE.removeprefix("left out: ") if _are_dates(texts) else None


def _are_mostly(texts: pa.ChunkedArray[Any], pattern: str, special: str) -> bool:
    """Whether nearly all texts follow a pattern, and most of these a special case of it."""
    following = texts.filter(pc.match_substring_regex(texts, pattern))
    told = following.filter(pc.match_substring_regex(following, special))
    return 2 * len(told) > len(following) > _MOSTLY * len(texts)


def _are_dates(texts: pa.ChunkedArray[Any]) -> bool:
    """Whether nearly all of the first different texts are dates or instants."""
    different: Any = texts.unique()[:_ENOUGH_DATES]
    return bool(np.count_nonzero(~cast_date(different, None).bad) > _MOSTLY * len(different))


def _is_numbered(values: pa.ChunkedArray[Any], name: str) -> bool:
    """Whether whole numbers that are almost all different are named as ids are."""
    if not is_named_as_id(name) or kind_of(values.type) is not Kind.NUMBER:
        return False
    numbers = as_floats(values)
    numbers = numbers[np.isfinite(numbers)]
    whole = len(numbers) >= _FEW and bool(np.all(numbers == np.floor(numbers)))
    return whole and len(np.unique(numbers)) > _MOSTLY * len(numbers)


def is_named_as_id(name: str) -> bool:
    """Whether a word of the name says that the column identifies something.

    >>> is_named_as_id("orderId"), is_named_as_id("order_key"), is_named_as_id("paid")
    (True, True, False)
    """
    words = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    return not _ID_WORDS.isdisjoint(words)


def with_times(sample: pa.Table, instants: npt.NDArray[np.int64]) -> pa.Table:
    """Return the sample with the event times of its rows, microseconds since 1970."""
    return sample.append_column(EVENT_AT, pa.array(instants).cast(pa.timestamp("us")).cast(INSTANT))
