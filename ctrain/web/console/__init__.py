"""The console: pages for people, rendered on the server, that work with and without JavaScript."""

from fastapi import APIRouter

from ctrain.web.console import assets, forms, live, pages, sessions
from ctrain.web.console.errors import error_page, fault_page

router = APIRouter(include_in_schema=False)
for part in (pages, forms, sessions, live, assets):
    router.include_router(part.router)

__all__ = ["error_page", "fault_page", "router"]
