"""What the engine needs from the world: small Protocols, one per room of the shell.

``Clock`` tells the time that policies mean (windows, cron, cooldown, maturity) and follows the
stream in the demo and the backtest; ``Timer`` tells real time (timeouts, retry backoff, leases).
"""

from ctrain.ports.analysis import Analyst
from ctrain.ports.metrics import MetricServer
from ctrain.ports.notices import Notifier, OutboxTables
from ctrain.ports.records import LeaseTables, PolicyTables, RunTables
from ctrain.ports.rows import ReferenceFile, ReferenceRows, RowCount, RowLog, RowLogs, Source, Sources
from ctrain.ports.store import Store, Transaction
from ctrain.ports.tables import DecisionTables, IngestTables, ObservationTables
from ctrain.ports.telemetry import Telemetry
from ctrain.ports.time import Clock, Timer
from ctrain.ports.work import Launcher, PaneCounter, Registry, Scorer, Workspace

__all__ = [
    "Analyst",
    "Clock",
    "DecisionTables",
    "IngestTables",
    "Launcher",
    "LeaseTables",
    "MetricServer",
    "Notifier",
    "ObservationTables",
    "OutboxTables",
    "PaneCounter",
    "PolicyTables",
    "ReferenceFile",
    "ReferenceRows",
    "Registry",
    "RowCount",
    "RowLog",
    "RowLogs",
    "RunTables",
    "Scorer",
    "Source",
    "Sources",
    "Store",
    "Telemetry",
    "Timer",
    "Transaction",
    "Workspace",
]
