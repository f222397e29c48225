"""What `ctrain init` finds in a file of rows, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctrain.app.drafting import Draft, Wish, draft_policy, write_draft
from ctrain.app.drafts import history
from ctrain.app.drafts.as_parquet import as_parquet
from ctrain.app.drafts.features import choose_features, with_times
from ctrain.app.drafts.labels import Label, read_label
from ctrain.app.drafts.pace import pace_by_rows, pace_by_time
from ctrain.domain import Task
from ctrain.engine.matured import labelled_rows_needed
from ctrain.errors import InputError
from ctrain.policy.available import unavailable_parts
from ctrain.policy.checks import check_rates
from ctrain.policy.files import parse_policy
from ctrain.policy.models import Policy

N = 400
START = datetime(2023, 1, 1, tzinfo=UTC)
RNG = np.random.default_rng(3)
X = RNG.normal(size=N)
HOURLY = [START + timedelta(hours=hour) for hour in range(N)]
SHOP: dict[str, Any] = {"at": HOURLY, "x": X, "bought": (X > 0).astype(int)}


def read(values: Any, type_: pa.DataType | None = None, task: str | None = None) -> Label:
    column = pa.chunked_array([pa.array(values, type_)])
    half = len(column) // 2
    return read_label("y", column.type, iter([column.slice(0, half), column.slice(half)]), task)


@pytest.mark.parametrize(
    ("values", "type_", "task", "codes"),
    [
        ([0, 1, 1, None], None, Task.BINARY, None),
        ([0.0, 1.0, float("nan"), 1.0], None, Task.BINARY, None),
        ([True, False, None], None, Task.BINARY, None),
        (["TRUE", "false"], None, Task.BINARY, None),
        (["no", "yes", "no"], None, Task.BINARY, {"no": 0, "yes": 1}),
        (["Y", "N"], None, Task.BINARY, {"N": 0, "Y": 1}),
        ([-1, 1, -1], None, Task.BINARY, {"-1": 0, "1": 1}),
        ([2.0, 10.0], None, Task.BINARY, {"2": 0, "10": 1}),
        (["ham", "spam"], pa.dictionary(pa.int8(), pa.string()), Task.BINARY, {"ham": 0, "spam": 1}),
        (["ash", "elm", "oak"], None, Task.MULTICLASS, None),
        ([1, 2, 3, 4, 5], None, Task.MULTICLASS, None),
        (list(range(21)), None, Task.REGRESSION, None),
        ([0.5, 1.0], None, Task.REGRESSION, None),
        ([1, 2, 3], pa.decimal128(5, 1), Task.MULTICLASS, None),
    ],
)
def test_the_task_is_that_of_the_labels(
    values: list[Any], type_: pa.DataType | None, task: Task, codes: Mapping[str, int] | None
) -> None:
    found = read(values, type_)
    assert (found.task, found.codes) == (task, codes)


def test_a_task_that_was_asked_for_is_taken_where_it_can_be() -> None:
    assert read([1, 2, 3, 4], task="regression").task is Task.REGRESSION
    assert read([0, 1, 1], task="multiclass").task is Task.MULTICLASS
    for values, task, message in [
        (["a", "b"], "regression", "--task: regression needs numbers, and y holds texts"),
        ([1, 2, 3], "binary", "--task: binary needs two different labels, and y has 3"),
        (range(300), "binary", "--task: binary needs two different labels, and y has more than two"),
        (range(300), "multiclass", "--task: y has more than 200 different values: too many for classes"),
        ([1, 2], "ranking", "--task: expected binary, multiclass, regression, got ranking"),
    ]:
        with pytest.raises(InputError) as caught:
            read(list(values), task=task)  # type: ignore[call-overload] # a range or a list
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "lost"),
    [([0, 1, 1, 1], 0.25 * 0.75), ([1.5, 2.5, 9.5], 8 / 3), (["a", "b", "c"], 1 / 3)],
)
def test_what_a_constant_loses(values: list[Any], lost: float) -> None:
    assert read(values).constant_loss == pytest.approx(lost)


@pytest.mark.parametrize(
    ("rows", "pane", "step"),
    [
        (1_600, timedelta(seconds=1), timedelta(seconds=50)),
        (45_312, timedelta(seconds=2), timedelta(minutes=8)),
        (494_021, timedelta(seconds=30), timedelta(minutes=80)),
    ],
)
def test_the_pace_of_rows_without_times(rows: int, pane: timedelta, step: timedelta) -> None:
    found = pace_by_rows(rows)
    assert (found.pane, found.step, found.rows_per_day) == (pane, step, 86_400)


@pytest.mark.parametrize("rows", [1000, 20_000, 300_000])
@pytest.mark.parametrize("seconds", [0.5, 7.0, 60.0, 1800.0, 3600.0, 86_400.0])
def test_a_step_is_forty_panes_or_more_and_a_hundredth_of_the_rows_at_any_rate(
    rows: int, seconds: float
) -> None:
    found = pace_by_time((np.arange(rows) * seconds * 1e6).astype(np.int64))
    assert found.step % found.pane == timedelta()
    assert 40 <= found.step / found.pane <= 400
    assert found.step_rows >= 0.95 * rows / 100
    assert found.window % found.pane == timedelta()
    assert found.window < timedelta(days=2) or found.window % timedelta(weeks=1) == timedelta()
    assert found.rows_per_day == pytest.approx(86_400 / seconds, rel=0.01)
    assert found.pane >= min(timedelta(seconds=seconds), timedelta(days=28))
    if found.pane > timedelta(minutes=1) and seconds < found.pane_rows * 60:
        assert found.step_rows >= 0.4 * max(rows / 100, 100)


def test_one_wrong_instant_does_not_change_the_pace() -> None:
    instants = START.timestamp() * 1e6 + np.arange(10_000) * 3.6e9
    wrong = np.concatenate([[0], instants[1:]])
    assert pace_by_time(wrong.astype(np.int64)).step == pace_by_time(instants.astype(np.int64)).step


def notes_of(days: int, **columns: Any) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Why columns are left out of hourly rows of so many days, and those that are kept."""
    instants = (np.arange(24 * days) * 3_600_000_000 + START.timestamp() * 1e6).astype(np.int64)
    moments = [datetime.fromtimestamp(one / 1e6, UTC) for one in instants]
    made = {name: [one(at) for at in moments] if callable(one) else one for name, one in columns.items()}
    sample = with_times(pa.table(made), instants)
    found = choose_features(sample, list(made), True)
    return found.left_out, found.names


def test_fields_of_the_calendar_are_features_once_they_have_come_round_twice() -> None:
    calendar: dict[str, Any] = {
        "weekday": lambda at: at.weekday(),
        "month": lambda at: at.month,
        "day_name": lambda at: f"{at:%A}",
        "year": lambda at: at.year,
        "hour": lambda at: at.hour,
    }
    left_out, kept = notes_of(10, **{name: calendar[name] for name in ("weekday", "hour")})
    assert kept == ("hour",)
    assert left_out == {"weekday": "it is the weekday of the event time"}
    assert set(notes_of(400, **calendar)[1]) == {"weekday", "day_name", "hour"}
    assert set(notes_of(800, **calendar)[1]) == {"weekday", "month", "day_name", "hour"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([f"{n:016x}" for n in range(240)], "almost every value is different, as in an id"),
        (list(range(240)), "it only grows with time"),
        (np.random.default_rng(0).permutation(240), "almost every value is different, as in an id"),
        (
            [START + timedelta(days=n % 3) for n in range(240)],
            "an instant or a date differs between any two windows",
        ),
        (
            [f"{1990 + n % 7}-02-{1 + n % 28:02d}" for n in range(240)],
            "an instant or a date differs between any two windows",
        ),
        (
            [f"{1 + n % 28}.2.2024 {n % 24:02d}:{n % 60:02d}" for n in range(240)],
            "an instant or a date differs between any two windows",
        ),
        (
            [f"{n + 1.5:.2f}".replace(".", ",") for n in range(240)],
            "it holds numbers with decimal commas; write them with points to learn from it",
        ),
        (
            [f"{997 * n + 0.5:,.2f}" for n in range(240)],
            "it holds numbers with commas between thousands; write them without to learn from it",
        ),
        ([7] * 240, "it has one value"),
        ([None] * 240, "it has no value"),
        ([[1, 2]] * 240, "list<element: int64> is no kind of feature; name nested fields in data.columns"),
        ([time(n % 24) for n in range(240)], "times of day are no kind of feature; make numbers of them"),
        (
            [timedelta(n) for n in range(240)],
            "duration[us] is no kind of feature; make numbers of it",
        ),
    ],
)
def test_columns_that_are_left_out_say_why(values: Any, reason: str) -> None:
    left_out, kept = notes_of(10, user_id=values, x=X[:240])
    assert kept == ("x",)
    assert left_out["user_id"].replace("item:", "element:") == reason


def test_numbers_with_decimal_commas_are_no_categories() -> None:
    left_out, kept = notes_of(
        10,
        x=X[:240],
        price=[f"{1 + n / 100:.2f}".replace(".", ",") for n in range(80)] * 3,
        size=["38", "39,5", "XL"] * 80,
    )
    assert left_out == {
        "price": "it holds numbers with decimal commas; write them with points to learn from it"
    }
    assert set(kept) == {"x", "size"}


def test_a_name_that_a_policy_cannot_hold_is_left_out() -> None:
    left_out, kept = notes_of(10, **{"${HOME}": X[:240], " ": X[:240], "x": X[:240]})
    assert kept == ("x",)
    assert len(left_out) == 2


def test_kinds_of_features() -> None:
    columns: dict[str, Any] = {
        "amount": X[:240],
        "count": np.arange(240) % 50,
        "colour": ["red", None, "blue", "red"] * 60,
        "code": pa.array([1, 2, 1, 3] * 60).dictionary_encode(),
        "member": [True, False, None] * 80,
        "words": [f"they said {'it rains ' * (n % 7)} {n}" for n in range(240)],
    }
    sample = with_times(pa.table(columns), np.arange(240) * 1_000_000)
    assert choose_features(sample, list(columns), False).by_kind == {
        "numeric": ("amount", "count"),
        "categorical": ("colour", "code"),
        "boolean": ("member",),
        "text": ("words",),
    }


def a_file(folder: Path, **columns: Any) -> Path:
    path = folder / "shop.parquet"
    pq.write_table(pa.table({**SHOP, **columns}), path)
    return path


def a_wish(folder: Path, **changes: Any) -> Wish:
    file = changes.pop("file", None) or a_file(folder, **changes.pop("columns", {}))
    return replace(Wish("shop", file, "bought", "at", out=folder / "out"), **changes)


def written(draft: Draft) -> Policy:
    """The policy of a draft, after all its files have been written."""
    write_draft(draft)
    return parse_policy(draft.policy.read_text(), draft.policy, {}).policy


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"label": "bougth"}, "--label: {file} has no column 'bougth'; did you mean bought?"),
    ({"event_time": "att"}, "--event-time: {file} has no column 'att'; did you mean at?"),
    ({"id": "zz"}, "--id: {file} has no column 'zz'; it has at, x, bought"),
    (
        {"columns": {f"c{n}": [0] * N for n in range(30)}, "id": "zz"},
        "--id: {file} has no column 'zz'; "
        "it has at, x, bought, c0, c1, c2, c3, c4, c5, c6, c7, c8 and 21 more",
    ),
    *(
        (
            {"columns": {name: SHOP["bought"] if option == "label" else HOURLY}, option: name},
            f"--{option.replace('_', '-')}: a policy cannot name {quoted}: "
            "it is empty, or stands for a variable of the environment",
        )
        for option in ("label", "event_time", "id")
        for name, quoted in (("${HOME}", "'${{HOME}}'"), (" ", "' '"))
    ),
    ({"drop": ("yy",)}, "--drop: {file} has no column 'yy'; it has at, x, bought"),
    ({"drop": ("bought",)}, "--drop: bought is given as --label, too"),
    ({"id": "at"}, "--id: at is given as --event-time, too"),
    ({"name": "a shop"}, "a shop: expected a name of letters, digits, '_', '.' and '-', at most 63 of them"),
    (
        {"timezone": "Mars/Base"},
        "--timezone: expected an IANA time zone such as UTC or Europe/Berlin, got Mars/Base",
    ),
    (
        {"timezone": "Europe/Olso"},
        "--timezone: expected an IANA time zone such as UTC or Europe/Berlin, got Europe/Olso; "
        "did you mean Europe/Oslo?",
    ),
    (
        {"columns": {"bought": [1] * N}},
        "--label: bought is 1 in every row that has it: there is nothing to learn",
    ),
    ({"columns": {"bought": [None] * N}}, "--label: bought has no value in any of 400 rows"),
    ({"columns": {"bought": [float("nan")] * N}}, "--label: bought has no value in any of 400 rows"),
    (
        {"columns": {"bought": HOURLY}},
        "--label: bought holds timestamp[us, tz=UTC]; expected numbers, booleans or texts",
    ),
    (
        {"columns": {"bought": [[1.0, 2.0]] * N}},
        "--label: bought holds list<element: double>, several outputs a row; "
        "one policy predicts one value a row: make a policy for each output",
    ),
    (
        {"columns": {"bought": [f"b{n}" for n in range(N)]}},
        "--label: bought has more than 200 different texts in 400 rows: too many for classes",
    ),
    (
        {"columns": {"at": range(N)}},
        "--event-time: at holds int64, no instants; expected timestamps, dates, or texts of ISO 8601 or "
        "day.month.year (leave the option out to go by the order of the rows)",
    ),
    (
        {"columns": {"at": [None, *["08/01/2026 10:30"] * (N - 1)]}},
        "--event-time: none of 400 values of at, such as 08/01/2026 10:30, is an instant between 1970 and "
        "2149; expected timestamps, dates, or texts such as 2026-01-31T08:00:00Z or 31.01.2026 08:00",
    ),
    (
        {"columns": {"at": [*HOURLY[:50], *[None] * 350]}},
        "--event-time: only 50 of 400 rows have an event time",
    ),
    (
        {"columns": {"at": [START] * N}},
        "--event-time: nearly all rows have the same event time; "
        "leave the option out to go by the order of the rows",
    ),
    (
        {"columns": {"key": [n % 10 for n in range(N)]}, "id": "key"},
        "--id: key has 10 different values in 400 rows, and a repeated id is a repeated row; "
        "leave the option out to number the rows",
    ),
    (
        {"columns": {"key": [None, *range(1, N)]}, "id": "key"},
        "--id: key is missing in 1 of 400 rows; every row needs one",
    ),
    ({"drop": ("x",)}, "{file}: no column is left as a feature (there is no other one)"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_cannot_be_drafted_is_refused_by_option_and_remedy(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    wish = a_wish(tmp_path, **changes)
    with pytest.raises(InputError) as caught:
        draft_policy(wish)
    assert str(caught.value) == message.format(file=wish.file)
    assert not (tmp_path / "out").exists()


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.parquet").write_text("nonsense")
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "tiny.parquet")
    for name, message in {
        "none.parquet": "no such file",
        "tiny.csv": "1 rows are too few to train; expected 100",
        "tiny.parquet": "1 rows are too few to train; expected 100",
        "": "is a folder; name one file of it",
    }.items():
        with pytest.raises(InputError) as caught, as_parquet(tmp_path / name) as parquet:
            draft_policy(a_wish(tmp_path, file=tmp_path / name, parquet=parquet))
        assert str(caught.value) == f"--from {tmp_path / name}: {message}"
    with pytest.raises(InputError, match=r"broken\.parquet: cannot be read as parquet"):
        draft_policy(a_wish(tmp_path, file=tmp_path / "broken.parquet"))


def test_files_that_are_there_are_replaced_by_force_alone(tmp_path: Path) -> None:
    wish = a_wish(tmp_path)
    write_draft(draft_policy(wish))
    with pytest.raises(InputError, match=r"shop\.yaml: is there already; --force replaces it"):
        draft_policy(wish)
    draft = draft_policy(replace(wish, event_time=None), force=True)
    assert written(draft).data.event_time.column == "event_time"
    with pytest.raises(InputError, match="is a file of the draft itself"):
        draft_policy(replace(wish, file=draft.rows), force=True)


def test_rows_and_labels_lie_apart_in_the_order_of_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "SORTED_TOGETHER", 90)
    order = np.random.default_rng(1).permutation(N)
    shuffled = {
        "at": [HOURLY[n] if n % 40 else None for n in order],
        "x": order.astype(float),
        "bought": [[None, "no", "yes"][n % 3] for n in order],
        "kind": pa.array([str(n % 5) for n in order]).dictionary_encode(),
    }
    draft = draft_policy(a_wish(tmp_path, columns=shuffled))
    assert "10 rows without an event time are left out" in draft.notes
    assert written(draft).model.task is Task.BINARY
    rows, labels = pq.read_table(draft.rows).to_pydict(), pq.read_table(draft.labels).to_pydict()
    assert list(rows) == ["row_number", "at", "x", "kind"]
    assert rows["x"] == [n for n in range(N) if n % 40]
    assert rows["at"] == [HOURLY[int(n)] for n in rows["x"]]
    assert rows["kind"] == [str(int(n) % 5) for n in rows["x"]]
    assert rows["row_number"] == [int(np.flatnonzero(order == n)[0]) for n in rows["x"]]
    bought = {order[number]: label for number, label in zip(*labels.values(), strict=True)}
    assert bought == {n: n % 3 - 1 for n in range(N) if n % 3 and n % 40}
    assert all(path.name == "history.parquet" for path in (tmp_path / "out" / "data").rglob("*.*"))


def test_without_event_time_and_id_rows_are_numbered_a_second_apart(tmp_path: Path) -> None:
    taken = {"row_number": X, "bought": X * 2.5}
    draft = draft_policy(a_wish(tmp_path, columns=taken, event_time=None, drop=("at",)))
    policy = written(draft)
    assert (policy.data.id, policy.data.event_time.column) == ("row_number_", "event_time")
    assert (policy.model.task, policy.model.metric) == (Task.REGRESSION, "absolute_error")
    rows = pq.read_table(draft.rows)
    assert rows["row_number_"].to_pylist() == list(range(N))
    moments: list[Any] = rows["event_time"].to_pylist()
    assert moments[0] == datetime(1970, 1, 1, tzinfo=UTC)
    assert {after - before for before, after in pairwise(moments)} == {timedelta(seconds=1)}
    assert pq.read_table(draft.labels)["bought"].to_pylist() == pytest.approx(X * 2.5)
    assert "(?) the order of the rows, one a second from 1970" in draft.policy.read_text()


@pytest.mark.parametrize(
    ("at", "zone"),
    [
        (HOURLY, None),
        ([one.replace(tzinfo=None) for one in HOURLY], "Asia/Tokyo"),
        ([one.isoformat() for one in HOURLY], None),
        ([one.strftime("%Y-%m-%d %H:%M") for one in HOURLY], "Asia/Tokyo"),
        ([date(2020, 1, 1) + timedelta(days=n) for n in range(N)], "Asia/Tokyo"),
    ],
)
def test_times_without_an_offset_have_the_zone_that_was_named(
    tmp_path: Path, at: list[Any], zone: str | None
) -> None:
    draft = draft_policy(a_wish(tmp_path, columns={"at": at}, timezone="Asia/Tokyo"))
    assert written(draft).data.event_time.timezone == zone
    assert any("taken as Asia/Tokyo" in note for note in draft.notes) == (zone is not None)


def test_any_name_of_a_column_can_be_written(tmp_path: Path) -> None:
    names = [
        "no of rooms",
        "a.b",
        'the "best"',
        "true",
        "prediction",
        "score:x",
        "größe",
        "a, b",
        "#1",
        "- x",
        "p: q",
        "a\x7f",
        "a\x85b",
        "\u2028a",
        "\u2029a",
        "a\u200db",
        "\ufeffa",
        "\U000e0001",
        "\U0001f600",
        "line\n",
    ]
    draft = draft_policy(a_wish(tmp_path, columns={name: X + n for n, name in enumerate(names)}))
    policy = written(draft)
    assert policy.data.columns == {"prediction_feature": "prediction", "score_x_feature": "score:x"}
    expected = [
        {"prediction": "prediction_feature", "score:x": "score_x_feature"}.get(one, one) for one in names
    ]
    assert policy.data.features.numeric == ("x", *expected)


def test_a_new_name_of_a_feature_is_that_of_no_other(tmp_path: Path) -> None:
    names = ["label", "label_feature", "label_feature_", "score:a:b", "score:a_b"]
    policy = written(draft_policy(a_wish(tmp_path, columns={name: X + n for n, name in enumerate(names)})))
    features, renamed = policy.data.features.numeric, policy.data.columns
    assert len(set(features)) == len(features) == 1 + len(names)
    assert set(features) == {"x", "label_feature", "label_feature_", *renamed}
    assert sorted(renamed.values()) == ["label", "score:a:b", "score:a_b"]


@pytest.mark.parametrize("classes", [["don\x92t know", "sure\x85"], ["a\x7f", "\u2028b", "c\n: d"]])
def test_classes_of_any_text_can_be_told_of(tmp_path: Path, classes: list[str]) -> None:
    bought = [classes[n % len(classes)] for n in range(N)]
    policy = written(draft_policy(a_wish(tmp_path, columns={"bought": bought})))
    assert policy.model.task is (Task.BINARY if len(classes) == 2 else Task.MULTICLASS)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e15])
def test_bounds_of_amounts_are_as_small_or_large_as_these(tmp_path: Path, scale: float) -> None:
    policy = written(draft_policy(a_wish(tmp_path, columns={"bought": X * scale})))
    worst, beside = policy.gates
    constant_loss = np.abs(X - np.median(X)).mean()
    assert worst.model_dump()["max"] == pytest.approx(2 * constant_loss * scale, rel=0.01)
    assert beside.model_dump()["not_worse_than_champion_by"] == pytest.approx(
        0.1 * constant_loss * scale, rel=0.1
    )


@pytest.mark.parametrize("label", [(X > 0).astype(int), RNG.choice(["a", "b", "c"], N), X * 1000])
@pytest.mark.parametrize("event_time", ["at", None])
def test_what_is_drafted_can_be_run_and_its_rows_come_in_time(
    tmp_path: Path, label: Any, event_time: str | None
) -> None:
    draft = draft_policy(a_wish(tmp_path, columns={"bought": label}, event_time=event_time))
    policy = written(draft)
    assert unavailable_parts(policy) == []
    assert check_rates(policy, draft.findings.pace.rows_per_day) == []
    assert policy.shadow.min_duration >= 20 * policy.data.pane
    named = {name for trigger in policy.triggers.values() for name in getattr(trigger, "monitors", ())}
    assert named == {"loss"}


@pytest.mark.parametrize("push", [False, True])
@pytest.mark.parametrize(
    ("greater", "other", "type_"),
    [
        (Decimal("2.00"), Decimal("1.00"), pa.decimal128(20, 2)),
        (2**53 + 4, 2**53 + 1, pa.int64()),
        (2**64 - 1, 2**63, pa.uint64()),
        (2, 1, pa.dictionary(pa.int8(), pa.int64())),
    ],
)
def test_two_classes_of_any_numbers_become_0_and_1(
    tmp_path: Path, greater: Any, other: Any, type_: pa.DataType, push: bool
) -> None:
    values = pa.array([greater if n % 3 else other for n in range(N)], type_)
    draft = draft_policy(a_wish(tmp_path, columns={"bought": values}, push=push))
    write_draft(draft)
    if push:
        found = [
            json.loads(line)["bought"] for line in (draft.labels / "0001.jsonl").read_text().splitlines()
        ]
    else:
        found = pq.read_table(draft.labels)["bought"].to_pylist()
    assert found == [int(n % 3 > 0) for n in range(N)]


def test_rows_without_a_time_are_left_out_where_texts_are_views(tmp_path: Path) -> None:
    """As Polars writes them."""
    columns = {"at": [None, *HOURLY[1:]], "shop": pa.array(["a", "b"] * (N // 2), pa.string_view())}
    draft = draft_policy(a_wish(tmp_path, columns=columns))
    write_draft(draft)
    assert pq.read_table(draft.rows)["shop"].to_pylist() == ["b", "a"] * (N // 2 - 1) + ["b"]


@pytest.mark.parametrize("push", [False, True])
def test_folders_of_a_draft_go_when_the_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, push: bool
) -> None:
    draft = draft_policy(a_wish(tmp_path, push=push, out=tmp_path / "new/out"))

    def fail(*_: object) -> None:
        raise KeyError("2.00")

    monkeypatch.setattr(history.History, "parts", fail)
    with pytest.raises(KeyError):
        write_draft(draft)
    assert [path.name for path in tmp_path.iterdir()] == ["shop.parquet"]


def test_few_labels_are_told_of(tmp_path: Path) -> None:
    bought = [n % 2 if n % 10 < 3 else None for n in range(N)]
    policy = written(draft_policy(a_wish(tmp_path, columns={"bought": bought})))
    assert policy.data.labels.min_coverage == 0.24


BY_HAND = "the trigger old asks for 220 labelled rows, and the file has {}: `ctrain trigger shop` trains"
NONE_YET = "a training needs 121 labelled rows, and the file has {}: none starts before more come"


@pytest.mark.parametrize(
    ("labelled", "event_time", "holdout", "note"),
    [
        (N, "at", 0.1, None),
        (221, "at", 0.1, BY_HAND),
        (150, "at", 0.17, BY_HAND),
        (150, None, 0.17, None),
        (122, "at", 0.17, NONE_YET),
        (60, None, 0.17, NONE_YET),
    ],
)
def test_few_labelled_rows_are_enough_to_train_or_that_is_told(
    tmp_path: Path, labelled: int, event_time: str | None, holdout: float, note: str | None
) -> None:
    """Of hourly rows those of the newest two hours are waited for."""
    bought = [n % 2 if n < labelled else None for n in range(N)]
    draft = draft_policy(a_wish(tmp_path, columns={"bought": bought}, event_time=event_time))
    policy = written(draft)
    assert policy.train.holdout == holdout
    assert (labelled_rows_needed(policy) > labelled - 2) is (note is NONE_YET)
    notes = [one for one in draft.notes if "labelled rows" in one]
    assert len(notes) == bool(note)
    assert all(one.startswith(str(note).format(labelled)) for one in notes)


def test_many_rows_need_a_small_holdout(tmp_path: Path) -> None:
    file = tmp_path / "long.parquet"
    half = pa.table({"x": pa.array(X), "bought": [n % 2 for n in range(N)]})
    pq.write_table(pa.concat_tables([half, half]), file)
    assert written(draft_policy(a_wish(tmp_path, file=file, event_time=None))).train.holdout == 0.05


def test_missing_values_of_the_file_are_no_breach_of_quality(tmp_path: Path) -> None:
    holes = [float("nan") if n % 4 else X[n] for n in range(N)]
    policy = written(draft_policy(a_wish(tmp_path, columns={"holes": holes})))
    monitor: Any = policy.monitors["quality"]
    assert monitor.max_null_rate == 0.85


def test_a_file_is_not_torn_when_the_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = draft_policy(a_wish(tmp_path))
    write_draft(draft)
    before = draft.rows.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(InputError, match=r"--out .*/out: cannot be written to: No space left on device"):
        write_draft(draft)
    assert draft.rows.read_bytes() == before
    assert [path.name for path in draft.rows.parent.iterdir()] == ["history.parquet"]
