"""Approval by a person: what it is bound to, until when it can be given, and why it does not count."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from ctrain.domain import Json, Phase, Run

BOUND_TO = ("challenger", "policy_hash", "evidence")
"""What an approval names; it counts only while all of them are what the run stands on."""
WORDS = {
    "challenger": "the challenger is version {}",
    "policy_hash": "the run's policy has the hash {}",
    "evidence": "the evidence on record is {}",
}


def approval_wanted(run: Run, expires_after: timedelta | None, now: datetime) -> dict[str, Any]:
    """Return what a run remembers while it waits: what an approval is bound to, and until when it waits."""
    return {
        "challenger": run.challenger_version,
        "policy_hash": run.policy_hash,
        "evidence": evidence_digest(run),
        "expires_at": (now + expires_after).isoformat() if expires_after is not None else None,
    }


def evidence_digest(run: Run) -> str:
    """Return a SHA-256 over what the gates and the shadow found, and over the artifact they judged."""
    found = {
        "evaluation": run.details.get("evaluation", {}),
        "shadow": run.details.get("shadow", {}),
        "artifact": run.details.get("training", {}).get("result", {}).get("digest"),
    }
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def expired(run: Run, now: datetime) -> bool:
    """Return whether a waiting run has waited for too long."""
    until = run.details.get("approval", {}).get("expires_at")
    return until is not None and now >= datetime.fromisoformat(until)


def refusal(run: Run, answer: Json, given_at: datetime) -> str:
    """Return why a person's answer does not count, or nothing when it does.

    ``answer`` names the challenger's version, the hash of the run's policy and the digest of the
    evidence that the person has seen.
    """
    if run.phase is not Phase.AWAITING_APPROVAL:
        return f"run {run.id} is {run.phase.value}: it waits for no approval"
    if run.details["approval"].get("approved"):
        return f"run {run.id} is approved already; `ctrain cancel {run.id}` takes it back"
    if expired(run, given_at):
        return f"the approval of run {run.id} has expired"
    wanted = {**run.details["approval"], "evidence": evidence_digest(run)}
    for name in BOUND_TO:
        if answer.get(name) != wanted[name]:
            stands = WORDS[name].format(str(wanted[name])[:12])
            return f"{stands}, the answer is about {str(answer.get(name) or 'none')[:12]}; look again"
    return ""
