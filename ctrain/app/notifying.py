"""What people do about notifications: try the channels of a policy, and send dead ones again."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.app.asking import check_known, living_daemon
from ctrain.app.wiring import open_existing_database
from ctrain.clocks import RealTimer
from ctrain.domain import Channel, Delivery, Message, Notice, NoticeStatus, PolicyName
from ctrain.engine.notices import channels_of
from ctrain.errors import InputError
from ctrain.notify import ChannelNotifier
from ctrain.notify.secrecy import shown_address
from ctrain.policy.files import load_policy

if TYPE_CHECKING:
    from ctrain.ports import Store
    from ctrain.settings import Settings


@dataclass(frozen=True, slots=True)
class Tried:
    """What a channel answered to a test message."""

    channel: str
    address: str
    """Without secrets."""
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Revived:
    """Dead notices that are sent again, and the daemon that does it, if one runs."""

    notices: int
    daemon: str | None


def try_channels(
    settings: Settings, policy: str, environ: Mapping[str, str], only: str | None = None
) -> list[Tried]:
    """Send a test message to each channel of a policy, a file or one that has been watched; from here, now.

    Raises
    ------
    InputError
        when there is no such policy or channel, or it has none.
    PolicyError
        when its file is not valid.
    """
    loaded = load_policy(_policy_path(settings, policy), environ)
    channels = [one for one in channels_of(loaded.policy) if only in (None, one.name)]
    if not channels:
        named = f"channel {only}" if only else "channel: add notify"
        raise InputError(f"{policy} has no {named}")
    notifier = ChannelNotifier(environ, settings.tracking_uri)
    return [
        Tried(one.name, shown_address(one.url), notifier.send(one, _test_message(one))) for one in channels
    ]


def send_again(settings: Settings, policy: str | None) -> Revived:
    """Make the dead notices of a policy, or of all, pending again; a daemon delivers them.

    Raises
    ------
    InputError
        when there is no such policy.
    """
    store = open_existing_database(settings)
    name = PolicyName(policy) if policy is not None else None
    if name is not None:
        check_known(store, name)
    with store.write() as tx:
        number = tx.revive_notices(name, tx.database_now())
    return Revived(number, living_daemon(store))


def outbox(
    settings: Settings, policy: str | None
) -> dict[str, tuple[Mapping[NoticeStatus, int], list[Notice]]]:
    """How many notices wait or are dead, and the newest with an error, for each policy that has any."""
    store: Store = open_existing_database(settings)
    if policy is not None:
        check_known(store, PolicyName(policy))
    with store.read() as tx:
        counts = tx.notice_counts()
        return {
            str(name): (counts[name], tx.troubled_notices(name, limit=20))
            for name in sorted(counts)
            if policy in (None, name)
        }


def _policy_path(settings: Settings, policy: str) -> Path:
    """The file itself, or the one that the policy of that name was read from last."""
    path = Path(policy)
    if path.is_file():
        return path
    with suppress(InputError), open_existing_database(settings).read() as tx:
        record = tx.policy_record(PolicyName(policy))
        if record is not None:
            return Path(record.path)
    raise InputError(f"{policy}: neither a policy file nor a policy that has been watched here")


def _test_message(channel: Channel) -> Message:
    now = RealTimer().now()
    key = f"msg_test_{uuid.uuid4().hex}"
    return Message(key, channel.policy, channel.name, (), now, test=True)
