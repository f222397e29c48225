"""Pictures of distributions: what is written above the panels leaves them their room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctrain.analysis import plots
from ctrain.analysis.pictured import Panel

SENTENCE = (
    "chi2 0.359, threshold 0.108, n 169\n"
    "share of category with a name 36 % -> 0 %; 47 of 169 in categories that the reference lacks"
)


def test_long_sentences_are_whole_and_take_no_room_from_the_panels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "_save", lambda figure, _: drawn.append(figure))
    shares = np.array([0.3, 0.7])
    names = ("a very long category name", "b")
    panels = [Panel(f"column {n} " * 9, shares, shares, 9, 9, 0.0, 0.0, names=names) for n in range(4)]
    plots.plot_distributions(tmp_path / "a.png", "title", [(one, SENTENCE, True) for one in panels])
    (figure,) = drawn
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.get_position().width > 0.28
        texts = [axes.title, axes._left_title, *axes.texts]
        assert all(text.get_window_extent().x1 <= figure.bbox.x1 for text in texts)
        (above,) = axes.texts
        assert above.get_text().replace("\n", " ") == SENTENCE.replace("\n", " ").replace("->", "→")
