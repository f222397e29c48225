"""The console: pages for people, rendered on the server, that work with and without JavaScript."""

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)

__all__ = ["router"]
