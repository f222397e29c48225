"""Which addresses a dask scheduler can have."""

from __future__ import annotations

import pytest

from ctrain.policy.check_train import is_scheduler


@pytest.mark.parametrize(
    "address",
    ["tcp://node:8786", "tls://10.0.0.7:1", "tls://[::1]:65535", "tcp://dask-0.dask.example:8786/"],
)
def test_a_protocol_a_host_and_a_port_are_an_address(address: str) -> None:
    assert is_scheduler(address)


@pytest.mark.parametrize(
    "address",
    [
        "node:8786",
        "http://node:8786",
        "tcp://node",
        "tcp://:8786",
        "tcp://node:0",
        "tcp://node:65536",
        "tcp://node:port",
        "tcp://::1:8786",
        "tcp://who@node:8786",
        "tcp://node:8786/path",
        "tcp://node:8786\n",
        "",
    ],
)
def test_anything_else_is_not(address: str) -> None:
    assert not is_scheduler(address)
