"""Which version was champion at an instant, and why: told from the audited history alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctrain.domain import Json, PolicyName, RunId, Version
from ctrain.queries.answers import Answer
from ctrain.queries.audit_chain import PAGE

if TYPE_CHECKING:
    from ctrain.domain.audit import Link
    from ctrain.ports import Transaction

CHANGES = ("promoted", "run_rolled_back", "rolled_back", "champion_found", "champion_changed_outside")
"""Kinds of the events after which another version is the champion."""
TRAININGS = ("run_evaluating", "refitted")
"""Kinds of the events that name the version that a run has trained."""
NOT_BY_CTRAIN = frozenset({"champion_found", "champion_changed_outside"})
_NAMED = re.compile(r"version (\S+) is the champion")


@dataclass(frozen=True, slots=True)
class TrainedOn(Answer):
    """The rows of a training."""

    window_start: str | None
    until: str | None
    """No row was as late as this."""
    rows: int | None
    data_digest: str | None
    """SHA-256 of the Parquet file of the rows; MLflow holds the first 36 digits of it."""
    holdout_rows: int | None
    """Kept from the training for the gates; 0 where the version was fitted again on all rows."""
    why: str


@dataclass(frozen=True, slots=True)
class Origin(Answer):
    """The run that made a version, from the trigger to its end."""

    run: RunId
    queued_at: str
    trigger: str
    reason: str
    asked_by: str
    policy_hash: str
    mlflow_run_id: str | None
    digest: str | None
    """SHA-256 of the model artifact, as registered."""
    trained_on: TrainedOn | None
    gates: Json = field(default_factory=dict)
    shadow: Json = field(default_factory=dict)
    approval: Json = field(default_factory=dict)
    """Who approved, when and why; empty where the policy asks nobody."""
    probation: Json = field(default_factory=dict)
    ended: str = ""
    """What became of the run, in words."""


@dataclass(frozen=True, slots=True)
class ChampionThen(Answer):
    """The champion of a policy at an instant."""

    policy: PolicyName
    at: datetime
    version: Version | None
    """None: there was no champion, or ctrain had not seen one yet."""
    since_at: str | None
    until_at: str | None
    """None: until today."""
    how: str
    """Kind of the event that made it champion."""
    why: str
    by: str
    event: int | None
    """Number of that event in the history."""
    origin: Origin | None
    """None: ctrain did not train the version."""

    @property
    def by_ctrain(self) -> bool:
        """True when ctrain moved the alias."""
        return self.how not in NOT_BY_CTRAIN


def champion_then(tx: Transaction, policy: PolicyName, at: datetime) -> ChampionThen:
    """The version that the champion alias named at ``at``, as far as ctrain has seen or set it."""
    then = following = None
    for link in _all(tx, policy, CHANGES):
        if datetime.fromisoformat(link.content["at"]) <= at:
            then, following = link, None
        elif following is None:
            following = link
    until = following.content["at"] if following is not None else None
    if then is None:
        told = "no champion had been seen or set by then"
        return ChampionThen(policy, at, None, None, until, "", told, "", None, None)
    version = version_after(then)
    return ChampionThen(
        policy=policy,
        at=at,
        version=version,
        since_at=then.content["at"],
        until_at=until,
        how=then.content["kind"],
        why=then.content["message"],
        by=then.content["actor"],
        event=then.number,
        origin=_origin(tx, policy, version) if version is not None else None,
    )


def _all(tx: Transaction, policy: PolicyName, kinds: tuple[str, ...]) -> list[Link]:
    found: list[Link] = []
    after = 0
    while page := tx.links(after, PAGE, policy=policy, kinds=kinds):
        found += page
        after = page[-1].number
    return found


def _evidence(link: Link | None) -> Mapping[str, Any]:
    found = link.content.get("evidence") if link is not None else None
    return found if isinstance(found, dict) else {}


def version_after(link: Link) -> Version | None:
    """The version that is the champion after the event; those written long ago name it in words only."""
    evidence = _evidence(link)
    for name in ("version", "seen"):
        if name in evidence:
            return Version(evidence[name]) if evidence[name] is not None else None
    found = _NAMED.search(link.content["message"])
    return Version(found[1]) if found else None


def _origin(tx: Transaction, policy: PolicyName, version: Version) -> Origin | None:
    """The first run that trained the version: a later one may have taken it again."""
    for link in _all(tx, policy, TRAININGS):
        run_id = link.content["run_id"]
        if run_id is not None and str(_evidence(link).get("version")) == str(version):
            return _told(RunId(run_id), link, tx.links(0, PAGE, policy=policy, run_id=RunId(run_id)))
    return None


def _told(run_id: RunId, trained: Link, links: list[Link]) -> Origin:
    by_kind: dict[str, list[Link]] = {}
    for link in links:
        by_kind.setdefault(link.content["kind"], []).append(link)
    queued = by_kind.get("run_queued", [trained])[0]
    made = _evidence(trained)
    ended = links[-1] if links else trained
    return Origin(
        run=run_id,
        queued_at=queued.content["at"],
        trigger=str(_evidence(queued).get("trigger", "")),
        reason=queued.content["message"],
        asked_by=queued.content["actor"],
        policy_hash=queued.content["policy_hash"],
        mlflow_run_id=made.get("mlflow_run_id"),
        digest=made.get("digest"),
        trained_on=_trained_on(by_kind, trained),
        gates=_gates(by_kind),
        shadow=_left(links, "SHADOWING"),
        approval=_approval(links),
        probation=_left(links, "PROBATION"),
        ended=f"{ended.content['kind']}: {ended.content['message']}",
    )


def _trained_on(by_kind: Mapping[str, list[Link]], trained: Link) -> TrainedOn | None:
    prepared = _evidence(by_kind.get("run_training", [None])[0])
    if not prepared:
        return None
    why = str(prepared.get("window", ""))
    start = prepared.get("window_start")
    if trained.content["kind"] == "refitted":
        again = _evidence(by_kind.get("refit_begun", [None])[-1]).get("refit", {})
        return TrainedOn(start, prepared.get("cut_off"), again.get("rows"), again.get("data_digest"), 0, why)
    return TrainedOn(
        window_start=start,
        until=prepared.get("holdout_start"),
        rows=prepared.get("rows"),
        data_digest=prepared.get("data_digest"),
        holdout_rows=prepared.get("holdout_rows"),
        why=why,
    )


def _gates(by_kind: Mapping[str, list[Link]]) -> Json:
    """What the gates found: told where the run leaves EVALUATING, or is fitted again after them."""
    for kind in ("refit_begun", "run_shadowing", "run_promoting", "run_awaiting_approval", "run_rejected"):
        for link in by_kind.get(kind, []):
            evidence = _evidence(link)
            if kind == "refit_begun" or evidence.get("from") == "EVALUATING":
                return _step(link)
    return {}


def _left(links: list[Link], phase: str) -> Json:
    """How a run left a phase; empty when it never did."""
    return next((_step(link) for link in links if _evidence(link).get("from") == phase), {})


def _approval(links: list[Link]) -> Json:
    for link in links:
        evidence = _evidence(link)
        if evidence.get("from") == "AWAITING_APPROVAL":
            told = {name: evidence[name] for name in ("approved", "by", "at", "reason") if name in evidence}
            return {**told, "event": link.number}
    return {}


def _step(link: Link) -> Json:
    evidence = {name: value for name, value in _evidence(link).items() if name != "from"}
    return {
        "event": link.number,
        "at": link.content["at"],
        "reason": link.content["message"],
        "evidence": evidence,
    }
