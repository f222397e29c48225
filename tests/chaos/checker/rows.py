"""Every row and every label of the input has come into the row log once, as it was sent.

What is older than the policy keeps rows is not there any more, and does not come again with its file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checker.evidence import Evidence, instant, whole_files


def row_faults(evidence: Evidence) -> Iterator[str]:
    yield from _files(evidence)
    yield from _rows(evidence)
    yield from _labels(evidence)
    yield from _panes(evidence)


def _files(evidence: Evidence) -> Iterator[str]:
    named = {row["path"] for row in evidence.of_policy("segments", "id")}
    there = evidence.files()
    yield from (f"{path} is in the manifest and not on the disk" for path in sorted(named - there))
    yield from (f"{path} is on the disk and not in the manifest" for path in sorted(there - named))


def _rows(evidence: Evidence) -> Iterator[str]:
    sent = [row for table in whole_files(evidence.rows) for row in table.to_pylist()]
    before = sum(table.num_rows for table in whole_files(evidence.replaced))
    logged = evidence.logged(evidence.manifest("rows"))
    times = Counter(row["row_id"] for row in logged)
    ids = {row["id"] for row in sent}
    kept_since, removed_before = evidence.kept_since(), evidence.removed_before()
    kept = {row["id"] for row in sent if row["at"] >= kept_since}
    gone = {row["id"] for row in sent if row["at"] < removed_before}
    yield from (f"row {one} is counted {count} times" for one, count in times.items() if count > 1)
    yield from _few("row {} is not in the row log", sorted(kept - set(times)))
    yield from _few("row {} is in the row log, where its day was removed", sorted(gone & set(times)))
    yield from _few("row {} was never sent", sorted(set(times) - ids))
    values = {row["id"]: row["x"] for row in sent}
    changed = sorted(row["row_id"] for row in logged if row["x"] != values.get(row["row_id"]))
    yield from _few("row {} is not as it was sent", changed)
    totals = evidence.of_policy("ingest_states", "policy")
    found = (totals[0]["rows_total"], totals[0]["duplicates_total"]) if totals else (0, 0)
    repeated = len(sent) + before - len(ids)
    if found != (len(ids), repeated):
        yield f"rows and repeated rows are counted as {found}, not {len(ids)} and {repeated}"
    in_manifest = sum(row["rows"] for row in evidence.manifest("rows"))
    if in_manifest != len(logged):
        yield f"the manifest says {in_manifest} rows, its files hold {len(logged)}"


def _labels(evidence: Evidence) -> Iterator[str]:
    sent = [row for table in whole_files(evidence.labels) for row in table.to_pylist()]
    logged = evidence.logged(evidence.manifest("labels"))
    times = Counter(row["row_id"] for row in logged)
    yield from (f"the label of {one} is counted {count} times" for one, count in times.items() if count > 1)
    expected = {row["id"]: row["y"] for row in sent}
    found = {row["row_id"]: row["label"] for row in logged}
    rows = [row for table in whole_files(evidence.rows) for row in table.to_pylist()]
    kept_since = evidence.kept_since()
    old = {row["id"] for row in rows if row["at"] < kept_since}
    asked = {*found, *expected} - (old - set(found))
    different = sorted(one for one in asked if expected.get(one) != found.get(one))
    yield from _few("the label of {} is not the one that was sent", different)
    for segments in _by_version(evidence).values():
        scored = Counter(row["row_id"] for row in segments)
        twice = sorted(str(one) for one, count in scored.items() if count > 1)
        yield from _few("row {} has several scores of one version", twice)


def _by_version(evidence: Evidence) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for segment in evidence.manifest("scores"):
        found.setdefault(segment["model_version"], []).extend(evidence.logged([segment]))
    return found


def _panes(evidence: Evidence) -> Iterator[str]:
    """A pane's profile has the rows that came before it was closed, each once."""
    rows = [row for row in evidence.logged(evidence.manifest("rows")) if not row["late"]]
    kept_since = evidence.kept_since()
    for pane in evidence.of_policy("pane_profiles", "grid, start"):
        start = instant(pane["start"])
        if pane["level"] or start < kept_since:
            continue
        expected = sum(start <= row["event_at"] < start + evidence.pane for row in rows)
        if pane["rows"] != expected:
            yield f"the pane of {start} counts {pane['rows']} rows, {expected} were in time"


def _few(message: str, found: list[str]) -> Iterator[str]:
    yield from (message.format(one) for one in found[:3])
    if len(found) > 3:
        yield message.format(f"and {len(found) - 3} more")
