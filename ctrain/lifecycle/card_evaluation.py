"""What a model card says of the held-out rows: gates, metrics, groups and serving, beside the champion's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctrain.domain import Json, Run
from ctrain.lifecycle.card_text import figure, one_line, table
from ctrain.stats.sequential import ComparisonState

GAP = ":gap:"
"""In the name of a metric: the largest difference of it between the groups of a column."""
SERVED = {
    "latency_p50_ms": "one row, median, in ms",
    "latency_p99_ms": "one row, 99th percentile, in ms",
    "size_bytes": "size, in bytes",
}
"""What probes measure, as people read it."""


def judged_itself(run: Run) -> bool:
    """Return whether the gates judged the run's challenger, and not a candidate that was fitted again."""
    candidate = run.details.get("training", {}).get("candidate")
    return candidate is None or candidate["version"] == run.challenger_version


def gate_lines(run: Run) -> Iterator[str]:
    """Yield the reason of each gate; what failed is bold."""
    report = _found(run).get("gates", {})
    for result in report.get("results", ()):
        reason = one_line(result["reason"])
        yield f"- {reason if result['passed'] else f'**{reason}**'}"
    if report.get("note"):
        yield f"- {one_line(report['note'])}"


def metric_lines(run: Run) -> Iterator[str]:
    """Yield the metrics beside the champion's."""
    names = [name for name in _found(run).get("challenger") or {} if GAP not in name]
    yield from _beside(run, "metric", names)


def slice_lines(run: Run) -> Iterator[str]:
    """Yield what gates and shadow have found out about groups of rows."""
    groups = _found(run).get("groups") or ()
    yield from _groups(run, groups)
    slices = run.details.get("shadow", {}).get("slices", {})
    states = {name: ComparisonState.from_json(one) for name, one in slices.items()}
    compared = [(name, one) for name, one in states.items() if one.blocks]
    if groups and compared:
        yield ""
    if compared:
        rows = [(name, f"{one.mean:+.4g}", f"{one.rows:,}") for name, one in compared]
        yield from table(("slice", "difference of the loss in the shadow", "rows"), rows)


def _groups(run: Run, groups: Sequence[Json]) -> Iterator[str]:
    """Of each gate between groups the gap and its limit, and below it the groups between which it lies."""
    if not groups:
        return
    models, columns = _models(run)
    rows = []
    for gate in groups:
        name = f"{gate['metric']} by {gate['by']}"
        rows.append(
            (f"{name}, gap", figure(gate["limit"]), *(figure(gate["gap"].get(one)) for one in models))
        )
        for one in gate["groups"]:
            rate = "" if one["metric"] == gate["metric"] else f"{one['metric']} "
            rows.append((f"{rate}of {one['group']}", "", *(figure(one.get(each)) for each in models)))
    yield from table(("groups", "limit", *columns), rows)


def serving_lines(run: Run) -> Iterator[str]:
    """Yield what probes of this version and of the champion measured."""
    found = _found(run)
    serving = found.get("serving") if judged_itself(run) else found.get("refit_serving")
    if not serving:
        return
    ours, theirs = serving["challenger"], serving.get("champion", {})
    rows = [
        (told, *(_measure(name, one.get(name)) for one in (ours, theirs))) for name, told in SERVED.items()
    ]
    again = ["" if one is None else "yes" if one else "no" for one in map(_again, (ours, theirs))]
    rows.append(("the same rows get the same scores again", *again))
    yield from table(("serving", "this version", _champion(run)), rows)


def _beside(run: Run, title: str, names: Sequence[str]) -> Iterator[str]:
    """A line for each metric: of all held-out rows, and of those on which the champion can be judged."""
    if not names:
        return
    found = _found(run)
    models, columns = _models(run)
    rows = [(name, *(figure((found.get(one) or {}).get(name)) for one in models)) for name in names]
    yield from table((title, *columns), rows)
    fair = found.get("fair_rows", 0)
    if "paired" in models:
        yield from ("", f"The later rows are the {fair:,} that are later than the champion's training, too.")
    elif found.get("champion"):
        yield from ("", f"Both on the same {fair:,} rows.")


def _models(run: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names under which models were judged, and the heads of their columns: three where rows differ."""
    found = _found(run)
    this = "this version" if judged_itself(run) else f"version {_candidate(run)}, which was fitted again"
    champion = _champion(run)
    on_the_same = found.get("fair_rows", 0) == run.details.get("training", {}).get("holdout_rows")
    if not found.get("champion") or on_the_same:
        return ("challenger", "champion"), (this, champion)
    columns = (f"{this}, all held-out rows", f"{this}, later rows", f"{champion}, later rows")
    return ("challenger", "paired", "champion"), columns


def _measure(name: str, value: float | None) -> str:
    return f"{value:,.0f}" if value is not None and name == "size_bytes" else figure(value)


def _again(probe: Json) -> bool | None:
    found: bool | None = probe.get("deterministic")
    return found


def _champion(run: Run) -> str:
    return f"champion ({f'version {run.champion_version}' if run.champion_version else 'no champion'})"


def _candidate(run: Run) -> str:
    return str(run.details["training"]["candidate"]["version"])


def _found(run: Run) -> Json:
    found: Json = run.details.get("evaluation", {})
    return found
