"""Read one file as its source does, in a process that may end by it.

Run as ``python -m ctrain.sources.trial``, with ``path``, ``columns``, ``declared`` and ``types`` as JSON on
standard input.
"""

from __future__ import annotations

import json
import sys
from glob import escape
from pathlib import Path

from ctrain.domain import Json
from ctrain.rows.columns import Column
from ctrain.sources.files import FilesSource

ROWS_PER_READ = 200_000


def read_all(asked: Json) -> None:
    """Read the file to its end; what raises is told by whoever reads it in earnest."""
    path = Path(asked["path"])
    columns = [Column(**{**one, "paths": tuple(one["paths"])}) for one in asked["columns"]]
    source = FilesSource(
        escape(path.name), path.parent, columns, declared=asked["declared"], types=asked["types"]
    )
    read = source.read({}, ROWS_PER_READ)
    while read.more:
        read = source.read(read.cursor, ROWS_PER_READ)


if __name__ == "__main__":
    read_all(json.load(sys.stdin))
