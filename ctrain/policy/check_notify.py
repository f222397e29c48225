"""Channels that cannot work, and secrets that stand in a policy file instead of the environment.

No message shows an address: it may hold a secret.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ctrain.policy.document import Problem
from ctrain.policy.notify import channel_names
from ctrain.policy.notify_kinds import BREACHED, RECOVERED

if TYPE_CHECKING:
    from ctrain.policy.models import Policy
    from ctrain.policy.notify import Notification

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#]+[^\s]*", re.IGNORECASE)
_WEBHOOK = re.compile(r"https?://", re.IGNORECASE)
_PASSWORD = re.compile(r"://[^/@\s]*:(?!\$\{)[^/@\s]*@")
_FROM_ENVIRONMENT = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
FROM_ENVIRONMENT = "write ${NAME} and set it in the environment: policies are kept on record as they are"


def check_notify(policy: Policy) -> list[Problem]:
    """Return what is wrong with the channels of a well-formed policy."""
    return [
        *_check_names(policy.notify),
        *(
            problem
            for position, one in enumerate(policy.notify)
            for problem in _check_channel(("notify", position), one)
        ),
    ]


def is_webhook(url: str) -> bool:
    """Return whether the address gets a webhook of our own; everything else goes through apprise."""
    return _WEBHOOK.match(url) is not None


def written_secrets(values: Any) -> list[Problem]:
    """Return a problem for each secret of a channel that the file itself holds.

    ``values`` are those of the file, placeholders unexpanded, and need not be well formed.
    """
    channels = values.get("notify") if isinstance(values, dict) else None
    return [
        problem
        for position, one in enumerate(channels if isinstance(channels, list) else [])
        if isinstance(one, dict)
        for problem in _written(("notify", position), one)
    ]


def _written(path: tuple[str, int], channel: dict[str, Any]) -> Iterator[Problem]:
    secret, url = channel.get("secret"), channel.get("url")
    if isinstance(secret, str) and not _FROM_ENVIRONMENT.fullmatch(secret):
        yield Problem((*path, "secret"), f"a secret does not belong here; {FROM_ENVIRONMENT}")
    if isinstance(url, str) and _PASSWORD.search(url):
        yield Problem((*path, "url"), f"a password does not belong here; {FROM_ENVIRONMENT}")


def _check_names(notify: tuple[Notification, ...]) -> Iterator[Problem]:
    seen: Counter[str] = Counter()
    for position, name in enumerate(channel_names(notify)):
        seen[name] += 1
        if seen[name] > 1:
            yield Problem(("notify", position, "name"), f"another channel is called {name}")


def _check_channel(path: tuple[str, int], channel: Notification) -> Iterator[Problem]:
    if not _ADDRESS.fullmatch(channel.url):
        yield Problem((*path, "url"), "expected an address such as https://HOST/PATH or slack://...")
    elif RECOVERED in channel.on and BREACHED not in channel.on:
        yield Problem((*path, "on"), f"{RECOVERED} is told after {BREACHED}: name both")
    elif channel.secret is not None and not is_webhook(channel.url):
        yield Problem((*path, "secret"), "only webhooks (http://, https://) are signed")
