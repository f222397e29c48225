"""CSV: the header of a file, and blocks of its records as columns."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv

from ctrain.rows.casting import ArrowArray
from ctrain.rows.columns import Kind
from ctrain.sources.column_types import MISSING, ColumnType
from ctrain.sources.parsed import BadRecord, Parsed, as_texts
from ctrain.sources.records import Records, count_fields

DELIMITERS = (",", ";", "\t", "|")
_BOM = b"\xef\xbb\xbf"
_THREADED_BYTES = 2**20
_RETURN = "\ue000"
"""Stands for a carriage return, which would end a line for the csv module."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a CSV file."""

    line: bytes
    """Without its newline and byte order mark."""
    names: tuple[str, ...]
    delimiter: str

    @classmethod
    def parse(cls, line: bytes) -> Header:
        """Return the names on a line; the delimiter is the one of `` , ; tab | `` that it has most of.

        Raises
        ------
        UnicodeDecodeError, csv.Error
            when it is no line of texts.
        """
        line = line.removeprefix(_BOM).rstrip(b"\r\n")
        text = line.decode()
        delimiter = max(DELIMITERS, key=text.count)
        names = next(csv.reader([text], delimiter=delimiter, strict=True), [])
        return cls(line, tuple(name.strip() for name in names), delimiter)


class DelimitedParser:
    """Reads the wanted columns of records below one header."""

    def __init__(self, header: Header, wanted: Mapping[str, Kind], types: Mapping[str, ColumnType]) -> None:
        self._header = header
        self._places = {path: header.names.index(path) for path in wanted}
        self._numbers = {
            path
            for path, kind in wanted.items()
            if kind == "number" and types.get(path, "number") == "number"
        }

    def parse(self, records: Records) -> Parsed:
        """Return the columns of all records that fit the header, and what is wrong with the others."""
        dropped = records.blank() | self._repeated_headers(records)
        rejected = [
            BadRecord(at, "open_quote", "a quote is opened or closed in the middle of a value")
            for at in sorted(records.broken)
        ]
        dropped[sorted(records.broken)] = True
        rows = np.flatnonzero(~dropped)
        data = records.joined(~dropped)
        columns = self._read_fast(data, len(rows), records) if len(rows) else self._none()
        if columns is not None:
            return Parsed(columns, rows, rejected)
        return self._read_carefully(data, rows, records, rejected)

    def _repeated_headers(self, records: Records) -> Mask:
        found = np.zeros(len(records.ends), np.bool_)
        line, data = self._header.line, records.data
        at = data.find(line, 0, records.size)
        while at >= 0:
            index = int(np.searchsorted(records.ends, at, side="right"))
            if records.text(index).removeprefix(_BOM) == line:
                found[index] = True
            at = data.find(line, at + 1, records.size)
        return found

    def _none(self) -> dict[str, ArrowArray]:
        return {path: pa.array([], pa.string()) for path in self._places}

    def _read_fast(self, data: bytes, rows: int, records: Records) -> dict[str, ArrowArray] | None:
        """Return the columns when nothing at all is wrong with them."""
        types = {path: pa.float64() if path in self._numbers else pa.string() for path in self._places}
        try:
            table = self._read(data, types, _is_multiline(records))
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return None
        return table if len(next(iter(table.values()))) == rows else None

    def _read_carefully(
        self, data: bytes, rows: npt.NDArray[np.int64], records: Records, rejected: list[BadRecord]
    ) -> Parsed:
        """Read every value as it stands; records that do not fit the header are told apart."""
        columns, ragged = self._without_ragged(data, rows, records)
        rejected += [BadRecord(int(rows[at]), "ragged_line", self._count(fields)) for at, fields in ragged]
        return as_texts(columns, np.delete(rows, [at for at, _ in ragged]), rejected)

    def _without_ragged(
        self, data: bytes, rows: npt.NDArray[np.int64], records: Records
    ) -> tuple[Mapping[str, ArrowArray], list[tuple[int, int]]]:
        """Return the columns as bytes, and the rows that have another number of fields."""
        ends = np.cumsum((records.ends - records.starts)[rows])
        counts = count_fields(data, ends, self._header.delimiter)
        if counts is None:
            return self._read_one_by_one(records, rows)
        fits = counts == len(self._header.names)
        kept = Records(data, ends, records.lines[rows]).joined(fits)
        try:
            columns = self._read(kept, dict.fromkeys(self._places, pa.binary()), _is_multiline(records))
        except pa.ArrowInvalid:
            return self._read_one_by_one(records, rows)
        if len(next(iter(columns.values()))) != int(fits.sum()):
            return self._read_one_by_one(records, rows)
        return columns, [(int(at), int(counts[at])) for at in np.flatnonzero(~fits)]

    def _count(self, fields: int) -> str:
        return f"it has {fields} fields, the header names {len(self._header.names)}"

    def _read_one_by_one(
        self, records: Records, rows: npt.NDArray[np.int64]
    ) -> tuple[dict[str, ArrowArray], list[tuple[int, int]]]:
        """Read records that pyarrow cuts in another way, as those with a lone carriage return."""
        found: list[Sequence[str]] = []
        ragged = []
        for at, index in enumerate(rows.tolist()):
            text = records.text(index).decode(errors="surrogateescape")
            fields = _fields(text, self._header.delimiter)
            if len(fields) == len(self._header.names):
                found.append(fields)
            else:
                ragged.append((at, len(fields)))
        columns = {
            path: pa.array([one[place].encode(errors="surrogateescape") for one in found], pa.binary())
            for path, place in self._places.items()
        }
        return columns, ragged

    def _read(
        self,
        data: bytes,
        types: Mapping[str, pa.DataType],
        multiline: bool,
    ) -> dict[str, ArrowArray]:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),  # type: ignore[arg-type] # the stubs know files of Python only
            read_options=arrow_csv.ReadOptions(
                column_names=[str(place) for place in range(len(self._header.names))],
                use_threads=len(data) > _THREADED_BYTES,
                block_size=max(_THREADED_BYTES, len(data) if multiline else 0),
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._header.delimiter,
                newlines_in_values=multiline,
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[str(place) for place in self._places.values()],
                column_types={str(place): types[path] for path, place in self._places.items()},
                null_values=list(MISSING),
                strings_can_be_null=False,
            ),
        )
        return {path: table[str(place)].combine_chunks() for path, place in self._places.items()}


def _is_multiline(records: Records) -> bool:
    return bool(len(records.lines)) and int(records.lines[-1]) >= len(records.lines)


def _fields(text: str, delimiter: str) -> list[str]:
    """Return the fields of a record, carriage returns within them included; none of a monstrous one."""
    try:
        found = next(csv.reader([text.replace("\r", _RETURN)], delimiter=delimiter), [])
    except csv.Error:
        return []
    return [one.replace(_RETURN, "\r") for one in found]
