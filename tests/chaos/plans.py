"""Where a daemon dies, and what else goes wrong for it: drawn from the named points."""

from __future__ import annotations

import random

OFTEN = (
    "commit.ingest", "commit.rows", "commit.labels", "commit.panes", "commit.verdict", "commit.decision",
    "commit.scores", "commit.segments_removed", "row_log.write_rows", "row_log.adopt", "segments.write",
    "segments.flush", "rows_source.read", "labels_source.read", "registry.alias", "workspace.write",
    "workspace.read", "scorer.submit", "scorer.poll", "row_log.read", "commit.lease", "commit.lease_renewed",
)  # fmt: skip
"""Points that almost every step of a stream reaches."""
SELDOM = (
    "commit.run_*", "commit.intent", "commit.intent_closed", "commit.compared_*", "commit.champion",
    "commit.reference", "launcher.start", "launcher.poll", "registry.set_alias.*", "registry.digest",
    "registry.annotate_*", "workspace.place",
)  # fmt: skip
"""Points of a run."""
TROUBLE = (
    "registry.*:before@p0.1=transient", "registry.*:after@p0.05=transient", "registry.*:before@p0.2=delay:.1",
    "commit:before@p0.02=transient", "commit:after@p0.02=transient", "segments.write:before@1-3=transient",
    "rows_source.read:before@p0.2=transient", "scorer.poll:before@p0.2=delay:0.05",
)  # fmt: skip


def draw_plan(chance: random.Random) -> str:
    """Where the next daemon dies, whichever comes first, and what else goes wrong for it."""
    often, seldom = chance.choice(OFTEN), chance.choice(SELDOM)
    moments = [chance.choice(("before", "after")) for _ in range(2)]
    plan = [f"{often}:{moments[0]}@{chance.randint(1, 6)}=kill", f"{seldom}:{moments[1]}=kill"]
    plan += [chance.choice(TROUBLE)] if chance.random() < 0.3 else []
    return "; ".join([*plan, f"seed={chance.randint(1, 10**6)}"])
