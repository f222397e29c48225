"""Answers of the store to what a tick asks: which of them a write changes, and how long they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctrain.domain import (
        Champion,
        IngestState,
        Json,
        MonitorName,
        PolicyName,
        TriggerState,
        Verdict,
        Version,
    )

Question = tuple[object, ...]
"""The arguments of a read, options as pairs behind them."""
Answers = dict[Question, Any]
Known = Iterator[tuple[str, Question, object]]
"""Name and arguments of a question, and its answer."""

_VERDICTS = frozenset({"verdicts", "latest_verdicts"})
_RUNS = frozenset({"run", "active_run", "runs"})
_POLICIES = frozenset({"policies", "policy_record", "paused"})
_INTENTS = frozenset({"open_intent", "intents"})
_REQUESTS = frozenset({"open_requests", "request"})
_NOTICES = frozenset(
    {
        "due_channels",
        "pending_notices",
        "finished_notices",
        "newest_notices",
        "notice_counts",
        "troubled_notices",
    }
)
_LEASES = frozenset({"lease_holder", "live_leases", "run_out_leases", "database_now"})
_PANES = frozenset({"panes", "pane_rows"})
_TOKENS = frozenset({"token", "tokens"})

CHANGED_BY: Mapping[str, frozenset[str]] = {
    "save_ingest_state": frozenset({"ingest_state"}),
    "add_segments": frozenset({"segments"}),
    "remove_segments": frozenset({"segments"}),
    "save_pane": _PANES,
    "save_panes": _PANES,
    "drop_panes": _PANES,
    "save_arrivals": frozenset({"arrivals"}),
    "drop_arrivals": frozenset({"arrivals"}),
    "prune": _VERDICTS | {"comparison_points", "decisions"},
    "prune_versions": frozenset({"reference", "detector"}),
    "save_reference": frozenset({"reference"}),
    "save_detector": frozenset({"detector"}),
    "record_verdict": _VERDICTS,
    "record_verdicts": _VERDICTS,
    "save_trigger_state": frozenset({"trigger_state"}),
    "record_decision": frozenset({"decisions"}),
    "claim_occurrence": frozenset({"last_occurrence", "last_occurrence_by"}),
    "create_run": _RUNS,
    "save_run": _RUNS,
    "add_comparison_point": frozenset({"comparison_points"}),
    "save_policy": _POLICIES,
    "set_paused": _POLICIES,
    "remove_policy": _POLICIES,
    "save_champion": frozenset({"champion"}),
    "append_event": frozenset({"events", "trouble", "links", "newest_link", "count_links", "links_between"}),
    "record_intent": _INTENTS,
    "close_intent": _INTENTS,
    "add_request": _REQUESTS,
    "answer_request": _REQUESTS,
    "add_notice": _NOTICES,
    "claim_notices": _NOTICES,
    "settle_notices": _NOTICES,
    "suppress_notices": _NOTICES,
    "postpone_notices": _NOTICES,
    "bury_notices": _NOTICES,
    "bury_old_notices": _NOTICES,
    "revive_notices": _NOTICES,
    "drop_notices": _NOTICES,
    "acquire_lease": _LEASES,
    "acquire_leases": _LEASES,
    "renew_leases": _LEASES,
    "release_lease": _LEASES,
    "release_leases": _LEASES,
    "forget_leases": _LEASES,
    "require_token": frozenset(),
    "add_token": _TOKENS,
    "revoke_token": _TOKENS,
    "note_token_use": _TOKENS,
    "keep_answer": frozenset({"kept_answer"}),
    "forget_answers": frozenset({"kept_answer"}),
    "remember_batches": frozenset({"pushed_batch"}),
    "forget_batches": frozenset({"pushed_batch"}),
    "ask_reload": frozenset({"newest_reload"}),
    "save_reload_outcome": frozenset({"reload_outcomes"}),
    "claim_home": frozenset(),
}
"""The questions that have another answer after each write."""
STANDING = frozenset(
    {
        "ingest_state",
        "detector",
        "trigger_state",
        "verdicts",
        "latest_verdicts",
        "champion",
        "run",
        "active_run",
        "runs",
        "open_intent",
        "last_occurrence",
    }
)
"""Questions whose answers nobody changes but the daemon that holds the lease of the policy."""
OF_PAGES = frozenset(
    {
        "champions",
        "decision_lines",
        "decisions_page",
        "main_values",
        "newest_links",
        "newest_numbers",
        "policies_since",
        "policy_lines",
        "run_lines",
        "runs_page",
        "trouble_lines",
        "verdict_lines",
        "verdicts_page",
    }
)
"""Questions of pages and the API about many policies or long stretches: their answers are never kept."""
WISHES = frozenset({"open_requests", "paused"})
"""Questions whose answers people change at any time."""
FEW = 8
"""An answer of more parts than this is not kept from tick to tick."""
OF_ONE_TICK = frozenset({"panes", "pane_rows", "arrivals", "reference"}) | _LEASES
"""Questions of so many kinds, or answers of such a size, that they are not kept for longer."""


Remembered = Mapping[str, Answers]


def _ingest_state(_: Remembered, policy: PolicyName, state: IngestState) -> Known:
    yield "ingest_state", (policy,), state


def _trigger_state(_: Remembered, policy: PolicyName, state: TriggerState) -> Known:
    yield "trigger_state", (policy, state.trigger), state


def _detector(
    _: Remembered, policy: PolicyName, monitor: MonitorName, version: Version, state: Json
) -> Known:
    yield "detector", (policy, monitor, version), state


def _champion(_: Remembered, policy: PolicyName, champion: Champion | None) -> Known:
    yield "champion", (policy,), champion


def _verdict(remembered: Remembered, policy: PolicyName, policy_hash: str, verdict: Verdict) -> Known:
    return _verdicts(remembered, policy, policy_hash, [verdict])


def _verdicts(remembered: Remembered, policy: PolicyName, _hash: str, verdicts: Sequence[Verdict]) -> Known:
    """The newest verdicts, where those before were known."""
    latest = remembered.get("latest_verdicts", {}).get((policy,))
    if latest is not None:
        newest = _newest([*latest, *verdicts])
        yield "latest_verdicts", (policy,), [newest[name] for name in sorted(newest)]
    for question, known in remembered.get("verdicts", {}).items():
        if len(question) == 3 and question[0] == policy and question[2] == ("limit", 1):
            newest = _newest([*known, *(one for one in verdicts if one.monitor == question[1])])
            yield "verdicts", question, list(newest.values())


def _newest(verdicts: Sequence[Verdict]) -> dict[MonitorName, Verdict]:
    newest: dict[MonitorName, Verdict] = {}
    for one in verdicts:
        if one.monitor not in newest or newest[one.monitor].as_of <= one.as_of:
            newest[one.monitor] = one
    return newest


ANSWERS: Mapping[str, Callable[..., Known]] = {
    "save_ingest_state": _ingest_state,
    "save_trigger_state": _trigger_state,
    "save_detector": _detector,
    "save_champion": _champion,
    "record_verdict": _verdict,
    "record_verdicts": _verdicts,
}
"""Writes after which answers to questions that they change are known: of what was remembered before, and
of their arguments."""
OF_ONE_ANSWER = frozenset({"save_ingest_state", "save_trigger_state", "save_detector", "save_champion"})
"""Writes that change no other answer than the one that they say."""
