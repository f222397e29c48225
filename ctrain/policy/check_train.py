"""Checks of the ``train`` part of a policy: what trains, where, and on how many rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ctrain.policy.check_tuning import check_tuning
from ctrain.policy.document import Problem
from ctrain.policy.models import Policy, SinceChange, Train
from ctrain.policy.monitors import ChangeMonitor

TRAINERS = ("entrypoint", "candidates", "command")
_SCHEDULER = re.compile(r"(?:tcp|tls)://(?:[^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})/?")
_LAST_PORT = 65_535


def is_scheduler(address: str) -> bool:
    """Whether a dask scheduler can have the address: ``tcp://HOST:PORT`` or ``tls://HOST:PORT``."""
    parts = _SCHEDULER.fullmatch(address)
    return parts is not None and 1 <= int(parts["port"]) <= _LAST_PORT


def check_train(policy: Policy) -> Iterator[Problem]:
    """Return what cannot be meant: no trainer or two, a launcher without its key, windows too small."""
    yield from _check_trainer(policy.train)
    yield from _check_launcher(policy.train)
    yield from _check_window(policy)
    yield from check_tuning(policy.train)
    if policy.train.learnable is not None and policy.train.command is not None:
        yield Problem(
            ("train", "learnable"), "goes with entrypoint or candidates; no command is fitted quickly"
        )


def check_environment(train: Train, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Return which variables training is to see that are not there."""
    for position, name in enumerate(train.env):
        if name not in environ:
            yield Problem(("train", "env", position), f"the environment variable {name} is not set")


def _check_trainer(train: Train) -> Iterator[Problem]:
    given = [key for key in TRAINERS if getattr(train, key) is not None]
    if not given:
        yield Problem(("train",), "expected entrypoint, candidates or command")
    for key in given[1:]:
        yield Problem(("train", key), f"expected either {given[0]} or {key}, not both")
    candidates = train.candidates or ()
    for position, name in enumerate(candidates):
        if name in candidates[:position]:
            yield Problem(("train", "candidates", position), f"{name} is there twice")


def _check_launcher(train: Train) -> Iterator[Problem]:
    allowed = {"process": (), "kubernetes": (), "dask": ("address", "resources"), "http": ("url",)}
    kind = train.launcher.type
    if kind == "http" and train.launcher.url is None:
        yield Problem(("train", "launcher"), "the launcher http needs the key url")
    for key in ("address", "resources", "url"):
        if key not in allowed[kind] and getattr(train.launcher, key) is not None:
            yield Problem(("train", "launcher", key), f"the launcher {kind} has no such key")
    address = train.launcher.address
    if kind == "dask" and address is not None and not is_scheduler(address):
        yield Problem(("train", "launcher", "address"), "expected tcp://HOST:PORT or tls://HOST:PORT")


def _check_window(policy: Policy) -> Iterator[Problem]:
    train, window = policy.train, policy.train.window
    if not isinstance(window, SinceChange):
        return
    if not any(isinstance(one, ChangeMonitor) for one in policy.monitors.values()):
        yield Problem(("train", "window", "since"), "expected a monitor of type change that finds the change")
    kept = int(window.min_rows * (1 - train.holdout))
    if kept < train.min_rows:
        yield Problem(
            ("train", "window", "min_rows"),
            f"{window.min_rows} rows less the holdout are {kept}, train.min_rows asks for {train.min_rows}",
        )
