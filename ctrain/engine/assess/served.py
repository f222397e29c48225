"""Rows that the champion served, as monitors of losses, scores and metrics look at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ctrain.domain import Champion, Json
from ctrain.engine.scored import Scored
from ctrain.engine.sight import between
from ctrain.engine.watched_values import Rows


@dataclass(frozen=True, slots=True)
class Served:
    """A champion and rows that it served; labels and scores are NaN where nobody asked for them."""

    champion: Champion
    rows: Rows
    classes: tuple[str, ...]

    def window(self, start: datetime, end: datetime) -> slice:
        """Positions of the rows in ``[start, end)`` since the model is champion."""
        start = max(start, self.champion.since_at)
        return between(self.rows.event_at, start, max(start, end))

    def unread(self, memory: Json, end: datetime, pane: timedelta) -> tuple[slice, datetime]:
        """Positions of the rows since the last look, of a pane at the first, and until when they are read."""
        start = datetime.fromisoformat(memory["until"]) if "until" in memory else end - pane
        until = max(start, self.champion.since_at, end)
        return self.window(start, until), until


def served(champion: Champion | None, scored: Scored | None) -> Served | str:
    """The champion with its rows, or why there are none to judge."""
    if champion is None or scored is None:
        return "there is no champion yet, so there are no rows to judge"
    if scored.state == "failed":
        return scored.message
    nothing = np.full(scored.table.num_rows, np.nan)
    labels = nothing if scored.labels is None else scored.labels
    scores = nothing if scored.scores is None else scored.scores[champion.version]
    return Served(champion, Rows(scored.table, labels, scores), scored.classes)
