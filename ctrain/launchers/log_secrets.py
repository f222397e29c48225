"""Secrets are taken out of the log of a training where it lies: at each look, and when it has ended.

The training writes its log itself, so that it outlives the daemon; nothing stands between the two. So a
secret that it prints is on disk until somebody looks, which the daemon does at each tick. It is written over,
byte for byte: whoever appends to the file meanwhile notices nothing, and a look that is cut short is repeated
by the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ctrain.telemetry.logs import Redactor

if TYPE_CHECKING:
    from ctrain.launchers.job_folder import JobFolder

BLOCK_BYTES = 1 << 20


class LogSecrets:
    """Knows the secrets of an environment, and how far each log has been looked through."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._seen: dict[Path, int] = {}

    def take_out(self, job: JobFolder, *, over: bool) -> None:
        """Overwrite what the training has printed of secrets since the last look, the last one if ``over``.

        A log that cannot be written is left as it is: whoever shows it takes them out again.
        """
        secrets = Redactor(self._environ, (job.job() or {}).get("env", ())).secrets
        seen = self._seen.pop(job.log_path, 0)
        with contextlib.suppress(OSError):
            seen = overwrite(job.log_path, [one.encode() for one in secrets], seen)
        if not over:
            self._seen[job.log_path] = seen


def overwrite(path: Path, secrets: Collection[bytes], start: int = 0) -> int:
    """Write stars over every secret from ``start`` on; return from where on others may yet appear.

    Raises OSError when there is no such file, or it cannot be written.
    """
    if not secrets:
        return start
    overlap = max(map(len, secrets)) - 1
    with path.open("r+b") as log:
        while True:
            log.seek(start)
            block = bytearray(log.read(BLOCK_BYTES + overlap))
            is_last = len(block) < BLOCK_BYTES + overlap
            for place, length in _found(block, secrets, len(block) if is_last else BLOCK_BYTES):
                log.seek(start + place)
                log.write(b"*" * length)
            if is_last:
                return start + max(len(block) - overlap, 0)
            start += BLOCK_BYTES


def _found(block: bytearray, secrets: Collection[bytes], before: int) -> list[tuple[int, int]]:
    """Where secrets begin ``before`` there, and their lengths; what is found is starred in ``block``, too.

    What begins behind it is left to the next block, which has all of it: it may be the beginning of a
    longer secret.
    """
    found = []
    for secret in sorted(secrets, key=len, reverse=True):
        place = block.find(secret)
        while 0 <= place < before:
            block[place : place + len(secret)] = b"*" * len(secret)
            found.append((place, len(secret)))
            place = block.find(secret, place + len(secret))
    return found
