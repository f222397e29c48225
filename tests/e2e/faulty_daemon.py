"""``ctrain run`` with one thing that happens at one point: the daemon is killed, or somebody moves an alias.

The points are those of ``ctrain.faults``. Run as
``python -m tests.e2e.faulty_daemon POINT COUNT ACT POLICY --home DIR --listen HOST:PORT``, where ACT is
``kill`` or ``champion=VERSION``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ctrain.app.daemon import Daemon
from ctrain.app.faulting import with_faults
from ctrain.app.wiring import Shell, open_shell, open_telemetry
from ctrain.domain import Version
from ctrain.faults import Act, Fault, Faults
from ctrain.faults.reading import kill
from ctrain.policy.fleet import load_fleet
from ctrain.settings import Settings

ROWS_WRITTEN = "commit.rows:before"
"""Segments of rows are on the disk, the transaction that names them is open."""
ROWS_COMMITTED = "commit.rows:after"
"""That transaction is committed, the row log has not adopted the segments."""
TRAINING_STARTED = "launcher.start:after"
TRAINED = "commit.run_evaluating:before"
"""What a finished training has found is about to be committed."""
BEFORE_PREVIOUS = "registry.set_alias.previous_champion:before"
AFTER_PREVIOUS = "registry.set_alias.previous_champion:after"
DIGEST_READ = "registry.digest:after"
"""The artifact has been verified; the alias is read once more after this, and then written."""
AFTER_CHAMPION = "registry.set_alias.champion:after"
PROBATION_POINT = "commit.compared_probation:before"
"""Blocks of the probation are being committed."""
KILL = "kill"


def what_happens(act: str, shell: Shell, model: str) -> Act:
    """Kill this process, or point the champion alias elsewhere as any client of MLflow can."""
    if act == KILL:
        return kill
    alias, _, version = act.partition("=")
    return lambda point: shell.registry.set_alias(model, alias, Version(version))


def main(point: str, count: str, act: str, policy: str, home: str, listen: str) -> None:
    fleet = load_fleet([Path(policy)], os.environ)
    telemetry = open_telemetry(os.environ)
    shell = open_shell(Settings.load(Path(home), os.environ), telemetry)
    happening = what_happens(act, shell, fleet[0].policy.model.name)
    faults = Faults([Fault(point, happening, int(count), int(count))])
    Daemon(with_faults(shell, faults), fleet, [Path(policy)], listen, telemetry).run()


if __name__ == "__main__":
    main(*(word for word in sys.argv[1:] if word not in {"--home", "--listen"}))
