"""Texts of Parquet files, which nobody has checked to be the UTF-8 that they are said to be.

They may come as views, of which Arrow can neither choose some nor reorder them: they are written out.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ctrain.rows.casting import ArrowArray, is_text


def with_utf8(table: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    r"""Return the table with all texts in UTF-8 and none as a view, and the columns where bytes were none.

    A byte that is none of a text is written out: values that differ in such bytes still differ.

    >>> latin = pa.array([b"M\xfcller", b"Meier", None]).view(pa.string())
    >>> with_utf8(pa.table({"name": latin}))[0]["name"].to_pylist()
    ['M\\xfcller', 'Meier', None]

    Raises
    ------
    pyarrow.ArrowInvalid
        when something else about the values is damaged.
    """
    if _is_sound(table):
        return without_views(table), ()
    mended = []
    for at, field in enumerate(table.schema):
        if not _is_sound(table.column(at)):
            chunks = [_mended(chunk) for chunk in table.column(at).chunks]
            table = table.set_column(at, field, pa.chunked_array(chunks, field.type))
            mended.append(field.name)
    table.validate(full=True)
    return without_views(table), tuple(mended)


def batch_with_utf8(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with all texts in UTF-8; raises as ``with_utf8``."""
    table, mended = with_utf8(pa.Table.from_batches([batch]))
    is_changed = bool(mended) or table.schema != batch.schema
    return table.combine_chunks().to_batches()[0] if is_changed else batch


def without_views(table: pa.Table) -> pa.Table:
    """Return the table with the texts and bytes written out that it has as views."""
    schema = schema_without_views(table.schema)
    return table if schema == table.schema else table.cast(schema)


def schema_without_views(schema: pa.Schema) -> pa.Schema:
    """Return the schema that a table has after ``without_views``.

    >>> schema_without_views(pa.schema([("name", pa.string_view())])).types
    [DataType(large_string)]
    """
    return pa.schema([_without_views(field) for field in schema]).with_metadata(schema.metadata)


def _without_views(field: Any) -> Any:
    kind = field.type
    if pa.types.is_string_view(kind):
        kind = pa.large_string()
    elif pa.types.is_binary_view(kind):
        kind = pa.large_binary()
    elif isinstance(kind, pa.StructType):
        kind = pa.struct([_without_views(one) for one in kind])
    elif isinstance(kind, pa.ListType):
        kind = pa.list_(_without_views(kind.value_field))
    elif isinstance(kind, pa.LargeListType):
        kind = pa.large_list(_without_views(kind.value_field))
    elif isinstance(kind, pa.MapType):
        kind = pa.map_(_without_views(kind.key_field), _without_views(kind.item_field))
    return field.with_type(kind)


def _is_sound(values: pa.Table | ArrowArray) -> bool:
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _mended(array: ArrowArray) -> ArrowArray:
    if is_text(array.type):
        read = [None if one is None else one.decode(errors="backslashreplace") for one in _bytes_of(array)]
        return pa.array(read, array.type)
    if isinstance(array, pa.DictionaryArray):
        return pa.DictionaryArray.from_arrays(
            array.indices, _mended(array.dictionary), ordered=array.type.ordered
        )
    if isinstance(array, pa.StructArray):
        fields = [_mended(array.field(at)) for at in range(array.type.num_fields)]
        return pa.StructArray.from_arrays(fields, fields=list(array.type), mask=array.is_null())
    return array


def _bytes_of(array: ArrowArray) -> list[bytes | None]:
    found: list[bytes | None] = array.cast(pa.large_binary()).to_pylist()
    return found
