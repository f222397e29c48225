"""Runs, what they compared, and the audited history."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from ctrain.domain import PolicyName, Run, RunId
from ctrain.errors import PolicyError
from ctrain.policy.files import parse_policy
from ctrain.queries import RunDetail
from ctrain.queries.history_page import MATTERS, history_page
from ctrain.queries.sequence import sequences_of
from ctrain.web.api import run_models
from ctrain.web.api.fields import NAME
from ctrain.web.api.known import Here, TheRun
from ctrain.web.api.paging import Cursor, Limit, following, number_at, pack
from ctrain.web.auth import viewer
from ctrain.web.backend import Backend

router = APIRouter(dependencies=[Depends(viewer)])
OfPolicy = Annotated[
    str | None,
    Query(pattern=NAME, max_length=63, description="Only of this policy."),
]


@router.get("/runs", response_model=run_models.Runs, tags=["runs"])
def runs(
    request: Request, here: Here, policy: OfPolicy = None, limit: Limit = 50, cursor: Cursor = None
) -> dict[str, Any]:
    """Runs, newest first."""
    before = number_at("runs", cursor)
    with here.store.read() as tx:
        found = tx.runs_page(limit + 1, policy=PolicyName(policy) if policy else None, before=before)
    shown = found[:limit]
    more = pack("runs", shown[-1].number) if len(found) > limit else None
    return {"runs": [one.run for one in shown], "next": following(request, more)}


@router.get("/runs/{run_id}", response_model=run_models.Run, tags=["runs"])
def run(found: TheRun, here: Here) -> RunDetail:
    """Everything on record about a run: phases, training, gates, comparisons, alias moves."""
    return here.queries.show(found.id)


@router.get("/runs/{run_id}/comparison", response_model=run_models.Comparisons, tags=["runs"])
def comparison(
    found: TheRun,
    here: Here,
    limit: Annotated[
        int, Query(ge=2, le=5000, description="Most points of a phase; others are left out.")
    ] = 300,
) -> dict[str, Any]:
    """How challenger and champion compare on the same rows, look after look."""
    with here.store.read() as tx:
        points = tx.comparison_points(found.id)
    return {"sequences": sequences_of(points, _snapshot(found, here), limit)}


@router.get("/events", response_model=run_models.Events, tags=["history"])
def events(
    request: Request,
    here: Here,
    policy: OfPolicy = None,
    run: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9_.:-]{1,128}$", description="Only of this run.")
    ] = None,
    matter: Annotated[
        str | None,
        Query(pattern=f"^({'|'.join(MATTERS)})$", description=f"Only of this kind: {', '.join(MATTERS)}."),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The audited history, newest first."""
    with here.store.read() as tx:
        page = history_page(
            tx,
            number_at("events", cursor),
            policy=PolicyName(policy) if policy else None,
            run_id=RunId(run) if run else None,
            matter=matter or "",
            limit=limit,
        )
    more = pack("events", page.older) if page.older is not None else None
    return {"events": page.events, "next": following(request, more)}


def _snapshot(run: Run, here: Backend) -> Any:
    """The policy that the run goes by; None where it cannot be read any more."""
    with suppress(PolicyError):
        return parse_policy(run.policy_text, Path(run.policy_path), here.environ).policy
    return None
