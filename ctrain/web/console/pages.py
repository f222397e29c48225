"""What people read: the overview, a policy, a run, the history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response

from ctrain.domain import Phase, PolicyName, RunId
from ctrain.errors import InputError
from ctrain.lifecycle.transitions import CANCELLABLE
from ctrain.queries.headline import headline_of, next_step, notes_besides, of_run
from ctrain.queries.history_page import MATTERS
from ctrain.queries.notes import UNWATCHED, blindness
from ctrain.queries.pages import PageQueries
from ctrain.queries.states import STATES, summary_of
from ctrain.queries.timeline import WORKING
from ctrain.web.auth import Caller, viewer
from ctrain.web.backend import Backend
from ctrain.web.console.charts.scale import Period
from ctrain.web.console.links import mlflow_pages
from ctrain.web.console.overview import SORTS, listing
from ctrain.web.console.rendering import backend_of, page
from ctrain.web.console.run_files import SHOWN, log_tail, picture_file, pictures
from ctrain.web.problems import Refusal

if TYPE_CHECKING:
    from ctrain.domain import Request as Asked
    from ctrain.queries.pages import PolicyPage, RunPage

router = APIRouter()
Here = Annotated[Backend, Depends(backend_of)]
Viewer = Annotated[Caller, Depends(viewer)]
Number = Annotated[int, Query(ge=1, le=2**63 - 1)]
"""Of something on record, as the database counts."""
PERFORMANCE = frozenset({"performance", "estimated_performance", "change", "domain_classifier", "prometheus"})
"""Types of monitors whose value is worth a picture of its own."""
FEATURES = frozenset({"drift", "domain_classifier", "quality"})
"""Types of monitors that look at features one by one."""


def queries_of(here: Here) -> PageQueries:
    """What the pages are read from."""
    return PageQueries(here.queries, here.store, here.clock, here.environ)


Reads = Annotated[PageQueries, Depends(queries_of)]


@router.api_route("/", methods=["GET", "HEAD"])
def overview(
    request: Request,
    caller: Viewer,
    here: Here,
    q: str = "",
    state: str = "",
    sort: str = "health",
    number: Annotated[int, Query(alias="page")] = 1,
) -> Response:
    """Every policy in a line."""
    fleet = here.queries.overview()
    shown = listing(fleet.policies, q, state, sort, number)
    return page(
        request,
        "overview.html",
        caller,
        now=fleet.now,
        daemons=fleet.daemons,
        silent=fleet.silent,
        listing=shown,
        sparks=here.queries.sparklines(shown.rows),
        summary=summary_of(shown.counts, shown.total),
        q=q,
        state=state if state in STATES else "",
        states=STATES,
        unwatched=UNWATCHED,
        sort=sort if sort in SORTS else "health",
    )


@router.get("/policies/{name}")
def policy(
    request: Request, caller: Viewer, reads: Reads, name: str, asked: Number | None = None
) -> Response:
    """Where a policy stands, and what has happened to it."""
    with missing_is_404():
        found = reads.policy(PolicyName(name))
    request_made = _asked(reads, asked, found.status.policy)
    return page(
        request,
        "policy.html",
        caller,
        found=found,
        now=found.why.now,
        daemons=(found.why.daemon,) if found.why.daemon else (),
        headline=headline_of(found.status, found.why),
        notes=notes_besides(found.status, found.why),
        period=Period(found.timeline.start, found.timeline.end),
        pictured=[one for one in found.series if one.kind in PERFORMANCE and one.values],
        unpictured=[one for one in found.series if one.kind in PERFORMANCE and not one.values],
        judging=[name for name, kind in found.types.items() if kind in PERFORMANCE],
        comparing=[name for name, kind in found.types.items() if kind in FEATURES],
        marks=_marks(found),
        asked=request_made,
    )


@router.get("/runs/{run_id}")
def run(
    request: Request, caller: Viewer, here: Here, reads: Reads, run_id: str, asked: Number | None = None
) -> Response:
    """One run from its trigger to its end."""
    with missing_is_404():
        found = reads.run(RunId(run_id))
    folder = here.settings.runs_folder
    detail = found.detail
    return page(
        request,
        "run.html",
        caller,
        found=found,
        now=found.now,
        daemons=(),
        headline=of_run(detail.run),
        todo=next_step(detail),
        reason="" if detail.run.phase.ended or blindness(detail.run) else detail.run.outcome_reason,
        phases=_path_of(found),
        working=WORKING,
        cancellable=detail.run.phase in CANCELLABLE,
        log=log_tail(folder, detail.run.id, here.environ, of_daemon=here.daemon is not None),
        pictures=pictures(folder, detail.run.id),
        mlflow=mlflow_pages(here.settings, found),
        asked=_asked(reads, asked, detail.run.policy),
    )


@router.get("/runs/{run_id}/pictures/{name}", dependencies=[Depends(viewer)])
def picture(here: Here, reads: Reads, run_id: str, name: str) -> Response:
    """A picture of what made the run retrain; a report is downloaded, as it brings scripts of its own."""
    with missing_is_404():
        reads.run(RunId(run_id))
    path = picture_file(here.settings.runs_folder, run_id, name)
    if path is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"run {run_id} has no picture {name} on this host")
    saved = name if path.suffix == ".html" else None
    return FileResponse(path, media_type=SHOWN[path.suffix], filename=saved)


@router.get("/events-log")
def history(
    request: Request,
    caller: Viewer,
    reads: Reads,
    here: Here,
    policy: str = "",
    matter: str = "",
    run: str = "",
    before: Number | None = None,
) -> Response:
    """The audited history, newest first."""
    return page(
        request,
        "history.html",
        caller,
        now=here.clock.now(),
        daemons=(),
        shown=reads.history(before, policy, run, matter),
        policies=reads.policies(),
        matters=tuple(MATTERS),
        policy=policy,
        matter=matter,
        run=run,
        before=before,
    )


@contextmanager
def missing_is_404() -> Iterator[None]:
    """What is not there is no mistake in the request."""
    try:
        yield
    except InputError as error:
        raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error


def _asked(reads: PageQueries, number: int | None, policy: str) -> Asked | None:
    """The request that a form has just made, if it is about this policy."""
    found = reads.request(number) if number is not None else None
    return found if found is not None and found.policy == policy else None


def _marks(found: PolicyPage) -> list[tuple[datetime, str]]:
    """When champions changed, for the pictures."""
    return [(one.since_at, f"version {one.version} {one.how}") for one in found.reigns]


_WAY = (
    Phase.QUEUED,
    Phase.TRAINING,
    Phase.EVALUATING,
    Phase.SHADOWING,
    Phase.AWAITING_APPROVAL,
    Phase.PROMOTING,
    Phase.PROBATION,
    Phase.ACCEPTED,
)


def _path_of(found: RunPage) -> list[Phase]:
    """The phases that a run that is on its way may still come to; none after its end."""
    now = found.detail.run.phase
    if now not in _WAY or now.ended:
        return []
    ahead = _WAY[_WAY.index(now) + 1 :]
    skipped = {Phase.AWAITING_APPROVAL} if not found.manual else set()
    return [one for one in ahead if one not in skipped]
