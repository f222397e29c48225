"""What a run's models reached on held-out rows, as tables that ``ctrain show`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctrain.cli.limit_lines import number

if TYPE_CHECKING:
    from ctrain.domain import Json

METRIC_COLUMNS = ("held-out rows", "challenger", "challenger, fair rows", "champion, fair rows")
SERVING_COLUMNS = ("serving", "challenger", "champion")
SERVED = {"latency_p50_ms": "p50 in ms", "latency_p99_ms": "p99 in ms", "size_bytes": "size in bytes"}


def metric_rows(evaluation: Json) -> list[list[Any]]:
    """Return each metric on all held-out rows, and beside the champion's on those that are fair to both."""
    ours, paired, theirs = (evaluation.get(role) or {} for role in ("challenger", "paired", "champion"))
    names = list(dict.fromkeys([*ours, *paired]))
    return [[name, *(number(one.get(name)) for one in (ours, paired, theirs))] for name in names]


def serving_rows(evaluation: Json) -> list[list[Any]]:
    """Return what serving the version that goes on costs, beside the champion; nothing where none asked."""
    found = evaluation.get("refit_serving") or evaluation.get("serving") or {}
    ours, theirs = found.get("challenger", {}), found.get("champion", {})
    return [
        [told, *(_measure(name, one.get(name)) for one in (ours, theirs))]
        for name, told in SERVED.items()
        if name in ours
    ]


def _measure(name: str, value: float | None) -> str:
    """Bytes with all their digits."""
    return f"{value:,.0f}" if value is not None and name == "size_bytes" else number(value)
