"""Scoring rows with registered models in a bounded pool of warm children."""
