"""What a message says: JSON for programs, a title and lines of text for people."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ctrain.policy.notify_kinds import NOTICE_KINDS, Level

if TYPE_CHECKING:
    from ctrain.domain import Message, Notice

BODY_VERSION = 1
SHOWN_NOTICES = 20
_LEVELS: tuple[Level, ...] = ("info", "success", "warning", "failure")
"""From the least to the most urgent."""


def body_of(message: Message, mlflow_url: str | None) -> bytes:
    """Return the JSON body of a webhook; its keys are described in the handbook."""
    shown = message.notices[:SHOWN_NOTICES]
    body = {
        "version": BODY_VERSION,
        "key": message.key,
        "policy": message.policy,
        "channel": message.channel,
        "title": title_of(message),
        "level": level_of(message),
        "count": count_of(message),
        "test": message.test,
        "sent_at": message.sent_at.astimezone(UTC).isoformat(),
        "notices": [_notice(one, message, mlflow_url) for one in shown],
        "more": len(message.notices) - len(shown),
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode(errors="replace")


def title_of(message: Message) -> str:
    """Return one line: the policy and what happened, with how often."""
    if message.test:
        return f"{message.policy}: a test message"
    counts: Counter[str] = Counter()
    for one in message.notices:
        counts[one.kind] += 1 + message.repeated.get(one.fingerprint, 0)
    parts = [_words(kind) + (f" ({number} times)" if number > 1 else "") for kind, number in counts.items()]
    return f"{message.policy}: {', '.join(parts)}"


def text_of(message: Message, mlflow_url: str | None) -> str:
    """Return lines for people, one for each notice."""
    if message.test:
        return "A test of this channel; nothing has happened."
    lines = [
        _line(one, message.repeated.get(one.fingerprint, 0), mlflow_url)
        for one in message.notices[:SHOWN_NOTICES]
    ]
    more = len(message.notices) - len(lines)
    return "\n".join([*lines, f"and {more} more: `ctrain status {message.policy}`"] if more else lines)


def level_of(message: Message) -> Level:
    """Return the most urgent level of the notices."""
    levels = [NOTICE_KINDS[one.kind].level for one in message.notices if one.kind in NOTICE_KINDS]
    return max(levels, key=_LEVELS.index, default="info")


def count_of(message: Message) -> int:
    """Return how many events the message stands for: its own, and the same ones that were not told."""
    return len(message.notices) + sum(message.repeated.values())


def links_of(payload: Any, mlflow_url: str | None) -> dict[str, str]:
    """Return addresses of pages about the version and commands about the run."""
    links = {}
    if payload.get("run"):
        links["command"] = f"ctrain show {payload['run']}"
    if mlflow_url is not None and payload.get("model"):
        version = f"/versions/{quote(str(payload['version']), safe='')}" if payload.get("version") else ""
        links["model"] = f"{mlflow_url}/#/models/{quote(payload['model'], safe='')}{version}"
    return links


def _notice(notice: Notice, message: Message, mlflow_url: str | None) -> dict[str, Any]:
    payload = dict(notice.payload)
    return {
        "key": notice.key,
        "kind": notice.kind,
        "level": NOTICE_KINDS[notice.kind].level if notice.kind in NOTICE_KINDS else "info",
        "meaning": NOTICE_KINDS[notice.kind].meaning if notice.kind in NOTICE_KINDS else "",
        "repeated": message.repeated.get(notice.fingerprint, 0),
        **payload,
        "links": links_of(payload, mlflow_url),
    }


def _line(notice: Notice, repeated: int, mlflow_url: str | None) -> str:
    payload = notice.payload
    times = f" ({repeated} more times since it was told last)" if repeated else ""
    run = f" {payload['run']}:" if payload.get("run") else ""
    by = f" (by {payload['actor']})" if payload.get("actor") not in (None, "ctrain") else ""
    link = links_of(payload, mlflow_url).get("model", "")
    first_line = str(payload.get("message", "")).partition("\n")[0]
    return f"{_words(notice.kind)}:{run} {first_line}{by}{times}" + (f" {link}" if link else "")


def _words(kind: str) -> str:
    return kind.replace("_", " ")
