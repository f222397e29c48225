"""How finely history is replayed where nobody says so; what help texts name, too."""

MOST_STEPS = 600
"""That watching strategies are given, unless a step is asked for."""
GRID_STEPS = 100
"""Parts of the time: ``always`` retrains after each, and series have a point for each."""
