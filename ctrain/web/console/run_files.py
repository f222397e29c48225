"""Files of a run that a page shows: the end of its training's log, and pictures of what made it retrain."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ctrain.telemetry.logs import Redactor

TAIL_LINES = 200
TAIL_BYTES = 64 << 10
NOT_SHOWN = (
    "not shown: this server does not know {}, whose values training may print; the daemon's console does"
)
EXPLANATION = "explanation"
SHOWN = {".html": "text/html; charset=utf-8", ".png": "image/png"}


@dataclass(frozen=True, slots=True)
class LogTail:
    """The last lines of the newest attempt's log."""

    attempt: str
    lines: tuple[str, ...]
    cut: bool
    """There is more above."""


def log_tail(
    runs_folder: Path, run_id: str, environ: Mapping[str, str], *, of_daemon: bool = True
) -> LogTail | None:
    """The end of what the newest attempt has printed; None where this host has no log of the run.

    Secrets of ``environ`` are taken out, and the values of the variables that the training was given. A
    server whose environment is not that ``of_daemon`` shows no log when it does not know these values.
    """
    logs = sorted((runs_folder / run_id).glob("attempt-*/train.log"), key=lambda path: _number(path.parent))
    if not logs:
        return None
    try:
        with logs[-1].open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(size - TAIL_BYTES, 0))
            text = log.read(TAIL_BYTES).decode(errors="replace")
        declared = _declared(logs[-1].parent)
    except (OSError, ValueError):
        return None
    unknown = () if of_daemon else tuple(name for name in declared if name not in environ)
    if unknown:
        return LogTail(logs[-1].parent.name, (NOT_SHOWN.format(", ".join(unknown)),), cut=False)
    lines = Redactor(environ, declared).redact(text).splitlines()
    if size > TAIL_BYTES:
        del lines[:1]  # it may begin in the middle of a secret, which nobody would recognise
    cut = size > TAIL_BYTES or len(lines) > TAIL_LINES
    return LogTail(logs[-1].parent.name, tuple(map(_printable, lines[-TAIL_LINES:])), cut)


def pictures(runs_folder: Path, run_id: str) -> tuple[str, ...]:
    """Names of the pictures and reports that lie in the run's folder."""
    folder = runs_folder / run_id / EXPLANATION
    if not folder.is_dir():
        return ()
    return tuple(sorted(one.name for one in folder.iterdir() if one.suffix in SHOWN and one.is_file()))


def picture_file(runs_folder: Path, run_id: str, name: str) -> Path | None:
    """The file of one of the ``pictures``; None for any other name."""
    return runs_folder / run_id / EXPLANATION / name if name in pictures(runs_folder, run_id) else None


def _declared(attempt: Path) -> tuple[str, ...]:
    """Names of the variables that the training was given beside what every training sees."""
    try:
        return tuple(json.loads((attempt / "job.json").read_text()).get("env", ()))
    except FileNotFoundError:
        return ()


def _number(folder: Path) -> int:
    text = folder.name.rpartition("-")[2]
    return int(text) if text.isdecimal() else 0


def _printable(line: str) -> str:
    """Without what steers a terminal."""
    return "".join(one if one.isprintable() or one == "\t" else "�" for one in line)
