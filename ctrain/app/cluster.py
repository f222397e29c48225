"""Dask clusters for policies: whether they can be used here at all."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ctrain.errors import InputError, PolicyError

if TYPE_CHECKING:
    from ctrain.policy.files import LoadedPolicy


def require_dask(why: str) -> None:
    """Raise InputError unless dask is installed."""
    if find_spec("distributed") is None:
        raise InputError(f"{why} needs dask: install ctrain[dask]")


def check_clusters(fleet: Iterable[LoadedPolicy], local_workers: int) -> None:
    """Return when every policy has the cluster that it wants, as far as can be said before it is used.

    Raises
    ------
    InputError
        when dask is not installed.
    PolicyError
        for policies that leave the address to a local cluster that nobody asked for.
    """
    wanted = [one for one in fleet if one.policy.train.launcher.type == "dask"]
    if wanted or local_workers:
        require_dask("--local-cluster" if local_workers else "the launcher dask")
    problems = [
        f"{one.path}: train.launcher.address: expected an address, or `ctrain run --local-cluster N`"
        for one in wanted
        if one.policy.train.launcher.address is None and not local_workers
    ]
    if problems:
        raise PolicyError(*problems)
