"""Digests of model artifacts: recorded in our own history, and compared with what lies in the registry.

The registry's tag is written by whoever may write to the registry, and so is the artifact: what counts
is the digest that an event of our history holds since the version was trained, or seen first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ctrain.domain import ModelVersion, Version
from ctrain.errors import DigestMismatch, PermanentError

if TYPE_CHECKING:
    from ctrain.engine.watch import Watch

DIGEST_TAG = "ctrain.digest"
RECORDED = "digest_recorded"
MISMATCH = "digest_mismatch"
HOLDING_DIGESTS = ("run_evaluating", "refitted", RECORDED)
"""Kinds of the events that say which digest a version has."""
REFUSED_BY_LOADER = "digest mismatch"
"""What a child says that was to load an artifact with another digest."""
PAGE = 500
REMEDY = (
    "nothing is done with it: restore its files and its tag as they were, or register what is there now as a "
    "new version and take that over with `ctrain adopt`"
)


def recorded_digest(watch: Watch, version: Version) -> str | None:
    """The digest that our history has for the version since it was trained or first seen, if any."""
    after = 0
    with watch.store.read() as tx:
        while page := tx.links(after, PAGE, policy=watch.name, kinds=HOLDING_DIGESTS):
            for link in page:
                evidence = link.content.get("evidence", {})
                if str(evidence.get("version")) == version and evidence.get("digest"):
                    return str(evidence["digest"])
            after = page[-1].number
    return None


def known_version(watch: Watch, version: Version) -> ModelVersion:
    """The version in the registry, with the digest of our own history in the place of its tag's.

    Whoever loads it is given that digest, and refuses an artifact that has another.
    """
    found = watch.registry.version(watch.policy.model.name, version)
    digest = recorded_digest(watch, version)
    return found if digest is None else replace(found, tags={**found.tags, DIGEST_TAG: digest})


def ensure_digest(watch: Watch, version: Version) -> None:
    """Record the digest of a champion from elsewhere, so that a way back to it can be verified."""
    if recorded_digest(watch, version) is not None:
        return
    model = watch.policy.model.name
    digest = watch.registry.version(model, version).digest
    if digest is None:
        digest = watch.registry.digest(model, version)
        watch.registry.annotate_version(model, version, tags={DIGEST_TAG: digest})
    message = f"version {version} of {model}, which ctrain did not train, has the digest {digest[:12]}"
    with watch.store.write() as tx:
        watch.fence(tx)
        tx.append_event(watch.event(RECORDED, message, evidence={"version": version, "digest": digest}))


def verify_digest(watch: Watch, version: Version) -> None:
    """Raise DigestMismatch when the artifact or its tag is not what ctrain recorded; that is an event, too.

    A version without a recorded digest cannot be verified, and is refused with PermanentError.
    """
    model = watch.policy.model.name
    recorded = recorded_digest(watch, version) or watch.registry.version(model, version).digest
    if recorded is None:
        raise PermanentError(
            f"version {version} of {model} has no recorded digest; adopt it with `ctrain adopt`"
        )
    found = watch.registry.digest(model, version)
    if found != recorded:
        changed = f"its SHA-256 is {found[:12]}, recorded is {recorded[:12]}"
        why = f"the artifact of {model} version {version} changed: {changed}"
        record_mismatch(watch, version, why, found=found, recorded=recorded)
        raise DigestMismatch(f"{why}; {REMEDY}")
    why = tag_refusal(watch, version)
    if why:
        raise DigestMismatch(why)


def tag_refusal(watch: Watch, version: Version) -> str:
    """Why the version is not used: its digest tag is not the digest that we recorded; empty: it is."""
    model = watch.policy.model.name
    tag, own = watch.registry.version(model, version).digest, recorded_digest(watch, version)
    if own is None or tag is None or tag == own:
        return ""
    why = f"the digest tag of {model} version {version} changed: it is {tag[:12]}, recorded is {own[:12]}"
    record_mismatch(watch, version, why, found=tag, recorded=own)
    return f"{why}; {REMEDY}"


def record_refusal(watch: Watch, version: Version, message: str) -> None:
    """Put it on record where whoever was to load the version has refused it for its digest."""
    if REFUSED_BY_LOADER in message:
        record_mismatch(watch, version, message, found="", recorded=recorded_digest(watch, version) or "")


def record_mismatch(watch: Watch, version: Version, message: str, *, found: str, recorded: str) -> None:
    """Put it on record that a version is not what it was; once, however often it is met."""
    evidence = {"version": version, "found": found, "recorded": recorded}
    with watch.store.write() as tx:
        watch.fence(tx)
        newest = tx.links(0, PAGE, policy=watch.name, kinds=(MISMATCH,))
        if all(link.content.get("evidence") != evidence for link in newest):
            tx.append_event(watch.event(MISMATCH, message, evidence=evidence))
    watch.telemetry.log("digest_refused", policy=watch.name, version=version, message=message)
