"""The store: transactions over all its tables."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from ctrain.ports.access import AccessTables
from ctrain.ports.audit import AuditTables
from ctrain.ports.fleet import FleetTables
from ctrain.ports.notices import OutboxTables
from ctrain.ports.paging import PageTables
from ctrain.ports.pruning import PruneTables
from ctrain.ports.pushes import PushTables, ReloadTables
from ctrain.ports.records import LeaseTables, PolicyTables, RunTables
from ctrain.ports.tables import DecisionTables, IngestTables, ObservationTables


class Transaction(
    IngestTables,
    ObservationTables,
    DecisionTables,
    RunTables,
    PolicyTables,
    LeaseTables,
    FleetTables,
    PageTables,
    AccessTables,
    AuditTables,
    PruneTables,
    OutboxTables,
    PushTables,
    ReloadTables,
    Protocol,
):
    """One database transaction: everything in it is committed together, or nothing."""


class Store(Protocol):
    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction that begins with the write lock held; commits on a clean exit."""

    def read(self) -> AbstractContextManager[Transaction]:
        """A consistent view; writes in it are refused."""
