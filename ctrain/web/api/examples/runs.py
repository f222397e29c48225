"""The run of the story: its phases, what it compared, its events."""

from __future__ import annotations

from typing import Any

from ctrain.web.api.examples.story import BETTER, EVIDENCE, FIRED_AT, POLICY, POLICY_HASH, RUN, WAITS_SINCE

RUN_LINE = {
    "id": RUN,
    "policy": POLICY,
    "phase": "AWAITING_APPROVAL",
    "phase_since": WAITS_SINCE,
    "trigger": "degraded",
    "reason": "brier BREACHED for 6h",
    "actor": "ctrain",
    "created_at": FIRED_AT,
    "ended_at": None,
    "champion_version": "7",
    "challenger_version": "8",
    "outcome_reason": BETTER,
}
LOOK = {
    "as_of": "2026-11-20T05:00:00Z",
    "blocks": 48,
    "rows": 24316,
    "mean": -0.0121,
    "lower": -0.0204,
    "upper": -0.0038,
}
FIRST_LOOK = {
    "as_of": "2026-11-18T06:00:00Z",
    "blocks": 1,
    "rows": 512,
    "mean": -0.0093,
    "lower": None,
    "upper": None,
}


SERVED = {"latency_p50_ms": 1.24, "latency_p99_ms": 2.61, "size_bytes": 412806, "deterministic": True}
PHASES = [
    ("QUEUED", FIRED_AT, "brier BREACHED for 6h"),
    ("TRAINING", "2026-11-18T05:00:04Z", "412880 rows to train on, 103220 held out"),
    ("EVALUATING", "2026-11-18T05:06:31Z", "version 8 trained in 384.2 s"),
    ("SHADOWING", "2026-11-18T05:06:52Z", "gates passed: roc_auc >= 0.55: passed with 0.7914"),
    ("AWAITING_APPROVAL", WAITS_SINCE, BETTER),
]
ENDS = [since for _, since, _ in PHASES[1:]]
DETAIL: dict[str, Any] = {
    "run": RUN_LINE,
    "policy_hash": POLICY_HASH,
    "mlflow_run_id": "5d1f0c5f0e6d4b0c9a3e2f7b8c9d0e1f",
    "phases": [
        {"phase": phase, "since_at": since, "until_at": until, "reason": reason}
        for (phase, since, reason), until in zip(PHASES, [*ENDS, None], strict=True)
    ],
    "training": {
        "attempt": 1,
        "cut_off": "2026-11-18T03:00:00+00:00",
        "rows": 412880,
        "holdout_rows": 103220,
    },
    "evaluation": {
        "challenger": {"brier": 0.1987, "roc_auc": 0.7914},
        "paired": {"brier": 0.1991, "roc_auc": 0.7902},
        "champion": {"brier": 0.2103, "roc_auc": 0.7702},
        "fair_rows": 68900,
        "serving": {
            "challenger": {**SERVED, "latency_p50_ms": 1.31, "latency_p99_ms": 2.84},
            "champion": SERVED,
        },
        "gates": {
            "n": 68900,
            "note": "",
            "passed": True,
            "results": [
                {
                    "gate": "roc_auc >= 0.55",
                    "passed": True,
                    "reason": "roc_auc >= 0.55: passed with 0.7914",
                    "threshold": 0.55,
                    "value": 0.7914,
                }
            ],
        },
    },
    "comparisons": [
        {
            "phase": "SHADOWING",
            "looks": 48,
            "as_of": LOOK["as_of"],
            "point": {name: value for name, value in LOOK.items() if name != "as_of"},
        }
    ],
    "alias_moves": [],
    "probation": {},
    "rollback": {},
    "approval": {
        "challenger": "8",
        "evidence": EVIDENCE,
        "expires_at": "2026-11-27T06:00:00+00:00",
        "policy_hash": POLICY_HASH,
    },
}
EVENTS: list[dict[str, Any]] = [
    {
        "number": 344,
        "hash": "e62308911f115591ae1468d57421771312ba16480837ad4d8591033030cb2e69",
        "at": WAITS_SINCE,
        "policy": POLICY,
        "kind": "run_awaiting_approval",
        "actor": "ctrain",
        "message": BETTER,
        "run": RUN,
    },
    {
        "number": 341,
        "hash": "b187d6481dda6c76208bb5a572f983051bb83dbab6721fc3fafd7667e6e5d7ed",
        "at": "2026-11-18T05:06:52Z",
        "policy": POLICY,
        "kind": "run_shadowing",
        "actor": "ctrain",
        "message": "gates passed: roc_auc >= 0.55: passed with 0.7914",
        "run": RUN,
    },
]
