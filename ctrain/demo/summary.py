"""What the demo shows at its end: the runs, what they did to the champion, and what it was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrain.demo.daemon import Stage
from ctrain.demo.ledger import Means
from ctrain.demo.story import asked, is_real_drift, staged_as
from ctrain.domain import Phase, Run, RunId, Verdict

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole demo in figures."""

    started_at: datetime
    ended_at: datetime
    rows: int
    labels: int
    runs: Sequence[Run]
    """Oldest first."""
    grounds: Mapping[RunId, Sequence[Verdict]]
    """What the monitors saw that started a run."""
    means: Means
    """Since the first retrained champion, without what the sabotaged model served."""
    means_with_staged: Means
    seconds: float
    home: Path
    unmet: Sequence[str]
    """What the story promised and did not show."""

    @property
    def promotions(self) -> int:
        """Challengers that became champion; a first champion replaces nobody and does not count."""
        return sum(_was_promoted(run) for run in self.runs)

    def ended_as(self, phase: Phase) -> int:
        return sum(run.phase is phase for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        return {
            "simulated_days": (self.ended_at - self.started_at).days,
            "from": self.started_at.isoformat(),
            "to": self.ended_at.isoformat(),
            "rows": self.rows,
            "labels": self.labels,
            "runs": [_run_json(run, self.grounds.get(run.id, ())) for run in self.runs],
            "promotions": self.promotions,
            "rejections": self.ended_as(Phase.REJECTED),
            "rollbacks": self.ended_as(Phase.ROLLED_BACK),
            "real_drift_triggers": sum(is_real_drift(run) for run in self.runs),
            "live_metric": self.means.live,
            "frozen_metric": self.means.frozen,
            "compared_rows": self.means.rows,
            "live_metric_with_staged": self.means_with_staged.live,
            "frozen_metric_with_staged": self.means_with_staged.frozen,
            "seconds": round(self.seconds, 1),
            "home": str(self.home),
            "as_told": not self.unmet,
            "unmet": list(self.unmet),
        }

    def table(self) -> Table:
        """Return the runs as a table for the terminal."""
        from rich.table import Table

        table = Table(
            "run", "from", "to", "started by", "version", "ended", "why", title="Runs", title_justify="left"
        )
        for run in self.runs:
            ended = f"{run.ended_at:%d %b}" if run.ended_at else ""
            why = run.outcome_reason
            version = run.challenger_version or ""
            seen = [f"{verdict.monitor}: {verdict.reason}" for verdict in self.grounds.get(run.id, ())]
            by = "\n".join([run.trigger, *seen]) if seen else started_by(run)
            cells = [run.id, f"{run.created_at:%d %b}", ended, by, version, run.phase.value, why]
            table.add_row(*cells)
        return table

    def figures(self) -> list[str]:
        """Return the closing lines: amounts, and the live metric beside the frozen first model's."""
        days = (self.ended_at - self.started_at).days
        lines = [
            f"{self.rows:,} flights and {self.labels:,} labels of {days} days in {self.seconds:.0f} s: "
            f"{self.promotions} promotions, {self.ended_as(Phase.REJECTED)} rejections, "
            f"{self.ended_as(Phase.ROLLED_BACK)} rollbacks",
        ]
        if self.means.rows:
            lines.append(
                f"Brier score since the first retrained champion, {self.means.rows:,} flights: "
                f"live {self.means.live:.4f}, frozen first model {self.means.frozen:.4f} "
                "(without the flights that the model with the fuse served)"
            )
        if self.means_with_staged.rows > self.means.rows:
            lines.append(
                f"with them: live {self.means_with_staged.live:.4f}, "
                f"frozen first model {self.means_with_staged.frozen:.4f}"
            )
        return lines + [f"NOT AS TOLD: {promise} was not seen" for promise in self.unmet]


def where_to_look(stage: Stage) -> list[str]:
    """Return commands that show more of what the demo left behind."""
    home, policy = stage.home, stage.policy
    return [
        f"MLflow:     mlflow ui --backend-store-uri sqlite:///{home / 'mlflow.db'}",
        f"history:    ctrain runs flight-delay --home {home}   (also: status, why, show RUN)",
        f"the daemon: FLIGHTS={stage.stream} ctrain run {policy} --home {home} --listen {stage.listen}",
        f"metrics:    http://{stage.listen}/metrics, while it runs",
        f"its log:    {home / 'daemon.log'}",
    ]


def started_by(run: Run) -> str:
    """Return who or what started a run, marked where it was staged."""
    request = asked(run)
    return str(request["reason"]) if request else f"{run.trigger}: {run.reason}"


def _was_promoted(run: Run) -> bool:
    return run.champion_version is not None and "probation" in run.details


def _run_json(run: Run, grounds: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "id": run.id,
        "trigger": run.trigger,
        "reason": started_by(run),
        "staged": staged_as(run),
        "grounds": {verdict.monitor: verdict.reason for verdict in grounds},
        "phase": run.phase.value,
        "challenger_version": run.challenger_version,
        "started": run.created_at.isoformat(),
        "ended": run.ended_at.isoformat() if run.ended_at else None,
        "outcome": run.outcome_reason,
    }
