"""Who is asking, also where nobody has a name."""

from __future__ import annotations

import os

import pytest

from ctrain.cli.options import actor


def test_the_actor_has_a_name_also_where_the_system_knows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under any number."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.delenv("CTRAIN_ACTOR", raising=False)
    monkeypatch.setattr("getpass.getuser", unknown)
    assert actor() == f"uid {os.getuid()}"
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert actor() == "ann"
    monkeypatch.setenv("CTRAIN_ACTOR", "nightly")
    assert actor() == "nightly"
