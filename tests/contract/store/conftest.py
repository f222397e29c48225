from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctrain.store import SqlStore, open_store
from tests.contract.store.builders import Backend


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the newest schema and nothing in it, to be copied."""
    file = tmp_path_factory.mktemp("store") / "state.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture(params=["sqlite"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """An address of each kind where nothing is yet."""
    assert request.param == "sqlite"
    return Backend(f"sqlite:///{tmp_path / 'home' / 'state.db'}")


@pytest.fixture
def filled(backend: Backend, migrated: Path) -> Backend:
    """An address where a database with the newest schema is."""
    file = Path(backend.url.removeprefix("sqlite:///"))
    file.parent.mkdir()
    shutil.copyfile(migrated, file)
    return backend


@pytest.fixture
def store(filled: Backend) -> Iterator[SqlStore]:
    """The store at the address of ``backend``, with the newest schema."""
    store = filled.open(create=False)
    yield store
    store.close()
