"""Built once: the flights of the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctrain.demo.flights import load_flights

if TYPE_CHECKING:
    import pyarrow as pa


@pytest.fixture(scope="session")
def flights() -> pa.Table:
    return load_flights()
