"""Checks of sources: which columns have declared types, and whether the types can hold what is meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ctrain.domain import Task
from ctrain.policy.data import DataSpec, FilesSource, PushSource
from ctrain.policy.document import KeyPath, Problem
from ctrain.policy.models import Policy
from ctrain.policy.words import did_you_mean

Use = tuple[str, tuple[str, ...]]
"""What a column is, and the types that it may have."""
_NUMBER = ("number", "boolean")
_TEXT = ("text", "number", "boolean")
_BY_KIND: Mapping[str, Use] = {
    "numeric": ("a numeric feature", _NUMBER),
    "categorical": ("a categorical feature", _TEXT),
    "boolean": ("a boolean feature", ("boolean", "number")),
    "date": ("a date feature", ("instant",)),
    "text": ("a text feature", _TEXT),
}


def check_sources(policy: Policy) -> Iterator[Problem]:
    """Yield what is wrong with the declared types of columns."""
    data = policy.data
    answer = _TEXT if policy.model.task is Task.MULTICLASS else _NUMBER
    label: Mapping[str, Use] = {data.labels.label: ("the label", answer)}
    yield from _check_types(data.source, ("data", "source"), _uses_of_rows(data, answer, label), data.columns)
    if data.labels.source is not None:
        key = data.labels.id or data.id
        uses = {key: ("the row id", ("text", "number")), **label}
        yield from _check_types(data.labels.source, ("data", "labels", "source"), uses, data.columns)


def _uses_of_rows(data: DataSpec, answer: tuple[str, ...], label: Mapping[str, Use]) -> dict[str, Use]:
    uses = {name: _BY_KIND[kind] for kind, names in data.features.by_kind.items() for name in names}
    uses |= {
        data.id: ("the row id", ("text", "number")),
        data.event_time.column: ("the event time", ("instant",)),
    }
    if data.prediction is not None:
        uses[data.prediction] = ("the prediction", answer)
    if data.model_version is not None:
        uses[data.model_version] = ("the model version", _TEXT)
    return uses | (dict(label) if data.labels.source is None else {})


def _check_types(
    source: FilesSource | PushSource, key: KeyPath, uses: Mapping[str, Use], renamed: Mapping[str, str]
) -> Iterator[Problem]:
    if isinstance(source, PushSource):
        return
    if source.types and source.format == "parquet":
        yield Problem((*key, "types"), "Parquet files carry their own types; leave types out")
        return
    known = {**uses, **{path: uses[name] for name, path in renamed.items() if name in uses}}
    for name, declared in source.types.items():
        if name not in known:
            hint = did_you_mean(name, known)
            yield Problem((*key, "types", name), f"the policy uses no column of this name{hint}")
        elif declared not in known[name][1]:
            what, types = known[name]
            yield Problem(
                (*key, "types", name), f"{name} is {what}, expected {' or '.join(types)}, got {declared}"
            )
