"""``python -m tests.support.grafana`` writes the dashboards anew; so does ``make docs``."""

from __future__ import annotations

from tests.support.grafana.written import write

if __name__ == "__main__":
    write()
