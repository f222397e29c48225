"""A whole file of CSV or JSON lines in batches, with types that fit every value of a column.

The file is read twice: once for the types, once for the rows.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from ctrain.domain import RejectedLine
from ctrain.errors import InputError
from ctrain.rows.casting import ArrowArray
from ctrain.sources.delimited import DelimitedParser, Header
from ctrain.sources.formats import FileFormat
from ctrain.sources.json_lines import JsonLinesParser, leaf_names
from ctrain.sources.parquet import Fault
from ctrain.sources.parsed import Parsed
from ctrain.sources.records import Records, cut_delimited, cut_lines
from ctrain.sources.streams import Extent, TextStream, measure, open_text
from ctrain.sources.text_look import UTF16, header_line, no_header
from ctrain.sources.widening import WidestType

BLOCK_BYTES = 2**20
MOST_LINE_BYTES = 64 * 2**20
OnRejected = Callable[[RejectedLine], None]


class WholeText:
    """The rows of one file of text; what is no row goes to ``on_rejected``, or is an error without it."""

    def __init__(
        self, path: Path, found: FileFormat, columns: Sequence[str] | None, on_rejected: OnRejected | None
    ) -> None:
        extent = measure(path, found.compression)
        if isinstance(extent, Fault):
            raise InputError(f"{path}: {extent.message}")
        if extent.cut_off:
            raise InputError(f"{path}: the file ends in the middle: it was cut off")
        self._path = path
        self._found = found
        self._extent: Extent = extent
        self._on_rejected = on_rejected
        self._header = self._read_header() if found.kind == "csv" else None
        self._columns = list(columns) if columns is not None else self._all_columns()
        self._check_columns()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches of one schema."""
        types = {name: WidestType() for name in self._columns}
        for _, _, parsed in self._blocks():
            for name, widest in types.items():
                widest.add(parsed.columns[name])
        schema = pa.schema([(name, widest.arrow_type) for name, widest in types.items()])
        for first_line, records, parsed in self._blocks():
            self._report(first_line, records, parsed)
            arrays: list[ArrowArray] = [widest.cast(parsed.columns[name]) for name, widest in types.items()]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _blocks(self) -> Iterator[tuple[int, Records, Parsed]]:
        """Yield the line before each block, its records and what they hold."""
        wanted = dict.fromkeys(self._columns, "text")
        parser = (
            DelimitedParser(self._header[0], wanted, {})  # type: ignore[arg-type] # a literal in a dictionary
            if self._header
            else JsonLinesParser(wanted)  # type: ignore[arg-type] # as above
        )
        start, line = (self._header[1], self._header[2]) if self._header else (0, 0)
        stream = open_text(self._path, self._found.compression, self._extent)
        try:
            stream.skip_to(start)
            for records in self._cut(stream):
                yield line, records, parser.parse(records)
                line += records.line_count
        finally:
            stream.close()

    def _cut(self, stream: TextStream) -> Iterator[Records]:
        data, final = b"", False
        while not final:
            chunk = stream.read(BLOCK_BYTES)
            final = not chunk
            data += chunk if not final or data.endswith(b"\n") or not data else b"\n"
            if self._header is not None:
                records = cut_delimited(data, self._header[0].delimiter, final=final)
            else:
                records = cut_lines(data)
            if len(records.ends):
                yield records
                data = data[records.size :]
            if len(data) > MOST_LINE_BYTES:
                raise InputError(f"{self._path}: a line has more than {MOST_LINE_BYTES} bytes")

    def _read_header(self) -> tuple[Header, int, int]:
        stream = open_text(self._path, self._found.compression, self._extent)
        first = stream.read(BLOCK_BYTES)
        stream.close()
        if first.startswith(UTF16):
            raise InputError(f"{self._path}: the file is UTF-16, expected UTF-8")
        line, size = header_line(first if b"\n" in first else first + b"\n")
        if line is None:
            raise InputError(f"{self._path}: the file has no first line that names columns")
        try:
            header = Header.parse(line)
        except (ValueError, csv.Error) as error:
            raise InputError(f"{self._path}: {no_header(error)}") from error
        return header, size, first.count(b"\n", 0, size)

    def _all_columns(self) -> list[str]:
        if self._header is not None:
            return [name for name in self._header[0].names if name]
        names: dict[str, None] = {}
        stream = open_text(self._path, self._found.compression, self._extent)
        for records in self._cut(stream):
            names |= leaf_names(records.text(at) for at in range(min(len(records.ends), 64)))
        stream.close()
        return [one for one in names if not any(other.startswith(f"{one}.") for other in names)]

    def _check_columns(self) -> None:
        names = self._header[0].names if self._header is not None else tuple(self._columns)
        for name in self._columns:
            if names.count(name) != 1:
                fault = "is missing" if name not in names else "is there more than once"
                raise InputError(f"{self._path}: column {name!r} {fault}")

    def _report(self, first_line: int, records: Records, parsed: Parsed) -> None:
        for bad in parsed.rejected:
            line = first_line + int(records.lines[bad.index]) + 1
            message = f"{self._path}: line {line}: {bad.message}"
            if self._on_rejected is None:
                raise InputError(message)
            text = records.text(bad.index)[:1000].decode(errors="replace")
            self._on_rejected(RejectedLine(str(self._path), line, bad.reason, message, text))
