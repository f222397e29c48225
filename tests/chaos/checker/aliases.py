"""Every write of an alias has an intent, and the champion's goes only to a version that earned it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checker.evidence import Evidence, Row, parsed

CHAMPION, PREVIOUS = "champion", "previous_champion"


def alias_faults(evidence: Evidence) -> Iterator[str]:
    intents = evidence.of_policy("alias_intents", "number")
    open_ones = [one["id"] for one in intents if not one["outcome"]]
    if open_ones:
        yield f"alias moves are left open: {', '.join(open_ones)}"
    writes = _changes(evidence)
    yield from _champion_writes(intents, [one for one in writes if one["alias"] == CHAMPION])
    yield from _previous_writes(intents, [one for one in writes if one["alias"] == PREVIOUS])
    yield from _earned(evidence, intents)
    yield from _way_back(evidence, intents)
    yield from _known(evidence)


def _changes(evidence: Evidence) -> list[dict[str, object]]:
    """Writes that changed something, with what the alias named before."""
    now: dict[str, str | None] = {}
    changes: list[dict[str, object]] = []
    for row in evidence.alias_writes():
        version = None if row["version"] is None else str(row["version"])
        before = now.get(row["alias"])
        now[row["alias"]] = version
        foreign = row["number"] in evidence.by_others
        if version != before:
            changes.append({"alias": row["alias"], "before": before, "to": version, "foreign": foreign})
    return changes


def _champion_writes(intents: list[dict[str, object]], writes: list[dict[str, object]]) -> Iterator[str]:
    """Each of ours is one intent's, in order; each that an intent claims was made."""
    left = list(intents)
    for write in (one for one in writes if not one["foreign"]):
        found = next(
            (
                one
                for one in left
                if (one["expected_champion"], one["new_champion"]) == (write["before"], write["to"])
            ),
            None,
        )
        if found is None:
            yield f"the champion alias went from {write['before']} to {write['to']} without an intent"
        else:
            left = left[left.index(found) + 1 :]
    made = [(one["before"], one["to"]) for one in writes]
    for one in intents:
        if one["outcome"] == "done" and (one["expected_champion"], one["new_champion"]) not in made:
            yield f"intent {one['id']} is done, but the champion alias never went to {one['new_champion']}"


def _previous_writes(intents: list[dict[str, object]], writes: list[dict[str, object]]) -> Iterator[str]:
    meant = {one[name] for one in intents for name in ("new_previous", "expected_previous")}
    for write in writes:
        if not write["foreign"] and write["to"] not in meant:
            yield f"the previous-champion alias went to {write['to']} without an intent"


def _earned(evidence: Evidence, intents: list[dict[str, object]]) -> Iterator[str]:
    """A promoted version passed its gates, and its shadow unless there was nobody to compare it with."""
    runs = {run["id"]: run for run in evidence.of_policy("runs", "number")}
    for one in intents:
        if one["kind"] != "promotion" or one["outcome"] == "superseded":
            continue
        run = runs.get(one["run_id"])
        if run is None:
            yield f"version {one['new_champion']} was promoted by no run"
            continue
        yield from _earned_by(evidence, one, run)


def _earned_by(evidence: Evidence, intent: Row, run: Row) -> Iterator[str]:
    version, details = intent["new_champion"], parsed(run["details"])
    if run["challenger_version"] != version:
        yield f"run {run['id']} promoted {version}, but had trained {run['challenger_version']}"
    gates = details.get("evaluation", {}).get("gates", {})
    if not gates.get("passed") or not all(gate["passed"] for gate in gates.get("results", [])):
        yield f"version {version} was promoted without having passed its gates"
    if intent["expected_champion"] is not None and not details.get("shadow", {}).get("won"):
        yield f"version {version} was promoted without having won its shadow"
    tags = evidence.registered(
        "SELECT value FROM model_version_tags WHERE name = ? AND version = ? AND key = 'ctrain.run_id'",
        evidence.model,
        version,
    )
    if [str(tag["value"]) for tag in tags] != [run["id"]]:
        yield f"version {version} is not the one that run {run['id']} registered"


def _way_back(evidence: Evidence, intents: list[dict[str, object]]) -> Iterator[str]:
    """A promotion leaves a version to go back to; a rollback goes to one that has been champion."""
    query = "SELECT version FROM model_versions WHERE name = ?"
    versions = {str(row["version"]) for row in evidence.registered(query, evidence.model)}
    served = {str(row["version"]) for row in evidence.alias_writes() if row["alias"] == CHAMPION}
    for one in intents:
        first = one["expected_champion"] is None
        if one["kind"] == "promotion" and not first and one["new_previous"] != one["expected_champion"]:
            yield f"intent {one['id']} keeps no way back to {one['expected_champion']}"
        if one["kind"] == "promotion" and not first and one["new_previous"] not in versions:
            yield f"intent {one['id']} goes back to {one['new_previous']}, which is not registered"
        if one["kind"] == "rollback" and one["outcome"] == "done" and one["new_champion"] not in served:
            yield f"rolled back to {one['new_champion']}, which has never been champion"


def _known(evidence: Evidence) -> Iterator[str]:
    """At rest ctrain knows the champion that the alias names."""
    known = [row["version"] for row in evidence.of_policy("champions", "policy")]
    named = [version for alias, version in evidence.aliases().items() if alias == CHAMPION]
    if known != named:
        yield f"ctrain takes {known} for the champion, the alias names {named}"
