"""Calibration: what share of rows with a score really was of the class, as a function of the score.

Isotonic regression alone spreads its lowest and highest values too far, as it chooses where they end by
what it finds there: metrics that are estimated from it look too good. Wider cells cure that and are
blind to what changes inside of a cell, which matters most where scores were rare. So a sigmoid follows
the scores everywhere, and steps of at least ``CELL_ROWS`` rows move it to where the outcomes are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ctrain.stats.isotonic import Isotonic, Positions, fit_isotonic
from ctrain.stats.losses import Floats

CELL_ROWS = 50
"""Rows of neighbouring scores that are seen together before steps are pooled."""
SMALLEST = 1e-6
"""Scores nearer to 0 and 1 are seen as this one."""
PRIOR_ROWS = 2.0
"""So many rows at what the sigmoid says are added to those of a step."""
NEWTON_STEPS = 50
CLOSE_ENOUGH = 1e-9
WIDEST_MOVE = 1.0


class Calibrator(Protocol):
    """Probabilities of one class from scores, and how well they are known."""

    def calibrate(self, scores: npt.ArrayLike) -> Floats: ...

    def blocks(self, scores: npt.ArrayLike) -> Positions:
        """Return the block of rows that knowledge of each score comes from."""

    @property
    def variances(self) -> Floats:
        """Of the share that each block of rows showed."""


@dataclass(frozen=True, slots=True)
class SteppedSigmoid:
    """A sigmoid of the score's log odds, moved in each block of rows to what the block showed."""

    intercept: float
    slope: float
    steps: Isotonic
    """On the values of the sigmoid."""
    moves: Floats
    """Of each step, in log odds."""

    def calibrate(self, scores: npt.ArrayLike) -> Floats:
        """Return the calibrated probability of each score."""
        odds = self._log_odds(scores)
        return _expit(odds + self.moves[self.steps.blocks(_expit(odds))])

    def blocks(self, scores: npt.ArrayLike) -> Positions:
        return self.steps.blocks(_expit(self._log_odds(scores)))

    @property
    def variances(self) -> Floats:
        return self.steps.variances

    def _log_odds(self, scores: npt.ArrayLike) -> Floats:
        return self.intercept + self.slope * _logit(scores)

    def to_json(self) -> dict[str, Any]:
        return {
            "intercept": self.intercept,
            "slope": self.slope,
            "steps": self.steps.to_json(),
            "moves": self.moves.tolist(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SteppedSigmoid:
        steps, moves = Isotonic.from_json(stored["steps"]), np.asarray(stored["moves"], dtype=np.float64)
        return cls(float(stored["intercept"]), float(stored["slope"]), steps, moves)


def fit_stepped_sigmoid(scores: npt.ArrayLike, outcomes: npt.ArrayLike) -> SteppedSigmoid:
    """Return the sigmoid of scores that fits the outcomes, moved by steps of isotonic regression.

    Parameters
    ----------
    scores
        in [0, 1], at least one.
    outcomes
        1 where the row was of the class, else 0.

    Examples
    --------
    >>> fitted = fit_stepped_sigmoid(np.repeat([0.2, 0.8], 100), np.tile([0, 0, 0, 0, 1], 40))
    >>> fitted.calibrate([0.2, 0.8]).round(2)
    array([0.2, 0.2])

    References
    ----------
    Platt, J. (1999). Probabilistic outputs for support vector machines and comparisons to regularized
    likelihood methods. Advances in Large Margin Classifiers, 61-74. Kull, M., Silva Filho, T. and
    Flach, P. (2017). Beyond sigmoids. Electronic Journal of Statistics 11(2): log odds of scores.
    """
    truth = np.asarray(outcomes, dtype=np.float64)
    odds = _logit(scores)
    intercept, slope = _fit_line(odds, truth)
    line = intercept + slope * odds
    given = _expit(line)
    steps = fit_isotonic(given, truth, cell_rows=CELL_ROWS)
    return SteppedSigmoid(intercept, slope, steps, _moves(line, steps.blocks(given), steps))


def _fit_line(odds: Floats, truth: Floats) -> tuple[float, float]:
    """Logistic regression by Newton's steps, held to the scores as they are by one row's weight."""
    design = np.column_stack([np.ones(len(odds)), odds])
    start = np.array([0.0, 1.0])
    weights = start.copy()
    for _ in range(NEWTON_STEPS):
        chance = _expit(design @ weights)
        slope = design.T @ (chance - truth) + (weights - start)
        curvature = (design * (chance * (1 - chance))[:, np.newaxis]).T @ design + np.eye(2)
        step = np.linalg.solve(curvature, slope)
        widest = float(np.abs(step).max())
        weights = weights - step * min(1.0, WIDEST_MOVE / max(widest, CLOSE_ENOUGH))
        if widest < CLOSE_ENOUGH:
            break
    return float(weights[0]), float(weights[1])


def _moves(line: Floats, blocks: Positions, steps: Isotonic) -> Floats:
    """By how much the log odds of each block have to move so that their mean is what it showed."""
    count = len(steps.rows)
    before = np.bincount(blocks, weights=_expit(line), minlength=count)
    sums = steps.value * steps.rows
    wanted = (sums + PRIOR_ROWS * before / steps.rows) * steps.rows / (steps.rows + PRIOR_ROWS)
    moves: Floats = np.zeros(count)
    for _ in range(NEWTON_STEPS):
        chance = _expit(line + moves[blocks])
        found = np.bincount(blocks, weights=chance, minlength=count)
        speed = np.bincount(blocks, weights=chance * (1 - chance), minlength=count)
        step = np.clip((wanted - found) / np.maximum(speed, SMALLEST), -WIDEST_MOVE, WIDEST_MOVE)
        moves = moves + step
        if float(np.abs(step).max()) < CLOSE_ENOUGH:
            break
    return moves


def _logit(scores: npt.ArrayLike) -> Floats:
    clipped = np.clip(np.asarray(scores, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _expit(odds: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(odds / 2))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrated probabilities of a model, from rows that it had not been trained on.

    ``classes`` is empty for a binary task, which has one function; else there is one for each class
    against the rest, and the probabilities of a row are made to add up to 1.
    """

    functions: tuple[Calibrator, ...]
    classes: tuple[str, ...]
    n: int
    """Rows behind it."""

    def to_json(self) -> dict[str, Any]:
        functions = [one.to_json() for one in self.functions if isinstance(one, SteppedSigmoid)]
        return {"functions": functions, "classes": list(self.classes), "n": self.n}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Calibration:
        functions = tuple(SteppedSigmoid.from_json(one) for one in stored["functions"])
        return cls(functions, tuple(stored["classes"]), int(stored["n"]))


def fit_calibration(labels: npt.ArrayLike, scores: npt.ArrayLike, classes: Sequence[str] = ()) -> Calibration:
    """Return the calibration of labelled rows, as ``ctrain.stats.losses`` describes them.

    Rows with a label or score that is not finite are left out; at least one has to remain.

    >>> fit_calibration([0, 1, 1], [0.2, 0.6, float("nan")]).n
    2
    """
    truth, given = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    columns = given if given.ndim == 2 else given[:, np.newaxis]
    usable = np.isfinite(truth) & np.isfinite(columns).all(axis=1)
    truth, columns = truth[usable], columns[usable]
    codes = range(len(classes)) if given.ndim == 2 else (1,)
    functions = tuple(
        fit_stepped_sigmoid(columns[:, position], truth == code) for position, code in enumerate(codes)
    )
    return Calibration(functions, tuple(classes), len(truth))
