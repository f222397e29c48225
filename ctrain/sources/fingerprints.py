"""Short hashes by which a source knows names and contents again."""

from __future__ import annotations

import base64
import hashlib
import os

StatFacts = int


def fingerprint(content: bytes) -> str:
    """Return 48 bits of a hash as 8 characters."""
    return base64.b64encode(hashlib.blake2b(content, digest_size=6).digest()).decode()


def stat_facts(found: os.stat_result) -> StatFacts:
    """Return what changes whenever a file is written or replaced, hashed: it is kept of each file."""
    return hash(_facts(found))


def stat_fingerprint(found: os.stat_result) -> str:
    """Return the facts in 8 characters."""
    return fingerprint(":".join(map(str, _facts(found))).encode())


def _facts(found: os.stat_result) -> tuple[int, int, int, int]:
    """They may change without that, too."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
