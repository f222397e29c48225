"""What was sent, as rows: JSON, JSON lines, or a stream of Arrow record batches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ctrain.domain.pushes import PushKind
from ctrain.sources.push_bombs import is_compressed
from ctrain.sources.push_refusals import BadBatch, TooLarge, UnknownMedia

MOST_BYTES = 16 * 2**20
"""In the body of one batch."""
MOST_ROWS = 200_000
MOST_TABLE_BYTES = 256 * 2**20
"""Memory that the rows of one batch may take."""
JSON = "application/json"
LINES = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
ARROW = "application/vnd.apache.arrow.stream"

Objects = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Body:
    """The rows of a batch, and its id when the body says it."""

    rows: Objects | pa.Table
    batch_id: str | None = None


def read_body(media_type: str, body: bytes, kind: PushKind) -> Body:
    """Return what a body holds; ``media_type`` may have parameters.

    JSON is an object (one row), an array of objects, or an object whose key ``rows`` (or ``labels``)
    holds the array, beside ``batch_id``.

    Raises
    ------
    UnknownMedia, TooLarge, BadBatch
        when it cannot be taken.
    """
    if len(body) > MOST_BYTES:
        raise TooLarge(f"a batch has at most {MOST_BYTES} bytes, got {len(body)}: send several")
    media = media_type.partition(";")[0].strip().lower()
    if media == ARROW:
        found = Body(_read_arrow(body))
    elif media in LINES:
        found = Body([_object(_parsed(line, f"row {at}"), at) for at, line in enumerate(_lines(body))])
    elif media == JSON:
        found = _read_json(body, kind)
    else:
        raise UnknownMedia(f"expected {JSON}, application/x-ndjson or {ARROW}, got {media or 'no type'}")
    count = found.rows.num_rows if isinstance(found.rows, pa.Table) else len(found.rows)
    if count > MOST_ROWS:
        raise TooLarge(f"a batch has at most {MOST_ROWS} rows, got {count}: send several")
    if not count:
        raise BadBatch("the batch has no rows")
    return found


def _read_json(body: bytes, kind: PushKind) -> Body:
    found = _parsed(body)
    batch_id = None
    if isinstance(found, dict):
        key = next(
            (one for one in dict.fromkeys((kind.value, "rows")) if isinstance(found.get(one), list)), None
        )
        if key is None:
            return Body([found])
        unknown = sorted(found.keys() - {key, "batch_id"})
        if unknown:
            raise BadBatch(f"beside {key!r} there may be 'batch_id' only, got {unknown[0]!r}")
        batch_id, found = found.get("batch_id"), found[key]
    if not isinstance(found, list):
        raise BadBatch(f'expected an object, an array of objects or {{"{kind}": [...]}}')
    if batch_id is not None and not isinstance(batch_id, str):
        raise BadBatch("batch_id: expected a text")
    return Body([_object(one, at) for at, one in enumerate(found)], batch_id)


def _object(found: Any, at: int) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise BadBatch(f"row {at}: expected an object, got {type(found).__name__}")
    return found


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip()]


def _parsed(text: bytes, what: str = "the body") -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, a number or nesting without end
        raise BadBatch(f"{what} is not JSON: {error}") from None


def _read_arrow(body: bytes) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    rows = taken = 0
    try:
        if any(is_compressed(bytes(one.metadata)) for one in pa.ipc.MessageReader.open_stream(body)):
            raise BadBatch("compressed record batches are not taken: write the stream without compression")
        with pa.ipc.open_stream(pa.py_buffer(body)) as stream:
            for batch in stream:
                rows, taken = rows + batch.num_rows, taken + batch.nbytes
                if rows > MOST_ROWS or taken > MOST_TABLE_BYTES:
                    raise TooLarge(
                        f"a batch has at most {MOST_ROWS} rows and {MOST_TABLE_BYTES} bytes in memory: "
                        "send several"
                    )
                batch.validate(full=True)
                batches.append(batch)
            return pa.Table.from_batches(batches, stream.schema)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise BadBatch(f"the body is no stream of Arrow record batches: {error}") from None
