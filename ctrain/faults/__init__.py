"""Faults on purpose: named points around the ports, where a test has the daemon killed, failed or delayed.

Nothing here is imported, and no port is wrapped, unless a plan of faults is given when a daemon is wired.
"""

from ctrain.faults.plan import Act, Fault, Faults
from ctrain.faults.ports import Around, FaultyRowLogs, FaultySources, FaultyStore
from ctrain.faults.reading import read_plan

__all__ = [
    "Act",
    "Around",
    "Fault",
    "Faults",
    "FaultyRowLogs",
    "FaultySources",
    "FaultyStore",
    "read_plan",
]
