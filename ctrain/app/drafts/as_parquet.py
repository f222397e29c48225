"""A file of past rows as Parquet, which alone can be read column by column and out of order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctrain.sources.formats import format_of
from ctrain.sources.tables import read_batches

ROW_GROUP = 65_536


def is_parquet(path: Path) -> bool:
    """Return whether the name is that of a Parquet file."""
    found = format_of(path.name)
    return found is not None and found.kind == "parquet"


@contextmanager
def as_parquet(path: Path) -> Iterator[Path]:
    """Yield the file itself when it is Parquet or none, else a temporary Parquet file of its rows.

    Raises
    ------
    InputError
        when the file cannot be read, or a line of it is no row; the message names both.
    """
    if is_parquet(path) or not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ctrain-init-") as folder:
        written = Path(folder) / "rows.parquet"
        _write(path, written)
        yield written


def _write(path: Path, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    batches = iter(read_batches(path))
    first = next(batches, None)
    schema = first.schema if first is not None else pa.schema([])
    with pq.ParquetWriter(target, schema) as writer:
        for batch in (first, *batches) if first is not None else ():
            writer.write_batch(batch, row_group_size=ROW_GROUP)
