"""The source of the Grafana dashboards: ``make docs`` writes them to ``grafana/dashboards``."""
