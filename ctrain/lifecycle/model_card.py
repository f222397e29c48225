"""Model card: what a person should know of a version before trusting it, as Markdown.

After Mitchell, M. et al. (2019). Model cards for model reporting. *Proceedings of the Conference on
Fairness, Accountability, and Transparency*, 220-229; with what a machine that trains by itself adds:
why it trained, and what gates, shadow, people and probation said. A part that nothing is known of yet is
left out, so the card grows with the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ctrain.domain import Json, Run
from ctrain.stats.sequential import ComparisonState

MAX_CHARACTERS = 4_900
"""The column of MLflow's databases that keeps a description takes 5,000."""
MOST_FEATURES = 10
CUT = "\n\n*Cut here: the rest is on record in ctrain.*\n"
GAP = ":gap:"
"""In the name of a metric: the largest difference of it between the groups of a column."""


def render_card(run: Run, model: str, metric: str) -> str:
    """Return the card of the run's challenger as it stands.

    Parameters
    ----------
    run
        with all that its phases have found out, and a challenger.
    model
        name of the registered model.
    metric
        the policy's metric, which the shadow compares by.

    Returns
    -------
    str
        Markdown of at most ``MAX_CHARACTERS`` characters.
    """
    version = run.challenger_version
    head = [f"# {model}, version {version}", f"**{_outcome(run)}**"]
    parts = [
        _section("Why it was trained", [_why(run)]),
        _section("Rows", _rows(run)),
        _section("Gates", _gates(run)),
        _section("Metrics on held-out rows", _metrics(run)),
        _section("Shadow: the same live rows as the champion", _comparison(run, "shadow", metric)),
        _section("Approval", _approval(run)),
        _section("Probation: against the previous champion", _comparison(run, "probation", metric)),
        _section("Importance of features", _importance(run)),
        _section("Slices", _slices(run)),
    ]
    return _fitting("\n\n".join([*head, *filter(None, parts)]) + "\n")


def _section(title: str, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return f"## {title}\n\n{text}" if text else ""


def _fitting(text: str) -> str:
    """The text, cut at the end of a line when there is too much of it."""
    if len(text) <= MAX_CHARACTERS:
        return text
    return text[: MAX_CHARACTERS - len(CUT)].rpartition("\n")[0] + CUT


def _outcome(run: Run) -> str:
    return f"{run.phase.value}: {_line(run.outcome_reason)}" if run.outcome_reason else run.phase.value


def _why(run: Run) -> str:
    by = "" if run.actor == "ctrain" else f", by {run.actor}"
    at = f"{run.created_at:%Y-%m-%d %H:%M} UTC"
    return f"Trigger `{run.trigger}`{by}, {at}: {_line(run.reason)} (run {run.id})"


def _rows(run: Run) -> Iterator[str]:
    found = run.details.get("training", {})
    if "rows" not in found:
        return
    candidate = found.get("candidate")
    until = found["cut_off"] if candidate else found["holdout_start"]
    yield f"- trained on {found['rows']:,} rows, {_day(found['window_start'])} to {_day(until)}"
    if found.get("window"):
        yield f"- the window: {_line(found['window'])}"
    held_out = f"{found['holdout_rows']:,} rows, {_day(found['holdout_start'])} to {_day(found['cut_off'])}"
    if candidate:
        yield f"- judged by the gates as version {candidate['version']}, without the last {held_out}"
    else:
        yield f"- held out for the gates: {held_out}"
    if found.get("reused"):
        yield f"- made by run {found['reused']} from the same rows, code and parameters"
    look = found.get("learnable", {})
    if "verdict" in look:
        yield f"- the look before the training: {look['verdict'].replace('_', ' ')}; {_line(look['reason'])}"
    yield from _choices((candidate or found).get("result", {}))
    if found.get("result", {}).get("unverified_holdout"):
        yield "- the trainer logged the model itself: that it has not seen the holdout cannot be verified"


def _choices(result: Json) -> Iterator[str]:
    """What was chosen by the newest of the training rows."""
    selection = result.get("selection")
    if selection:
        losses = sorted(selection["losses"].items(), key=lambda item: item[1])
        named = ", ".join(f"{name} {_number(loss)}" for name, loss in losses)
        by = f"by {selection['metric']} on the newest training rows"
        yield f"- {selection['chosen']} was chosen {by}: {named}"
    tuning = result.get("tuning")
    if tuning:
        found = ", ".join(f"{name} {value}" for name, value in tuning["params"].items())
        judged = f"{tuning['metric']} {_number(tuning['loss'])} on the newest training rows"
        yield f"- tuned by {tuning['sampler']}, {tuning['trials']} trials: {_line(found)}; {judged}"


def _gates(run: Run) -> Iterator[str]:
    report = run.details.get("evaluation", {}).get("gates", {})
    for result in report.get("results", ()):
        reason = _line(result["reason"])
        yield f"- {reason if result['passed'] else f'**{reason}**'}"
    if report.get("note"):
        yield f"- {_line(report['note'])}"


def _metrics(run: Run) -> Iterator[str]:
    found = run.details.get("evaluation", {})
    ours = {name: value for name, value in (found.get("challenger") or {}).items() if GAP not in name}
    theirs = found.get("champion") or {}
    if not ours:
        return
    whose = f"version {run.champion_version}" if run.champion_version else "no champion"
    yield from _table(
        ("metric", "this version", f"champion ({whose})"),
        [(name, _number(value), _number(theirs.get(name))) for name, value in ours.items()],
    )
    if theirs and "fair_rows" in found:
        yield ""
        yield f"The champion on the {found['fair_rows']:,} rows that are later than its training."


def _slices(run: Run) -> Iterator[str]:
    """Metrics by group, as far as the gates or the shadow have looked at groups."""
    found = run.details.get("evaluation", {})
    gaps = {name: value for name, value in (found.get("challenger") or {}).items() if GAP in name}
    for name, value in gaps.items():
        metric, _, column = name.partition(GAP)
        yield f"- {metric} differs by at most {_number(value)} between the groups of {column}"
    slices = run.details.get("shadow", {}).get("slices", {})
    states = {name: ComparisonState.from_json(one) for name, one in slices.items()}
    compared = [(name, one) for name, one in states.items() if one.blocks]
    if gaps and compared:
        yield ""
    if compared:
        rows = [(name, f"{one.mean:+.4g}", f"{one.rows:,}") for name, one in compared]
        yield from _table(("slice", "difference of the loss in the shadow", "rows"), rows)


def _comparison(run: Run, phase: str, metric: str) -> Iterator[str]:
    found = run.details.get(phase, {})
    if "state" not in found:
        return
    state = ComparisonState.from_json(found["state"])
    if not state.blocks:
        yield "- nothing has been compared yet"
        return
    better = "better" if state.mean < 0 else "worse" if state.mean > 0 else "the same"
    yield (
        f"- {metric} (bounded loss): {state.mean:+.4g} on average, {better}; {state.rows:,} rows in "
        f"{state.blocks:,} blocks from {_day(found['origin'])} on"
    )
    if found.get("clipped_rows"):
        yield f"- {found['clipped_rows']:,} losses were clipped"


def _approval(run: Run) -> Iterator[str]:
    found: Json = run.details.get("approval", {})
    if "by" in found:
        reason = f": {_line(found['reason'])}" if found["reason"] else ""
        answer = "approved" if found["approved"] else "rejected"
        yield f"- {answer} by {found['by']}, {_day(found['at'])}{reason}"
    elif found:
        until = found.get("expires_at")
        yield f"- waits for a person{f' until {_day(until)}' if until else ''}"


def _importance(run: Run) -> Iterator[str]:
    shares = run.details.get("training", {}).get("importance") or {}
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:MOST_FEATURES]
    yield from (f"- {name}: {share:.1%}" for name, share in ranked)
    if len(shares) > MOST_FEATURES:
        yield f"- and {len(shares) - MOST_FEATURES} more"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(_cell(one) for one in row)} |" for row in rows)


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    """The text in one line: Markdown gives line breaks and headings a meaning."""
    return " ".join(text.split())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _day(instant: str) -> str:
    return instant[:16].replace("T", " ")
