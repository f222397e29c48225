from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.store import SqlStore, open_store
from tests.contract.store.builders import Backend
from tests.support.postgres import Cluster, running_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for all tests of this worker."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the newest schema and nothing in it, to be copied."""
    file = tmp_path_factory.mktemp("store") / "state.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def migrated_postgres(cluster: Cluster) -> str:
    """The same on PostgreSQL."""
    url = cluster.create()
    open_store(url).close()
    return url


@pytest.fixture
def postgres_url(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database on PostgreSQL: with the newest schema for ``filled``, else a new one.

    The former is shared and emptied, which takes a tenth of the time of making one.
    """
    if "filled" in request.fixturenames:
        url = request.getfixturevalue("migrated_postgres")
        yield url
        cluster.empty(url)
    else:
        url = cluster.create()
        yield url
        cluster.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """An address of each kind where nothing is yet."""
    if request.param == "postgresql":
        return Backend(request.getfixturevalue("postgres_url"))
    return Backend(f"sqlite:///{tmp_path / 'home' / 'state.db'}")


@pytest.fixture
def filled(backend: Backend, request: pytest.FixtureRequest) -> Backend:
    """An address where a database with the newest schema is."""
    if backend.url.startswith("sqlite"):
        file = Path(backend.url.removeprefix("sqlite:///"))
        file.parent.mkdir()
        shutil.copyfile(request.getfixturevalue("migrated"), file)
    return backend


@pytest.fixture
def store(filled: Backend) -> Iterator[SqlStore]:
    """The store at the address of ``backend``, with the newest schema."""
    store = filled.open(create=False)
    yield store
    store.close()
