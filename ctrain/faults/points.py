"""Names of the points: one for each call that leaves the daemon, one for each thing that a commit holds.

A point is named from the general to the particular: ``registry.set_alias`` and
``registry.set_alias.champion`` are the same call, ``commit`` and ``commit.intent`` the same transaction.
Each has two moments, ``:before`` and ``:after``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

COMMIT = "commit"

CALLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "registry": (
            "alias", "set_alias", "delete_alias", "version", "find_version", "digest",
            "annotate_run", "attach_files", "annotate_version",
        ),
        "launcher": ("start", "poll", "stop"),
        "scorer": ("submit", "poll"),
        "analyst": ("submit", "poll"),
        "workspace": ("write", "read", "place", "remove"),
        "row_log": ("write_rows", "write_labels", "write_scores", "adopt", "read", "sweep", "delete"),
        "segments": ("write", "flush", "delete"),
        "rows_source": ("read",),
        "labels_source": ("read",),
        "metric_server": ("ask",),
        "notifier": ("send",),
        "spool": ("write", "publish", "settle", "delete"),
    }
)  # fmt: skip
"""Calls with a point, by port."""

_Naming = Callable[[tuple[Any, ...]], str]

_REFINED: Mapping[str, _Naming] = MappingProxyType(
    {
        "registry.set_alias": lambda given: str(given[1]),
        "registry.delete_alias": lambda given: str(given[1]),
    }
)

WRITES: Mapping[str, str] = MappingProxyType(
    {
        "save_ingest_state": "ingest",
        "remove_segments": "segments_removed",
        "save_panes": "panes",
        "save_pane": "panes",
        "save_reference": "reference",
        "save_detector": "detector",
        "record_verdict": "verdict",
        "record_verdicts": "verdict",
        "save_trigger_state": "trigger_state",
        "record_decision": "decision",
        "claim_occurrence": "occurrence",
        "create_run": "run_created",
        "save_policy": "policy",
        "remove_policy": "policy",
        "save_champion": "champion",
        "append_event": "event",
        "record_intent": "intent",
        "close_intent": "intent_closed",
        "answer_request": "answer",
        "acquire_lease": "lease",
        "acquire_leases": "lease",
        "renew_leases": "lease_renewed",
        "release_lease": "lease_released",
        "release_leases": "lease_released",
        "claim_notices": "notices_claimed",
        "settle_notices": "notices_settled",
        "add_notice": "notice",
        "prune": "pruned",
        "remember_batches": "batches",
    }
)
"""How a commit is called that holds such a write."""

PARTICULAR_WRITES: Mapping[str, _Naming] = MappingProxyType(
    {
        "save_run": lambda given: f"run_{given[0].phase.value.lower()}",
        "add_comparison_point": lambda given: f"compared_{given[1].value.lower()}",
    }
)
"""The same, where what is written says more."""


def names_of_call(port: str, method: str, given: tuple[Any, ...]) -> list[str]:
    """Return the names of a call, the most particular last.

    >>> names_of_call("registry", "set_alias", ("clicks", "champion", "3"))
    ['registry.set_alias', 'registry.set_alias.champion']
    """
    name = f"{port}.{method}"
    refine = _REFINED.get(name)
    return [name] if refine is None else [name, f"{name}.{refine(given)}"]


def name_of_write(method: str, given: tuple[Any, ...]) -> str | None:
    """Return the name of a commit that holds such a write; None for what is no write.

    >>> name_of_write("record_intent", ())
    'commit.intent'
    """
    particular = PARTICULAR_WRITES.get(method)
    name = WRITES.get(method) if particular is None else particular(given)
    return None if name is None else f"{COMMIT}.{name}"


def known_names() -> list[str]:
    """Return every name that does not depend on what is written or called."""
    calls = [f"{port}.{method}" for port, methods in CALLS.items() for method in methods]
    return [COMMIT, *calls]
