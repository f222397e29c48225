"""``ctrain init``: a first policy, its training file, and the past rows as the policy reads them.

Everything is found out before anything is written. Memory is that of a sample, of some batches, and of
eight bytes for each event time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ctrain.app.drafts.asked import LEAST_ROWS, Wish, check_columns, check_wish, module_name, open_file
from ctrain.app.drafts.batches import write_batches
from ctrain.app.drafts.choices import Findings
from ctrain.app.drafts.features import Chosen, choose_features
from ctrain.app.drafts.history import ROW_ID, ROW_TIME, History
from ctrain.app.drafts.instants import EventTimes, read_times, row_times
from ctrain.app.drafts.labels import Label, read_label
from ctrain.app.drafts.pace import LEAST_INSTANTS, pace_by_rows, pace_by_time
from ctrain.app.drafts.sample import check_id, null_rate, read_sample, values_of
from ctrain.app.drafts.sending import sending_commands
from ctrain.app.drafts.text import policy_text, training_text
from ctrain.app.scanning import TableFiles
from ctrain.errors import InputError
from ctrain.policy.files import parse_policy

__all__ = ["Draft", "Wish", "draft_policy", "write_draft"]


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
    module = module_name(wish.name)
    rows, labels = _past(folder, wish.push)
    places = (folder / f"{wish.name}.yaml", folder / f"{module}.py", rows, labels)
    check_wish(wish, places, force)
    files = open_file(wish)
    check_columns(wish, files.schema.names)
    findings, notes = _find_out(wish, files, module)
    return Draft(*places, findings, notes)


def _past(folder: Path, push: bool) -> tuple[Path, Path]:
    """Where the rows and labels of the file go: as files of the policy, or in folders of batches."""
    if push:
        return folder / "past" / "rows", folder / "past" / "labels"
    return folder / "data" / "rows" / "history.parquet", folder / "data" / "labels" / "history.parquet"


def write_draft(draft: Draft) -> tuple[str, ...]:
    """Write the files of a draft, the policy last: what it names is there.

    Returned are the commands that send its past, a row and a label, where these come over HTTP.

    Raises
    ------
    InputError
        when the folder cannot be written to.
    """
    text = policy_text(draft.findings)
    parse_policy(text, draft.policy, {})
    try:
        with _folders(draft.files):
            send = _write_past(draft)
            draft.training.write_text(training_text(draft.findings.policy), "utf-8")
            draft.policy.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"--out {draft.policy.parent}: cannot be written to: {error.strerror}") from error
    return send


@contextmanager
def _folders(files: Sequence[Path]) -> Iterator[None]:
    """Make the folders of these files; those that were not there go again when the writing fails."""
    parents = [folder for path in files for folder in path.parents]
    made = [one for one in dict.fromkeys(parents) if not one.exists()]
    try:
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_past(draft: Draft) -> tuple[str, ...]:
    found = draft.findings
    if not found.push:
        found.history.write(draft.rows, draft.labels)
        return ()
    newest = write_batches(found.history, found.chosen.names, draft.rows, draft.labels)
    return tuple(sending_commands(found.policy, newest.row, newest.label, draft.rows.parent))


def _find_out(wish: Wish, files: TableFiles, module: str) -> tuple[Findings, tuple[str, ...]]:
    """What the file tells, and what a person should know of that."""
    types = {one.name: one.type for one in files.schema}
    label = read_label(wish.label, types[wish.label], values_of(files, wish.label), wish.task)
    times = _times(wish, files)
    usable = times.usable
    pace = pace_by_rows(files.rows) if times.column is None else pace_by_time(usable)
    columns = [name for name in types if name not in {wish.label, *wish.drop}]
    sample = read_sample(files, columns, times)
    if wish.id is not None:
        check_id(files, wish.id)
    chosen = _features(wish, sample, columns, times)
    history = History(
        wish.file,
        wish.table,
        tuple(columns),
        label,
        times,
        wish.id,
        wish.id or _free(ROW_ID, types),
        wish.event_time or _free(ROW_TIME, types),
    )
    findings = Findings(
        wish.name,
        module,
        history,
        chosen,
        pace,
        null_rate(sample, chosen.names),
        _longest_gap(times, usable),
        wish.push,
    )
    return findings, (*_notes(wish, label, times, usable, chosen), *_notes_of_few(findings))


def _times(wish: Wish, files: TableFiles) -> EventTimes:
    """The event times of the rows, or their order where no column holds any."""
    if wish.event_time is None:
        return row_times()
    type_ = files.schema.field(wish.event_time).type
    times = read_times(wish.event_time, type_, values_of(files, wish.event_time), wish.timezone)
    if len(times.usable) < LEAST_ROWS:
        raise InputError(f"--event-time: only {len(times.usable)} of {files.rows:,} rows have an event time")
    return times


def _features(wish: Wish, sample: pa.Table, columns: Sequence[str], times: EventTimes) -> Chosen:
    candidates = [name for name in columns if name not in {wish.event_time, wish.id}]
    chosen = choose_features(sample, candidates, times.column is not None)
    if not chosen.names:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in chosen.left_out.items())
        raise InputError(
            f"{wish.file}: no column is left as a feature ({reasons or 'there is no other one'})"
        )
    return chosen


def _free(name: str, taken: Sequence[str] | dict[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name


def _longest_gap(times: EventTimes, usable: npt.NDArray[np.int64]) -> timedelta | None:
    """The longest time between two rows, but for one in a thousand."""
    if times.column is None:
        return None
    gaps = np.diff(usable)
    return timedelta(microseconds=int(np.quantile(gaps[gaps > 0], 0.999)))


def _notes(
    wish: Wish, label: Label, times: EventTimes, usable: npt.NDArray[np.int64], chosen: Chosen
) -> Iterator[str]:
    if label.codes:
        meaning = ", ".join(f"{code} is {word!r}" for word, code in label.codes.items())
        yield f"files of labels hold 0 and 1: {meaning}"
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


def _notes_of_few(found: Findings) -> Iterator[str]:
    """Whether the rows of the file alone start no training."""
    labelled, asked, needed = found.history.label.labelled, found.pace.old_rows, found.needed(found.holdout)
    if found.usable < needed:
        yield (
            f"a training needs {needed} labelled rows, and the file has {labelled}:"
            " none starts before more come"
        )
    elif found.usable < asked and found.history.times.column is not None:
        yield (
            f"the trigger old asks for {asked:,} labelled rows, and the file has {labelled:,}:"
            f" `ctrain trigger {found.policy}` trains the first model"
        )
