"""Dask clusters for policies and commands: whether they can be used here at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ctrain.errors import InputError, PolicyError
from ctrain.policy.check_train import is_scheduler

if TYPE_CHECKING:
    from ctrain.app.scanning import TableFiles
    from ctrain.policy.files import LoadedPolicy


def require_dask(why: str) -> None:
    """Raise InputError unless dask is installed."""
    if find_spec("distributed") is None:
        raise InputError(f"{why} needs dask: install ctrain[dask]")


@contextmanager
def opened_on(files: TableFiles, address: str | None) -> Iterator[TableFiles]:
    """The files, to be read by the workers of a cluster where there is an address.

    Raises
    ------
    InputError
        when dask is not installed, the address is none of a scheduler, or the files are no Parquet.
    CtrainError
        when the scheduler cannot be reached.
    """
    if address is None:
        yield files
        return
    require_dask("--on")
    if not is_scheduler(address):
        raise InputError(f"--on: expected tcp://HOST:PORT or tls://HOST:PORT, got {address!r}")
    from ctrain.app.cluster_profile import ClusterFiles, cluster_at

    with cluster_at(address) as client:
        yield ClusterFiles.on(client, files)


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
