"""Analyses in children of ctrain's own interpreter: classifiers and pictures, which the daemon never loads.

This package is imported by the daemon; its modules for children import their libraries where they use them.
"""

from ctrain.analysis.client import AnalystChildren

__all__ = ["AnalystChildren"]
