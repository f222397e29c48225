"""``ctrain backtest``: history, a throw-away folder and children, wired to what plays in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.app.logged_history import past_sources
from ctrain.app.past_files import AS_WRITTEN, Past
from ctrain.app.throwaway import throwaway_folder
from ctrain.backtest.history import load_history
from ctrain.backtest.page import make_page, picture_request
from ctrain.backtest.perform import Choices, Room, perform
from ctrain.backtest.result import Took
from ctrain.backtest.stage import Crew
from ctrain.backtest.trainer import Trainer
from ctrain.children import PASSED_ON
from ctrain.clocks import RealTimer, wait_for
from ctrain.domain import AnalysisJob
from ctrain.errors import InputError, PermanentError
from ctrain.policy.fleet import load_fleet
from ctrain.policy.monitors import DriftMonitor
from ctrain.telemetry.logs import Redactor

if TYPE_CHECKING:
    from ctrain.backtest.history import History
    from ctrain.backtest.result import Backtest
    from ctrain.policy.files import LoadedPolicy
    from ctrain.ports import Store

PREFIX = "ctrain-backtest-"
DRAWING_SECONDS = 300.0
MEMORY = "/dev/shm"  # noqa: S108  # nosec B108 # a folder of unguessable name is made in it
LIKELY_NEEDED = ("mlflow.sklearn", "mlflow.pyfunc", "sklearn.pipeline", "pandas", "pyarrow.parquet")
"""By models that are scored: imported while history is read up to the first training."""
MODELS_OF_ONE = 3
"""That a strategy asks scores of in turn: a challenger, the champion, the one before it."""
ROOM_PER_BYTE = 10
"""What strategies may need on disk for each byte of history: a row log and training rows each."""
SPARE_BYTES = 1 << 30


def run_backtest(
    path: Path,
    choices: Choices,
    environ: Mapping[str, str],
    progress: Callable[[str, float], None] = lambda _name, _share: None,
    past: Past = AS_WRITTEN,
) -> Backtest:
    """Return what the policy in the file ``path`` would have done over its history, or over ``past``.

    Nothing outside temporary folders is written, and no server is asked anything. Raises what
    ``load_replayed``, ``read_past`` and ``perform`` do, and InputError when no row could be judged.
    """
    timer = RealTimer()
    begun_at = timer.monotonic()
    loaded = load_replayed(path, environ)
    with open_crew(loaded, environ) as crew:
        history = read_past(loaded, environ, past)
        with open_room(crew, environ, progress, ROOM_PER_BYTE * history.known.nbytes) as room:
            found = perform(loaded, history, room, choices)
    if found.judged_from >= found.judged_until:
        raise InputError(
            f"the first model serves from {found.judged_from.isoformat()}, and labels of rows until "
            f"{found.judged_until.isoformat()} have matured by the end, so that there is no row to judge: "
            "take an earlier --from, a later --to or a shorter --training-time"
        )
    if not found.policy.rows:
        raise InputError(
            f"no row from {found.judged_from.isoformat()}, when the first model serves, to "
            f"{found.judged_until.isoformat()} has a label and a score, so that there is no row to judge: "
            "take an earlier --from or a later --to"
        )
    return replace(found, took=Took(timer.monotonic() - begun_at, crew.trainer.total_seconds))


def load_replayed(path: Path, environ: Mapping[str, str]) -> LoadedPolicy:
    """The one policy in the file ``path``.

    Raises
    ------
    PolicyError
        with every problem of the file.
    InputError
        when the file holds several policies.
    """
    found = load_fleet([path], environ)
    if len(found) != 1:
        raise InputError(f"{path}: {len(found)} policies; history is replayed through one")
    return found[0]


def read_past(loaded: LoadedPolicy, environ: Mapping[str, str], past: Past = AS_WRITTEN) -> History:
    """The history of the policy.

    Raises
    ------
    InputError
        when ``past`` does not fit the policy, or there is no history.
    """
    policy = past.read_by(loaded.policy)
    return load_history(policy, loaded.folder, past_sources(policy, environ), RealTimer().now())


@contextmanager
def open_room(
    crew: Crew, environ: Mapping[str, str], progress: Callable[[str, float], None], room_bytes: int
) -> Iterator[Room]:
    """A temporary folder, gone at the end, for what the crew works on."""
    with throwaway_folder(PREFIX, _memory_if_it_fits(room_bytes, environ)) as folder:
        yield Room(folder, _open_store, crew, progress, side_by_side=_side_by_side())


@contextmanager
def open_crew(loaded: LoadedPolicy, environ: Mapping[str, str]) -> Iterator[Crew]:
    """Children that train, score and analyse, gone at the end; they get ready while history is read."""
    from ctrain.analysis import AnalystChildren
    from ctrain.scoring.pool import ScorerPool

    timer = RealTimer()
    quiet = {name: value for name, value in environ.items() if name in PASSED_ON}
    with throwaway_folder(PREFIX, _memory_if_it_fits(0, environ)) as folder:
        nowhere = f"sqlite:///{folder / 'mlflow.db'}"
        trainer = Trainer(
            folder / "trainings",
            timer,
            importance=_uses_importance(loaded),
            environ=environ,
            declared=loaded.policy.train.env,
        )
        scorer = ScorerPool(
            nowhere,
            timer,
            environ=quiet,
            preload=LIKELY_NEEDED,
            models_per_child=MODELS_OF_ONE * _side_by_side(),
        )
        ends = [trainer.close, scorer.close]
        redact = Redactor(environ, loaded.policy.train.env).redact

        def open_analyst(workspace: Path) -> AnalystChildren:
            analyst = AnalystChildren(workspace, timer, environ=quiet)
            ends.append(analyst.close)
            return analyst

        try:
            trainer.warm_up(loaded.policy.train.python or "")
            scorer.warm_up(loaded.policy.model.python or "")
            yield Crew(trainer, scorer, open_analyst, redact)
        finally:
            for end in ends:
                end()


def _memory_if_it_fits(room_bytes: int, environ: Mapping[str, str]) -> str | None:
    """A folder in memory, where a flush costs nothing; None: where temporary files usually go."""
    if "TMPDIR" in environ or not os.access(MEMORY, os.W_OK):
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free > room_bytes + SPARE_BYTES else None


def _side_by_side() -> int:
    """Strategies at a time: as many as there are cores, and one that waits for its training."""
    return len(os.sched_getaffinity(0)) + 1


def _open_store(path: Path) -> Store:
    from ctrain.store import open_store

    return open_store(f"sqlite:///{path}", durable=False)


def _uses_importance(loaded: LoadedPolicy) -> bool:
    """True when a monitor asks what the champion uses; measuring it takes time."""
    return any(
        isinstance(one, DriftMonitor) and one.weight_by is not None for one in loaded.policy.monitors.values()
    )


def write_page(found: Backtest, path: Path, environ: Mapping[str, str]) -> None:
    """Write the page for people to ``path``; its pictures are drawn in a child.

    Raises
    ------
    InputError
        when the file cannot be written.
    PermanentError
        when the pictures cannot be drawn.
    """
    from ctrain.analysis import AnalystChildren

    quiet = {name: value for name, value in environ.items() if name in PASSED_ON}
    job = AnalysisJob("pictures", "backtest", picture_request(found))
    with throwaway_folder(PREFIX) as folder:
        analyst = AnalystChildren(folder, RealTimer(), environ=quiet)
        try:
            analyst.submit(job)
            wait_for(lambda: analyst.poll(job.key).state in {"done", "failed"}, DRAWING_SECONDS)
            status = analyst.poll(job.key)
        finally:
            analyst.close()
        if status.state != "done":
            raise PermanentError(f"the pictures could not be drawn: {status.message or 'it takes too long'}")
        pictures = {name: Path(file).read_bytes() for name, file in status.answer["files"].items()}
    try:
        path.write_text(make_page(found, pictures), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
