"""Running training somewhere: a process of this machine."""
