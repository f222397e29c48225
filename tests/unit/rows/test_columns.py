"""Which types a column may have, and what is said when it has another."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ctrain.rows.columns import (
    Column,
    Kind,
    extract,
    first_problem,
    label_columns,
    leaf_paths,
    locate,
    row_columns,
)
from tests.parquet_rows import build_data

TEXT, NUMBER = pa.string(), pa.float64()


@pytest.mark.parametrize(
    ("kind", "fits", "misfits"),
    [
        (
            "id",
            [
                TEXT,
                pa.int32(),
                NUMBER,
                pa.binary(),
                pa.binary(16),
                pa.large_string(),
                pa.dictionary(pa.int8(), TEXT),
            ],
            [(pa.bool_(), "ids (texts or whole numbers)"), (pa.list_(TEXT), "ids (texts or whole numbers)")],
        ),
        (
            "instant",
            [pa.timestamp("ns", tz="UTC"), TEXT, pa.null()],
            [(pa.int64(), "instants (timestamps, dates, or texts of ISO 8601 or day.month.year)")],
        ),
        (
            "number",
            [pa.int8(), NUMBER, pa.bool_(), pa.decimal128(5, 2), TEXT, pa.null(), pa.string_view()],
            [(pa.timestamp("s"), "numbers"), (pa.struct([("x", NUMBER)]), "numbers")],
        ),
        ("boolean", [pa.bool_(), pa.int8(), NUMBER, TEXT, pa.null()], [(pa.date32(), "booleans")]),
        (
            "date",
            [pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("s", tz="UTC"), TEXT, pa.null()],
            [(pa.int64(), "dates (timestamps, dates, or texts of ISO 8601 or day.month.year)")],
        ),
        ("text", [TEXT, pa.int64(), pa.bool_(), pa.date32()], [(pa.list_(TEXT), "texts")]),
    ],
)
def test_types_that_cannot_hold_what_a_column_is_for_are_refused(
    kind: Kind, fits: list[pa.DataType], misfits: list[tuple[pa.DataType, str]]
) -> None:
    column = Column("x", ("x",), kind)
    for type_ in fits:
        assert first_problem(pa.schema([("x", type_)]), [column]) is None
    for type_, expected in misfits:
        problem = first_problem(pa.schema([("x", type_)]), [column])
        assert problem is not None
        assert problem.message == f"column 'x' holds {type_}, expected {expected}"


def test_a_file_without_columns_has_no_nearest() -> None:
    problem = first_problem(pa.schema([]), [Column("x", ("x",), "text")])
    assert problem is not None
    assert problem.message == "column 'x' is missing; the file has no columns"


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("id", TEXT)]),
        pa.schema([("id", TEXT), ("x", pa.list_(NUMBER))]),
    ],
)
def test_what_concerns_features_alone_is_bearable_and_comes_last(schema: pa.Schema) -> None:
    feature = Column("x", ("x",), "number", feature=True)
    problem = first_problem(schema, [feature, Column("id", ("id",), "id")])
    assert problem is not None
    assert problem.bearable
    worse = first_problem(schema, [feature, Column("key", ("key",), "id")])
    assert worse is not None
    assert (worse.reason, worse.bearable) == ("missing_column", False)


def test_a_column_that_is_absent_has_no_values() -> None:
    absent = extract(pa.table({"id": ["1", "2"]}), Column("x", ("x",), "number", feature=True))
    assert absent.to_pylist() == [None, None]


def test_naive_times_need_a_zone() -> None:
    schema = pa.schema([("at", pa.timestamp("us"))])
    problem = first_problem(schema, [Column("at", ("at",), "instant")])
    assert problem is not None
    assert problem.reason == "naive_time"
    assert first_problem(schema, [Column("at", ("at",), "instant", "Asia/Tokyo")]) is None


def test_fields_are_found_at_any_depth_and_a_column_with_a_dot_comes_first() -> None:
    schema = pa.schema(
        [
            ("a", pa.struct([("b", pa.struct([("c", NUMBER)])), ("n", TEXT)])),
            ("a.n", pa.int8()),
            ("plain", TEXT),
        ]
    )
    assert locate(schema, "a.b.c") == NUMBER
    assert locate(schema, "a.n") == pa.int8()
    assert [locate(schema, path) for path in ("a.x", "a.n.x", "plain.x", "x", "x.y", "a.b.c.d")] == [None] * 6
    assert leaf_paths(schema) == ["a", "a.b", "a.b.c", "a.n", "a.n", "plain"]


def test_a_null_struct_has_null_fields() -> None:
    table = pa.table({"p": pa.array([{"prob": 0.5}, None, {"prob": None}])})
    assert extract(table, Column("score", ("p.prob",), "number")).to_pylist() == [0.5, None, None]


def test_what_a_policy_names_is_wanted() -> None:
    data = build_data(
        labels={"label": "delayed", "matures_after": "1d"},
        columns={"score": "prediction.prob"},
        event_time={"column": "scheduled_at", "timezone": "Asia/Tokyo"},
        features={
            "numeric": ["distance"],
            "categorical": ["carrier"],
            "boolean": ["night"],
            "date": ["sold_on"],
            "text": ["remark"],
        },
    )
    assert [(one.name, one.zone) for one in row_columns(data, "binary") if one.zone] == [
        ("scheduled_at", "Asia/Tokyo"),
        ("sold_on", "Asia/Tokyo"),
    ]
    assert [(one.name, one.paths, one.kind) for one in row_columns(data, "binary")] == [
        ("flight_id", ("flight_id",), "id"),
        ("scheduled_at", ("scheduled_at",), "instant"),
        ("distance", ("distance",), "number"),
        ("carrier", ("carrier",), "text"),
        ("night", ("night",), "boolean"),
        ("sold_on", ("sold_on",), "date"),
        ("remark", ("remark",), "text"),
        ("score", ("prediction.prob",), "number"),
        ("version", ("version",), "text"),
        ("delayed", ("delayed",), "number"),
    ]
    bare = build_data(prediction=None, model_version=None)
    assert [one.name for one in row_columns(bare, "multiclass")] == [
        "flight_id",
        "scheduled_at",
        "distance",
        "carrier",
    ]
    assert [(one.name, one.paths, one.kind) for one in label_columns(bare, "multiclass")] == [
        ("flight_id", ("flight_id", "flight_id"), "id"),
        ("delayed", ("delayed", "delayed"), "text"),
    ]
