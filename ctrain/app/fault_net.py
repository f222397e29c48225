"""The one broad net around each tick: whatever happens to a policy, the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from ctrain.errors import CtrainError, StateConflict, TransientError

if TYPE_CHECKING:
    from ctrain.domain import PolicyName
    from ctrain.ports import Telemetry

BUSY_DELAY = timedelta(milliseconds=200)
FAULT_DELAY = timedelta(seconds=5)
MOST_DOUBLINGS = 10


class FaultNet:
    """Counts, logs and tells ``faulted`` (policy, kind, message) of what goes wrong; raises nothing."""

    def __init__(
        self, telemetry: Telemetry, longest: timedelta, faulted: Callable[[PolicyName, str, str], None]
    ) -> None:
        self._telemetry = telemetry
        self._longest = longest
        self._faulted = faulted
        self._conflicts: dict[PolicyName, int] = {}
        """How many in a row."""

    def guarded(self, name: PolicyName, step: Callable[[], timedelta]) -> timedelta:
        """What ``step`` returns, or after how long the policy is tried again."""
        try:
            delay = step()
        except StateConflict as error:
            self._fault(name, "state_conflict", error)
            return self._after_conflict(name)
        except TransientError as error:
            self._fault(name, "transient", error)
            return min(error.retry_in, self._longest)
        except CtrainError as error:
            self._fault(name, "error", error)
        except Exception as error:  # noqa: BLE001  # the one broad net: other policies must go on
            self._fault(name, "unexpected", error, traceback.format_exc())
        else:
            self.forget(name)
            return delay
        return FAULT_DELAY

    def forget(self, name: PolicyName) -> None:
        """Nothing stands in the way of the policy any more."""
        self._conflicts.pop(name, None)

    def _after_conflict(self, name: PolicyName) -> timedelta:
        """Soon at first: the step is derived anew. While a lease is lost each try costs others their time."""
        before = self._conflicts.get(name, 0)
        self._conflicts[name] = min(before + 1, MOST_DOUBLINGS)
        return min(BUSY_DELAY * (1 << before), self._longest)

    def _fault(self, name: PolicyName, kind: str, error: Exception, trace: str = "") -> None:
        self._telemetry.count("tick_failures_total", policy=name, kind=kind)
        fields = {"traceback": trace} if trace else {}
        self._telemetry.log("tick_failed", policy=name, kind=kind, message=str(error), **fields)
        self._faulted(name, kind, str(error))

    def upkeep(self, call: Callable[[], None]) -> None:
        """What the daemon does for itself must not end because it failed once."""
        try:
            call()
        except Exception as error:  # noqa: BLE001  # the same net for what no policy owns
            self._telemetry.log("upkeep_failed", message=str(error), traceback=traceback.format_exc())
