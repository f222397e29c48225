"""Examples of every request and answer, out of one story, for the OpenAPI document.

Since an update of the app on 16 November the policy ``clicks`` judges clicks worse than it may (brier 0.214,
0.2 is allowed). Its trigger ``degraded`` fired in the morning of the 18th and began run ``clicks-12``, whose
challenger, version 8, was better than the champion, version 7, and waits for a person: ann, who approves.
"""

from __future__ import annotations

from typing import Any

from ctrain.web.api.examples.policies import BRIER, DECISIONS, INPUTS, LINE, REIGNS, STATUS, WHY
from ctrain.web.api.examples.runs import DETAIL, EVENTS, FIRST_LOOK, LOOK, RUN_LINE
from ctrain.web.api.examples.story import (
    BATCH,
    DONE,
    EVIDENCE,
    NOW,
    POLICY,
    POLICY_HASH,
    REVIEWED,
    RUN,
    TRIED,
)
from ctrain.web.api.paging import pack

CURSORS = {
    "GET /v1/policies": pack("policies", POLICY),
    "GET /v1/policies/{name}/monitors/{monitor}": pack("verdicts brier", BRIER["as_of"]),
    "GET /v1/policies/{name}/triggers": pack("decisions", DECISIONS[-1]["number"]),
    "GET /v1/policies/{name}/champions": pack("champions", REIGNS[-1]["event"]),
    "GET /v1/runs": pack("runs", 11),
    "GET /v1/events": pack("events", EVENTS[-1]["number"]),
}
"""Where the second page of a list begins, by operation."""


def _paged(operation: str, **page: Any) -> dict[str, Any]:
    return {"next": f"{operation.removeprefix('GET ')}?limit=2&cursor={CURSORS[operation]}", **page}


def _request(number: int, kind: str, actor: str, arguments: dict[str, Any], done: str = "") -> dict[str, Any]:
    """A request as it stands on record; open without what was done."""
    asked = {"id": number, "policy": POLICY, "kind": kind, "actor": actor, "created_at": NOW}
    return {**asked, "state": "done" if done else "open", "answer": done, "arguments": arguments}


_BOUND = {"run": RUN, "challenger": "8", "policy_hash": POLICY_HASH, "evidence": EVIDENCE}
_OUTCOME = {"daemon": "vm1:4711", "succeeded": True, "message": "", "at": "2026-11-20T09:00:02Z"}
_TAKEN = {"batch_id": BATCH, "repeated": False, "warnings": []}
ROWS = [
    {"id": "r-1", "time": "2026-11-20T08:00:00Z", "score": 0.83, "dwell_seconds": 12.4, "device": "phone"},
    {"id": "r-2", "time": "2026-11-20T08:00:01Z", "score": 0.11, "dwell_seconds": 1.9, "device": "desktop"},
]
LABELS = [{"id": "r-1", "clicked": 1}, {"id": "r-2", "clicked": 0}]

_TRIGGER = {"reason": TRIED, "params": {"depth": "6"}}
_ROLLBACK = {"reason": "clicks of tablets are judged too high", "champion": "7"}
_CANCEL = {"reason": "the labels of the 17th were wrong"}
_APPROVE = {"reason": REVIEWED, "evidence": EVIDENCE[:12]}
_REJECT = {"reason": "too few tablets in the shadow", "evidence": EVIDENCE[:12]}

BODIES: dict[str, Any] = {
    "POST /v1/policies/{name}/trigger": _TRIGGER,
    "POST /v1/policies/{name}/rollback": _ROLLBACK,
    "POST /v1/runs/{run_id}/cancel": _CANCEL,
    "POST /v1/runs/{run_id}/approve": _APPROVE,
    "POST /v1/runs/{run_id}/reject": _REJECT,
    "POST /v1/policies/{name}/rows": {"batch_id": BATCH, "rows": ROWS},
    "POST /v1/policies/{name}/labels": {"batch_id": BATCH, "labels": LABELS},
}
"""What is sent, by operation."""

ANSWERS: dict[str, Any] = {
    "GET /v1/policies": _paged("GET /v1/policies", now=NOW, daemons=["vm1:4711"], policies=[LINE]),
    "GET /v1/policies/{name}": STATUS,
    "GET /v1/policies/{name}/why": WHY,
    "GET /v1/policies/{name}/monitors": {"next": None, "verdicts": [BRIER, INPUTS]},
    "GET /v1/policies/{name}/monitors/{monitor}": {"next": None, "verdicts": [BRIER]},
    "GET /v1/policies/{name}/triggers": {"next": None, "decisions": DECISIONS},
    "GET /v1/policies/{name}/champions": {"next": None, "champions": REIGNS},
    "GET /v1/runs": _paged("GET /v1/runs", runs=[RUN_LINE]),
    "GET /v1/runs/{run_id}": DETAIL,
    "GET /v1/runs/{run_id}/comparison": {
        "sequences": [
            {
                "phase": "SHADOWING",
                "points": [FIRST_LOOK, LOOK],
                "limit": 0.002,
                "alpha": 0.05,
                "min_rows": 5000,
            }
        ]
    },
    "GET /v1/events": _paged("GET /v1/events", events=EVENTS),
    "GET /v1/requests/{number}": _request(7, "approve", "token ann", {**_BOUND, "reason": REVIEWED}, DONE),
    "GET /v1/reloads/{number}": {"number": 7, "outcomes": [_OUTCOME]},
    "GET /v1/whoami": {"name": "ann", "role": "approver", "actor": "token ann"},
    "POST /v1/policies/{name}/trigger": _request(6, "trigger", "token nightly", _TRIGGER),
    "POST /v1/policies/{name}/rollback": _request(8, "rollback", "token ann", _ROLLBACK),
    "POST /v1/policies/{name}/pause": {"policy": POLICY, "paused": True},
    "POST /v1/policies/{name}/resume": {"policy": POLICY, "paused": False},
    "POST /v1/runs/{run_id}/cancel": _request(9, "cancel", "token ann", {"run": RUN, **_CANCEL}),
    "POST /v1/runs/{run_id}/approve": _request(7, "approve", "token ann", {**_BOUND, "reason": REVIEWED}),
    "POST /v1/runs/{run_id}/reject": _request(
        7, "reject", "token ann", {**_BOUND, "reason": _REJECT["reason"]}
    ),
    "POST /v1/reload": {"number": 7, "outcomes": []},
    "POST /v1/policies/{name}/rows": {**_TAKEN, "rows": len(ROWS)},
    "POST /v1/policies/{name}/labels": {**_TAKEN, "rows": len(LABELS)},
}
"""What is answered to a request that is done, by operation."""

PARAMETERS: dict[str, Any] = {
    "name": POLICY,
    "policy": POLICY,
    "monitor": "brier",
    "trigger": "degraded",
    "health": "breached",
    "matter": "champion",
    "run": RUN,
    "run_id": RUN,
    "number": 7,
    "batch_id": BATCH,
    "from": "2026-11-13T00:00:00Z",
    "to": "2026-11-20T00:00:00Z",
    "limit": 2,
    "Idempotency-Key": "build-71",
}
"""By the name of the parameter."""
