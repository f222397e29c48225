"""``status``, ``runs``, ``show`` and ``why``: what is going on, and why nothing is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctrain.cli.completing import complete_policies
from ctrain.cli.evaluation_tables import METRIC_COLUMNS, SERVING_COLUMNS, metric_rows, serving_rows
from ctrain.cli.fleet_lines import print_fleet, told_daemons
from ctrain.cli.limit_lines import instant, length, limit_lines, number
from ctrain.cli.options import AsJson, Home, PolicyArgument, RunArgument, load_settings, named
from ctrain.cli.output import guarded, print_json, print_table, say
from ctrain.cli.training_rows import training_rows

if TYPE_CHECKING:
    from ctrain.domain import Verdict
    from ctrain.queries import FleetQueries, PolicyStatus, RunDetail, RunNow, Why
    from ctrain.queries.answers import DataNow

TOLD_IN_FULL = 5
"""More policies than these are told in a line each."""
OptionalPolicy = Annotated[
    str | None,
    typer.Argument(help="Only this policy.", metavar="POLICY", autocompletion=complete_policies),
]


def register(app: typer.Typer) -> None:
    for name, command in (("status", status), ("runs", runs), ("show", show), ("why", why)):
        app.command(name)(guarded(command))


def status(policy: OptionalPolicy = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show where every policy stands: champion, run, verdicts, data, last decision; many in a line each."""
    from ctrain.domain import PolicyName

    queries = _queries(home)
    if policy is None and not as_json:
        overview = queries.overview()
        if len(overview.policies) > TOLD_IN_FULL:
            print_fleet(overview)
            return
    fleet = queries.status(PolicyName(policy) if policy else None)
    if as_json:
        print_json(fleet.to_json())
        return
    say(f"{told_daemons(fleet.daemons, silent=fleet.silent)}; it is {instant(fleet.now)} UTC")
    if not fleet.policies:
        say("no policies yet: `ctrain run PATH` brings them")
    for one in fleet.policies:
        rows = _status_rows(one)
        if len(fleet.daemons) > 1 or one.removed_at or (fleet.daemons and one.holder is None):
            removed = f": its file was removed at {instant(one.removed_at)}" if one.removed_at else ""
            rows.insert(0, ["watched by", named(one.holder) + removed])
        print_table(["", ""], rows, title=one.policy + (" (paused)" if one.paused else ""))
        if one.verdicts:
            print_table(VERDICT_COLUMNS, [verdict_row(verdict) for verdict in one.verdicts])


def runs(
    policy: OptionalPolicy = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, newest first.")] = 20,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest runs and how they ended."""
    from ctrain.domain import PolicyName

    found = _queries(home).runs(PolicyName(policy) if policy else None, limit)
    if as_json:
        print_json({"runs": [one.to_json() for one in found]})
    elif found:
        print_table(_RUN_COLUMNS, [_run_row(one) for one in found])
    else:
        say("no runs yet")


def show(
    run: RunArgument,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show one run: phases and times, training, gates, comparisons, alias moves."""
    from ctrain.domain import RunId

    detail = _queries(home).show(RunId(run))
    runs_folder = load_settings(home).runs_folder
    place = str(runs_folder / run) if (runs_folder / run).exists() else None
    if as_json:
        print_json({**detail.to_json(), "folder": place})
        return
    rows = _detail_rows(detail)
    rows += [["training log", log] for log in _training_logs(runs_folder, detail)]
    print_table(["", ""], rows, title=detail.run.id)
    print_table(
        ["phase", "since", "lasted", "reason"],
        [
            [one.phase.value, instant(one.since_at), length(one.lasted), _first_line(one.reason)]
            for one in detail.phases
        ],
    )
    gates = detail.evaluation.get("gates", {}).get("results", [])
    if gates:
        print_table(
            ["gate", "value", "bound", "passed"],
            [
                [
                    one["gate"],
                    number(one["value"]),
                    number(one["threshold"]),
                    "yes" if one["passed"] else "no",
                ]
                for one in gates
            ],
        )
    for columns, found in (
        (METRIC_COLUMNS, metric_rows(detail.evaluation)),
        (SERVING_COLUMNS, serving_rows(detail.evaluation)),
    ):
        if found:
            print_table(columns, found)
    if detail.comparisons:
        print_table(_COMPARISON_COLUMNS, [_comparison_row(one) for one in detail.comparisons])


def why(policy: PolicyArgument, home: Home = None, as_json: AsJson = False) -> None:
    """Say why a policy does or does not retrain: each trigger, its newest decision, what is missing."""
    from ctrain.domain import PolicyName

    answer = _queries(home).why(PolicyName(policy))
    if as_json:
        print_json(answer.to_json())
        return
    _print_why(answer)


def _print_why(answer: Why) -> None:
    if answer.decisions:
        print_table(
            ["trigger", "outcome", "since", "seen", "reason", "needs"],
            [
                [
                    one.trigger,
                    one.suppression or one.outcome,
                    instant(one.since_at),
                    one.seen_count,
                    one.reason,
                    "; ".join(one.needs),
                ]
                for one in answer.decisions
            ],
            title=f"{answer.policy} at {instant(answer.now)}",
        )
    else:
        say("no trigger has been looked at yet")
    if answer.verdicts:
        print_table(VERDICT_COLUMNS, [verdict_row(verdict) for verdict in answer.verdicts])
    for line in (*limit_lines(answer.limits), *answer.notes):
        say(f"- {line}")


def _training_logs(runs_folder: Path, detail: RunDetail) -> list[str]:
    """Where the logs of the attempts are: of the run, or of the one whose version it took."""
    trained = [name for name in (detail.run.id, detail.training.get("reused")) if name]
    places = [name for name in trained if any(runs_folder.glob(f"{name}/attempt-*/train.log"))]
    return [f"{runs_folder}/{name}/attempt-*/train.log" for name in places[:1]]


def _queries(home: Path | None) -> FleetQueries:
    from ctrain.app.lease import is_gone, lives_here
    from ctrain.app.wiring import open_existing_database
    from ctrain.clocks import open_clock
    from ctrain.queries import FleetQueries

    settings = load_settings(home)
    store = open_existing_database(settings)
    return FleetQueries(store, open_clock(settings.home), os.environ, is_gone, lives_here)


VERDICT_COLUMNS = ("monitor", "status", "value", "threshold", "n", "as of", "reason")
_RUN_COLUMNS = ("run", "phase", "trigger", "started", "ended", "champion", "challenger", "outcome")
_COMPARISON_COLUMNS = ("comparison", "as of", "blocks", "rows", "difference", "lower", "upper")


def _status_rows(one: PolicyStatus) -> list[list[str]]:
    from ctrain.queries.notes import blindness
    from ctrain.queries.troubles import what_is_wrong

    data, champion, run = one.data, one.champion, one.run
    rows = [
        ["champion", f"{champion.version} ({champion.origin}) since {instant(champion.since_at)}"]
        if champion
        else ["champion", "none"],
        ["run", f"{run.id} {run.phase.value} since {instant(run.phase_since)}" if run else "none is active"],
        ["rows", _rows_read(data)],
        ["labels", f"{data.labels}" + (f" ({data.label_coverage:.0%})" if data.label_coverage else "")],
    ]
    if one.shadows:
        undecided = f"; {one.promoted_undecided} promoted undecided" if one.promoted_undecided else ""
        rows.append(["alpha", f"{one.alpha_spent:g} spent by {one.shadows} shadows within a year{undecided}"])
    if one.models_trained:
        rows.append(
            ["promoted", f"{one.models_promoted} of {one.models_trained} models trained within a year"]
        )
    rows += [["trouble", what_is_wrong(other)] for other in one.troubles]
    if blind := blindness(run):
        rows.append(["trouble", blind])
    set_aside = {"late": data.late, "repeated": data.duplicates, **data.rejected}
    if any(set_aside.values()):
        rows.append(["set aside", ", ".join(f"{n} {reason}" for reason, n in set_aside.items() if n)])
    rows += [["file", message] for message in data.rejected_files]
    if one.last_decision:
        decision = one.last_decision
        rows.append(["decision", f"{decision.trigger}: {decision.outcome}, {decision.reason}"])
    if one.notices_dead or one.notices_error:
        waits = f"{one.notices_dead} dead, {one.notices_pending} wait; newest error: {one.notices_error}"
        rows.append(["notices", waits])
    if one.open_requests:
        rows.append(["requests", f"{one.open_requests} wait for a daemon"])
    return rows


def _rows_read(data: DataNow) -> str:
    if not data.rows:
        return "none yet"
    return f"{data.rows}, newest {instant(data.newest_event_at)}, closed {instant(data.watermark)}"


def verdict_row(verdict: Verdict) -> list[Any]:
    return [
        verdict.monitor,
        verdict.status.value,
        number(verdict.value),
        number(verdict.threshold),
        verdict.n,
        instant(verdict.as_of),
        verdict.reason,
    ]


def _run_row(run: RunNow) -> list[Any]:
    return [
        run.id,
        run.phase.value,
        run.trigger,
        instant(run.created_at),
        instant(run.ended_at),
        run.champion_version,
        run.challenger_version,
        _first_line(run.outcome_reason),
    ]


def _detail_rows(detail: RunDetail) -> list[list[Any]]:
    run, training = detail.run, detail.training
    rows: list[list[Any]] = [
        ["phase", run.phase.value],
        ["trigger", f"{run.trigger}: {run.reason}"],
        ["actor", run.actor],
        ["champion, challenger", f"{run.champion_version or 'none'}, {run.challenger_version or 'none'}"],
        ["MLflow run", detail.mlflow_run_id],
        ["policy", detail.policy_hash[:12]],
    ]
    if detail.approval:
        rows.append(["approval", _approval(detail.approval)])
    if training:
        rows += training_rows(training)
    for move in detail.alias_moves:
        text = f"{move.expected_champion or 'none'} to {move.new_champion}: {move.outcome}"
        rows.append([f"{move.kind} {instant(move.created_at)}", text])
    return rows


def _approval(approval: Mapping[str, Any]) -> str:
    bound = f"version {approval['challenger']}, evidence {approval['evidence'][:12]}"
    if "approved" in approval:
        verb = "approved" if approval["approved"] else "rejected"
        why = f": {approval['reason']}" if approval["reason"] else ""
        return f"{bound}: {verb} by {approval['by']} {instant(datetime.fromisoformat(approval['at']))}{why}"
    until = approval["expires_at"]
    return bound + (f", expires {instant(datetime.fromisoformat(until))}" if until else "")


def _comparison_row(one: Any) -> list[Any]:
    point = one.point
    numbers = [number(point.get(key)) for key in ("mean", "lower", "upper")]
    return [one.phase.value, instant(one.as_of), point.get("blocks"), point.get("rows"), *numbers]


def _first_line(text: str) -> str:
    """Without the traceback that may follow."""
    return text.partition("\n")[0]
