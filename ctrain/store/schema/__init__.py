"""The tables. Column names equal the field names of the domain's types wherever there is one.

The invariants that must hold whatever a program does are constraints here: one active run and one
open alias intent per policy, known phases, one claim per occurrence of a schedule, an event chain
that cannot fork. Triggers (append-only events, legal phase moves) are made by the migrations.
Policies are referred to by name without a foreign key: a person may ask something of a policy
before a daemon has registered it.
"""

from ctrain.store.schema.access import kept_answers, tokens
from ctrain.store.schema.actions import (
    ACTIVE,
    alias_intents,
    comparison_points,
    decisions,
    events,
    homes,
    leases,
    occurrences,
    outbox,
    phase_moves,
    requests,
    runs,
)
from ctrain.store.schema.base import metadata
from ctrain.store.schema.observations import (
    arrivals,
    champions,
    detectors,
    ingest_states,
    panes,
    policies,
    reference_profiles,
    segments,
    trigger_states,
    verdicts,
)
from ctrain.store.schema.pushes import pushed_batches, reload_outcomes, reloads

HEAD = "0010"
"""The newest revision in ``ctrain/store/migrations``."""

__all__ = [
    "ACTIVE",
    "HEAD",
    "alias_intents",
    "arrivals",
    "champions",
    "comparison_points",
    "decisions",
    "detectors",
    "events",
    "homes",
    "ingest_states",
    "kept_answers",
    "leases",
    "metadata",
    "occurrences",
    "outbox",
    "panes",
    "phase_moves",
    "policies",
    "pushed_batches",
    "reference_profiles",
    "reload_outcomes",
    "reloads",
    "requests",
    "runs",
    "segments",
    "tokens",
    "trigger_states",
    "verdicts",
]
