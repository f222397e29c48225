"""Panels about rows and labels that are pushed: what of them waits to be read."""

from __future__ import annotations

from tests.support.grafana.mappings import OF_POLICY
from tests.support.grafana.panels import Panel, Query, lines


def pushed() -> list[Panel]:
    """Batches and bytes that wait, and how much of the room for them is taken."""

    def waiting(what: str) -> list[Query]:
        metric = f"ctrain_pushed_unread_{what}"
        return [Query(f"max by (kind) ({metric}{{{OF_POLICY}}})", "{{kind}}")]

    return [
        lines(
            "Pushed: batches that wait",
            "Batches that were answered for, and are not read yet; nothing where the policy reads files.",
            waiting("batches"),
            width=8,
            defaults={"min": 0},
        ),
        lines(
            "Pushed: bytes that wait",
            "The same batches, as they lie on disk.",
            waiting("bytes"),
            width=8,
            unit="bytes",
            defaults={"min": 0},
        ),
        lines(
            "Pushed: share of the room",
            "Of `max_unread`; when it is taken, senders are told to come again later.",
            waiting("ratio"),
            width=8,
            unit="percentunit",
            steps=(("green", None), ("red", 0.8)),
            shade="dashed",
            defaults={"min": 0},
        ),
    ]
