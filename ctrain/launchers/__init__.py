"""Running training somewhere: a process of this machine, or a worker of a dask cluster."""
