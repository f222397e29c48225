"""Where everything is wired: the daemon, and what commands do to the same state."""
