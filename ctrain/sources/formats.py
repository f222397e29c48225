"""What a file holds, by its name: Parquet, CSV or JSON lines, plain or compressed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["parquet", "csv", "jsonl"]
Compression = Literal["", "gzip", "zstd"]

_KINDS: dict[str, Kind] = {
    "parquet": "parquet",
    "pq": "parquet",
    "csv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}
_COMPRESSIONS: dict[str | None, Compression] = {None: "", "gz": "gzip", "zst": "zstd"}
ROTATED = r"(?:[.-]\d[\d.T_-]*)?"
"""What rotation of logs puts behind a name: ``.1``, ``-20240131``, ``.2024-01-31``."""
_NAME = re.compile(
    rf"\.(?:(?P<parquet>parquet|pq)|(?P<text>csv|jsonl|ndjson){ROTATED}(?:\.(?P<packed>gz|zst))?)$",
    re.IGNORECASE,
)
_PACKED = re.compile(r"\.(gz|zst)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How the bytes of a file are to be read."""

    kind: Kind
    compression: Compression = ""


def format_of(name: str, declared: Kind | Literal["auto"] = "auto") -> FileFormat | None:
    """Return the format of a file; None when nothing is declared and its name does not tell.

    >>> format_of("2024/app.csv.1.gz")
    FileFormat(kind='csv', compression='gzip')
    >>> format_of("app.log.zst", "jsonl")
    FileFormat(kind='jsonl', compression='zstd')
    >>> format_of("notes.txt") is None
    True
    """
    if declared == "parquet":
        return FileFormat("parquet")
    if declared != "auto":
        packed = _PACKED.search(name)
        return FileFormat(declared, _COMPRESSIONS[packed[1].lower() if packed else None])
    found = _NAME.search(name)
    if found is None:
        return None
    kind = _KINDS[(found["parquet"] or found["text"]).lower()]
    packed_by = found["packed"]
    return FileFormat(kind, _COMPRESSIONS[packed_by.lower() if packed_by else None])
