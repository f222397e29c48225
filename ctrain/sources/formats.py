"""What a file holds, by its name: Parquet, CSV or JSON lines, plain or compressed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["parquet", "csv", "jsonl"]
DeclaredFormat = Literal["auto", "parquet", "csv", "jsonl"]
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
    rf"\.(?:(?P<parquet>parquet|pq)|(?P<text>csv|jsonl|ndjson){ROTATED}(?:\.(?P<packed>gz|zst){ROTATED})?)$",
    re.IGNORECASE,
)
_PACKED = re.compile(rf"\.(gz|zst){ROTATED}$", re.IGNORECASE)
_TEXT_NAME = rf"{ROTATED}(?:\.(?:gz|zst){ROTATED})?\Z"


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How the bytes of a file are to be read."""

    kind: Kind
    compression: Compression = ""


def format_of(name: str, declared: DeclaredFormat = "auto") -> FileFormat | None:
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


def names_of(declared: DeclaredFormat = "auto") -> re.Pattern[str]:
    """Return what the names of such files in a folder look like.

    >>> bool(names_of("csv").match("app.csv-20240131.gz")), bool(names_of("csv").match("app.parquet"))
    (True, False)
    """
    endings = "|".join(ending for ending, kind in _KINDS.items() if kind == declared and kind != "parquet")
    texts = rf".*\.(?:{endings or 'csv|jsonl|ndjson'}){_TEXT_NAME}"
    parquet = r".*\.(?:parquet|pq)\Z"
    if declared == "auto":
        return re.compile(f"{parquet}|{texts}", re.IGNORECASE | re.DOTALL)
    return re.compile(parquet if declared == "parquet" else texts, re.IGNORECASE | re.DOTALL)


def siblings_of(name: str) -> re.Pattern[str]:
    """Return what a log that grows is called after its rotation, its own name included.

    >>> (
    ...     bool(siblings_of("app.jsonl").match("app.jsonl.1.gz")),
    ...     bool(siblings_of("app.jsonl").match("b.jsonl")),
    ... )
    (True, False)
    """
    return re.compile(re.escape(name) + _TEXT_NAME)
