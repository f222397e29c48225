"""One read side behind commands, pages and the demo."""

from ctrain.queries.answers import FleetStatus, PolicyStatus, RunDetail, RunNow, Why
from ctrain.queries.fleet import LEASE, FleetQueries

__all__ = ["LEASE", "FleetQueries", "FleetStatus", "PolicyStatus", "RunDetail", "RunNow", "Why"]
