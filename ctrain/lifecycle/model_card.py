"""Model card: what a person should know of a version before trusting it, as Markdown.

After Mitchell, M. et al. (2019). Model cards for model reporting. *Proceedings of the Conference on
Fairness, Accountability, and Transparency*, 220-229; with what a machine that trains by itself adds:
why it trained, and what gates, shadow, people and probation said. A part that nothing is known of yet is
left out, so the card grows with the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ctrain.domain import Json, Phase, Run, Version
from ctrain.lifecycle.card_evaluation import (
    gate_lines,
    judged_itself,
    metric_lines,
    serving_lines,
    slice_lines,
)
from ctrain.lifecycle.card_text import day, figure, fitting, one_line, section
from ctrain.stats.sequential import ComparisonState

MAX_CHARACTERS = 4_900
"""The column of MLflow's databases that keeps a description takes 5,000."""
MOST_FEATURES = 10
PROMOTED = frozenset(
    {
        Phase.PROMOTING,
        Phase.PROBATION,
        Phase.ACCEPTED,
        Phase.ROLLING_BACK,
        Phase.ROLLED_BACK,
        Phase.ROLLBACK_FAILED,
    }
)
"""Phases that no run reaches without leave."""


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
    parts = [
        section("Why it was trained", [_why(run)]),
        section("Rows", _rows(run)),
        *_judged(run),
        section("Shadow: the same live rows as the champion", _comparison(run, "shadow", metric)),
        section("Approval", _approval(run)),
        section("Probation: against the previous champion", _comparison(run, "probation", metric)),
        section("Importance of features", _importance(run)),
        section("Slices", slice_lines(run)),
    ]
    return _card(run, model, _outcome(run), parts)


def render_candidate_card(run: Run, model: str, became: str) -> str:
    """Return the card of the version that the gates judged, where it has been fitted again.

    Parameters
    ----------
    run
        whose challenger is the version that was fitted again on all rows.
    model
        name of the registered model.
    became
        what has become of that version, to follow its name.

    Returns
    -------
    str
        Markdown of at most ``MAX_CHARACTERS`` characters.
    """
    candidate = run.details["training"]["candidate"]
    told = (
        f"It passed the gates and was fitted again on all rows as version {run.challenger_version}, {became}"
    )
    judged = replace(run, challenger_version=Version(candidate["version"]))
    parts = [
        section("Why it was trained", [_why(judged)]),
        section("Rows", _rows(judged)),
        *_judged(judged),
        section("Slices", slice_lines(judged)),
    ]
    return _card(judged, model, told, parts)


def _card(run: Run, model: str, told: str, parts: Iterable[str]) -> str:
    head = [f"# {model}, version {run.challenger_version}", f"**{one_line(told)}**"]
    return fitting("\n\n".join([*head, *filter(None, parts)]) + "\n", MAX_CHARACTERS)


def _judged(run: Run) -> list[str]:
    return [
        section("Gates", gate_lines(run)),
        section("Metrics on held-out rows", metric_lines(run)),
        section("Serving", serving_lines(run)),
    ]


def _outcome(run: Run) -> str:
    return f"{run.phase.value}: {one_line(run.outcome_reason)}" if run.outcome_reason else run.phase.value


def _why(run: Run) -> str:
    by = "" if run.actor == "ctrain" else f", by {run.actor}"
    at = f"{run.created_at:%Y-%m-%d %H:%M} UTC"
    return f"Trigger `{run.trigger}`{by}, {at}: {one_line(run.reason)} (run {run.id})"


def _rows(run: Run) -> Iterator[str]:
    found = run.details.get("training", {})
    if "rows" not in found:
        return
    candidate = found.get("candidate")
    again = candidate is not None and not judged_itself(run)
    rows, until = (found["rows"], "cut_off") if again else ((candidate or found)["rows"], "holdout_start")
    yield f"- trained on {rows:,} rows, {day(found['window_start'])} to {day(found[until])}"
    if found.get("window"):
        yield f"- the window: {one_line(found['window'])}"
    held_out = f"{found['holdout_rows']:,} rows, {day(found['holdout_start'])} to {day(found['cut_off'])}"
    if again:
        yield f"- judged by the gates as version {candidate['version']}, without the last {held_out}"
    else:
        yield f"- held out for the gates: {held_out}"
    made = found if again or candidate is None else candidate
    if made.get("reused"):
        yield f"- made by run {made['reused']} from the same rows, code and parameters"
    look = found.get("learnable", {})
    if "verdict" in look:
        verdict = look["verdict"].replace("_", " ")
        yield f"- the look before the training: {verdict}; {one_line(look['reason'])}"
    yield from _choices((candidate or found).get("result", {}))
    if made.get("result", {}).get("unverified_holdout"):
        yield "- the trainer logged the model itself: that it has not seen the holdout cannot be verified"


def _choices(result: Json) -> Iterator[str]:
    """What was chosen by the newest of the training rows."""
    selection = result.get("selection")
    if selection:
        losses = sorted(selection["losses"].items(), key=lambda item: item[1])
        named = ", ".join(f"{name} {figure(loss)}" for name, loss in losses)
        by = f"by {selection['metric']} on the newest training rows"
        yield f"- {selection['chosen']} was chosen {by}: {named}"
    tuning = result.get("tuning")
    if tuning:
        found = f"{_valued(tuning['params'])}; {tuning['metric']} {figure(tuning['loss'])}"
        trials = f"{tuning['sampler']}, {tuning['trials']} trials"
        yield f"- tuned by {trials}: {found} on the newest training rows"
        if tuning.get("left_out"):
            foreign = _valued(tuning["left_out"])
            yield f"- left out of the champion's parameters, as the search has no such value: {foreign}"


def _valued(params: Json) -> str:
    return one_line(", ".join(f"{name} {value}" for name, value in params.items()))


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
        f"{state.blocks:,} blocks from {day(found['origin'])} on"
    )
    if found.get("clipped_rows"):
        yield f"- {found['clipped_rows']:,} losses were clipped"


def _approval(run: Run) -> Iterator[str]:
    found: Json = run.details.get("approval", {})
    if "by" in found:
        reason = f": {one_line(found['reason'])}" if found["reason"] else ""
        answer = "approved" if found["approved"] else "rejected"
        yield f"- {answer} by {found['by']}, {day(found['at'])}{reason}"
    elif not found and (run.phase in PROMOTED or "probation" in run.details):
        yield "- automatically, by the policy (`approval: auto`)"
    elif found:
        until = found.get("expires_at")
        yield f"- waits for a person{f' until {day(until)}' if until else ''}"


def _importance(run: Run) -> Iterator[str]:
    shares = run.details.get("training", {}).get("importance") or {}
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:MOST_FEATURES]
    yield from (f"- {name}: {share:.1%}" for name, share in ranked)
    if len(shares) > MOST_FEATURES:
        yield f"- and {len(shares) - MOST_FEATURES} more"
