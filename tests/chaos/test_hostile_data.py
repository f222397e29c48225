"""Files and cursors with anything in them: rows or files are set aside, or one clear error; never more."""

from __future__ import annotations

import copy
import json
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrain.domain import IngestState, SourceRead
from ctrain.errors import InputError, PermanentError
from ctrain.policy.files import LoadedPolicy, parse_policy
from ctrain.sources.opening import FileSources
from tests.row_logs import RowLogHarness
from tests.support.examples import fuzzed, promptly
from tests.support.world import POLICY

ROWS = pa.table(
    {
        "id": [f"row-{number}" for number in range(12)],
        "at": pa.array([datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(12)]),
        "x": [0.5 * number for number in range(12)],
        "z": [None, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, None],
        "kind": ["a", "b", None, "c"] * 3,
        "score": [0.5] * 12,
        "version": ["1"] * 12,
    }
)
NOW = datetime(2024, 2, 1, tzinfo=UTC)
SUFFIXES = ("csv", "jsonl", "parquet")


@cache
def policy_of(suffix: str) -> LoadedPolicy:
    return parse_policy(POLICY.replace("rows/*.parquet", f"rows/*.{suffix}"), Path("clicks.yaml"), {})


@cache
def whole(suffix: str) -> bytes:
    """A sound file of the kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        if suffix == "csv":
            pyarrow.csv.write_csv(ROWS, path)
        elif suffix == "parquet":
            pq.write_table(ROWS, path)
        else:
            path.write_text("".join(json.dumps(row, default=str) + "\n" for row in ROWS.to_pylist()))
        return path.read_bytes()


def read_all(suffix: str, content: bytes, cursor: Any = None) -> SourceRead:
    """Read a file of this content, and write what was read to a row log."""
    loaded = policy_of(suffix)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "rows").mkdir()
        (folder / "rows" / f"0001.{suffix}").write_bytes(content)
        read = FileSources().open_rows(loaded.policy, folder).read(cursor or {}, 1000)
        log = RowLogHarness(folder / "log", loaded.policy.data).log
        log.write_rows(read, IngestState(), NOW)
        return read


Mutation = tuple[float, int, bytes]
pieces = [
    b'"',
    b"\n",
    b",",
    b"{",
    b"[[",
    b"\x00",
    b"\xff\xfe",
    b"1e999",
    b"NaN",
    b"9" * 40,
    b"PAR1",
    b"\r",
    b"'",
    b"\nnull",
]
inserted = st.binary(max_size=6) | st.sampled_from(pieces)
mutations = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), inserted), min_size=1, max_size=5)


def mutated(content: bytes, changes: list[Mutation]) -> bytes:
    """The content with pieces of it replaced."""
    for where, length, piece in changes:
        at = int(where * len(content))
        content = content[:at] + piece + content[at + length :]
    return content


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_sound_file_is_read(suffix: str) -> None:
    read = read_all(suffix, whole(suffix))
    assert sum(batch.table.num_rows for batch in read.batches) == 12
    assert not read.rejected


@fuzzed(40)
@given(suffix=st.sampled_from(SUFFIXES), changes=mutations)
def test_a_file_with_pieces_replaced(suffix: str, changes: list[Mutation]) -> None:
    content = mutated(whole(suffix), changes)
    with suppress(InputError):
        read = promptly(lambda: read_all(suffix, content))
        assert all(file.message and file.reason for file in read.rejected)


@fuzzed(20)
@given(suffix=st.sampled_from(SUFFIXES), content=st.binary(max_size=200))
def test_a_file_of_anything(suffix: str, content: bytes) -> None:
    with suppress(InputError):
        read = promptly(lambda: read_all(suffix, content))
        assert all(file.message and file.reason for file in read.rejected)


@cache
def cursor_of(suffix: str) -> Any:
    return read_all(suffix, whole(suffix)).cursor


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@fuzzed(40)
@given(suffix=st.sampled_from(SUFFIXES), data=st.data())
def test_a_cursor_with_anything_in_it(suffix: str, data: st.DataObject) -> None:
    cursor = copy.deepcopy(cursor_of(suffix))
    key = data.draw(st.sampled_from(sorted(cursor)))
    text = cursor[key]
    if isinstance(text, str) and text and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(text) - 1))
        cursor[key] = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 5)) :]
    else:
        cursor[key] = data.draw(anything)
    with suppress(PermanentError):
        read = promptly(lambda: read_all(suffix, whole(suffix), cursor))
        assert sum(batch.table.num_rows for batch in read.batches) <= 12


@pytest.mark.parametrize(
    "cursor", [[1], {"version": 2}, {"version": 1}, {"version": 1, "settings": "", "done": "x"}]
)
def test_a_damaged_cursor_says_what_to_do(cursor: Any) -> None:
    with pytest.raises(PermanentError, match=r"expected 1|restore the database from a backup"):
        read_all("csv", whole("csv"), cursor)
