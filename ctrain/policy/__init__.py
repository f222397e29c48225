"""Policies: YAML files parsed into frozen models, with errors that name file, line and key."""
