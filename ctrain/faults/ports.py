"""Ports that say when a point is reached; what they do is done by the port inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from ctrain.faults.plan import AFTER, BEFORE, Faults
from ctrain.faults.points import (
    CALLS,
    COMMIT,
    PARTICULAR_WRITES,
    WRITES,
    name_of_write,
    names_of_call,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ctrain.domain import PolicyName, Segment
    from ctrain.policy.models import DataSpec, Policy
    from ctrain.ports import ReferenceFile, RowLog, RowLogs, Source, Sources, Store, Transaction


class Around:
    """A port whose calls have points before and after them; everything else passes through."""

    def __init__(self, inner: Any, port: str, faults: Faults) -> None:
        self._inner = inner
        self._port = port
        self._faults = faults

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        return self._with_points(method, found) if method in CALLS[self._port] else found

    def _with_points(self, method: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def reaching(*given: Any, **options: Any) -> Any:
            names = names_of_call(self._port, method, given)
            self._faults.reach(names, BEFORE)
            answer = call(*given, **options)
            self._faults.reach(names, AFTER)
            return answer

        return reaching


class FaultyStore:
    """A store whose commits have points, named by what they hold."""

    def __init__(self, inner: Store, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction of the store inside; one that holds no write has no points."""
        with self._inner.write() as inner:
            noted = _Noted(inner)
            yield cast("Transaction", noted)
            if noted.names:
                self._faults.reach([COMMIT, *noted.names], BEFORE)
        if noted.names:
            self._faults.reach([COMMIT, *noted.names], AFTER)


class _Noted:
    """A transaction that remembers by what names its commit goes."""

    def __init__(self, inner: Transaction) -> None:
        self._inner = inner
        self.names: dict[str, None] = {}

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if method not in WRITES and method not in PARTICULAR_WRITES:
            return found

        def noting(*given: Any, **options: Any) -> Any:
            name = name_of_write(method, given)
            assert name is not None
            self.names[name] = None
            return found(*given, **options)

        return noting

    def add_segments(self, segments: Iterable[Segment]) -> None:
        added = list(segments)
        self.names.update({f"{COMMIT}.{one.kind.value}": None for one in added})
        self._inner.add_segments(added)


class FaultyRowLogs:
    """Row logs whose calls have points."""

    def __init__(self, inner: RowLogs, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def open(self, policy: PolicyName, data: DataSpec, task: str) -> RowLog:
        log = self._inner.open(policy, data, task)
        return cast("RowLog", Around(log, "row_log", self._faults))


class FaultySources:
    """Sources whose reads have points."""

    def __init__(self, inner: Sources, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def open_rows(self, policy: Policy, folder: Path) -> Source:
        source = self._inner.open_rows(policy, folder)
        return cast("Source", Around(source, "rows_source", self._faults))

    def open_labels(self, policy: Policy, folder: Path) -> Source | None:
        source = self._inner.open_labels(policy, folder)
        return None if source is None else cast("Source", Around(source, "labels_source", self._faults))

    def open_reference(self, policy: Policy, folder: Path) -> ReferenceFile | None:
        return self._inner.open_reference(policy, folder)
