"""What the label column of a file says: the task, how labels are written, and what a constant would lose."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ctrain.domain import Task
from ctrain.errors import InputError
from ctrain.rows.casting import FALSE_WORDS, TRUE_WORDS
from ctrain.stats.columns import Floats, as_floats, plain
from ctrain.stats.raw import Kind, kind_of

MOST_COUNTED_NUMBERS = 20
"""So many different whole numbers may be classes; more are amounts."""
MOST_CLASSES = 200
_SAMPLED = 1_000_000
_ONE_EACH = "one policy predicts one value a row: make a policy for each output"


@dataclass(frozen=True, slots=True)
class Label:
    """The label column, and what follows from its values."""

    name: str
    task: Task
    labelled: int
    rows: int
    classes: tuple[tuple[str, float], ...] = ()
    """Classes as they are written, and their shares; the most frequent first."""
    codes: Mapping[str, int] | None = None
    """How two classes that are neither 0 and 1 nor true and false are written as 0 and 1."""
    centre: float = math.nan
    """Median of a number."""
    constant_loss: float = math.nan
    """What a constant answer loses on average: its Brier score, or its absolute error."""

    @property
    def coverage(self) -> float:
        return self.labelled / self.rows

    @property
    def metric(self) -> str:
        return "absolute_error" if self.task is Task.REGRESSION else "brier"


def read_label(
    name: str, type_: pa.DataType, chunks: Iterable[pa.ChunkedArray[Any]], task: str | None
) -> Label:
    """Return what a label column says; its values come in parts, and memory does not grow with them.

    Raises
    ------
    InputError
        when it is null, constant, no label of any task, or not one of the ``task`` that was asked for.
    """
    kind = kind_of(type_)
    if kind is Kind.OTHER and pa.types.is_nested(type_):
        raise InputError(f"--label: {name} holds {type_}, several outputs a row; {_ONE_EACH}")
    if kind in {Kind.TIME, Kind.OTHER}:
        raise InputError(f"--label: {name} holds {type_}; expected numbers, booleans or texts")
    seen = _Seen()
    for values in chunks:
        seen.add(plain(values), kind)
    if not seen.labelled:
        raise InputError(f"--label: {name} has no value in any of {seen.rows:,} rows")
    if len(seen.counts) == 1:
        only = next(iter(seen.counts))
        raise InputError(f"--label: {name} is {only} in every row that has it: there is nothing to learn")
    found = _asked(name, task, seen, kind) if task else _inferred(name, seen, kind)
    return _number(name, seen) if found is Task.REGRESSION else _classes(name, found, seen)


class _Seen:
    """Values of the label so far: counted while there are few different ones, and a part of the numbers."""

    def __init__(self) -> None:
        self.rows = self.labelled = self._kept = 0
        self.counts: Counter[str] = Counter()
        self.whole = True
        """All numbers are whole."""
        self._parts: list[Floats] = []

    def add(self, values: pa.ChunkedArray[Any], kind: Kind) -> None:
        self.rows += len(values)
        present = pc.drop_null(values)
        if kind is Kind.NUMBER:
            numbers = as_floats(present)
            numbers = numbers[np.isfinite(numbers)]
            self.whole = self.whole and bool(np.all(numbers == np.floor(numbers)))
            if self._kept < _SAMPLED:
                self._parts.append(numbers)
                self._kept += len(numbers)
            present = pa.chunked_array([pa.array(numbers)])
        self.labelled += len(present)
        if len(self.counts) <= MOST_CLASSES:
            found: Any = pc.value_counts(present)
            for value, count in zip(found.field("values"), found.field("counts"), strict=True):
                self.counts[written(value.as_py())] += count.as_py()

    @property
    def numbers(self) -> Floats:
        return np.concatenate(self._parts) if self._parts else np.empty(0)


def written(value: object) -> str:
    """Return a class as the row log writes it.

    >>> written(2.0), written(True), written("yes")
    ('2', 'true', 'yes')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def in_words(values: pa.ChunkedArray[Any]) -> list[str]:
    """Return classes as they were counted: numbers of any type as floats.

    >>> in_words(pa.chunked_array([pa.array([2, 1]).cast(pa.decimal128(21, 2))]))
    ['2', '1']
    """
    is_number = kind_of(values.type) is Kind.NUMBER
    found = as_floats(values).tolist() if is_number else plain(values).to_pylist()
    return [written(value) for value in found]


def _inferred(name: str, seen: _Seen, kind: Kind) -> Task:
    if kind is Kind.NUMBER and (not seen.whole or len(seen.counts) > MOST_COUNTED_NUMBERS):
        return Task.REGRESSION
    if len(seen.counts) > MOST_CLASSES:
        raise InputError(
            f"--label: {name} has more than {MOST_CLASSES} different texts in {seen.rows:,} rows:"
            " too many for classes"
        )
    return Task.BINARY if len(seen.counts) == 2 else Task.MULTICLASS


def _asked(name: str, task: str, seen: _Seen, kind: Kind) -> Task:
    known = [one.value for one in Task]
    if task not in known:
        raise InputError(f"--task: expected {', '.join(known)}, got {task}")
    wanted = Task(task)
    if wanted is Task.REGRESSION and kind is not Kind.NUMBER:
        raise InputError(f"--task: regression needs numbers, and {name} holds {kind.value}s")
    if wanted is Task.BINARY and len(seen.counts) != 2:
        more = "more than two" if len(seen.counts) > MOST_CLASSES else str(len(seen.counts))
        raise InputError(f"--task: binary needs two different labels, and {name} has {more}")
    if wanted is Task.MULTICLASS and len(seen.counts) > MOST_CLASSES:
        raise InputError(
            f"--task: {name} has more than {MOST_CLASSES} different values: too many for classes"
        )
    return wanted


def _number(name: str, seen: _Seen) -> Label:
    centre = float(np.median(seen.numbers))
    error = float(np.abs(seen.numbers - centre).mean())
    return Label(name, Task.REGRESSION, seen.labelled, seen.rows, centre=centre, constant_loss=error)


def _classes(name: str, task: Task, seen: _Seen) -> Label:
    shares = tuple((one, count / seen.labelled) for one, count in seen.counts.most_common())
    lost = (1 - sum(share**2 for _, share in shares)) / 2
    codes = _codes(list(seen.counts)) if task is Task.BINARY else None
    return Label(name, task, seen.labelled, seen.rows, shares, codes, constant_loss=lost)


def _codes(classes: list[str]) -> dict[str, int] | None:
    """How two classes become 0 and 1: by their meaning, else the greater one is 1; None: they are."""
    lower = {one: one.strip().lower() for one in classes}
    if set(lower.values()) in ({"0", "1"}, {"true", "false"}):
        return None
    for one, other in (classes, classes[::-1]):
        if lower[one] in TRUE_WORDS and lower[other] in FALSE_WORDS:
            return {other: 0, one: 1}
    ordered = sorted(classes, key=_order)
    return {ordered[0]: 0, ordered[1]: 1}


def _order(one: str) -> tuple[int, float, str]:
    try:
        return 0, float(one), one
    except ValueError:
        return 1, 0.0, one
