"""What the gates saw of a run's model beside the champion's: metrics, groups, and serving, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ctrain.domain import Json, Run
from ctrain.lifecycle.card_evaluation import GAP, SERVED, judged_itself
from ctrain.queries.answers import Answer
from ctrain.stats.metrics import HIGHER_IS_BETTER

Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Line(Answer):
    """A name, a value for each column, and what the last two columns differ by."""

    name: str
    values: Values
    difference: float | None = None
    better: bool | None = None
    """Whether the challenger is; None where the two are alike, or there is no telling."""
    limit: float | None = None
    """Of a gap between groups."""


@dataclass(frozen=True, slots=True)
class JudgedTable(Answer):
    """Lines under columns; without lines ``note`` says why."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    note: str

    @property
    def beside(self) -> bool:
        """Whether the champion's values stand there."""
        return len(self.columns) > 1


def metrics_of(run: Run, metric: str) -> JudgedTable:
    """The metrics on held-out rows, of both models on the same ones; the policy's ``metric`` first."""
    found = _found(run)
    names = [name for name in found.get("challenger") or {} if GAP not in name]
    names.sort(key=lambda name: name != metric)
    if not names:
        return JudgedTable((), (), _not_judged(run))
    roles, columns = _columns(run)
    lines = tuple(
        _line(_words(name), [(found.get(role) or {}).get(name) for role in roles], name in HIGHER_IS_BETTER)
        for name in names
    )
    return JudgedTable(columns, lines, _rows_note(run))


def groups_of(run: Run) -> JudgedTable:
    """Each gate between groups, and below it the groups between which its gap lies."""
    roles, columns = _columns(run)
    lines = tuple(_group_lines(_found(run).get("groups") or (), roles))
    return JudgedTable(columns, lines, "" if lines else "No gate of the policy looks at groups.")


def serving_of(run: Run) -> JudgedTable:
    """What a prediction takes and the artifact weighs, of the version that goes on and of the champion."""
    found = _found(run)
    serving = found.get("serving" if judged_itself(run) else "refit_serving") or {}
    ours, theirs = serving.get("challenger") or {}, serving.get("champion") or {}
    if not ours:
        asked = "challenger" in found and "serving" not in found
        silent = "Not measured: no gate of the policy asks for latency, size or signature."
        return JudgedTable((), (), silent if asked else _not_judged(run))
    models = [ours, theirs] if theirs else [ours]
    lines = [Line(told, tuple(one.get(name) for one in models)) for name, told in SERVED.items()]
    lines.append(Line("same scores for the same rows", tuple(one.get("deterministic") for one in models)))
    columns = (f"version {run.challenger_version}", *([_champion(run)] if theirs else []))
    return JudgedTable(columns, tuple(lines), "" if theirs else "There was no champion to compare with.")


def _columns(run: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names under which models were judged, and what stands above their columns."""
    found = _found(run)
    version = run.challenger_version
    if not judged_itself(run):
        version = run.details["training"]["candidate"]["version"]
    if not found.get("champion"):
        return ("challenger",), (f"version {version}",)
    beside = (f"version {version}", _champion(run))
    if _all_are_fair(run):
        return ("paired", "champion"), beside
    return ("challenger", "paired", "champion"), (f"version {version}, all rows", *beside)


def _rows_note(run: Run) -> str:
    found = _found(run)
    refitted = "" if judged_itself(run) else "; the version was then fitted again on all rows"
    if run.champion_version is None:
        return f"There was no champion to compare with{refitted}."
    fair = found.get("fair_rows", 0)
    if not found.get("champion"):
        return f"The champion has no metrics: {fair:,} held-out rows are later than its training{refitted}."
    if _all_are_fair(run):
        return f"Both on the same {fair:,} held-out rows{refitted}."
    return f"Both on the same {fair:,} rows, held out and later than the champion's training{refitted}."


def _all_are_fair(run: Run) -> bool:
    return bool(_found(run).get("fair_rows", 0) == run.details.get("training", {}).get("holdout_rows"))


def _group_lines(groups: Sequence[Json], roles: Sequence[str]) -> Iterator[Line]:
    for gate in groups:
        gap, name = gate["gap"], f"{_words(gate['metric'])} by {gate['by']}: gap"
        yield Line(name, tuple(gap.get(role) for role in roles), limit=gate["limit"])
        for one in gate["groups"]:
            rate = "" if one["metric"] == gate["metric"] else f"{_words(one['metric'])} of "
            yield Line(f"{rate}{gate['by']}={one['group']}", tuple(one.get(role) for role in roles))


def _line(name: str, values: Sequence[float | None], higher: bool) -> Line:
    ours, theirs = values[-2:] if len(values) > 1 else (values[0], None)
    if ours is None or theirs is None:
        return Line(name, tuple(values))
    difference = ours - theirs
    better = None if difference == 0 else (difference > 0) == higher
    return Line(name, tuple(values), difference, better)


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _not_judged(run: Run) -> str:
    if run.phase.ended:
        return "Never judged: the run ended before."
    return "Not judged yet: the gates come after the training."


def _champion(run: Run) -> str:
    return f"champion, version {run.champion_version}"


def _found(run: Run) -> Json:
    found: Json = run.details.get("evaluation", {})
    return found
