"""Commands that change something: each is recorded with its actor, and answered.

They talk to the database, so they work whether or not a daemon runs: a running daemon answers,
otherwise all but ``trigger``, which waits for the next start, are carried out here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctrain.cli.inspect import VERDICT_COLUMNS, verdict_row
from ctrain.cli.options import (
    AsJson,
    Home,
    PolicyArgument,
    Reason,
    RunArgument,
    Wait,
    actor,
    load_settings,
    named,
)
from ctrain.cli.output import (
    BAD_INPUT,
    BREACHED,
    FAILED,
    fail,
    guarded,
    print_draft,
    print_json,
    print_table,
    say,
)
from ctrain.domain import PolicyName, RequestKind, RunId

if TYPE_CHECKING:
    from ctrain.app.asking import Asked
    from ctrain.domain import Run, Verdict


def register(app: typer.Typer) -> None:
    for name, command in (
        ("trigger", trigger),
        ("pause", pause),
        ("resume", resume),
        ("approve", approve),
        ("reject", reject),
        ("cancel", cancel),
        ("rollback", rollback),
        ("check", check),
        ("adopt", adopt),
    ):
        app.command(name)(guarded(command))


def trigger(
    policy: PolicyArgument,
    reason: Reason = "",
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="KEY=VALUE for this run's training function; repeatable."),
    ] = None,
    home: Home = None,
    wait: Wait = 30.0,
    as_json: AsJson = False,
) -> None:
    """Start a run now, past cooldown and backoff."""
    arguments = {"reason": reason, "params": dict(_pair(text) for text in param or [])}
    _ask(RequestKind.TRIGGER, policy, arguments, home, wait, as_json)


def _pair(text: str) -> tuple[str, str]:
    from ctrain.errors import InputError

    key, found, value = text.partition("=")
    if not found or not key:
        raise InputError(f"--param {text}: expected KEY=VALUE")
    return key, value


Evidence = Annotated[
    str,
    typer.Option("--evidence", help="Evidence that `ctrain show RUN` named; default: what is on record now."),
]


def cancel(
    run: RunArgument, reason: Reason = "", home: Home = None, wait: Wait = 30.0, as_json: AsJson = False
) -> None:
    """Cancel a run; on probation that rolls it back, while promoting it is refused."""
    from ctrain.app.asking import owner_of

    policy = owner_of(load_settings(home), RunId(run))
    _ask(RequestKind.CANCEL, policy, {"run": run, "reason": reason}, home, wait, as_json)


def _answering(kind: RequestKind, words: str) -> Callable[..., None]:
    """The command that answers a run which waits for a person; ``words`` are its help."""

    def answer(
        run: RunArgument,
        reason: Reason = "",
        evidence: Evidence = "",
        home: Home = None,
        wait: Wait = 30.0,
        as_json: AsJson = False,
    ) -> None:
        from ctrain.app.asking import approval_of

        policy, bound_to = approval_of(load_settings(home), RunId(run))
        if evidence and not bound_to["evidence"].startswith(evidence):
            bound_to["evidence"] = evidence
        _ask(kind, policy, {"run": run, "reason": reason, **bound_to}, home, wait, as_json)

    answer.__doc__ = words
    return answer


approve = _answering(RequestKind.APPROVE, "Approve the promotion of the challenger that a run waits with.")
reject = _answering(RequestKind.REJECT, "Reject the challenger that a run waits with; it is not tried again.")


def rollback(
    policy: PolicyArgument,
    reason: Reason = "",
    champion: Annotated[
        str | None, typer.Option(help="The version to go back from; refused when another is the champion.")
    ] = None,
    home: Home = None,
    wait: Wait = 30.0,
    as_json: AsJson = False,
) -> None:
    """Make the previous champion the champion again."""
    expected = {} if champion is None else {"champion": champion}
    _ask(RequestKind.ROLLBACK, policy, {"reason": reason, **expected}, home, wait, as_json)


def _ask(
    kind: RequestKind, policy: str, arguments: dict[str, Any], home: Path | None, wait: float, as_json: bool
) -> None:
    from ctrain.app.asking import ask

    asked = ask(
        load_settings(home), os.environ, PolicyName(policy), kind, actor(), arguments, timedelta(seconds=wait)
    )
    if as_json:
        print_json(_asked_json(asked))
    else:
        say(_asked_text(asked, wait))
    unanswered = not asked.request.answer and asked.daemon is not None
    if unanswered or _unfinished(asked.run) or asked.request.answer.startswith("refused"):
        raise typer.Exit(FAILED)


def _unfinished(run: Run | None) -> bool:
    return run is not None and run.phase.value in {"ROLLING_BACK", "ROLLBACK_FAILED"}


def _asked_json(asked: Asked) -> dict[str, Any]:
    request, run = asked.request, asked.run
    return {
        "request": request.id,
        "answered": bool(request.answer),
        "answer": request.answer,
        "run": {"id": run.id, "phase": run.phase.value, "outcome": run.outcome_reason} if run else None,
    }


def _asked_text(asked: Asked, wait: float) -> str:
    request, run = asked.request, asked.run
    if not request.answer and asked.daemon is None:
        return f"request {request.id} is on record; no daemon runs, the next one will answer it"
    if not request.answer:
        return (
            f"request {request.id} is on record, but the daemon ({named(asked.daemon)}) has not answered "
            f"within {wait:g} s; its log says what keeps it"
        )
    if run is not None and _unfinished(run):
        return (
            f"{request.answer}\nthat takes longer than {wait:g} s; `ctrain show {run.id}` tells how it ends"
        )
    if run is not None and run.phase.ended and request.answer.startswith("done"):
        return f"{request.answer}\n{run.id} is {run.phase.value}: {run.outcome_reason}"
    return request.answer


def pause(policy: PolicyArgument, home: Home = None, as_json: AsJson = False) -> None:
    """Start no more runs; what runs goes on, and sensing too."""
    _set_paused(policy, True, home, as_json)


def resume(policy: PolicyArgument, home: Home = None, as_json: AsJson = False) -> None:
    """Let triggers start runs again."""
    _set_paused(policy, False, home, as_json)


def _set_paused(policy: str, paused: bool, home: Path | None, as_json: bool) -> None:
    from ctrain.app.asking import set_paused

    set_paused(load_settings(home), PolicyName(policy), paused, actor())
    if as_json:
        print_json({"policy": policy, "paused": paused})
    else:
        say(f"{policy} is paused: no run starts" if paused else f"{policy} is not paused: runs may start")


def check(
    path: Annotated[
        Path, typer.Argument(help="Policy file, or the name of a policy under watch.", metavar="POLICY")
    ],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Run all monitors once, by the policy as its file is now, on a copy of the state; changes nothing."""
    from ctrain.app.checking import check_policy

    found = check_policy(load_settings(home), path, os.environ)
    breached = any(verdict.status.value == "BREACHED" for verdict in found.verdicts)
    if as_json:
        told = [_verdict(one) for one in found.verdicts]
        print_json({"verdicts": told, "breached": breached, "set_aside": list(found.set_aside)})
    else:
        print_table(VERDICT_COLUMNS, map(verdict_row, found.verdicts))
        for message in found.set_aside:
            say(f"set aside: {message}")
    if breached:
        raise typer.Exit(BREACHED)


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "monitor": verdict.monitor,
        "status": verdict.status.value,
        "value": verdict.value,
        "threshold": verdict.threshold,
        "n": verdict.n,
        "as_of": verdict.as_of.isoformat(),
        "reason": verdict.reason,
    }


def adopt(
    model: Annotated[str, typer.Argument(help="Name of the registered model.", metavar="MODEL")],
    version: Annotated[
        str | None, typer.Option("--version", help="Default: the one that the champion alias names.")
    ] = None,
    python: Annotated[
        str | None, typer.Option("--python", help="Interpreter that loads the model; default: ctrain's own.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write a draft of a policy to this file.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take over a champion that ctrain did not train: record its digest, try it, draft a policy."""
    from ctrain.app.adopting import adopt_model

    if out is not None and out.exists():
        fail(f"{out}: exists already; name another file with --out", BAD_INPUT)
    if out is not None and not out.parent.is_dir():
        fail(f"{out}: there is no such folder; make it, or name another file with --out", BAD_INPUT)
    report = adopt_model(load_settings(home), model, version, actor(), python or "")
    if out is not None:
        _write_draft(out, report.draft)
    if as_json:
        print_json(report.to_json())
    else:
        say(report.text())
        if out is None:
            print_draft(report.draft)


def _write_draft(out: Path, draft: str) -> None:
    try:
        out.write_text(draft)
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror}; the version is taken over all the same")
