"""What a model card says of the held-out rows: gates, metrics, groups and serving, beside the champion's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    yield from _beside(run, "metric", {name: name for name in names})


def slice_lines(run: Run) -> Iterator[str]:
    """Yield what gates and shadow have found out about groups of rows."""
    found = _found(run)
    names = [
        name for name in {**(found.get("challenger") or {}), **(found.get("champion") or {})} if GAP in name
    ]
    yield from _beside(
        run, "largest difference between groups", {name: name.replace(GAP, " by ") for name in names}
    )
    slices = run.details.get("shadow", {}).get("slices", {})
    states = {name: ComparisonState.from_json(one) for name, one in slices.items()}
    compared = [(name, one) for name, one in states.items() if one.blocks]
    if names and compared:
        yield ""
    if compared:
        rows = [(name, f"{one.mean:+.4g}", f"{one.rows:,}") for name, one in compared]
        yield from table(("slice", "difference of the loss in the shadow", "rows"), rows)


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


def _beside(run: Run, title: str, names: Mapping[str, str]) -> Iterator[str]:
    """A line for each metric: of all held-out rows, and of those on which the champion can be judged."""
    found, rows = _found(run), run.details.get("training", {}).get("holdout_rows")
    ours, theirs, paired = (found.get(role) or {} for role in ("challenger", "champion", "paired"))
    if not names:
        return
    this = "this version" if judged_itself(run) else f"version {_candidate(run)}, which was fitted again"
    fair = found.get("fair_rows", 0)
    if not theirs or fair == rows:
        yield from _columns((title, this, _champion(run)), names, (ours, theirs))
        if theirs:
            yield from ("", f"Both on the same {fair:,} rows.")
        return
    head = (title, f"{this}, all held-out rows", f"{this}, later rows", f"{_champion(run)}, later rows")
    yield from _columns(head, names, (ours, paired, theirs))
    yield from ("", f"The later rows are the {fair:,} that are later than the champion's training, too.")


def _columns(
    head: Sequence[str], names: Mapping[str, str], columns: Sequence[Mapping[str, float]]
) -> Iterator[str]:
    rows = [(told, *(figure(one.get(name)) for one in columns)) for name, told in names.items()]
    return table(head, rows)


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
