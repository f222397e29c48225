"""The HTTP API: everything below ``/v1``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from ctrain.web.api import actions, policies, push, runs
from ctrain.web.auth import viewer

router = APIRouter(prefix="/v1")
for part in (policies, runs, actions, push):
    router.include_router(part.router)


@router.get("/openapi.json", include_in_schema=False, dependencies=[Depends(viewer)])
def document(request: Request) -> Any:
    """The description of this API."""
    return request.app.openapi()


__all__ = ["router"]
