"""One read side behind commands, pages and the demo."""

from ctrain.queries.answers import FleetStatus, PolicyStatus, RunDetail, RunNow, Why
from ctrain.queries.fleet import FleetQueries

__all__ = ["FleetQueries", "FleetStatus", "PolicyStatus", "RunDetail", "RunNow", "Why"]
