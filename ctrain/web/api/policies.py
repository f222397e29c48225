"""Where policies stand."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request

from ctrain.domain import PolicyName
from ctrain.web.auth import viewer
from ctrain.web.backend import Backend

router = APIRouter(tags=["policies"], dependencies=[Depends(viewer)])


def backend_of(request: Request) -> Backend:
    return cast("Backend", request.app.state.backend)


Here = Annotated[Backend, Depends(backend_of)]


@router.get("/policies/{name}")
def policy(name: str, here: Here) -> dict[str, Any]:
    """Where one policy stands."""
    return here.queries.status(PolicyName(name)).policies[0].to_json()
