"""The HTTP API: everything below ``/v1``."""

from __future__ import annotations

from fastapi import APIRouter

from ctrain.web.api import policies

router = APIRouter(prefix="/v1")
router.include_router(policies.router)

__all__ = ["router"]
