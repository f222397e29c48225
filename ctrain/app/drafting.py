"""``ctrain init``: a first policy, its training file, and a file of rows as the policy reads them.

Everything is found out before anything is written. Memory is that of a sample, of some batches, and of
eight bytes for each event time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctrain.app.drafts.features import Chosen, choose_features, with_times
from ctrain.app.drafts.history import ROW_ID, ROW_TIME, History
from ctrain.app.drafts.instants import NO_TIME, ROW_SECOND, EventTimes, read_times, row_times
from ctrain.app.drafts.labels import read_label
from ctrain.app.drafts.pace import LEAST_INSTANTS, pace_by_rows, pace_by_time
from ctrain.app.drafts.text import Findings, policy_text, training_text
from ctrain.app.scanning import TableFiles
from ctrain.errors import InputError
from ctrain.policy.fields import check_zone
from ctrain.policy.files import parse_policy
from ctrain.policy.words import did_you_mean
from ctrain.sources.formats import format_of
from ctrain.sources.tables import read_batches
from ctrain.stats.columns import plain, text_values

LEAST_ROWS = 100
"""Fewer rows train nothing."""
SAMPLED_ROWS = 200_000
SAMPLED_VALUES = 20_000_000
MOST_REPEATED = 0.01
"""Share of repeated ids from which on a column is no id."""
POLICY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    name: str
    file: Path
    label: str
    event_time: str | None = None
    timezone: str = "UTC"
    id: str | None = None
    drop: tuple[str, ...] = ()
    task: str | None = None
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What will be written, and what a person should know of it."""

    policy: Path
    training: Path
    rows: Path
    labels: Path
    findings: Findings
    notes: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.policy, self.training, self.rows, self.labels)

    def to_json(self) -> dict[str, Any]:
        found = self.findings
        return {
            "policy": str(self.policy),
            "training": str(self.training),
            "rows": str(self.rows),
            "labels": str(self.labels),
            "task": found.history.label.task.value,
            "features": {kind: list(names) for kind, names in found.chosen.by_kind.items()},
            "left_out": dict(found.chosen.left_out),
            "notes": list(self.notes),
        }


def draft_policy(wish: Wish, *, force: bool = False) -> Draft:
    """Return the draft of a policy for the rows of a file; nothing is written.

    Raises
    ------
    InputError
        when the file or a column cannot be used as asked, or a file of the draft exists and ``force``
        does not allow to replace it.
    """
    folder = wish.out if wish.out is not None else Path(wish.name)
    module = "train_" + re.sub(r"\W", "_", wish.name, flags=re.ASCII)
    places = (
        folder / f"{wish.name}.yaml",
        folder / f"{module}.py",
        folder / "data" / "rows" / "history.parquet",
        folder / "data" / "labels" / "history.parquet",
    )
    _check_wish(wish, places, force)
    files = _open(wish.file)
    _check_columns(wish, files.schema.names)
    findings, notes = _find_out(wish, files, module)
    return Draft(*places, findings, notes)


def write_draft(draft: Draft) -> None:
    """Write the files of a draft, the policy last: what it names is there.

    Raises
    ------
    InputError
        when the folder cannot be written to.
    """
    text = policy_text(draft.findings)
    parse_policy(text, draft.policy, {})
    try:
        for path in draft.files:
            path.parent.mkdir(parents=True, exist_ok=True)
        draft.findings.history.write(draft.rows, draft.labels)
        draft.training.write_text(training_text(draft.findings.policy), "utf-8")
        draft.policy.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"--out {draft.policy.parent}: cannot be written to: {error.strerror}") from error


def _check_wish(wish: Wish, places: Sequence[Path], force: bool) -> None:
    if not POLICY_NAME.fullmatch(wish.name):
        raise InputError(
            f"{wish.name}: expected a name of letters, digits, '_', '.' and '-', at most 63 of them"
        )
    try:
        check_zone(wish.timezone)
    except ValueError as error:
        raise InputError(f"--timezone: {error}, got {wish.timezone}") from error
    there = [path for path in places if path.exists()]
    if there and not force:
        raise InputError(f"{there[0]}: is there already; --force replaces it, --out names another folder")
    if wish.file.exists() and any(path.exists() and path.samefile(wish.file) for path in places):
        raise InputError(f"{wish.file}: is a file of the draft itself; read the rows from another one")


def _open(path: Path) -> TableFiles:
    kind = format_of(path.name)
    if path.is_dir() or not path.exists():
        raise InputError(f"--from-parquet {path}: {'is a folder' if path.is_dir() else 'no such file'}")
    if kind is not None and kind.kind != "parquet":
        raise InputError(f"--from-parquet {path}: expected a Parquet file (*.parquet)")
    files = TableFiles.find([path])
    if files.rows < LEAST_ROWS:
        raise InputError(
            f"--from-parquet {path}: {files.rows} rows are too few to train; expected {LEAST_ROWS}"
        )
    return files


def _check_columns(wish: Wish, names: Sequence[str]) -> None:
    given = [("--label", wish.label), ("--event-time", wish.event_time), ("--id", wish.id)]
    for option, name in [*given, *(("--drop", name) for name in wish.drop)]:
        if name is not None and name not in names:
            raise InputError(f"{option}: {wish.file} has no column {name!r}{did_you_mean(name, names)}")
    used: dict[str, str] = {}
    for option, name in [*given, *(("--drop", name) for name in dict.fromkeys(wish.drop))]:
        if name is not None and used.setdefault(name, option) != option:
            raise InputError(f"{option}: {name} is given as {used[name]}, too")


def _find_out(wish: Wish, files: TableFiles, module: str) -> tuple[Findings, tuple[str, ...]]:
    types = {one.name: one.type for one in files.schema}
    label = read_label(wish.label, types[wish.label], _values(files, wish.label), wish.task)
    times = row_times()
    if wish.event_time is not None:
        chunks = _values(files, wish.event_time)
        times = read_times(wish.event_time, types[wish.event_time], chunks, wish.timezone)
    usable = times.usable
    if times.column is not None and len(usable) < LEAST_ROWS:
        raise InputError(f"--event-time: only {len(usable)} of {files.rows:,} rows have an event time")
    pace = pace_by_rows(files.rows) if times.column is None else pace_by_time(usable)
    columns = [name for name in types if name not in {wish.label, *wish.drop}]
    candidates = [name for name in columns if name not in {wish.event_time, wish.id}]
    sample = _sample(files, [*columns], times)
    _check_id(wish, sample)
    chosen = choose_features(sample, candidates, times.column is not None)
    if not chosen.names:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in chosen.left_out.items())
        raise InputError(
            f"{wish.file}: no column is left as a feature ({reasons or 'there is no other one'})"
        )
    history = History(
        wish.file,
        tuple(columns),
        label,
        times,
        wish.id,
        wish.id or _free(ROW_ID, types),
        wish.event_time or _free(ROW_TIME, types),
    )
    findings = Findings(
        wish.name, module, history, chosen, pace, _null_rate(sample, chosen), _longest_gap(times, usable)
    )
    return findings, tuple(_notes(wish, times, usable, chosen))


def _values(files: TableFiles, name: str) -> Iterator[pa.ChunkedArray[Any]]:
    for path in files.paths:
        for batch in read_batches(path, [name]):
            yield pa.chunked_array([batch.column(0)])


def _sample(files: TableFiles, columns: Sequence[str], times: EventTimes) -> pa.Table:
    """Every so-manieth row of the file that has an event time, with it."""
    most = max(1000, min(SAMPLED_ROWS, SAMPLED_VALUES // max(1, len(columns))))
    stride = -(-files.rows // most)
    parts, start = [], 0
    places: list[npt.NDArray[np.int64]] = []
    for path in files.paths:
        for batch in read_batches(path, columns):
            inside = np.arange(-start % stride, batch.num_rows, stride)
            parts.append(pa.Table.from_batches([batch]).select(list(columns)).take(inside))
            places.append(inside + start)
            start += batch.num_rows
    numbers = np.concatenate(places)
    instants = numbers * ROW_SECOND if times.column is None else times.instants[numbers]
    known = instants != NO_TIME
    return with_times(pa.concat_tables(parts).filter(pa.array(known)), instants[known])


def _check_id(wish: Wish, sample: pa.Table) -> None:
    if wish.id is None:
        return
    if pa.types.is_nested(sample.schema.field(wish.id).type):
        raise InputError(
            f"--id: {wish.id} holds {sample.schema.field(wish.id).type}; expected texts or numbers"
        )
    ids = text_values(sample, wish.id)
    missing = ids.null_count
    if missing:
        raise InputError(
            f"--id: {wish.id} is missing in {missing:,} of {len(ids):,} rows; every row needs one"
        )
    different = len(plain(ids).unique())
    if len(ids) - different > MOST_REPEATED * len(ids):
        raise InputError(
            f"--id: {wish.id} has {different:,} different values in {len(ids):,} rows, and a repeated id is a"
            " repeated row; leave the option out to number the rows"
        )


def _free(name: str, taken: Sequence[str] | dict[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


def _null_rate(sample: pa.Table, chosen: Chosen) -> float:
    rates = [sample.column(name).null_count / max(1, sample.num_rows) for name in chosen.names]
    return max(rates)


def _longest_gap(times: EventTimes, usable: npt.NDArray[np.int64]) -> timedelta | None:
    """The longest time between two rows, but for one in a thousand."""
    if times.column is None:
        return None
    gaps = np.diff(usable)
    return timedelta(microseconds=int(np.quantile(gaps[gaps > 0], 0.999)))


def _notes(wish: Wish, times: EventTimes, usable: npt.NDArray[np.int64], chosen: Chosen) -> Iterator[str]:
    if times.column is None:
        yield (
            "no --event-time: the order of the rows is their time, one a second from 1970 on;"
            " a backtest takes that, production needs real times"
        )
    elif times.zone is not None:
        yield f"{times.column} names no time zone: taken as {times.zone} (--timezone names another)"
    if times.without:
        yield f"{times.without:,} rows without an event time are left out"
    different = len(np.unique(usable))
    if times.column is not None and different < LEAST_INSTANTS:
        yield (
            f"{times.column} has only {different} different instants: too few to compare two models block by"
            " block; without --event-time the order of the rows would be the time"
        )
    if wish.id is None:
        yield "no --id: the rows were numbered"
    for name, reason in chosen.left_out.items():
        yield f"{name} is left out: {reason}"
