"""The commands that send rows and labels to a policy over HTTP."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

ADDRESS = "http://127.0.0.1:9464"
"""Where a daemon listens that was told nothing else."""
_CURL = r'curl -sS -w "\n" --fail-with-body --retry 9 -H "Authorization: Bearer $TOKEN"'


def sending_commands(policy: str, row: str, label: str, past: Path | None = None) -> Iterator[str]:
    """Yield what makes a token, sends the batches of the past if there are any, a row and its label.

    ``row`` and ``label`` are JSON. Sent twice they count once, by the ids of the batches.
    """
    yield f"TOKEN=$(ctrain token create {policy}-sender --role writer)"
    url = f"{ADDRESS}/v1/policies/{quote(policy)}"
    if past is not None:
        send = f'{_CURL} -H "Content-Type: application/x-ndjson" --data-binary "@$file"'
        yield (
            f"for kind in rows labels; do for file in {shlex.quote(str(past))}/$kind/*.jsonl; do"
            f' {send} "{url}/$kind?batch_id=past-$(basename "$file")"; done; done'
        )
    for kind, body in (("rows", row), ("labels", label)):
        send = f'{_CURL} -H "Content-Type: application/json" -H "Idempotency-Key: first"'
        yield f"{send} -d {shlex.quote(f'[{body}]')} {url}/{kind}"
