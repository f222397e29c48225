"""The channels of a policy, and how often one may speak."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from ctrain.policy.fields import Duration, Frozen, Name, Text, format_duration
from ctrain.policy.notify_kinds import Kind


def _at_most(longest: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if value > longest:
            raise ValueError(f"expected at most {format_duration(longest)}")
        return value

    return AfterValidator(check)


class Notification(Frozen):
    """A channel, and what it is told; events in a short time come as one message."""

    name: Name | None = None
    """Name of the channel in status and logs; default: its position in the list, from 1."""
    on: Annotated[tuple[Kind, ...], Field(min_length=1)]
    """What is told."""
    url: Annotated[Text, Field(repr=False)]
    """Where it is sent: `http://` and `https://` get a signed webhook, everything else goes through apprise.
    Write ${NAME} and set it in the environment."""
    secret: Annotated[Text | None, Field(repr=False)] = None
    """Key of the signature of a webhook, `whsec_` and base64 or any text; ${NAME}, from the environment."""
    group_wait: Annotated[Duration, _at_most(timedelta(hours=1))] = timedelta(seconds=30)
    """How long a first event waits for others that belong into the same message."""
    group_interval: Annotated[Duration, _at_most(timedelta(hours=12))] = timedelta(minutes=5)
    """Least time between two messages."""
    repeat_interval: Annotated[Duration, _at_most(timedelta(days=30))] = timedelta(hours=4)
    """Least time until the same thing is told again, if it happens again and nothing else did between."""


def channel_names(notify: tuple[Notification, ...]) -> tuple[str, ...]:
    """Return the names of the channels: their own, or the position from 1.

    >>> channel_names((Notification(on=("failed",), url="json://localhost"),))
    ('1',)
    """
    return tuple(one.name or str(position) for position, one in enumerate(notify, 1))
