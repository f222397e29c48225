"""The exceptions of ctrain, one tree.

CtrainError
├── PolicyError          a policy file is wrong: the message names file, line, key and remedy
├── InputError           data or arguments given by a person are wrong (exit code 2)
├── TransientError       worth trying again after ``retry_in``: a registry or disk that does not answer
│   └── Interrupted      nobody waits for the answer any more, because the daemon stops
├── PermanentError       trying again cannot help
│   └── DigestMismatch   a model artifact is not the one that was compared
├── StateConflict        someone else changed the row first; derive the step anew
│   └── FencedOff        the lease has a newer token, or none: another daemon has it, or we won it again
└── IllegalTransition    an event that the phase of a run does not accept; nothing was changed

Drift, too little data, a losing challenger and a failed training are values, not exceptions.
"""

from datetime import timedelta


class CtrainError(Exception):
    """Root of everything that ctrain raises on purpose."""


class PolicyError(CtrainError):
    """A policy file cannot be used; ``problems`` holds one line per fault."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class InputError(CtrainError):
    """What a person gave (a file, an argument) cannot be used."""


class TransientError(CtrainError):
    """Something outside did not answer; the same step may succeed after ``retry_in``."""

    def __init__(self, message: str, retry_in: timedelta = timedelta(seconds=10)) -> None:
        super().__init__(message)
        self.retry_in = retry_in


class Interrupted(TransientError):
    """What was asked is not waited for any more: the daemon stops."""


class PermanentError(CtrainError):
    """The step cannot succeed however often it is tried."""


class DigestMismatch(PermanentError):
    """The artifact of a model version differs from the one whose digest is on record."""


class StateConflict(CtrainError):
    """A conditional write found another state than expected: someone else won."""


class FencedOff(StateConflict):
    """The fencing token of a lease is not the valid one (any more)."""


class IllegalTransition(CtrainError):
    """The run's phase does not accept this event."""
