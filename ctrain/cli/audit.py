"""``audit verify``, ``audit export`` and ``audit champion``: what happened, and that nobody rewrote it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctrain.cli.options import AsJson, Home, PolicyArgument, load_settings
from ctrain.cli.output import BREACHED, guarded, print_json, print_table, say
from ctrain.errors import InputError

if TYPE_CHECKING:
    from ctrain.queries.audit_chain import HistoryCheck
    from ctrain.queries.audit_champion import ChampionThen, Origin

Expect = Annotated[
    str, typer.Option("--expect", metavar="HASH", help="A head that was printed earlier and kept elsewhere.")
]
audit = typer.Typer(no_args_is_help=True, help="Check, export and ask the history of all that was done.")


def register(app: typer.Typer) -> None:
    for name, command in (("verify", verify), ("export", export), ("champion", champion)):
        audit.command(name)(guarded(command))
    app.add_typer(audit, name="audit")


def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export to check instead of the home.", metavar="[FILE]")
    ] = None,
    expect: Expect = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Find what was changed, removed, inserted or cut off in the history; 3: the first bad event is named."""
    from ctrain.app.auditing import verify_export, verify_history

    found = verify_export(file, expect) if file is not None else verify_history(load_settings(home), expect)
    if as_json:
        print_json({"intact": found.intact, **found.to_json()})
    else:
        say(_verified(found))
    if not found.intact:
        raise typer.Exit(BREACHED)


def _verified(found: HistoryCheck) -> str:
    if found.fault is not None:
        return f"broken: {found.fault.reason}"
    if found.last_event is None:
        return "intact: no event yet"
    heads = f", {found.heads_checked} kept heads found" if found.heads_checked else ""
    return (
        f"intact: {found.events} events, {found.first_event} to {found.last_event}{heads}\n"
        f"head {found.head} (keep it elsewhere, and give it to --expect later)"
    )


def export(
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="INSTANT", help="From here on: 2024-05-01T00:00Z."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="Before this instant.")] = None,
    policy: Annotated[str | None, typer.Option("--policy", help="Events of this policy alone.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="A new file; default: standard output.")] = None,
    home: Home = None,
) -> None:
    """Write the history as JSON lines that `ctrain audit verify FILE` checks without a home."""
    from ctrain.app.auditing import export_history

    lines = export_history(load_settings(home), policy, _instant("--from", start), _instant("--to", end))
    if out is None:
        sys.stdout.writelines(lines)
        return
    try:
        with out.open("x", encoding="ascii") as file:
            file.writelines(lines)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from error


def champion(
    policy: PolicyArgument,
    at: Annotated[
        str, typer.Option("--at", metavar="INSTANT", help="When a prediction was made: 2024-05-01T12:00Z.")
    ],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say which version was champion at an instant: trained on which rows, why, and approved by whom."""
    from ctrain.app.auditing import champion_at, verify_history

    settings = load_settings(home)
    instant = _instant("--at", at)
    assert instant is not None
    found, history = champion_at(settings, policy, instant), verify_history(settings)
    if as_json:
        print_json({**found.to_json(), "history": {"intact": history.intact, **history.to_json()}})
    else:
        print_table(["", ""], _rows(found), title=f"{policy} at {instant:%Y-%m-%d %H:%M:%S} UTC")
        say(f"history {_verified(history)}")
    if not history.intact:
        raise typer.Exit(BREACHED)


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text!r}: expected an instant such as 2024-05-01T12:00Z") from None
    if found.tzinfo is None:
        raise InputError(f"{option} {text!r}: the instant needs a zone, such as {text}Z or {text}+02:00")
    return found.astimezone(UTC)


def _rows(found: ChampionThen) -> list[list[str]]:
    if found.version is None:
        return [["champion", f"none: {found.why}"]]
    until = found.until_at or "today"
    rows = [
        ["champion", f"version {found.version}, from {found.since_at} until {until}"],
        ["became so", f"{found.why} (event {found.event}, {found.how}, by {found.by})"],
    ]
    if found.origin is None:
        return [*rows, ["trained", "not by ctrain, as far as the history tells"]]
    return rows + _origin_rows(found.origin)


def _origin_rows(origin: Origin) -> list[list[str]]:
    rows = [
        ["run", f"{origin.run}, queued {origin.queued_at} for {origin.asked_by}"],
        ["trigger", f"{origin.trigger or 'unknown'}: {origin.reason}"],
        ["policy hash", origin.policy_hash],
    ]
    data = origin.trained_on
    if data is not None:
        rows.append(["trained on", f"{data.rows} rows from {data.window_start} to before {data.until}"])
        rows.append(["data digest", data.data_digest or "not on record"])
    rows.append(["artifact digest", origin.digest or "not on record"])
    steps = (("gates", origin.gates), ("shadow", origin.shadow), ("probation", origin.probation))
    rows += [[name, f"{step['reason']} (event {step['event']})"] for name, step in steps if step]
    rows.append(["approved by", _approved(origin.approval)])
    rows.append(["ended", origin.ended])
    return rows


def _approved(approval: Mapping[str, Any]) -> str:
    if not approval.get("by"):
        return "nobody was asked"
    said = f": {approval['reason']}" if approval.get("reason") else ""
    return f"{approval['by']} at {approval.get('at')}{said}"
