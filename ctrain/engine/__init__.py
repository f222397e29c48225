"""The use cases: ingest, observe, decide, advance; they know only ports."""
