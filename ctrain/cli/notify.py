"""``ctrain notify``: try the channels of a policy, see what waits, and send dead notices again."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from ctrain.cli.completing import complete_policies
from ctrain.cli.options import AsJson, Home, load_settings, named
from ctrain.cli.output import FAILED, guarded, print_json, print_table, say

notify = typer.Typer(
    help="Notifications: try channels, see what waits, send dead ones again.", no_args_is_help=True
)

PolicyOrFile = Annotated[
    str, typer.Argument(help="Policy file, or the name of a policy under watch.", metavar="POLICY")
]
OptionalPolicy = Annotated[
    str | None,
    typer.Argument(help="Only this policy.", metavar="POLICY", autocompletion=complete_policies),
]


def register(app: typer.Typer) -> None:
    for name, command in (("test", try_), ("retry", retry), ("list", show)):
        notify.command(name)(guarded(command))
    app.add_typer(notify, name="notify")


def try_(
    policy: PolicyOrFile,
    channel: Annotated[str | None, typer.Option("--channel", help="Only this channel.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message to the channels of a policy and say what each answered."""
    from ctrain.app.notifying import try_channels

    tried = try_channels(load_settings(home), policy, os.environ, channel)
    if as_json:
        answers = [
            {
                "channel": one.channel,
                "address": one.address,
                "done": one.delivery.done,
                "detail": one.delivery.detail,
            }
            for one in tried
        ]
        print_json({"policy": policy, "channels": answers})
    else:
        rows = [
            [one.channel, one.address, "done" if one.delivery.done else "failed", one.delivery.detail]
            for one in tried
        ]
        print_table(["channel", "address", "outcome", "answer"], rows)
    if not all(one.delivery.done for one in tried):
        raise typer.Exit(FAILED)


def retry(policy: OptionalPolicy = None, home: Home = None, as_json: AsJson = False) -> None:
    """Send dead notices again, of one policy or of all; a daemon delivers them."""
    from ctrain.app.notifying import send_again

    revived = send_again(load_settings(home), policy)
    if as_json:
        print_json({"notices": revived.notices, "daemon": revived.daemon})
    elif not revived.notices:
        say("no notice is dead")
    else:
        by = f"the daemon ({named(revived.daemon)}) sends" if revived.daemon else "the next daemon will send"
        say(f"{by} {revived.notices} notices again")


def show(policy: OptionalPolicy = None, home: Home = None, as_json: AsJson = False) -> None:
    """List the notices that wait or are dead, and why."""
    from ctrain.app.notifying import outbox

    found = outbox(load_settings(home), policy)
    if as_json:
        print_json({"policies": {name: _policy_json(*one) for name, one in found.items()}})
        return
    if not found:
        say("no notice waits, and none is dead")
    for name, (counts, troubled) in found.items():
        say(f"{name}: {', '.join(f'{number} {status}' for status, number in counts.items())}")
        if troubled:
            print_table(
                ["channel", "kind", "status", "attempts", "error"],
                [[one.channel, one.kind, one.status, one.attempts, one.last_error] for one in troubled],
            )


def _policy_json(counts: Any, troubled: Any) -> dict[str, Any]:
    return {
        **{str(status): number for status, number in counts.items()},
        "troubled": [
            {
                "key": one.key,
                "channel": one.channel,
                "kind": one.kind,
                "status": str(one.status),
                "attempts": one.attempts,
                "waiting_since": one.waiting_since.isoformat(),
                "next_attempt_at": one.next_attempt_at.isoformat(),
                "last_error": one.last_error,
            }
            for one in troubled
        ],
    }
