"""The policy of the story: its verdicts, decisions, limits and champions."""

from __future__ import annotations

from typing import Any

from ctrain.web.api.examples.runs import RUN_LINE
from ctrain.web.api.examples.story import BREACH, FIRED_AT, NOW, POLICY, RUN, WAITS_SINCE

BRIER: dict[str, Any] = {
    "monitor": "brier",
    "as_of": "2026-11-20T08:00:00Z",
    "status": "BREACHED",
    "value": 0.2141,
    "threshold": 0.2,
    "n": 21604,
    "reason": BREACH,
    "features": [],
    "model_version": "7",
}
INPUTS = {
    "monitor": "inputs",
    "as_of": "2026-11-20T08:00:00Z",
    "status": "BREACHED",
    "value": 0.183,
    "threshold": 0.1,
    "n": 83911,
    "reason": "1 of 2 columns drifted: dwell_seconds share of values up to 2.5 10 % -> 28 %",
    "features": [
        {
            "column": "dwell_seconds",
            "test": "ks",
            "statistic": 0.183,
            "p_value": 3.1e-41,
            "p_adjusted": 6.2e-41,
            "effect": 0.183,
            "threshold": 0.1,
            "breached": True,
            "n": 83911,
            "note": "share of values up to 2.5 10 % -> 28 %",
        },
        {
            "column": "device",
            "test": "chi2",
            "statistic": 1.94,
            "p_value": 0.379,
            "p_adjusted": 0.379,
            "effect": 0.011,
            "threshold": 0.1,
            "breached": False,
            "n": 83911,
            "note": "share of phone 71 % -> 72 %",
        },
    ],
    "model_version": "7",
}
CHAMPION = {
    "version": "7",
    "since_at": "2026-09-02T10:00:00Z",
    "origin": "promoted",
    "cut_off_at": "2026-08-27T04:00:00Z",
}
MET = {"as_of": "2026-11-20T08:00:00+00:00", "met_since": "2026-11-17T23:00:00+00:00"}
HELD = {
    "trigger": "degraded",
    "outcome": "suppressed",
    "suppression": "active_run",
    "reason": f"brier BREACHED for 2d 9h; suppressed: run {RUN} is active",
}
HELD_NOW = {
    **HELD,
    "since_at": "2026-11-18T06:00:00Z",
    "last_seen_at": NOW,
    "seen_count": 51,
    "needs": ["the active run must end"],
    "evidence": MET,
}
SHADOWS = {"alpha_spent": 0.6, "shadows": 12, "promoted_undecided": 0}
LAST_TRIGGER = {
    "name": "degraded",
    "outcome": "fired",
    "reason": "brier BREACHED for 6h",
    "since_at": FIRED_AT,
    "last_seen_at": FIRED_AT,
    "lasts": False,
}
LINE = {
    "policy": POLICY,
    "paused": False,
    "health": "breached",
    "why": "brier, inputs: BREACHED",
    "champion": "7",
    "champion_since_at": CHAMPION["since_at"],
    "run": {"id": RUN, "phase": "AWAITING_APPROVAL", "phase_since": WAITS_SINCE},
    "awaits_approval": True,
    "last_trigger": LAST_TRIGGER,
    "newest_event_at": "2026-11-20T08:59:41.120000Z",
    "holder": "vm1:4711",
    "monitor": "brier",
}
DATA = {
    "watermark": "2026-11-20T08:00:00Z",
    "newest_event_at": "2026-11-20T08:59:41.120000Z",
    "last_arrival_at": "2026-11-20T08:59:43.020000Z",
    "rows": 1049318,
    "labels": 1036240,
    "label_coverage": 0.9875,
    "late": 12,
    "duplicates": 3,
    "rejected": {"no_id": 1},
    "rejected_files": [],
}
STATUS = {
    "policy": POLICY,
    "paused": False,
    "champion": CHAMPION,
    "run": RUN_LINE,
    "verdicts": [BRIER, INPUTS],
    "data": DATA,
    "last_decision": HELD_NOW,
    "open_requests": 0,
    "registry_trouble": None,
    **SHADOWS,
    "models_trained": 12,
    "models_promoted": 7,
    "notices_pending": 0,
    "notices_dead": 0,
    "notices_error": None,
    "holder": "vm1:4711",
    "troubles": [],
}
LIMITS = {
    "active_run": RUN,
    "paused": False,
    "cooldown_until": "2026-11-21T05:00:00Z",
    "backoff_until": None,
    "budget_runs_left": 3,
    "budget_frees_at": None,
    "min_new_labels": 10000,
    "training_time_left": 5130.0,
    "training_time_frees_at": None,
    "blackout_until": None,
}
WHY = {
    "policy": POLICY,
    "now": NOW,
    "daemon": "vm1:4711",
    "champion": CHAMPION,
    "decisions": [HELD_NOW],
    "verdicts": [BRIER, INPUTS],
    "limits": LIMITS,
    "notes": [f"run {RUN} waits for a person: see `ctrain show {RUN}`, then `ctrain approve` or `reject` it"],
    **SHADOWS,
}
FIRED = {
    "trigger": "degraded",
    "outcome": "fired",
    "suppression": None,
    "reason": "brier BREACHED for 6h",
    "first_seen_at": FIRED_AT,
    "last_seen_at": FIRED_AT,
    "seen_count": 1,
    "evidence": MET | {"as_of": "2026-11-18T04:00:00+00:00"},
}
DECISIONS: list[dict[str, Any]] = [
    {
        "number": 88,
        **HELD,
        "first_seen_at": "2026-11-18T06:00:00Z",
        "last_seen_at": NOW,
        "seen_count": 51,
        "evidence": MET,
    },
    {"number": 87, **FIRED},
]
REIGNS: list[dict[str, Any]] = [
    {
        "version": "7",
        "since_at": CHAMPION["since_at"],
        "until_at": None,
        "how": "promoted",
        "why": "version 7 is the champion",
        "by": "ctrain",
        "run": "clicks-11",
        "event": 301,
    },
    {
        "version": "6",
        "since_at": "2026-06-14T16:00:00Z",
        "until_at": CHAMPION["since_at"],
        "how": "rolled back",
        "why": "version 6 is the champion again",
        "by": "token ann",
        "run": None,
        "event": 262,
    },
]
