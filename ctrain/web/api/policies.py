"""Where policies stand, and what they have been through."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime

from ctrain.domain import MonitorName, TriggerName
from ctrain.errors import InputError
from ctrain.queries.answers import PolicyStatus
from ctrain.queries.answers import Why as WhyAnswer
from ctrain.queries.champion_history import reigns
from ctrain.queries.overview import Health
from ctrain.web.api import models
from ctrain.web.api.fields import Short
from ctrain.web.api.known import Here, ThePolicy
from ctrain.web.api.paging import Cursor, Limit, following, foreign, name_at, number_at, pack
from ctrain.web.auth import viewer
from ctrain.web.problems import Refusal

router = APIRouter(prefix="/policies", tags=["policies"], dependencies=[Depends(viewer)])


@router.get("", response_model=models.Policies)
def policies(
    request: Request,
    here: Here,
    health: Annotated[Health | None, Query(description="Only policies that are so.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Every policy in a line, by name."""
    after, overview = name_at("policies", cursor), here.queries.overview()
    found = [
        one for one in overview.policies if one.policy > after and (health is None or one.health is health)
    ]
    shown = found[:limit]
    more = pack("policies", shown[-1].policy) if len(found) > limit else None
    return {
        "now": overview.now,
        "daemons": overview.daemons,
        "policies": shown,
        "next": following(request, more),
    }


@router.get("/{name}", response_model=models.PolicyNow)
def policy(name: ThePolicy, here: Here) -> PolicyStatus:
    """Where a policy stands: champion, run, verdicts, data, last decision."""
    return here.queries.status(name).policies[0]


@router.get("/{name}/why", response_model=models.Why)
def why(name: ThePolicy, here: Here) -> WhyAnswer:
    """Why it does or does not retrain: each trigger, its newest decision, what is missing."""
    return here.queries.why(name)


@router.get("/{name}/monitors", response_model=models.Verdicts)
def monitors(name: ThePolicy, here: Here) -> dict[str, Any]:
    """The newest verdict of each monitor that the policy has."""
    return {"verdicts": here.queries.status(name).policies[0].verdicts}


@router.get("/{name}/monitors/{monitor}", response_model=models.Verdicts)
def monitor_series(
    request: Request,
    name: ThePolicy,
    monitor: Short,
    here: Here,
    start: Annotated[
        AwareDatetime | None, Query(alias="from", description="Verdicts as of then or later.")
    ] = None,
    end: Annotated[AwareDatetime | None, Query(alias="to", description="Verdicts as of before.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """The verdicts of one monitor, newest first."""
    kind = f"verdicts {monitor}"[:100]
    place = name_at(kind, cursor)
    until = _instant(place) if place else end
    with here.store.read() as tx:
        found = tx.verdicts_page(name, MonitorName(monitor), limit + 1, start=start, end=until)
        known = [one.monitor for one in tx.latest_verdicts(name)] if not found else [monitor]
    if monitor not in known:
        raise Refusal(
            HTTPStatus.NOT_FOUND,
            f"monitor {monitor} of {name} has given no verdict; those that have: "
            f"{', '.join(known) or 'none yet'}",
        )
    more = pack(kind, found[limit - 1].as_of.isoformat()) if len(found) > limit else None
    return {"verdicts": found[:limit], "next": following(request, more)}


@router.get("/{name}/triggers", response_model=models.Decisions)
def triggers(
    request: Request,
    name: ThePolicy,
    here: Here,
    trigger: Annotated[Short | None, Query(description="Only decisions about this one.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Every decision about triggers, also those not to act, with their reasons."""
    before = number_at("decisions", cursor)
    with here.store.read() as tx:
        found = tx.decisions_page(
            name, limit + 1, trigger=TriggerName(trigger) if trigger else None, before=before
        )
    shown = found[:limit]
    more = pack("decisions", shown[-1].number) if len(found) > limit else None
    decisions = [{**asdict(one.decision), **_counted(one)} for one in shown]
    return {"decisions": decisions, "next": following(request, more)}


@router.get("/{name}/champions", response_model=models.Champions)
def champions(
    request: Request, name: ThePolicy, here: Here, limit: Limit = 100, cursor: Cursor = None
) -> dict[str, Any]:
    """Which versions were champion, from when to when, and who made them so."""
    before = number_at("champions", cursor)
    try:
        with here.store.read() as tx:
            found = reigns(tx, name, limit + 1, before)
    except InputError as error:
        raise foreign() from error
    shown = found[:limit]
    more = pack("champions", shown[-1].event) if len(found) > limit else None
    return {"champions": shown, "next": following(request, more)}


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise foreign()
    return found


def _counted(one: Any) -> dict[str, Any]:
    fields = ("number", "first_seen_at", "last_seen_at", "seen_count")
    return {name: getattr(one, name) for name in fields}
